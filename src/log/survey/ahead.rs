//! Heads computed ahead, on another core: SHA-256 takes longer than all else that a survey does with a byte.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::super::head::{Sha256Hex, head_at};
use super::super::reader::Log;
use super::super::trouble::read_header;
use crate::position::SegmentId;

/// How many heads are computed ahead of who reads.
const AHEAD: usize = 4;

/// The head at the end of a sealed segment, with what it was computed of.
struct Computed {
    segment: SegmentId,
    sha256: Option<Sha256Hex>,
    end: u64,
    head: Sha256Hex,
}

/// Where the heads come from; an empty one knows none.
#[derive(Default)]
pub(super) struct Ahead(Option<Receiver<Computed>>);

impl Ahead {
    /// Begins to compute the heads of all sealed segments, in their order.
    pub(super) fn begin<'s>(scope: &'s Scope<'s, '_>, log: &'s Log, ids: &'s [SegmentId]) -> Self {
        let (to, from) = sync_channel(AHEAD);
        scope.spawn(move || compute(log, ids, &to));
        Self(Some(from))
    }

    /// The head of so many bytes of a segment whose header has this `sha256`; `None` if nobody computed that. Segments are
    /// to be asked for in order.
    pub(super) fn take(
        &mut self,
        segment: SegmentId,
        sha256: Option<Sha256Hex>,
        end: u64,
    ) -> Option<Sha256Hex> {
        let from = self.0.as_ref()?;
        loop {
            let Ok(next) = from.recv() else {
                self.0 = None;
                return None;
            };
            if next.segment >= segment {
                let same = (next.segment, next.sha256, next.end) == (segment, sha256, end);
                return same.then_some(next.head);
            }
        }
    }
}

/// Ends at the first thing that is not as it should be, and when nobody listens any more.
fn compute(log: &Log, ids: &[SegmentId], to: &SyncSender<Computed>) {
    let mut header = None;
    for pair in ids.windows(2) {
        let own = header
            .take()
            .or_else(|| read_header(log, pair[0]).ok()?.ok());
        let next = read_header(log, pair[1]).ok().and_then(Result::ok);
        let (Some(own), Some(next)) = (own, next) else {
            return;
        };
        let Some(end) = next.prev.filter(|prev| prev.segment == pair[0]) else {
            return;
        };
        let Ok(file) = log.ports.disk.open_read(&log.segment_path(pair[0])) else {
            return;
        };
        let end = end.valid_bytes.get();
        let Ok(head) = head_at(&*file, own.sha256, end) else {
            return;
        };
        let computed = Computed {
            segment: pair[0],
            sha256: own.sha256,
            end,
            head,
        };
        if to.send(computed).is_err() {
            return;
        }
        header = Some(next);
    }
}
