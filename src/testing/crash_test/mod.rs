//! The crash test that users run on their own disk: real processes, real kills, hurt copies, full disks, failing calls.
//!
//! ```text
//!   kills     writers in processes of their own, killed at random or cut by a limit      (their disk)
//!   hurts     copies of what they left: bits flipped, ends cut, bytes gone, zeros        (their disk)
//!   full      a file system of every size, from nothing to enough                        (in memory, if allowed)
//!   faults    each call fails; each call is the last, and then the power is cut          (simulated)
//! ```
//!
//! Every answer that a writer gave is a [`Claim`], and the oracles hold what is left to all of them. All stores are made
//! in a new directory, and removed at the end unless something was violated.
//!
//! [`Claim`]: super::oracles::Claim

mod promises;
pub mod worker;
mod kills;
mod hurts;
mod full;
mod faults;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::oracles::Claim;
use super::rng::{Rng, seed_of};
use crate::error::{Error, Result};
use crate::ports::crew::{Crew, Happening, Signal};
use crate::ports::{EntryKind, Ports};
use crate::position::SegmentId;
use crate::store::{CompactMode, Options};

pub use kills::WRITER;
pub use promises::{from_line, to_line};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Where a directory is made for it, on the disk that is to be tested.
    pub dir: PathBuf,
    /// How often everything is done.
    pub cycles: usize,
    /// What all choices follow from; what real processes make of them depends on the machine.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
#[must_use = "it says whether the promise was kept"]
pub struct Tried {
    /// One row for each part.
    pub rows: Vec<Row>,
    /// Parts that could not be run here, and why.
    pub skipped: Vec<Skipped>,
    /// What was promised and not kept.
    pub violations: Vec<Violation>,
    /// The directory, if it was kept because something was violated.
    pub kept: Option<PathBuf>,
    /// The signal that ended the test before it was done.
    pub told: Option<Signal>,
}

/// What one part did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Which part.
    pub part: &'static str,
    /// Stores looked at after something had happened to them.
    pub checked: u64,
    /// Processes or writers that died.
    pub kills: u64,
    /// Answers that were given and held against what was left.
    pub acknowledged: u64,
    /// Answers that were not kept.
    pub lost: u64,
    /// Damage of which nobody was told.
    pub silent: u64,
}

/// A part that could not be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which part.
    pub part: &'static str,
    /// Why.
    pub why: String,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which part.
    pub part: &'static str,
    /// In which cycle, from 1.
    pub cycle: usize,
    /// The oracle and what it says.
    pub said: String,
}

/// What all parts work with.
struct Stage<'s> {
    ports: &'s Ports,
    trial: &'s Trial,
    dir: PathBuf,
    tried: Tried,
    /// Hears the signals that end programs; `None` where nobody can.
    ears: Option<Box<dyn Crew>>,
}

/// Runs everything; `progress` hears how far it is. A signal that ends programs ends the test at its next step, and its
/// directory is removed all the same.
///
/// # Errors
/// [`Error::Usage`] if the directory would be made inside of a store; [`Error::Io`] if it cannot be made or the test itself
/// cannot go on; no verdict on anything.
pub fn run(ports: &Ports, trial: &Trial, progress: &mut dyn FnMut(&str)) -> Result<Tried> {
    if is_in_a_store(ports, &trial.dir)? {
        return Err(Error::Usage {
            message: format!(
                "{} is the directory of a store, or inside of one: a crash test is made elsewhere",
                trial.dir.display()
            ),
        });
    }
    // From here on nobody ends it without its cleaning up.
    let ears = ports.process.crew(&[]).ok();
    let name = format!("phaselog-crash-test.{:016x}", ports.process.random());
    let dir = trial.dir.join(name);
    ports
        .disk
        .create_dir(&dir)
        .map_err(Error::io("make", &dir))?;
    let mut stage = Stage {
        ports,
        trial,
        dir,
        tried: Tried::default(),
        ears,
    };
    let ran = stage.parts(progress);
    let Stage { dir, mut tried, .. } = stage;
    if ran.is_ok() && !tried.violations.is_empty() {
        tried.kept = Some(dir);
    } else {
        let removed = ports.disk.remove_tree(&dir);
        ran.and(removed.map_err(Error::io("remove", &dir)))?;
    }
    Ok(tried)
}

