//! Journals that are hurt: cut, overwritten, older than they should be, too new, on a full disk. They are refused, or
//! the wave is reconciled; nobody pays twice.
//!
//! `SHIPBATCH_DAMAGES` is how many journals are hurt in each way.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use fastrand::Rng;
use shipbatch::{Error, Journal, sandbox::Sandbox};

use crate::{
    scratch::Scratch,
    simulation::polls::Polls,
    ways::{Agent, Wave, Way},
};

#[cfg(all(feature = "cli", unix))]
mod disk;
mod refused;

/// How many journals are hurt in each way, unless set.
const DAMAGES: usize = 12;
/// Bytes in a page of SQLite.
const PAGE: u64 = 4096;

/// What happens to a journal's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    /// The file ends at a random place.
    Cut(Part),
    /// Random bytes are others.
    Overwritten(Part),
    /// A page is nothing but zeros.
    Zeroed(Part),
    /// The write-ahead log is gone.
    LogLost,
    /// Someone put an older copy in its place.
    Older,
}

/// A file of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Database,
    Log,
}

const DAMAGE: [Damage; 8] = [
    Damage::Cut(Part::Database),
    Damage::Cut(Part::Log),
    Damage::Overwritten(Part::Database),
    Damage::Overwritten(Part::Log),
    Damage::Zeroed(Part::Database),
    Damage::Zeroed(Part::Log),
    Damage::LogLost,
    Damage::Older,
];

/// What became of the journals that were hurt in one way.
#[derive(Debug, Default)]
struct Figures {
    refused: usize,
    reconciled: usize,
    paid_twice: usize,
    unclear: Vec<String>,
}

