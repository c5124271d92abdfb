//! What stands behind a stop: the verdict on it, where reading can go on, and what is attested there.
//!
//! However long a file is, no more of it is held in memory than a write of ours can have left.

use std::io;
use std::ops::Range;

use super::super::frame::{self, Crc};
use super::super::inserted::{self, Inserted, Piece};
use super::super::order::{Ordered, look_for_order};
use super::super::pass::{MAX_TAIL, SEARCHED};
use super::super::resume::{Resume, resume};
use super::super::segment::{Scan, Stop};
use super::super::tail::{self, Attested, Evidence, Verdict};
use super::super::trouble::{damage_of, disordered, in_front, inserted_before};
use super::super::window::{read_range, zeros_begin};
use super::{Entry, Severity, Survey, SurveySink, Surveyor};
use crate::error::{Error, Result, Witness};
use crate::ports::File;
use crate::position::{Offset, SegmentId, Seq};

/// Where the reading of a segment ends.
pub(super) struct Ends {
    /// The byte, from 0; copies of lines not counted.
    pub(super) limit: u64,
    /// The segment behind it.
    pub(super) after: Option<SegmentId>,
    /// The first seq that does not belong to this one, if anybody knows it.
    pub(super) next: Option<Seq>,
    /// The same, if the header behind it attests it: what has such a seq before the end is a line out of its place.
    pub(super) below: Option<Seq>,
    /// The first byte and the first seq of the next range in it that was given up, if that stands where it was declared.
    pub(super) given_up: Option<(Offset, Seq)>,
}

impl Surveyor<'_> {
    /// Reports a stop and moves behind it; false if nothing follows.
    pub(super) fn stopped(
        &mut self,
        stop: &Stop,
        file: &dyn File,
        ends: &Ends,
        sink: &mut SurveySink<'_>,
    ) -> Result<bool> {
        let Ends {
            limit, after, next, ..
        } = *ends;
        let id = self.cursor.segment;
        let from = stop.offset.get();
        if stop.fault.is_none() && from == limit && after.is_some() {
            return Ok(false);
        }
        // A range that was given up is in its place: at its first byte the reading goes on in any case.
        let (to, below) = match ends.given_up {
            Some((at, next)) => (at.get(), Some(next)),
            None => (limit, ends.below),
        };
        let refused = |error| Error::io("read", self.log.segment_path(id))(error);
        let attested = self
            .attested_behind(file, id, from, limit)
            .map_err(refused)?;
        let previous = self.cursor.scan.previous();
        let (bytes, resume) = behind(stop, previous, below, file, to).map_err(refused)?;
        let left = to.saturating_sub(from);
        let zeros = zeros_begin(file, from, limit).map_err(refused)?;
        let end = zeros.saturating_add(1).min(limit);
        let verdict = if attested.seq >= stop.seq {
            Verdict::Damaged(attested.by)
        } else if let Some(after) = after {
            Verdict::Damaged(Witness::Header(after))
        } else if end.saturating_sub(from) > MAX_TAIL {
            // No write of ours was that long.
            Verdict::Ambiguous
        } else {
            let rest = read_range(file, from, end).map_err(refused)?;
            tail::judge(&Evidence {
                stop,
                bytes: &rest,
                attested,
                segment: id,
                successor: None,
            })
        };
        let (witness, severity) = match verdict {
            Verdict::Clean => return Ok(false),
            Verdict::Torn(shape) if self.under_lock => (None, Severity::Torn(shape)),
            Verdict::Torn(_) => (None, Severity::InFlight),
            Verdict::Damaged(witness) => (Some(witness), Severity::Damaged),
            Verdict::Ambiguous => (None, Severity::Ambiguous),
        };
        let torn = matches!(severity, Severity::Torn(_) | Severity::InFlight);
        if !torn && self.looks_left > 0 {
            self.looks_left -= 1;
            if let Some(ordered) = look_for_order(file, stop, previous, limit).map_err(refused)? {
                return self.in_order(stop, &ordered, (witness, severity), sink);
            }
            // Elsewhere the next record says the same: outside of groups, where the end of the segment has not moved.
            let in_group = stop.line > stop.offset;
            if in_group || after.is_some() && file.len().map_err(refused)? > limit {
                let found = inserted::look(file, stop, previous, limit).map_err(refused)?;
                if let Some(found) = found {
                    return self.between(stop, &found, (witness, severity), sink);
                }
            }
        }
        let goes_on = ends.given_up.map(|(_, next)| next);
        let (hurt, seq) = match resume.seq.or(goes_on) {
            Some(seq) if !torn && resume.seq.is_some() => (resume.hurt as u64, Some(seq)),
            Some(seq) if !torn => (left, Some(seq)),
            _ => (limit.saturating_sub(from), None),
        };
        // What was given up behind the end is no part of what is missing now.
        let last = next.map(|next| self.cursor.lost.back(next.before()).max(stop.seq.before()));
        if seq.is_none() {
            self.told = next.unwrap_or(self.told);
        }
        let items = &bytes[..resume.hurt.min(bytes.len())];
        let mut damage = damage_of(id, stop, items, witness);
        if seq == Some(stop.seq) {
            damage = in_front(damage, hurt, items);
        }
        self.report(damage, hurt, seq.map(Seq::before).or(last), severity, sink)?;
        let Some(seq) = seq else {
            return Ok(false);
        };
        self.cursor.scan.pass_over(stop.offset.plus(hurt), seq);
        Ok(true)
    }

    /// Reports lines that are all there in another order, gives them out in the order of their records, and goes on behind
    /// them.
    fn in_order(
        &mut self,
        stop: &Stop,
        ordered: &Ordered,
        (witness, severity): (Option<Witness>, Severity),
        sink: &mut SurveySink<'_>,
    ) -> Result<bool> {
        let id = self.cursor.segment;
        let damage = disordered(id, stop, ordered.order, witness);
        let none_missing = Some(stop.seq.before());
        self.report(damage, ordered.len as u64, none_missing, severity, sink)?;
        for place in &ordered.lines {
            self.give(stop, &ordered.bytes, place, sink)?;
        }
        // What was read ahead ends where the segment was said to end.
        self.pass.forget();
        self.copied += ordered.copied_bytes;
        self.cursor.scan = Scan::new(
            stop.offset.plus(ordered.len as u64),
            ordered.order.last.next(),
            Some(ordered.last_crc),
        );
        Ok(true)
    }

    /// Gives out the records behind a stop, reports what stands between them and is none, and goes on behind them.
    fn between(
        &mut self,
        stop: &Stop,
        found: &Inserted,
        (witness, severity): (Option<Witness>, Severity),
        sink: &mut SurveySink<'_>,
    ) -> Result<bool> {
        for piece in &found.pieces {
            match piece {
                Piece::Record(place) => self.give(stop, &found.bytes, place, sink)?,
                Piece::Strange(place, seq) => {
                    let offset = stop.offset.plus(place.start as u64);
                    let bytes = place.len() as u64;
                    let id = self.cursor.segment;
                    let damage = inserted_before(id, (offset, bytes), *seq, witness);
                    self.report(damage, bytes, Some(seq.before()), severity, sink)?;
                }
            }
        }
        // What was read ahead ends where the segment was said to end.
        self.pass.forget();
        self.copied += found.strange;
        self.cursor.scan = found.scan.clone();
        Ok(true)
    }

    /// Gives out a record that was verified, whose line stands there in the bytes behind a stop.
    fn give(
        &mut self,
        stop: &Stop,
        bytes: &[u8],
        place: &Range<usize>,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        let line = &bytes[place.start..place.end - 1];
        let frame = frame::parse(line).expect("a line in its order was verified");
        self.last = (frame.seq, frame.crc);
        sink(Survey::Record(Entry {
            segment: self.cursor.segment,
            offset: stop.offset.plus(place.start as u64),
            frame,
        }))
    }

    /// The strongest witness of what stands at `from` or behind it, in the segment and around it. The segment's bytes are
    /// searched once, at its first stop: what is found there holds for all later ones.
    fn attested_behind(
        &mut self,
        file: &dyn File,
        id: SegmentId,
        from: u64,
        limit: u64,
    ) -> io::Result<Attested> {
        if self.searched.is_none_or(|(segment, _)| segment != id) {
            let found = attested_in(file, from, limit)?;
            let strongest = self.witnesses.strongest();
            let strongest = found.into_iter().fold(strongest, Attested::or);
            self.searched = Some((id, strongest));
        }
        let (_, attested) = self.searched.expect("it was searched just now");
        Ok(attested)
    }
}