/// True if a directory, or one that it lies in, is a store's.
fn is_in_a_store(ports: &Ports, dir: &Path) -> Result<bool> {
    let here = |dir: &Path| {
        let found = ports.disk.metadata(&dir.join("."));
        found.map(|found| found.id).map_err(Error::io("open", dir))
    };
    let (mut dir, mut id) = (dir.to_owned(), here(dir)?);
    loop {
        let wal = dir.join("wal");
        let is_dir = ports
            .disk
            .metadata(&wal)
            .is_ok_and(|it| it.kind == EntryKind::Dir);
        let mut is_store = false;
        if is_dir {
            // What the system does not show is no store that anybody can use.
            let _ = ports.disk.each_name(&wal, &mut |name| {
                is_store |= SegmentId::from_file_name(name).is_some();
            });
        }
        if is_store {
            return Ok(true);
        }
        dir.push("..");
        let above = here(&dir)?;
        if above == id {
            return Ok(false);
        }
        id = above;
    }
}

impl Stage<'_> {
    /// False as soon as somebody told this process to end.
    fn goes_on(&mut self) -> bool {
        if let (None, Some(ears)) = (self.tried.told, &mut self.ears)
            && let Ok(Some(Happening::Told(signal))) = ears.next(Some(Duration::ZERO))
        {
            self.tried.told = Some(signal);
        }
        self.tried.told.is_none()
    }

    fn parts(&mut self, progress: &mut dyn FnMut(&str)) -> Result<()> {
        kills::run(self, progress)?;
        if self.goes_on() {
            full::run(self, progress)?;
        }
        if self.goes_on() {
            faults::run(self, progress);
        }
        Ok(())
    }

    /// Numbers for one part of one cycle.
    fn rng(&self, part: &str, cycle: usize) -> Rng {
        Rng::new(seed_of(
            part,
            self.trial.seed ^ (cycle as u64).rotate_left(32),
        ))
    }

    fn violated(&mut self, part: &'static str, cycle: usize, said: String) {
        self.tried.violations.push(Violation { part, cycle, said });
    }

    fn skip(&mut self, part: &'static str, why: impl Into<String>) {
        let why = why.into();
        self.tried.skipped.push(Skipped { part, why });
    }

    /// A new directory of this part.
    fn make(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        let made = self.ports.disk.create_dir(&dir);
        made.map_err(Error::io("make", &dir))?;
        Ok(dir)
    }

    fn remove(&self, dir: &Path) -> Result<()> {
        let removed = self.ports.disk.remove_tree(dir);
        removed.map_err(Error::io("remove", dir))
    }
}

/// A segment of at least so many bytes is followed by a new one.
pub const SEGMENT_BYTES: u64 = 12_000;

/// How all stores of the test are opened: small segments, so that every rule about their borders comes to bear.
fn options() -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES,
        compact: CompactMode::Never,
        ..Options::default()
    }
}

/// The first claim that accuses a store which nobody hurt.
fn false_alarm(claims: &[Claim]) -> Option<String> {
    claims.iter().find_map(|claim| match claim {
        Claim::Alarm { said } => Some(format!("O6: a false alarm: {said}")),
        _ => None,
    })
}

/// How many claims are not kept by these records.
fn count_lost(lines: &[super::oracles::Line], claims: &[Claim]) -> u64 {
    let kept = |claim: &&Claim| {
        super::oracles::o1_acknowledged_is_there(lines, std::slice::from_ref(claim)).is_ok()
    };
    claims.iter().filter(|claim| !kept(claim)).count() as u64
}

/// True for an error that says that there is no room.
fn is_full(error: &Error) -> bool {
    let (Error::NotRecorded { source }
    | Error::NotAcknowledged { source, .. }
    | Error::Io { source, .. }) = error
    else {
        return false;
    };
    matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