/// What a resume with a hurt journal came to.
type Tally = BTreeMap<(&'static str, Damage), Figures>;

/// The files of a journal in a folder.
struct Files(PathBuf);

impl Files {
    fn journal(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn part(&self, part: Part) -> PathBuf {
        PathBuf::from(match part {
            Part::Database => self.journal().to_owned(),
            Part::Log => format!("{}-wal", self.journal()),
        })
    }

    /// A copy of all but the shared memory, which a crash leaves to be made anew. As after a crash, the log may end in
    /// the middle of a write.
    fn copy(&self, scratch: &Scratch, name: &str) -> Self {
        let copy = Self(PathBuf::from(scratch.journal(name)));
        for kind in ["", "-wal", ".lock"] {
            let (from, to) = (format!("{}{kind}", self.journal()), format!("{}{kind}", copy.journal()));
            match fs::copy(&from, &to) {
                Ok(_) => {}
                Err(_) if !Path::new(&from).exists() => drop(fs::remove_file(&to)),
                Err(error) => panic!("{from}: {error}"),
            }
        }
        copy
    }

    /// Hurts the files. False if there is nothing to be hurt in this way.
    fn hurt(&self, damage: Damage, older: &Self, dice: &mut Rng) -> bool {
        match damage {
            Damage::Cut(part) => self.change(part, |file, length| file.set_len(dice.u64(..length)).unwrap()),
            Damage::Overwritten(part) => self.change(part, |file, length| overwrite(file, length, dice)),
            Damage::Zeroed(part) => self.change(part, |file, length| {
                file.seek(SeekFrom::Start(dice.u64(..length.div_ceil(PAGE)) * PAGE)).unwrap();
                file.write_all(&[0; PAGE as usize]).unwrap();
            }),
            Damage::LogLost => fs::remove_file(self.part(Part::Log)).is_ok(),
            Damage::Older => {
                let _ = fs::remove_file(self.part(Part::Log));
                if older.part(Part::Log).exists() {
                    fs::copy(older.part(Part::Log), self.part(Part::Log)).unwrap();
                }
                fs::copy(older.part(Part::Database), self.part(Part::Database)).is_ok()
            }
        }
    }

    fn change(&self, part: Part, change: impl FnOnce(&mut fs::File, u64)) -> bool {
        let Ok(mut file) = OpenOptions::new().read(true).write(true).open(self.part(part)) else { return false };
        let length = file.metadata().unwrap().len();
        if length == 0 {
            return false;
        }
        change(&mut file, length);
        true
    }
}

/// From one byte to a hundred, each surely another than before.
fn overwrite(file: &mut fs::File, length: u64, dice: &mut Rng) {
    for _ in 0..[1, 1, 3, 10, 100][dice.usize(..5)] {
        let place = dice.u64(..length);
        let mut byte = [0];
        file.seek(SeekFrom::Start(place)).unwrap();
        file.read_exact(&mut byte).unwrap();
        byte[0] ^= dice.u8(1..);
        file.seek(SeekFrom::Start(place)).unwrap();
        file.write_all(&byte).unwrap();
    }
}

/// Six orders in two units or more, and where they are booked.
struct Scene {
    way: Way,
    wave: Wave,
    agent: Agent,
    sandbox: Sandbox,
    scratch: Scratch,
}

impl Scene {
    async fn new(way: Way, seed: u64) -> Self {
        let sandbox = Sandbox::builder().seed(seed).start().await.unwrap();
        let wave = Wave { unit_size: 3, concurrency: 2, timeout: Duration::from_secs(10), ..Wave::of(6) };
        Self { way, agent: way.agent(&sandbox, wave.timeout), wave, sandbox, scratch: Scratch::new() }
    }

    fn files(&self) -> Files {
        Files(PathBuf::from(self.scratch.journal("wave.db")))
    }

    fn charges(&self) -> usize {
        self.sandbox.ledger().charges().len()
    }

    fn paid_twice(&self) -> usize {
        self.charges() - self.sandbox.ledger().orders()
    }

    /// Resumes the wave with a hurt journal.
    async fn resume(&self, files: &Files, figures: &mut Figures) {
        let (charges, paid_twice) = (self.charges(), self.paid_twice());
        let run = async {
            let journal = Journal::open(files.journal()).await?;
            let report = self.agent.book(&self.wave, &journal).await;
            // A journal that cannot be closed was told of by the run, if it mattered.
            let _ = journal.close().await;
            report
        };
        let ended = tokio::time::timeout(Duration::from_secs(30), run).await.expect("a hurt journal holds up the run");
        match ended {
            Ok(_) => figures.reconciled += 1,
            Err(error) => {
                figures.refused += 1;
                if !is_clear(&error) || self.charges() > charges {
                    figures.unclear.push(format!("{error}; {} charged", self.charges() - charges));
                }
            }
        }
        figures.paid_twice += self.paid_twice() - paid_twice;
    }
}

/// Whether the error is about the journal, and says that nothing was sent.
fn is_clear(error: &Error) -> bool {
    error.to_string().starts_with("journal ") && !error.was_sent() && !error.may_have_booked()
}

/// A journal in the middle of a wave, as a crash leaves it, and an older copy of it. The wave may have been stopped
/// before: then the log was moved into the database.
async fn half_way(scene: &Scene, dice: &mut Rng) -> (Files, Files) {
    let mut journal = Journal::open(scene.files().journal()).await.unwrap();
    book_until(scene, &journal, dice.u32(4..50)).await;
    let older = scene.files().copy(&scene.scratch, "older.db");
    if dice.bool() {
        journal.close().await.unwrap();
        journal = Journal::open(scene.files().journal()).await.unwrap();
    }
    book_until(scene, &journal, dice.u32(4..60)).await;
    // What was sent when the run was dropped is done by then: it is no charge of the next run.
    tokio::time::sleep(Duration::from_millis(30)).await;
    // Copied while it is open: closed, it would have no log any more.
    (scene.files().copy(&scene.scratch, "hurt.db"), older)
}

/// Books, dropped after so many polls.
async fn book_until(scene: &Scene, journal: &Journal, polls: u32) {
    let mut polls = Polls { left: polls, at_once: true };
    if let Some(ended) = polls.run(scene.agent.book(&scene.wave, journal)).await {
        assert!(ended.unwrap().all_booked());
    }
}

fn damages() -> usize {
    env::var("SHIPBATCH_DAMAGES").map_or(DAMAGES, |text| text.parse().expect("SHIPBATCH_DAMAGES is no number"))
}

/// Tells how each damage was met, and fails if anybody paid twice.
fn judge(tally: &Tally) {
    for ((what, damage), figures) in tally {
        eprintln!("{what:<9} {:<22} {figures:?}", format!("{damage:?}"));
    }
    let bad: Vec<_> =
        tally.iter().filter(|(_, figures)| figures.paid_twice > 0 || !figures.unclear.is_empty()).collect();
    assert!(bad.is_empty(), "paid twice, or refused without a clear error: {bad:#?}");
}

#[tokio::test]
async fn a_journal_that_is_hurt_half_way_makes_nobody_pay_twice() {
    let (mut dice, mut tally) = (Rng::with_seed(7), Tally::new());
    for damage in DAMAGE {
        for _ in 0..damages() {
            let scene = Scene::new(dice.choice(Way::ALL).unwrap(), 7).await;
            let (files, older) = half_way(&scene, &mut dice).await;
            if files.hurt(damage, &older, &mut dice) {
                scene.resume(&files, tally.entry(("half way", damage)).or_default()).await;
            }
        }
    }
    judge(&tally);
}

#[tokio::test]
async fn a_finished_journal_that_is_hurt_makes_nobody_pay_twice() {
    let (mut dice, mut tally) = (Rng::with_seed(8), Tally::new());
    for way in Way::ALL {
        let scene = Scene::new(way, 8).await;
        let journal = Journal::open(scene.files().journal()).await.unwrap();
        let older = scene.files().copy(&scene.scratch, "older.db");
        assert!(scene.agent.book(&scene.wave, &journal).await.unwrap().all_booked());
        let crashed = scene.files().copy(&scene.scratch, "crashed.db");
        journal.close().await.unwrap();
        for damage in DAMAGE {
            for number in 0..damages().div_ceil(2) {
                let (what, whole) = if number % 2 == 0 { ("crashed", &crashed) } else { ("closed", &scene.files()) };
                let files = whole.copy(&scene.scratch, "hurt.db");
                if files.hurt(damage, &older, &mut dice) {
                    scene.resume(&files, tally.entry((what, damage)).or_default()).await;
                }
            }
        }
        assert_eq!(scene.sandbox.ledger().by_order(scene.way.vendor()).len(), 6);
    }
    judge(&tally);
}

#[tokio::test]
async fn a_journal_that_is_not_hurt_is_resumed() {
    let (mut dice, mut figures) = (Rng::with_seed(9), Figures::default());
    for way in Way::ALL {
        for _ in 0..5 {
            let scene = Scene::new(way, 9).await;
            let (files, _) = half_way(&scene, &mut dice).await;
            scene.resume(&files, &mut figures).await;
            assert_eq!((scene.charges(), scene.paid_twice()), (6, 0), "{way:?}");
        }
    }
    assert_eq!((figures.reconciled, figures.refused), (20, 0), "{figures:?}");
}
