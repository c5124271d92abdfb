//! What comes back from a store: receipts and warnings.

use crate::pipeline::Record;
use crate::pipeline::command::Unchanged;
use crate::position::Seq;

/// The answer to a command. Whatever it says is durable.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a receipt says whether anything was recorded"]
pub enum Receipt {
    /// These records, all of them, are on disk.
    Recorded(Vec<Record>),
    /// The state was as wanted already, and what says so is on disk.
    Unchanged(Unchanged),
}

impl Receipt {
    /// The records, if there are any.
    pub fn records(&self) -> &[Record] {
        match self {
            Self::Recorded(records) => records,
            Self::Unchanged(_) => &[],
        }
    }

    /// The seq of the last record.
    pub fn seq(&self) -> Option<Seq> {
        self.records().last().map(|record| record.seq)
    }
}

/// Something that was noticed and changed no result.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    /// A stable word for programs: `W-TORN`, `W-EDITED`.
    pub code: &'static str,
    /// What, for people.
    pub message: String,
}

impl Warning {
    /// Makes a warning.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
