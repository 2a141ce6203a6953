-- A unit is what goes to the vendor in one commit: one order or hundreds.
CREATE TABLE unit (
    id          TEXT   NOT NULL PRIMARY KEY, -- ours, time-ordered
    vendor      TEXT   NOT NULL,
    account     TEXT   NOT NULL,
    state       TEXT   NOT NULL,             -- intent: a commit may be on its way; accepted: the vendor took it; settled
    handle      TEXT   NOT NULL,             -- the vendor's ids, as JSON: what commit, settle and reconcile need
    intent_at   BIGINT NOT NULL,             -- when the commit was first meant, in milliseconds since 1970
    updated_at  BIGINT NOT NULL
);

-- An order as one unit holds it. A new try at an order is a new revision.
CREATE TABLE booking (
    vendor       TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    order_id     TEXT   NOT NULL,
    revision     BIGINT NOT NULL,
    unit         TEXT   NOT NULL REFERENCES unit (id),
    position     BIGINT NOT NULL,            -- its place in the unit, from 0
    tie          TEXT   NOT NULL,            -- the vendor's id by which its answer is found; may be empty
    payload_hash TEXT   NOT NULL,            -- SHA-256 of the canonical JSON; no address is kept
    outcome      TEXT,                       -- booked, rejected, failed, unknown, not_sent; null while under way
    detail       TEXT,                       -- the booking or the error, as JSON
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (vendor, account, order_id, revision)
);

CREATE UNIQUE INDEX booking_by_unit ON booking (unit, position);
