//! The bytes of the log: how records are written, read back, and judged where they cannot be read.
//!
//! ```text
//! wal/00000000000000000001.wal   header record record … record        sealed: as long as the next header says
//! wal/00000000000000000518.wal   header record group--- record ~~~    active: the highest number; ~~~ its tail
//! ```
//!
//! What always holds:
//!
//! * Segments are only appended to. Nothing is ever cut back, moved or deleted.
//! * A header gets its name only when it is durable, and everything before it is.
//! * Every byte before the place of a write was verified by the writer.
//! * What was acknowledged is durable; what cannot be read though it was acknowledged stops the reader loudly.
//!
//! Where reading stops, [`tail`] gives the verdict: torn (never acknowledged, passed over) or damaged.

pub mod frame;
pub mod group;
pub mod segment;
pub mod head;
pub mod header;
pub mod tail;
mod resume;
pub mod files;
pub mod mark;
pub mod poison;
pub mod lock;
mod window;
mod lost;
mod cursor;
mod trouble;
mod deliver;
mod order;
mod inserted;
mod gone;
mod pass;
pub mod glance;
pub mod reader;
pub mod survey;
pub mod sweep;
mod begin;
mod clearing;
mod replace;
pub mod writer;
mod create;

pub use begin::{begin_segment, begin_segment_with};
pub use create::{Group, create};
pub use frame::{Crc, Frame};
pub use head::{Head, Sha256Hex};
pub use header::{LogId, LostRange, Predecessor, SegmentHeader};
pub(crate) use inserted::LONGEST;
pub(crate) use order::look_for_order;
pub use reader::{Access, Entry, From, Log, LogEnd, Position, Tail, Witnesses};
pub use replace::{replace_segments, set_aside};
pub use survey::{Finding, SegmentFacts, Severity, Survey, SurveyEnd};
pub use writer::{Appended, Locked, LogOptions, Sealed, Writer};

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "tests hurt files behind the log's back"
)]
mod tests;
