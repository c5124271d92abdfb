//! What happened, in the past tense: the records of the log as values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::edit::Edit;
use super::enrichment::DataChange;
use super::extraction::ExtractionChange;
use super::json::{Extras, Json};
use super::names::{ItemId, Phase};
use super::plan::PhasePlan;
use super::status::Status;
use super::time::{BootInstant, SnapshotTimes, Timestamp};
use crate::position::Seq;

/// One record of the log: an event with its place and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place in the log. The order of records is this, never `at`.
    pub seq: Seq,
    /// What the clock said when it was written, not corrected by anybody.
    pub at: Timestamp,
    /// The time was given by the caller instead of read from a clock.
    pub clock_given: bool,
    /// What happened.
    pub event: Event,
}

/// An event. The variants and their fields are format 1.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A segment begins. What its header says concerns the log alone.
    Segment,
    /// The plan is this from now on.
    Planned {
        /// The phases in order.
        phases: Vec<PhasePlan>,
    },
    /// An item came in.
    Added {
        /// The item.
        item: ItemId,
        /// The id it brought with it; without one it is derived.
        id: Option<String>,
        /// The state it brought with it, if it was imported.
        imported: Option<Box<ImportedItem>>,
    },
    /// An attempt began. The record's seq is the token.
    Started {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// Who says to be working on it.
        worker: Option<String>,
        /// The boot clock at the start, so that elapsed time does not depend on the wall clock alone.
        boot: Option<BootInstant>,
        /// The process that does the work, if it said so.
        owner: Option<Owner>,
    },
    /// A phase is done.
    Completed {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The token that was reported with, or the one that held.
        token: Option<Seq>,
        /// Reported after the phase had been handed back.
        late: bool,
        /// The id under which it was reported, so that the same report is applied once.
        op: Option<String>,
        /// What it found out, in the same record: the phase is done and its data is there, or neither.
        data: Option<Box<DataChange>>,
        /// How the item's image extraction stands by it.
        extraction: Option<Box<ExtractionChange>>,
    },
    /// An attempt failed.
    Failed {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The token that was reported with, or the one that held.
        token: Option<Seq>,
        /// Reported after the phase had been handed back.
        late: bool,
        /// The id under which it was reported, so that the same report is applied once.
        op: Option<String>,
        /// What went wrong, in the worker's words.
        error: String,
        /// Trying again is no use.
        permanent: bool,
        /// When it may be tried again; recorded so that a replay does not depend on chance.
        due: Option<Timestamp>,
    },
    /// A phase will not be done.
    Skipped {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The token that was reported with, or the one that held.
        token: Option<Seq>,
        /// Reported after the phase had been handed back.
        late: bool,
        /// The id under which it was reported, so that the same report is applied once.
        op: Option<String>,
        /// Why.
        reason: Option<String>,
    },
    /// The worker gave the phase back.
    Released {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The token that held.
        token: Option<Seq>,
    },
    /// A rule took the phase back.
    Reset {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The token that held.
        token: Option<Seq>,
        /// Which rule.
        cause: ResetCause,
        /// Microseconds since the start or the last sign of life.
        elapsed_us: u64,
        /// The limit that was exceeded, in microseconds.
        limit_us: u64,
        /// What the rule looked at.
        evidence: Json,
    },
    /// A person gave a finished or failed phase another chance. Older tokens no longer count.
    Retried {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
    },
    /// The item is kept from being worked on.
    Held {
        /// The item.
        item: ItemId,
        /// Why.
        reason: Option<String>,
    },
    /// The item may be worked on again.
    Unheld {
        /// The item.
        item: ItemId,
    },
    /// A sign of life worth keeping.
    Renewed {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The token that holds.
        token: Option<Seq>,
        /// The boot clock at the sign of life.
        boot: Option<BootInstant>,
        /// How far the work is, in the worker's words.
        progress: Option<String>,
    },
    /// Something about the item was found out, changed or taken back.
    Enriched {
        /// The item.
        item: ItemId,
        /// What.
        data: Box<DataChange>,
    },
    /// The item's image extraction stands otherwise.
    Extracted {
        /// The item.
        item: ItemId,
        /// How.
        extraction: Box<ExtractionChange>,
    },
    /// Somebody changed a state file, and an import took the change in.
    Edited(Box<Edit>),
    /// A state file of another program was taken over.
    Imported(Box<ImportedFile>),
    /// A snapshot was written.
    Compacted {
        /// The last record in it.
        covers: Seq,
    },
    /// A report that came too late. Kept for the audit, without effect.
    Rejected {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The token it came with.
        token: Option<Seq>,
        /// What it reported: `completed`, `failed`, …
        of: String,
        /// Why it was refused, as an error code.
        code: String,
    },
    /// Something worth knowing that changes no state: a repair, a recovery.
    Noted {
        /// What.
        note: String,
        /// Details.
        detail: Option<Json>,
        /// The items that it touches.
        items: Vec<String>,
    },
}

/// A process, known well enough to prove that it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The host.
    pub host: String,
    /// The boot of that host.
    pub boot: String,
    /// The pid namespace.
    pub pidns: String,
    /// The process id there.
    pub pid: u32,
    /// When the process was started, in clock ticks since that boot: pids come again, this pair does not.
    pub start: u64,
}

/// The rules that hand a phase back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetCause {
    /// No sign of life for longer than the limit.
    Timeout,
    /// The recorded owner process is gone.
    OwnerDead,
    /// The machine was started again since.
    Reboot,
}

impl ResetCause {
    /// The word in records and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::OwnerDead => "owner_dead",
            Self::Reboot => "reboot",
        }
    }
}

