//! What somebody changed in a state file by hand or by script, taken into the log: an event nobody reported.
//!
//! ```text
//!   the file says             the record's word     and what `apply` does with it
//!   another status            completed, failed …   what a report of that kind does, then `set` over it
//!   the same, other fields    edited                `set` and `unset` alone
//! ```
//!
//! In records all of it stands in one field, `edit`, beside `event`, `item` and `phase`.

use serde::{Deserialize, Serialize};

use super::json::{Extras, Json};
use super::names::{ItemId, Phase};
use super::short::short;
use super::status::Status;
use super::time::Timestamp;

/// A change that was found in a state file.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// The item.
    pub item: ItemId,
    /// The phase; `None` if fields of the item itself were changed.
    pub phase: Option<Phase>,
    /// What was changed.
    pub change: Change,
}

/// What was changed, as it stands in the record's `edit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// The file that it was found in.
    pub file: String,
    /// The phase's status until then, where the file has another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<Status>,
    /// The phase's status in the file, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Status>,
    /// Fields with their new values: `[[after, key, value], …]`. Keys of ours as the snapshot writes them.
    #[serde(skip_serializing_if = "Extras::is_empty")]
    pub set: Extras,
    /// Fields that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
}

/// Keys in [`Change::set`] of a phase that are no unknown fields.
pub mod key {
    /// A time, or null.
    pub const STARTED_AT: &str = "started_at";
    /// A time, or null.
    pub const COMPLETED_AT: &str = "completed_at";
    /// A time, or null.
    pub const FAILED_AT: &str = "failed_at";
    /// A time, or null.
    pub const STALE_RESET_AT: &str = "stale_reset_at";
    /// A text, or null.
    pub const ERROR_MESSAGE: &str = "error_message";
    /// A text, or null.
    pub const IMPORTED_STATUS: &str = "imported_status";
    /// A number.
    pub const ATTEMPTS: &str = "attempts";
    /// A number.
    pub const RETRY_COUNT: &str = "retry_count";
    /// All of them.
    pub const ALL: [&str; 8] = [
        STARTED_AT,
        COMPLETED_AT,
        FAILED_AT,
        STALE_RESET_AT,
        ERROR_MESSAGE,
        IMPORTED_STATUS,
        ATTEMPTS,
        RETRY_COUNT,
    ];
}

impl Change {
    /// The word in the record's `event`: that of the report which would have come to the same.
    pub const fn kind(&self) -> &'static str {
        match (self.was, self.now) {
            (_, None) => "edited",
            (_, Some(Status::InProgress)) => "started",
            (_, Some(Status::Completed)) => "completed",
            (_, Some(Status::Failed)) => "failed",
            (_, Some(Status::Skipped)) => "skipped",
            (Some(Status::InProgress), Some(Status::Pending)) => "released",
            (_, Some(Status::Pending)) => "retried",
        }
    }

    /// The error that the file has with a failure.
    pub fn error(&self) -> String {
        let text = self.set.get(key::ERROR_MESSAGE).and_then(text_of);
        text.unwrap_or_default()
    }

    /// What was changed, in words.
    pub fn words(&self) -> String {
        let file = &self.file;
        let mut parts = Vec::new();
        if let (Some(was), Some(now)) = (self.was, self.now) {
            parts.push(format!("{} -> {}", was.as_str(), now.as_str()));
        }
        let shown = self.set.iter().map(|field| {
            let value = short(field.value.as_str());
            format!("{} = {value}", field.key)
        });
        parts.extend(shown);
        parts.extend(self.unset.iter().map(|key| format!("{key} removed")));
        format!("edited in {file}: {}", parts.join(", "))
    }
}

/// A time in [`Change::set`]; `None` if there is none.
pub(super) fn time_of(value: &Json) -> Option<Timestamp> {
    serde_json::from_str(value.as_str()).ok()
}

/// A text in [`Change::set`]; `None` if there is none.
pub(super) fn text_of(value: &Json) -> Option<String> {
    serde_json::from_str(value.as_str()).ok()
}

/// A number in [`Change::set`]; 0 if it is none.
pub(super) fn count_of(value: &Json) -> u32 {
    serde_json::from_str(value.as_str()).unwrap_or_default()
}
