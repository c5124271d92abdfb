//! What was answered, and so was promised.

use crate::pipeline::command::Unchanged;
use crate::pipeline::{Record, codec};
use crate::store::Compacted;
use crate::{Error, Receipt, Result};

/// An answer that somebody was given. After a crash the oracles hold the store to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// This record was acknowledged.
    Recorded {
        /// Its place in the log.
        seq: u64,
        /// Its payload, as text.
        payload: String,
    },
    /// An answer was given that rests on this record: "unchanged", "refused", "nothing left".
    Rests {
        /// The record; 0 if it rests on none.
        on: u64,
    },
    /// The state was shown as of this record.
    Shown {
        /// The record.
        seq: u64,
    },
    /// Snapshots were written, or found, that cover everything through this record.
    Compacted {
        /// The record.
        covers: u64,
    },
    /// A store that nobody hurt was called damaged, foreign or edited: wrong, whatever else is there.
    Alarm {
        /// In these words.
        said: String,
    },
}

impl Claim {
    /// The claim that comes with an acknowledged record.
    pub fn recorded(record: &Record) -> Self {
        let payload = codec::encode(&record.event, record.at, record.clock_given);
        Self::Recorded {
            seq: record.seq.get(),
            payload,
        }
    }

    /// The claim that comes with snapshots.
    pub const fn compacted(compacted: &Compacted) -> Self {
        let (Compacted::Written { covers, .. } | Compacted::Unchanged { covers }) = compacted;
        Self::Compacted {
            covers: covers.get(),
        }
    }

    /// The claims that come with the answer to a command; `seen` is the last record that the store had read when it
    /// answered. `None` if the disk failed: then nothing was promised.
    pub fn of_answer(answer: &Result<Receipt>, seen: u64) -> Option<Vec<Self>> {
        match answer {
            Ok(Receipt::Recorded(records)) => Some(records.iter().map(Self::recorded).collect()),
            Ok(Receipt::Unchanged(unchanged)) => Some(vec![Self::Rests {
                on: rests_on(unchanged),
            }]),
            Err(Error::Rejected(_)) => Some(vec![Self::Rests { on: seen }]),
            Err(error) => Self::alarm(error).map(|alarm| vec![alarm]),
        }
    }

    /// The claim that comes with an error which accuses somebody; `None` if the disk merely failed.
    pub fn alarm(error: &Error) -> Option<Self> {
        let accuses = matches!(
            error,
            Error::Damaged(_)
                | Error::AmbiguousTail(_)
                | Error::OtherLog { .. }
                | Error::NewerFormat { .. }
                | Error::Edited { .. }
                | Error::NoStore { .. }
        );
        accuses.then(|| Self::Alarm {
            said: error.to_string(),
        })
    }
}

/// The record that says why nothing needs to be recorded.
fn rests_on(unchanged: &Unchanged) -> u64 {
    match unchanged {
        Unchanged::Phase { since, .. } => since.get(),
        Unchanged::Operation { seq, .. } => seq.get(),
        Unchanged::Hold { since, .. } => since.map_or(0, crate::position::Seq::get),
        _ => 0,
    }
}