/// The state that an imported item brought with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImportedItem {
    /// When the other program made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When the other program changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated: Option<Timestamp>,
    /// Its phases, in the order of the file.
    #[serde(default)]
    pub phases: Vec<ImportedPhase>,
    /// Time texts as they stood in the file, where they needed reading: `[[key, text], …]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<(String, String)>,
    /// Fields that we do not know.
    #[serde(default, skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

/// The state that a phase of an imported item brought with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportedPhase {
    /// Its name.
    pub phase: Phase,
    /// Its status, in our words.
    pub status: Status,
    /// The word that stood there, where it was another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_status: Option<String>,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was completed; `None` is unknown, never "now".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// When it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// When a sweeper handed it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_reset_at: Option<Timestamp>,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// How many attempts the file counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// How many failures the file counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_count: u32,
    /// Time texts as they stood in the file, where they needed reading: `[[key, text], …]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<(String, String)>,
    /// Fields that we do not know.
    #[serde(default, skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

/// A state file that was taken over.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedFile {
    /// Where it was, as given.
    pub path: String,
    /// `work_items`, `enrichment` or `extraction`.
    pub kind: String,
    /// Which of the known shapes it has.
    pub shape: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, as 64 hex digits.
    pub sha256: String,
    /// The zone that times without one were taken to be in.
    pub zone: Option<String>,
    /// The status words found in it, each with how often.
    pub words: BTreeMap<String, u64>,
    /// The file's `session`, whole.
    pub session: Option<Json>,
    /// Fields of the document that we do not know.
    pub extras: Extras,
    /// How snapshots write times from now on; `None` leaves that as it is.
    pub times: Option<SnapshotTimes>,
}

impl ImportedFile {
    /// The kind of a file with the progress of items.
    pub const WORK_ITEMS: &str = "work_items";
    /// The kind of a file with the data of items.
    pub const ENRICHMENT: &str = "enrichment";
    /// The kind of a file with the image extraction of items.
    pub const EXTRACTION: &str = "extraction";
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Event {
    /// The word that stands in the record's `event` field.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::Planned { .. } => "planned",
            Self::Added { .. } => "added",
            Self::Started { .. } => "started",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::Released { .. } => "released",
            Self::Reset { .. } => "reset",
            Self::Retried { .. } => "retried",
            Self::Held { .. } => "held",
            Self::Unheld { .. } => "unheld",
            Self::Renewed { .. } => "renewed",
            Self::Enriched { .. } => "enriched",
            Self::Extracted { .. } => "extracted",
            Self::Edited(edit) => edit.change.kind(),
            Self::Imported(_) => "imported",
            Self::Compacted { .. } => "compacted",
            Self::Rejected { .. } => "rejected",
            Self::Noted { .. } => "noted",
        }
    }

    /// The item that the event is about.
    pub fn item(&self) -> Option<&ItemId> {
        match self {
            Self::Added { item, .. }
            | Self::Started { item, .. }
            | Self::Completed { item, .. }
            | Self::Failed { item, .. }
            | Self::Skipped { item, .. }
            | Self::Released { item, .. }
            | Self::Reset { item, .. }
            | Self::Retried { item, .. }
            | Self::Held { item, .. }
            | Self::Unheld { item }
            | Self::Renewed { item, .. }
            | Self::Enriched { item, .. }
            | Self::Extracted { item, .. }
            | Self::Rejected { item, .. } => Some(item),
            Self::Edited(edit) => Some(&edit.item),
            Self::Segment
            | Self::Planned { .. }
            | Self::Imported(_)
            | Self::Compacted { .. }
            | Self::Noted { .. } => None,
        }
    }

    /// The phase that the event is about.
    pub fn phase(&self) -> Option<&Phase> {
        match self {
            Self::Started { phase, .. }
            | Self::Completed { phase, .. }
            | Self::Failed { phase, .. }
            | Self::Skipped { phase, .. }
            | Self::Released { phase, .. }
            | Self::Reset { phase, .. }
            | Self::Retried { phase, .. }
            | Self::Renewed { phase, .. }
            | Self::Rejected { phase, .. } => Some(phase),
            Self::Edited(edit) => edit.phase.as_ref(),
            _ => None,
        }
    }

    /// The id under which it was reported.
    pub fn op(&self) -> Option<&str> {
        match self {
            Self::Completed { op, .. } | Self::Failed { op, .. } | Self::Skipped { op, .. } => {
                op.as_deref()
            }
            _ => None,
        }
    }

    /// What it says about the item's data.
    pub fn data(&self) -> Option<&DataChange> {
        match self {
            Self::Completed { data, .. } => data.as_deref(),
            Self::Enriched { data, .. } => Some(data),
            _ => None,
        }
    }

    /// Takes away what it says about the item's data, all but that it says something.
    pub fn strip_data(&mut self) {
        let data = match self {
            Self::Completed { data, .. } => data.as_deref_mut(),
            Self::Enriched { data, .. } => Some(&mut **data),
            _ => None,
        };
        if let Some(data) = data {
            (data.object, data.changes) = (None, Vec::new());
        }
    }

    /// What it says about the item's extraction.
    pub fn extraction(&self) -> Option<&ExtractionChange> {
        match self {
            Self::Completed { extraction, .. } => extraction.as_deref(),
            Self::Extracted { extraction, .. } => Some(extraction),
            _ => None,
        }
    }

    /// True for events that change no item: after a snapshot they leave nothing new to write.
    pub const fn is_bookkeeping(&self) -> bool {
        matches!(
            self,
            Self::Segment | Self::Compacted { .. } | Self::Noted { .. }
        )
    }
}
