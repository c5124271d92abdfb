//! What is known of the snapshots on disk, beside the state.

use std::path::PathBuf;
use std::sync::Arc;

use crate::log::glance::Names;
use crate::pipeline::{Event, Record};
use crate::position::Seq;
use crate::snapshot::set::{Seen, Stamps};

/// What is known of the snapshots on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct SnapshotFacts {
    /// The last record in the valid snapshot; `None` if there is none.
    pub(super) seq: Option<Seq>,
    /// The last record in the root that lies in its own place, if that is whole, whatever became of what it names.
    pub(super) root: Option<Seq>,
    /// The size of the valid set in bytes.
    pub(super) bytes: u64,
    /// Bytes of log behind it.
    pub(super) tail_bytes: u64,
    /// The last record that changed anything but bookkeeping.
    pub(super) last_change: Seq,
    /// The last record in snapshots of which a record behind the valid one says that they were in place, for certain.
    pub(super) compacted: Seq,
    /// Files that somebody else changed.
    pub(super) edited: Vec<PathBuf>,
    /// The files as they were looked at before they were read; `None` if anything about them is not as it should be.
    pub(super) stamps: Option<Stamps>,
    /// What this process saw there, as long as nobody touches it.
    pub(super) seen: Option<Arc<Seen>>,
    /// The names in `wal/` when there was no cache among them.
    pub(super) uncached: Option<Names>,
}

impl SnapshotFacts {
    /// Takes note of a record behind the snapshot.
    pub(super) fn note(&mut self, record: &Record, bytes: u64) {
        self.tail_bytes += bytes;
        if let Event::Compacted { covers } = record.event {
            self.compacted = self.compacted.max(covers);
        }
        if !record.event.is_bookkeeping() {
            self.last_change = record.seq;
        }
    }
}
