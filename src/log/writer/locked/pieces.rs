//! A large group, appended piece by piece, so that it is in memory once and not three times.
//!
//! ```text
//! line line line | line line line | … line     each piece is one write, right behind the one before it
//! ```
//!
//! The last line decides for a group, so pieces are to a reader what a write is that a kill cuts: until the last one is there,
//! none counts. What could be wrong with a payload is looked for before the first.

use super::{Appended, Locked, without_lock};
use crate::error::{Error, Result};
use crate::log::create::{Group, PIECE};
use crate::log::frame;
use crate::log::group::{as_line, check_payload};

impl Locked<'_> {
    /// As [`Locked::append`], of payloads that are made as they are written. Whoever makes them has looked at them with
    /// [`crate::log::group::Look`]: nothing is to be found wrong half way.
    ///
    /// # Errors
    /// As [`Locked::append`].
    pub fn append_pieces(&mut self, group: Group<'_>) -> Result<Appended> {
        let durable = self.durable();
        self.check_ready()?;
        let position = self.position();
        let (first, mut last) = (position.next, position.next.before());
        let (mut at, mut last_crc) = (position.offset.get(), position.previous);
        let (mut first_crc, mut bytes) = (last_crc, Vec::new());
        for (index, payload) in group.payloads.enumerate() {
            check_payload(&payload).inspect_err(|_| self.is_cut_short())?;
            last = last.next();
            let line = as_line(&payload, index + 1 < group.len);
            last_crc = frame::encode(&mut bytes, last_crc, last, durable, &line);
            if index == 0 {
                first_crc = last_crc;
            }
            if bytes.len() >= PIECE {
                self.put(at, &bytes)?;
                at += bytes.len() as u64;
                bytes.clear();
            }
        }
        self.put(at, &bytes)?;
        at += bytes.len() as u64;
        let position = &mut self.writer.position;
        position.offset = crate::position::Offset::new(at);
        (position.next, position.previous) = (last.next(), last_crc);
        position.durable_seen = position.durable_seen.max(durable);
        Ok(Appended {
            first,
            last,
            first_crc,
            last_crc,
        })
    }

    /// Writes bytes at that place, as long as the lock is ours.
    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        // As near to the write as can be: the lock may have been taken away from under us.
        if self.held.check().is_err() {
            // Of a first piece nothing is there; behind others somebody else may have written.
            if self.writer.position.offset.get() == at {
                self.caught_up = false;
            } else {
                self.is_cut_short();
            }
            return Err(without_lock());
        }
        self.writer.unproven_write = true;
        if let Err(source) = self.writer.file.write_full_at(at, bytes) {
            // Nothing is cut back: a region that is written twice may show old text after a power cut.
            self.is_cut_short();
            return Err(Error::NotRecorded { source });
        }
        if let Err(error) = self.held.check() {
            // Somebody else may have written there too: only another look tells whose bytes these are.
            self.is_cut_short();
            return Err(error);
        }
        Ok(())
    }

    /// Before the next write everything is verified again.
    fn is_cut_short(&mut self) {
        self.writer.doubtful = true;
        self.caught_up = false;
    }
}
