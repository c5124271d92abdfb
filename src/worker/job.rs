//! One piece of work while its command runs.

use std::time::Duration;

use crate::pipeline::{ItemId, Phase, Report};
use crate::ports::{Ending, Member, Signal, Stream};

use super::last_line::LastLine;
use super::lines::Lines;
use super::order::Order;
use super::outcome::Piece;
use super::tail::Tail;
use super::verdict::verdict;

/// A program that is told to end and does not is killed after that long.
const GRACE: Duration = Duration::from_secs(10);
/// The longest and the shortest time between two signs of life.
const BEAT: (Duration, Duration) = (Duration::from_mins(1), Duration::from_millis(20));
/// So many signs of life go into one time limit, unless that is too often or not often enough.
const BEATS_IN_LIMIT: u32 = 10;

/// One piece of work while its command runs.
pub(super) struct Job {
    pub(super) piece: Piece,
    pub(super) member: Member,
    /// When the next sign of life is due; `None` when none is given any more.
    pub(super) beat_at: Option<Duration>,
    /// When it is killed; it was told to end.
    pub(super) kill_at: Option<Duration>,
    /// It was told to end.
    pub(super) told_to_end: bool,
    /// That signs of life fail was said.
    pub(super) said: bool,
    every: Duration,
    out: Lines,
    err: Lines,
    tail: Tail,
    /// Where data is wanted.
    last: Option<LastLine>,
}

impl Job {
    pub(super) fn new(
        piece: Piece,
        member: Member,
        limit_us: u64,
        order: &Order,
        now: Duration,
    ) -> Self {
        let every = (Duration::from_micros(limit_us) / BEATS_IN_LIMIT)
            .min(BEAT.0)
            .max(BEAT.1);
        let whole = order.jobs > 1;
        Self {
            piece,
            member,
            beat_at: Some(now + every),
            kill_at: None,
            told_to_end: false,
            said: false,
            every,
            out: Lines::new(whole),
            err: Lines::new(whole),
            tail: Tail::new(order.keep_stderr),
            last: order.data_from_stdout.then(LastLine::default),
        }
    }

    /// When something is to be done about it without being asked.
    pub(super) fn due(&self) -> Option<Duration> {
        self.beat_at.into_iter().chain(self.kill_at).min()
    }

    /// A sign of life was given, or could not be: the next one is due later.
    pub(super) fn beaten(&mut self, now: Duration) {
        self.beat_at = Some(now + self.every);
    }

    /// The work is not ours any more: the command is to end, and dies if it does not. Gives the signal to send.
    pub(super) fn give_up(&mut self, now: Duration) -> Signal {
        self.beat_at = None;
        self.kill_at = Some(now + GRACE);
        self.told_to_end = true;
        Signal::Terminate
    }

    /// Takes what the command wrote and gives what is to be passed on.
    pub(super) fn wrote(&mut self, stream: Stream, bytes: Vec<u8>) -> Vec<u8> {
        match stream {
            Stream::Out => {
                if let Some(last) = &mut self.last {
                    last.take(&bytes);
                }
                self.out.take(bytes)
            }
            Stream::Err => {
                self.tail.take(&bytes);
                self.err.take(bytes)
            }
        }
    }

    /// What is still to be passed on when the command has ended.
    pub(super) fn rest(&mut self) -> [(Stream, Vec<u8>); 2] {
        [
            (Stream::Out, self.out.finish()),
            (Stream::Err, self.err.finish()),
        ]
    }

    /// What its end is reported as.
    pub(super) fn report(self, ending: Ending) -> (Piece, Report) {
        let data = self.last.map(LastLine::data);
        let (kind, data) = verdict(ending, self.told_to_end, &self.tail.text(), data);
        let mut report = self.piece.report(kind);
        report.data = data;
        (self.piece, report)
    }
}

/// A report that could not be made yet.
pub(super) struct Owed {
    pub(super) piece: Piece,
    pub(super) ending: Option<Ending>,
    pub(super) report: Report,
    /// When it is tried again.
    pub(super) next: Duration,
    pub(super) pause: Duration,
    /// When it is given up.
    pub(super) until: Duration,
}

/// Work that a command gave back and that is not taken again at once.
pub(super) struct Resting {
    pub(super) place: (ItemId, Phase),
    pub(super) until: Duration,
    pub(super) pause: Duration,
}
