//! What somebody wants to happen, and what it can come to.

use super::enrichment::DataPatch;
use super::event::{Event, Owner};
use super::extraction::ExtractionStatus;
use super::names::{ItemId, Phase};
use super::plan::PhasePlan;
use super::status::Status;
use crate::position::Seq;

/// What somebody wants to happen. Items are named exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// New work; items that are there already stay as they are.
    Add {
        /// The items.
        items: Vec<NewItem>,
    },
    /// Begin an attempt.
    Start {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// Who.
        worker: Option<String>,
        /// The process that does the work.
        owner: Option<Owner>,
    },
    /// Say how an attempt ended.
    Report(Report),
    /// Give a failed phase another chance, or all failed phases of the item.
    Retry {
        /// The item.
        item: ItemId,
        /// The phase; every failed one if not given.
        phase: Option<Phase>,
        /// Also if it is completed or skipped.
        force: bool,
    },
    /// Give everything that failed another chance.
    RetryFailed {
        /// Only this phase.
        phase: Option<Phase>,
        /// Also what was computed from it.
        cascade: bool,
    },
    /// Put another plan in force.
    SetPlan {
        /// Its phases: a plan, but for the names that they go on from.
        phases: Vec<PhasePlan>,
    },
    /// Change what is known about an item.
    Enrich {
        /// The item.
        item: ItemId,
        /// The change.
        patch: DataPatch,
    },
    /// Say how an item's image extraction stands.
    Extract {
        /// The item.
        item: ItemId,
        /// How.
        status: ExtractionStatus,
    },
    /// Keep an item from being worked on.
    Hold {
        /// The item.
        item: ItemId,
        /// Why.
        reason: Option<String>,
    },
    /// Let an item be worked on again.
    Unhold {
        /// The item.
        item: ItemId,
    },
}

/// An item to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewItem {
    /// Its name.
    pub name: ItemId,
    /// The id it brings with it.
    pub id: Option<String>,
}

/// How an attempt ended, in the words of who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The item.
    pub item: ItemId,
    /// The phase.
    pub phase: Phase,
    /// The right to report: the seq of the `started` record.
    pub token: Option<Seq>,
    /// How it ended.
    pub kind: ReportKind,
    /// An id of the caller's: reports under one id are applied once.
    pub op: Option<String>,
    /// What was found out. With `complete` it is in the same record, else in another of the same group.
    pub data: Option<DataPatch>,
    /// How the item's image extraction stands by it, likewise.
    pub extraction: Option<ExtractionStatus>,
}

impl Report {
    /// A report.
    pub const fn new(item: ItemId, phase: Phase, token: Option<Seq>, kind: ReportKind) -> Self {
        Self {
            item,
            phase,
            token,
            kind,
            op: None,
            data: None,
            extraction: None,
        }
    }
}

/// The ways in which an attempt ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// Done.
    Complete,
    /// It went wrong.
    Fail {
        /// What went wrong.
        error: String,
        /// Trying again is no use.
        permanent: bool,
    },
    /// It will not be done.
    Skip {
        /// Why.
        reason: Option<String>,
    },
    /// Given back undone.
    Release,
}

impl ReportKind {
    /// The verb of the command line.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Fail { .. } => "fail",
            Self::Skip { .. } => "skip",
            Self::Release => "release",
        }
    }

    /// The event that it becomes.
    pub const fn event_kind(&self) -> &'static str {
        match self {
            Self::Complete => "completed",
            Self::Fail { .. } => "failed",
            Self::Skip { .. } => "skipped",
            Self::Release => "released",
        }
    }
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// These events, all or none.
    Record(Vec<Event>),
    /// The state is as wanted already.
    Unchanged(Unchanged),
}

/// Why nothing needs to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// The phase has that status already.
    Phase {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// Its status.
        status: Status,
        /// The record that gave it; [`Seq::NONE`] if none ever did.
        since: Seq,
    },
    /// The report was made before, under the same id.
    Operation {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The event that it became.
        event: String,
        /// The id.
        id: String,
        /// The record.
        seq: Seq,
    },
    /// No phase of the item has failed.
    NothingFailed {
        /// The item.
        item: ItemId,
    },
    /// Nothing has failed.
    NoFailure,
    /// That plan is in force.
    Plan,
    /// The data of the item is as wanted.
    Data {
        /// The item.
        item: ItemId,
    },
    /// The item's image extraction stands so.
    Extraction {
        /// The item.
        item: ItemId,
        /// How.
        status: ExtractionStatus,
        /// The record that said so.
        since: Seq,
    },
    /// The item is held already, or not held.
    Hold {
        /// The item.
        item: ItemId,
        /// Since which record it is held; `None` if it is not.
        since: Option<Seq>,
    },
    /// Every item is there already.
    Items {
        /// How many were given.
        existing: usize,
    },
}
