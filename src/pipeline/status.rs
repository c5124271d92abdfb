//! Where a phase stands, and where an item does.

use serde::{Deserialize, Serialize};

/// The status of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not begun, or given back.
    #[default]
    Pending,
    /// Somebody is at it.
    InProgress,
    /// Done.
    Completed,
    /// The last attempt failed.
    Failed,
    /// Will not be done.
    Skipped,
}

impl Status {
    /// All of them, in the order in which they are counted and printed.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Skipped,
    ];

    /// The word in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Completed or skipped: nothing more to do, and what needs it may go on.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Completed | Self::Skipped)
    }
}

/// The status of an item. Always derived, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Something is left to do.
    Pending,
    /// A phase is in progress.
    InProgress,
    /// Every phase is completed or skipped.
    Completed,
    /// A phase failed.
    Failed,
    /// Held by a person.
    Blocked,
}

impl ItemStatus {
    /// All of them, in the order in which the summary counts them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::InProgress,
        Self::Completed,
        Self::Failed,
        Self::Blocked,
    ];

    /// The word in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }
}
