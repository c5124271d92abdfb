//! The pure core: what a pipeline is, what may happen to it, and what did.
//!
//! ```text
//!   Command --decide(&facts, now)--> Event --(the log)--> Record --apply--> PipelineState
//! ```
//!
//! Nothing here does I/O, reads a clock or knows that files exist. `decide` asks, `apply` changes; nothing
//! but `apply` changes state, and it is the same function in every replay.

pub mod time;
pub mod json;
pub mod members;
pub mod same;
pub mod short;
pub mod spelling;
pub mod field;
pub mod names;
pub mod plan;
pub mod status;
pub mod enrichment;
pub mod extraction;
pub mod edit;
pub mod event;
pub mod codec;
pub mod item;
pub mod cross;
pub mod op_ids;
pub mod facts;
pub mod lease;
pub mod ready;
pub mod wide;
pub mod row;
pub mod base;
mod by_name;
mod index;
mod shelf;
#[cfg(any(test, feature = "testing"))]
mod agree;
pub mod state;
pub mod rejection;
pub mod lookup;
pub mod command;
mod retry;
mod replan;
pub mod decide;
pub mod claim;
pub mod audit;
pub mod typical;
pub mod estimate;
pub mod overview;
pub mod why;
pub mod listing;
pub mod packed_import;
pub mod merge;

pub use command::{Command, Decision, NewItem, Report, ReportKind};
pub use decide::decide;
pub use enrichment::{DataChange, DataPatch, ItemData};
pub use event::{Event, Record};
pub use extraction::{ExtractionChange, ExtractionStatus, ItemExtraction};
pub use facts::{Facts, Place};
pub use field::FieldPath;
pub use item::{Item, PhaseState, Rare};
pub use json::Json;
pub use names::{ItemId, Phase};
pub use packed_import::PackedImport;
pub use plan::{PhasePlan, Plan};
pub use ready::Reason;
pub use rejection::Rejection;
pub use replan::limits_left_out;
pub use state::PipelineState;
pub use status::{ItemStatus, Status};
pub use time::{BootInstant, Now, Timestamp};
