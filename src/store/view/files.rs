//! How the snapshots in a store stand against the log, as far as that is told by what lies there.

use std::path::{Path, PathBuf};

use super::View;
use crate::ports::Ports;
use crate::position::Seq;
use crate::snapshot::set::{self, Source};

/// How the snapshots stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The last record in `work_items.json` as it lies there; `None` if that is not as it was written.
    pub root: Option<Seq>,
    /// The last record in the set that is whole: that, or the one before it.
    pub whole: Option<Seq>,
    /// A set of this record was put in place here, and an older one lies there by now.
    pub older_than: Option<Seq>,
    /// Files that somebody else changed.
    pub edited: Vec<PathBuf>,
}

impl Files {
    /// The last record in what people read there, or else in the set before it.
    pub fn seq(&self) -> Option<Seq> {
        self.root.or(self.whole)
    }

    /// True if somebody else changed the root itself, or put another file in its place.
    pub fn is_root_edited(&self) -> bool {
        self.edited.iter().any(|file| file.as_os_str() == set::ROOT)
    }
}

impl View {
    /// How the snapshots stand.
    pub fn files(&self, ports: &Ports, dir: &Path) -> Files {
        let facts = &self.snapshot;
        Files {
            root: facts.root,
            whole: facts.seq,
            older_than: self.older_than(ports, dir),
            edited: facts.edited.clone(),
        }
    }

    /// How many records a snapshot of that record is behind.
    pub fn behind(&self, seq: Option<Seq>) -> u64 {
        let last = self.last_seq().get();
        last.saturating_sub(seq.unwrap_or(Seq::NONE).get())
    }

    /// True if nothing but bookkeeping follows that record.
    pub fn says_all(&self, seq: Seq) -> bool {
        self.snapshot.last_change <= seq
    }

    /// The record of a set that is on record as put in place, where an older one lies there now: put back by somebody, or by a
    /// compaction that was cut short after it had found no better one.
    fn older_than(&self, ports: &Ports, dir: &Path) -> Option<Seq> {
        let (facts, log) = (&self.snapshot, self.log_id());
        let root = facts.root.filter(|root| *root < facts.compacted)?;
        // A compaction may have put it there since this view was opened.
        let is_moving = || set::is_moving(&*ports.disk, dir).unwrap_or(true);
        let now = set::look_of(&*ports.disk, dir, Some(&log), &|_, _| false).ok()?;
        let usable = now.looked.usable.filter(|it| it.source == Source::Root)?;
        (usable.seq == root && !is_moving()).then_some(facts.compacted)
    }
}
