-- A unit is what goes to the vendor in one commit: one order or hundreds.
CREATE TABLE unit (
    id          TEXT   NOT NULL PRIMARY KEY, -- ours, time-ordered
    vendor      TEXT   NOT NULL,
    account     TEXT   NOT NULL,
    wave        TEXT   NOT NULL,             -- the wave that worked on it last: all workers of an account at one time
    state       TEXT   NOT NULL,             -- claimed: no money can move yet; intent: a commit may be on its way;
                                             -- accepted: the vendor took it; settled: each order has an end
    handle      TEXT   NOT NULL,             -- the vendor's ids, as JSON: what commit, settle and reconcile need
    orders      BIGINT NOT NULL,             -- how many
    claimed_at  BIGINT NOT NULL,             -- in milliseconds since 1970, as all times
    intent_at   BIGINT NOT NULL,             -- when the commit was first meant
    worker      TEXT   NOT NULL,             -- who works on it; empty: nobody
    fence       BIGINT NOT NULL,             -- rises with each worker that takes it; only the last one may write
    held_until  BIGINT NOT NULL,             -- until then a commit may be on its way, whatever became of its worker
    updated_at  BIGINT NOT NULL,
    seal        TEXT   NOT NULL              -- SHA-256 of the row, cut: a damaged one is refused
);

-- An order as one unit holds it. A new try at an order is a new revision.
CREATE TABLE booking (
    vendor       TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    order_id     TEXT   NOT NULL,
    revision     BIGINT NOT NULL,
    unit         TEXT   NOT NULL REFERENCES unit (id),
    position     BIGINT NOT NULL,            -- its place in the unit, from 0
    place        BIGINT NOT NULL,            -- its place among the orders that the run was given, from 0
    tie          TEXT   NOT NULL,            -- the vendor's id by which its answer is found; may be empty
    payload_hash TEXT   NOT NULL,            -- SHA-256 of the canonical JSON; no address is kept
    outcome      TEXT,                       -- booked, rejected, failed, unknown, not_sent; withdrawn: not sent, and to be
                                             -- sent as the next revision; null while under way
    detail       TEXT,                       -- the booking or the error, as JSON
    updated_at   BIGINT NOT NULL,
    seal         TEXT   NOT NULL,
    PRIMARY KEY (vendor, account, order_id, revision)
);

CREATE INDEX booking_by_unit ON booking (unit);

-- A process that books, where several share a journal (PostgreSQL).
CREATE TABLE worker (
    id          TEXT   NOT NULL PRIMARY KEY,
    vendor      TEXT   NOT NULL,
    account     TEXT   NOT NULL,
    wave        TEXT   NOT NULL,
    alive_until BIGINT NOT NULL              -- unless it says so again, its units are free then
);

-- The pace of an account's calls, where several processes share it.
CREATE TABLE pace (
    vendor       TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    paused_until BIGINT NOT NULL,            -- no call leaves before, in microseconds since 1970
    next_at      BIGINT NOT NULL,            -- the next free place in the row
    PRIMARY KEY (vendor, account)
);

-- Where an order's label is: pages of a file that was whole when it was written.
CREATE TABLE label (
    vendor     TEXT   NOT NULL,
    account    TEXT   NOT NULL,
    order_id   TEXT   NOT NULL,
    path       TEXT   NOT NULL,
    page       BIGINT NOT NULL,              -- the first of them, from 1
    pages      BIGINT NOT NULL,              -- how many
    sha256     TEXT   NOT NULL,              -- of the file
    written_at BIGINT NOT NULL,
    seal       TEXT   NOT NULL,
    PRIMARY KEY (vendor, account, order_id)
);

-- A run, or several that shared the work.
CREATE TABLE wave (
    id       TEXT   NOT NULL PRIMARY KEY,    -- time-ordered
    vendor   TEXT   NOT NULL,
    account  TEXT   NOT NULL,
    orders   BIGINT NOT NULL,                -- how many it was given; those that it did not come to are in no other table
    begun_at BIGINT NOT NULL
);

-- Calls that were sent again. Known when a run ends; of one that was killed there is nothing.
CREATE TABLE repetition (
    vendor    TEXT   NOT NULL,
    account   TEXT   NOT NULL,
    wave      TEXT   NOT NULL,
    operation TEXT   NOT NULL,
    status    BIGINT NOT NULL,               -- of the answer; 0 where none came
    times     BIGINT NOT NULL,
    waited    BIGINT NOT NULL,               -- all of them together, in milliseconds
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    PRIMARY KEY (vendor, account, wave, operation, status)
);
