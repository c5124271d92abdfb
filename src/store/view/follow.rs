//! A store looked at again and again: what came since is read on from where the look before ended.

use super::View;
use crate::error::Result;
use crate::log::frame::Crc;
use crate::log::reader::{Access, From, Log, Witnesses};
use crate::pipeline::{Event, Record};
use crate::ports::{FileId, Ports};
use crate::position::Seq;
use crate::snapshot::set::ROOT;
use crate::store::known::Known;
use crate::store::records::Raw;
use crate::store::{Options, proof, recovery};

use std::path::Path;

/// A record that was read and is not known to be durable yet.
struct Unshown {
    crc: Crc,
    payload: String,
    bytes: u64,
    record: Record,
}

/// Which file the root snapshot is, and how long.
pub(super) fn root(ports: &Ports, dir: &Path) -> Option<(FileId, u64)> {
    let found = ports.disk.metadata(&dir.join(ROOT)).ok()?;
    Some((found.id, found.len))
}

impl View {
    /// Looks once more, at what came since only, and gives `each` the records, once they are durable. What cannot be made
    /// durable is looked at again the next time. Files that somebody else changed meanwhile are not noticed here: see
    /// [`View::snapshot_changed`].
    ///
    /// A view that is not complete is opened anew, and gives no records.
    ///
    /// # Errors
    /// As [`View::open`].
    pub fn look_again(
        &mut self,
        ports: &Ports,
        dir: &Path,
        options: &Options,
        each: &mut dyn FnMut(Raw<'_>),
    ) -> Result<()> {
        if !self.complete() {
            *self = Self::open(ports, dir, options)?;
            return Ok(());
        }
        self.read_on(ports, dir, options, each)?;
        self.now = ports.clock.now();
        self.known = Known::look(ports, dir);
        self.state.note_signs(&self.known, &self.now);
        Ok(())
    }

    fn read_on(
        &mut self,
        ports: &Ports,
        dir: &Path,
        options: &Options,
        each: &mut dyn FnMut(Raw<'_>),
    ) -> Result<()> {
        let log = Log::new(ports.clone(), dir).with_lock_wait(options.lock_wait);
        // Before the log: what it attests is then in what is read.
        let witnesses = Witnesses {
            mark: log.mark(),
            snapshot: self.snapshot.seq.unwrap_or(Seq::NONE),
        };
        let from = From::Position(self.end.position.clone());
        let mut unshown: Vec<Unshown> = Vec::new();
        let mut end = log.read(from, witnesses, Access::ReadOnly, false, &mut |entry| {
            unshown.push(Unshown {
                crc: entry.frame.crc,
                payload: entry.frame.payload.to_owned(),
                bytes: entry.frame.encoded_len(),
                record: recovery::decode(&entry)?,
            });
            Ok(())
        })?;
        if unshown.is_empty() {
            return Ok(());
        }
        let Ok(durable) = proof::prove(ports, &log, &mut end)? else {
            return Ok(());
        };
        (self.end, self.durable) = (end, durable);
        for new in unshown {
            each(Raw {
                seq: new.record.seq,
                crc: new.crc,
                payload: &new.payload,
            });
            self.state.apply(&new.record);
            self.snapshot.note(&new.record, new.bytes);
            if let Event::Compacted { covers } = new.record.event {
                self.snapshot.seq = self.snapshot.seq.max(Some(covers));
            }
        }
        Ok(())
    }

    /// True if the root snapshot is another file than when the view was opened: a compaction replaced it, or somebody else.
    pub fn snapshot_changed(&self, ports: &Ports, dir: &Path) -> bool {
        self.root != root(ports, dir)
    }
}