/// The bytes behind a stop as far as they are hurt, and where reading can go on. Of a very long hurt only the beginning.
fn behind(
    stop: &Stop,
    previous: Option<Crc>,
    below: Option<Seq>,
    file: &dyn File,
    limit: u64,
) -> io::Result<(Vec<u8>, Resume)> {
    let from = stop.offset.get();
    let mut size = 1 << 18;
    loop {
        let to = limit.min(from.saturating_add(size));
        let bytes = read_range(file, from, to)?;
        let resume = resume(stop, previous, below, &bytes);
        if resume.seq.is_some() || to == limit || size >= SEARCHED {
            return Ok((bytes, resume));
        }
        size *= 4;
    }
}

/// What the bytes of a range attest, read block by block, each byte once.
fn attested_in(file: &dyn File, from: u64, limit: u64) -> io::Result<Option<Attested>> {
    const BLOCK: u64 = 1 << 20;
    // Two records whose newline is hurt are one line.
    const LONGEST: usize = 2 * frame::MAX_LINE;
    let mut best: Option<Attested> = None;
    let mut held: Vec<u8> = Vec::new();
    let mut at = from;
    while at < limit {
        let before = held.len();
        let wanted = usize::try_from(BLOCK.min(limit - at)).expect("a block fits in memory");
        held.resize(before + wanted, 0);
        let read = file.read_full_at(at, &mut held[before..])?;
        held.truncate(before + read);
        if read == 0 {
            break;
        }
        at += read as u64;
        if let Some(newline) = memchr::memrchr(b'\n', &held[before..]) {
            let whole = before + newline + 1;
            if let Some(found) = tail::attested_within(&held[..whole]) {
                best = Some(best.map_or(found, |best| best.or(found)));
            }
            held.drain(..whole);
        } else if held.len() > LONGEST + frame::MAX_LINE {
            // A line without an end that is longer than two records: only its end can be one.
            held.drain(..held.len() - LONGEST);
        }
    }
    Ok(best)
}
