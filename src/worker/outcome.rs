//! What came of the work, for whoever watches.

use crate::error::Error;
use crate::pipeline::{ItemId, Phase, Record, Rejection, Report, ReportKind};
use crate::ports::{Ending, Signal, Stream};
use crate::position::Seq;
use crate::store::{Receipt, Warning};

/// A piece of work that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The item.
    pub item: ItemId,
    /// The phase.
    pub phase: Phase,
    /// The right to report.
    pub token: Seq,
    /// Which attempt at it this is, from 1.
    pub attempt: u32,
}

impl Piece {
    /// A report on it.
    pub(super) fn report(&self, kind: ReportKind) -> Report {
        Report::new(
            self.item.clone(),
            self.phase.clone(),
            Some(self.token),
            kind,
        )
    }
}

/// What one piece of work came to.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub piece: Piece,
    /// How the command ended; `None` if it was never started.
    pub ending: Option<Ending>,
    /// What was reported.
    pub reported: ReportKind,
    /// The answer to the report: refused if the token was lost, not recorded or not acknowledged if the disk or the lock
    /// failed for as long as was tried.
    pub answer: Result<Receipt, Error>,
}

/// Why no more work was begun.
#[derive(Debug)]
pub enum Stop {
    /// One piece was wanted, and there was one.
    One,
    /// Nothing can be claimed, now or ever.
    Nothing(Rejection),
    /// This process was told to end.
    Told(Signal),
    /// The command cannot be started.
    NoStart(Error),
    /// Nothing could be claimed: the store does not answer.
    Store(Error),
    /// A report could not be made; its outcome says why.
    Unreported,
}

/// Sees what happens while work is done.
pub trait Watcher {
    /// A command wrote something.
    fn wrote(&mut self, stream: Stream, bytes: &[u8]);

    /// Phases were handed back, each by its own record.
    fn handed_back(&mut self, resets: &[Record]);

    /// A command runs.
    fn started(&mut self, piece: &Piece);

    /// A piece of work is over.
    fn ended(&mut self, outcome: Outcome);

    /// Something was noticed and changes no result.
    fn noticed(&mut self, warning: &Warning);
}
