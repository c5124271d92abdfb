//! Repair: a log that cannot be read becomes one that can, and says for ever what it lost.
//!
//! ```text
//!   survey -> put files back, correct single bits and lost newlines, put lines in order (over the disk, in memory)
//!          -> survey -> what is left is lost
//!          -> the header that declares it -> read it all as any reader would -> the plan
//!   --apply:  compact.lock, lock -> the same plan -> originals into quarantine/ -> new files -> new segment
//! ```
//!
//! A plan writes nothing, and is proven before it is shown: the log as it would be is read to its end. Applying it
//! again after a crash at any step makes the same plan for what is left.

mod apply;
mod correct;
mod draft;
mod effect;
mod gather;
mod goal;
mod look;
mod loss;
mod overlay;
mod put_back;
mod rejoin;
mod rewrite;
mod strays;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::Result;
use crate::log::{files, lock};
use crate::ports::Ports;
use crate::position::{SegmentId, Seq};

use super::{Options, dir};
pub use apply::apply;
use draft::Draft;
pub use effect::Touched;

/// The longest segment that is held in memory as a whole, in bytes, to correct a bit of it or to prove where it belongs.
const MAX_HELD: u64 = crate::log::LONGEST;

/// Hurt bytes beyond this many are given up unread: they name no items, and any record may have been among them.
const MAX_READ: u64 = 64 << 20;

/// How far `repair --restored` jumps: more tokens than a batch pipeline issues between two backups, by orders of
/// magnitude, and still only a 9,000,000,000,000th of all that there are.
pub const RESTORED_JUMP: u64 = 1_000_000;

/// Records, from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeqRange {
    /// The first.
    pub from: Seq,
    /// The last.
    pub to: Seq,
}

impl fmt::Display for SeqRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

impl SeqRange {
    /// Records, for people: `records 43..45`. Where they are more than a repair passes over, that is said with them: hardly any of
    /// them was ever written, and the header that tells which is hurt.
    pub(crate) fn told(self) -> String {
        let Self { from, to } = self;
        if from == to {
            format!("record {from}")
        } else if to.get() - from.get() < RESTORED_JUMP - 1 {
            format!("records {self}")
        } else {
            format!(
                "records {self} (a repair passes over {RESTORED_JUMP} at a time: hardly any of them was ever written)"
            )
        }
    }
}

impl FromStr for SeqRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "not a range of records such as 1043..1045";
        let (from, to) = text.split_once("..").ok_or(WANTED)?;
        let seq = |text: &str| text.parse().map(Seq::new).map_err(|_| WANTED);
        let (from, to) = (seq(from)?, seq(to)?);
        if from == Seq::NONE || to < from {
            return Err(WANTED);
        }
        Ok(Self { from, to })
    }
}

/// Why a log is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It cannot be read, or not to its end.
    Hurt,
    /// The directory was restored from a backup: what was issued since may come back from workers. Nothing can detect
    /// that.
    Restored,
}

/// What a repair would do. Nothing was written.
#[derive(Clone, Debug, PartialEq)]
pub struct RepairPlan {
    /// In the order in which they are done.
    pub steps: Vec<Step>,
    /// The records that are given up, which a person must accept.
    pub lost: Vec<SeqRange>,
    /// What that means, item by item, as far as hurt bytes still name them.
    pub items: Vec<Touched>,
    /// What that means beyond the items: `lost: the plan p, q (needs p); no plan would be left`.
    pub beyond_items: Vec<String>,
    /// Some of what is lost left no bytes that could name items.
    pub items_unknown: bool,
    /// Where the log goes on; `None` if there is nothing to do.
    pub next: Option<SegmentId>,
}

impl RepairPlan {
    /// The plan for a log that needs none.
    pub const fn nothing() -> Self {
        Self {
            steps: Vec::new(),
            lost: Vec::new(),
            items: Vec::new(),
            beyond_items: Vec::new(),
            items_unknown: false,
            next: None,
        }
    }
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What kind of thing.
    pub kind: StepKind,
    /// With which file, relative to the store.
    pub file: String,
    /// Where in it.
    pub byte: u64,
    /// With how many bytes.
    pub bytes: u64,
    /// Which records.
    pub seqs: Option<SeqRange>,
    /// What, for people.
    pub message: String,
}

/// The kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A segment that lies under another name is put in its place.
    PutBack,
    /// A flipped bit is put right, or newlines that were lost are put back.
    Correct,
    /// Lines are put in the order of their records; copies are left out.
    Order,
    /// A tail that a crash cut off is sealed.
    Seal,
    /// Records, or bytes that are none, are given up.
    GiveUp,
    /// A file that does not belong here goes into quarantine.
    SetAside,
    /// Seqs are passed over, so that no token is issued twice.
    Skip,
}

impl StepKind {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PutBack => "put_back",
            Self::Correct => "correct",
            Self::Order => "put_in_order",
            Self::Seal => "seal",
            Self::GiveUp => "give_up",
            Self::SetAside => "set_aside",
            Self::Skip => "skip",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it says whether the repair was done"]
pub enum Repaired {
    /// There was nothing to do.
    Nothing,
    /// Records must be given up, and these are not the ranges that were accepted. Nothing was written.
    NotAccepted(RepairPlan),
    /// It was done; the store opens.
    Done {
        /// What was done.
        plan: RepairPlan,
        /// The `noted` record that tells of it.
        noted: Seq,
        /// Where the originals are now, relative to the store.
        kept: Vec<PathBuf>,
    },
}

/// Says what a repair would do. Writes nothing.
///
/// # Errors
/// [`crate::Error::NoStore`]; [`crate::Error::Damaged`] if no segment is left at all; [`crate::Error::NewerFormat`];
/// [`crate::Error::LockTimeout`] if a writer held the append lock for the whole wait; [`crate::Error::Io`].
pub fn plan(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    occasion: Occasion,
) -> Result<RepairPlan> {
    let log = dir::check(ports, dir, options)?;
    let path = log.wal_dir().join(files::LOCK);
    // What a writer has in flight must not look hurt.
    let _held = lock::shared(ports, &path, options.lock_wait)?;
    Ok(Draft::make(ports, dir, options, occasion)?.plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_typed_as_they_are_printed() {
        let range: SeqRange = "1043..1045".parse().unwrap();
        assert_eq!((range.from.get(), range.to.get()), (1043, 1045));
        assert_eq!(range.to_string(), "1043..1045");
        for bad in ["", "3", "5..4", "0..4", "a..b", "3...5", "3..=5"] {
            assert!(bad.parse::<SeqRange>().is_err(), "{bad}");
        }
    }
}
