//! The records of one segment, with the ranges in it that were given up before: each is passed over where it stands, and one
//! that stands there no more is found again.
//!
//! ```text
//! record record [given up] record record      as it was declared
//! record ~~~~~~ [given up] record record      hurt in front of it: what is missing ends where the range begins
//! record record record [~~ giv]en up ~~       not where it was declared, for something was put in or taken out before it:
//!                                             its bytes are hurt bytes like others
//! ```

use std::io;

use super::super::frame;
use super::super::header::{LogId, LostRange, Predecessor, SegmentHeader};
use super::super::segment::Stop;
use super::super::trouble::{HeaderProblem, Trouble, strange_header};
use super::super::window::read_range;
use super::search::Ends;
use super::{Severity, Survey, SurveySink, Surveyor};
use crate::error::{DamageKind, Error, Result};
use crate::ports::File;
use crate::position::{Offset, SegmentId, Seq};

impl Surveyor<'_> {
    /// Learns what was given up from the last header that can be read; each repeats all there is. Where headers lie under each
    /// other's names, the last may be any of them. Says which log it is, as far as that is known by now.
    pub(super) fn learn_lost(&mut self, ids: &[SegmentId]) -> Result<Option<LogId>> {
        let (mut ours, mut strange) = (None, Vec::new());
        // The first header, if that can be read, says which log it is, unless a repair gave it up: then it was another one's word.
        for (look, &id) in ids.iter().take(1).chain(ids.iter().rev()).enumerate() {
            match self.header(id) {
                Ok(Ok(header))
                    if ours.is_none_or(|log| log == header.log)
                        || gives_up_the_header_of(ids[0], &header) =>
                {
                    self.cursor.learn_lost(id, &header);
                    ours = Some(header.log);
                    if look > 0 && strange.is_empty() {
                        break;
                    }
                }
                Ok(Err(HeaderProblem::Hurt(_))) => strange.extend(strange_header(self.log, id)),
                // What the system refuses is told in its place.
                Ok(_) | Err(Error::Io { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for (id, header) in &strange {
            if ours.is_none_or(|log| log == header.log) {
                self.cursor.learn_lost(*id, header);
            }
        }
        Ok(ours)
    }

    /// Notes what was given up with its file: what is not there, or does not count, is passed over where it was declared.
    pub(super) fn learn_gone(&mut self, ids: &[SegmentId], counts: &dyn Fn(&SegmentId) -> bool) {
        let lost = self.cursor.lost.ranges().iter();
        let there = |id: &SegmentId| ids.binary_search(id).is_ok() && counts(id);
        self.given_up
            .extend(lost.filter(|lost| !there(&lost.segment)));
    }

    /// The first seq that does not belong to a segment any more, if anybody knows it.
    pub(super) fn next_seq(
        &mut self,
        id: SegmentId,
        after: Option<SegmentId>,
        sealed: Option<&Predecessor>,
    ) -> Result<Option<Seq>> {
        if let Some(prev) = sealed {
            return Ok(Some(prev.last_seq.next()));
        }
        let Some(after) = after else { return Ok(None) };
        let header = self.header(after)?.ok();
        let header = header.filter(|_| !self.cursor.header_lost(after));
        let gone = header.and_then(|header| header.prev);
        let gone = gone.map(|prev| prev.segment).filter(|&gone| gone > id);
        Ok(Some(gone.unwrap_or(after).first_seq()))
    }

    /// Reads the records of one segment as far as it goes, or so much further as lines in it are copies of others.
    pub(super) fn records(
        &mut self,
        file: &dyn File,
        len: u64,
        mut ends: Ends,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        let (id, sealed_at) = (self.cursor.segment, ends.limit);
        let mut ahead = self.cursor.lost.of(id).to_vec();
        for lost in &ahead {
            let mut damage = self.damage(id, lost.from_byte, DamageKind::Missing, None);
            damage.seq = lost.from_seq;
            let bytes = lost.to_byte.get().saturating_sub(lost.from_byte.get());
            self.report(damage, bytes, Some(lost.to_seq), Severity::GivenUp, sink)?;
        }
        // What was passed over behind the last record stands in nobody's way.
        let inside = ahead.partition_point(|lost| lost.from_byte.get() < sealed_at);
        self.given_up.extend(ahead.drain(inside..));
        loop {
            ends.limit = sealed_at
                .saturating_add(self.copied)
                .min(len.max(sealed_at));
            let here: Vec<LostRange> = ahead.iter().map(|lost| self.moved(lost)).collect();
            let read = &mut self.last;
            let stop =
                self.pass
                    .run_over(&mut self.cursor, file, &here, ends.limit, &mut |entry| {
                        *read = (entry.frame.seq, entry.frame.crc);
                        sink(Survey::Record(entry))
                    });
            let (stop, passed) = stop.map_err(Trouble::into_error)?;
            self.given_up.extend(ahead.drain(..passed));
            let here = &here[passed..];
            let refused = |error| Error::io("read", self.log.segment_path(id))(error);
            ends.given_up = match here.first() {
                None => None,
                Some(lost) => {
                    if stop.offset == lost.from_byte && stop.seq > lost.from_seq
                        || is_inside_a_line(file, &stop, lost).map_err(refused)?
                    {
                        ahead.remove(0);
                        continue;
                    }
                    let stands = stands_there(file, here, &ends).map_err(refused)?;
                    if !stands && stop.offset == lost.from_byte {
                        ahead.remove(0);
                        continue;
                    }
                    stands.then_some((lost.from_byte, lost.from_seq))
                }
            };
            if !self.stopped(&stop, file, &ends, sink)? {
                return Ok(());
            }
            let at = self.cursor.scan.offset();
            let behind = here.partition_point(|lost| lost.from_byte < at);
            ahead.drain(..behind);
        }
    }

    /// Where a range is while there are copies of lines before it.
    fn moved(&self, lost: &LostRange) -> LostRange {
        LostRange {
            from_byte: lost.from_byte.plus(self.copied),
            to_byte: lost.to_byte.plus(self.copied),
            ..*lost
        }
    }
}

/// True if a header declares that of another segment lost.
fn gives_up_the_header_of(id: SegmentId, header: &SegmentHeader) -> bool {
    let mut lost = header.lost.iter();
    lost.any(|lost| lost.segment == id && lost.from_byte == Offset::START)
}

/// True if a whole record stands where a range should begin.
fn is_inside_a_line(file: &dyn File, stop: &Stop, lost: &LostRange) -> io::Result<bool> {
    if stop.fault != Some(DamageKind::Unterminated) {
        return Ok(false);
    }
    let line = line_at(file, stop.line)?;
    let end = stop.line.plus(line.len() as u64 + 1);
    Ok(end > lost.from_byte && frame::parse(&line).is_ok())
}

/// True if what should stand behind the first of these ranges does.
fn stands_there(file: &dyn File, ranges: &[LostRange], ends: &Ends) -> io::Result<bool> {
    for (at, lost) in ranges.iter().enumerate() {
        let (to, next) = (lost.to_byte.max(lost.from_byte), lost.to_seq.next());
        if to.get() >= ends.limit {
            return Ok(ends.after.is_some() && ends.next.is_none_or(|end| end == next));
        }
        match ranges.get(at + 1) {
            Some(behind) if behind.from_byte == to && behind.from_seq == next => {}
            _ => {
                let line = line_at(file, to)?;
                return Ok(frame::parse(&line).is_ok_and(|frame| frame.seq == next));
            }
        }
    }
    Ok(false)
}

/// The line that begins there, without its newline; empty if none ends within the length of a record.
fn line_at(file: &dyn File, at: Offset) -> io::Result<Vec<u8>> {
    let mut size = 4096;
    loop {
        let mut bytes = read_range(file, at.get(), at.get().saturating_add(size))?;
        if let Some(len) = memchr::memchr(b'\n', &bytes) {
            bytes.truncate(len);
            return Ok(bytes);
        }
        if (bytes.len() as u64) < size || size > frame::MAX_LINE as u64 {
            return Ok(Vec::new());
        }
        size *= 16;
    }
}
