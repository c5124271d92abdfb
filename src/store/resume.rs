//! Resume: what a crash left behind is sealed, what timed out is handed back, what is ready is told.

use crate::error::Result;
use crate::faults::{self, Fault};
use crate::log::writer::Sealed;
use crate::pipeline::{Record, lease};
use crate::position::{Offset, SegmentId, Seq};

use super::append::{self, Verdict};
use super::known::Known;
use super::{Store, View};

/// What `resume` found and did. All of it is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumed {
    /// The last record in the snapshot that recovery began with.
    pub snapshot_seq: Option<Seq>,
    /// Records read after it.
    pub replayed: u64,
    /// The tail that a crash had cut off, sealed now.
    pub torn: Option<TornTail>,
    /// Phases handed back, each by its own record.
    pub resets: Vec<Record>,
}

/// The end of a write that a crash cut off. Its bytes stay where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment it lies in.
    pub segment: SegmentId,
    /// Where it begins.
    pub offset: Offset,
    /// Its length.
    pub bytes: u64,
    /// The segment in which the log goes on; `None` as long as nobody sealed it.
    pub sealed_by: Option<SegmentId>,
}

impl std::convert::From<Sealed> for TornTail {
    fn from(sealed: Sealed) -> Self {
        let Sealed {
            segment,
            offset,
            bytes,
            next,
            ..
        } = sealed;
        Self {
            segment,
            offset,
            bytes,
            sealed_by: Some(next),
        }
    }
}

impl Store {
    /// Seals a torn tail and hands back every phase whose owner is dead or that is in progress for strictly more than its
    /// limit, each with a record.
    /// `limit_override`, in microseconds, stands for every limit of the plan. A second call changes nothing.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub fn resume(&mut self, limit_override: Option<u64>) -> Result<Resumed> {
        let (ports, dir) = (self.ports.clone(), self.dir.clone());
        let early = faults::on(Fault::ResetOutsideTheLock).then(|| {
            let (now, known) = (ports.clock.now(), Known::look(&ports, &dir));
            lease::expired(&self.state, &now, limit_override, &known)
        });
        let done = append::transact(self, |state, now| {
            let known = Known::look(&ports, &dir);
            let mut events =
                early.unwrap_or_else(|| lease::expired(state, now, limit_override, &known));
            if faults::on(Fault::RecoveryLeavesARecord) {
                let covers = state.last_seq;
                events.push(crate::pipeline::Event::Compacted { covers });
            }
            Verdict::SealAndAppend(events, ())
        })?;
        let (snapshot_seq, replayed) = (self.snapshot.seq, self.replayed);
        Ok(Resumed {
            snapshot_seq,
            replayed,
            torn: done.torn,
            resets: done.records,
        })
    }
}

impl View {
    /// What [`Store::resume`] would hand back at this moment; nothing is written.
    pub fn would_reset(&self, limit_override: Option<u64>) -> Vec<crate::pipeline::Event> {
        lease::expired(self.state(), self.now(), limit_override, self.known())
    }
}
