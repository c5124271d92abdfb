//! Image extraction of each item: how it stands, when it was looked at last, how often it failed.
//!
//! ```text
//!   {"event":"extracted","item":…,"extraction":{"status":"failed"}}
//!   {"event":"extracted","item":…,"extraction":{"status":"failed","imported":{"last_checked":…,"retry_count":2}}}
//! ```
//!
//! A `completed` record may carry the same `extraction`. What a worker reports was checked when the record was written;
//! what a file says is taken as it stands there, and what it does not say is unknown. Each `failed` that is reported
//! counts one retry, and nothing but an import takes the count back: it says how much trouble an item has been.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;
use crate::position::Seq;

/// How the image extraction of an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtractionStatus {
    /// Somebody is at it.
    InProgress,
    /// Done.
    Completed,
    /// It went wrong.
    Failed,
}

impl ExtractionStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InProgress, Self::Completed, Self::Failed];

    /// The word in records and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// A change of an item's extraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractionChange {
    /// How it stands now; `None` if an imported file knows nothing but when it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ExtractionStatus>,
    /// What else a file says; `None` if a worker reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Box<ImportedExtraction>>,
}

/// What a file says about an extraction beside its status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedExtraction {
    /// When it was looked at last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked: Option<Timestamp>,
    /// How often it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry_count: u32,
    /// Time texts as they stood in the file, where they needed reading: `[[key, text], …]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<(String, String)>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl ExtractionChange {
    /// What a worker reports.
    pub const fn reported(status: ExtractionStatus) -> Self {
        let (status, imported) = (Some(status), None);
        Self { status, imported }
    }
}

/// The extraction of one item as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemExtraction {
    /// How it stands, if that is known.
    pub status: Option<ExtractionStatus>,
    /// When it was looked at last, if that is known.
    pub last_checked: Option<Timestamp>,
    /// How often it failed.
    pub retry_count: u32,
    /// The record that said so.
    pub since: Seq,
}

impl ItemExtraction {
    /// Takes a change into the extraction of an item. Never fails.
    pub fn apply(
        extraction: &mut Option<Box<Self>>,
        change: &ExtractionChange,
        seq: Seq,
        at: Timestamp,
    ) {
        let now = extraction.get_or_insert_default();
        (now.status, now.since) = (change.status, seq);
        if let Some(file) = &change.imported {
            (now.last_checked, now.retry_count) = (file.last_checked, file.retry_count);
            return;
        }
        now.last_checked = Some(at);
        if change.status == Some(ExtractionStatus::Failed) {
            now.retry_count = now.retry_count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_failures_and_an_import_says_what_it_says() {
        let at = |secs: i64| Timestamp::from_micros(secs * 1_000_000).unwrap();
        let mut extraction = None;
        let mut report = |status, seq, secs| {
            let change = ExtractionChange::reported(status);
            ItemExtraction::apply(&mut extraction, &change, Seq::new(seq), at(secs));
        };
        report(ExtractionStatus::InProgress, 4, 1);
        report(ExtractionStatus::Failed, 5, 2);
        report(ExtractionStatus::Failed, 6, 3);
        report(ExtractionStatus::Completed, 7, 4);
        let wanted = ItemExtraction {
            status: Some(ExtractionStatus::Completed),
            last_checked: Some(at(4)),
            retry_count: 2,
            since: Seq::new(7),
        };
        assert_eq!(extraction.as_deref(), Some(&wanted));
        let change = ExtractionChange {
            status: None,
            imported: Some(Box::default()),
        };
        ItemExtraction::apply(&mut extraction, &change, Seq::new(9), at(9));
        let unknown = ItemExtraction {
            since: Seq::new(9),
            ..ItemExtraction::default()
        };
        assert_eq!(extraction.as_deref(), Some(&unknown));
    }
}
