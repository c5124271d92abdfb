//! Where a segment ended and what its bytes come to, compared with what its successor's header says of both.

use std::io;

use super::super::head::{Sha256Hex, head_at};
use super::super::header::Predecessor;
use super::super::pass::MAX_TAIL;
use super::super::segment::Step;
use super::super::tail::{self, Attested, Evidence, Verdict};
use super::super::window::{read_range, zeros_begin};
use super::{Severity, SurveySink, Surveyor};
use crate::error::{DamageKind, Error, Result, Witness};
use crate::ports::File;
use crate::position::{Offset, SegmentId, Seq};

impl Surveyor<'_> {
    /// Says what the bytes are that stand behind where a sealed segment ends: a tail that was torn when it was sealed, or
    /// something else.
    pub(super) fn behind_the_seal(
        &self,
        file: &dyn File,
        limit: u64,
        len: u64,
    ) -> io::Result<Severity> {
        if self.cursor.scan.offset().get() != limit {
            // Where the segment could not be read to its end, nobody knows how its tail looked.
            return Ok(Severity::Sealed);
        }
        let end = zeros_begin(file, limit, len)?.saturating_add(1).min(len);
        if end - limit > MAX_TAIL {
            return Ok(Severity::Beyond);
        }
        let bytes = read_range(file, limit, end)?;
        let (mut scan, mut at) = (self.cursor.scan.clone(), 0);
        let stop = loop {
            match scan.step(bytes.get(at..).unwrap_or_default(), true) {
                Step::Line(_) => {
                    at = usize::try_from(scan.offset().get() - limit).unwrap_or(usize::MAX);
                }
                Step::Hungry => return Ok(Severity::Beyond),
                Step::Stop(stop) => break stop,
            }
        };
        let nobody = Attested {
            seq: Seq::NONE,
            by: Witness::Mark(Seq::NONE),
        };
        // As the writer saw it that sealed it: what a crash leaves, and nothing before that.
        let verdict = tail::judge(&Evidence {
            stop: &stop,
            bytes: &bytes,
            attested: nobody,
            segment: self.cursor.segment,
            successor: None,
        });
        Ok(match verdict {
            Verdict::Torn(_) if stop.offset.get() == limit => Severity::Sealed,
            _ => Severity::Beyond,
        })
    }

    /// Compares where a segment ended with what its successor's header says.
    pub(super) fn check_seal(
        &mut self,
        prev: &Predecessor,
        successor: SegmentId,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        // A segment that could not be read to its end was reported already.
        if self.cursor.scan.offset() != prev.valid_bytes {
            return Ok(());
        }
        let crc = self.cursor.scan.previous();
        let fits = crc.is_none_or(|crc| crc == prev.last_crc32);
        let next = self.cursor.scan.next();
        if next == prev.last_seq.next() && fits {
            return Ok(());
        }
        if next <= prev.last_seq && self.hurt {
            // Where other bytes stand instead of records, the last of these leave none.
            if self.cursor.lost_through(next) > prev.last_seq {
                return Ok(());
            }
            let by = Some(Witness::Header(successor));
            let mut missing = self.damage(prev.segment, prev.valid_bytes, DamageKind::Missing, by);
            missing.seq = next;
            self.told = prev.last_seq.next();
            return self.report(missing, 0, Some(prev.last_seq), Severity::Damaged, sink);
        }
        let kind = DamageKind::Header(format!(
            "record {} does not end {}",
            prev.last_seq, prev.segment
        ));
        let misfit = self.damage(
            successor,
            Offset::START,
            kind,
            Some(Witness::Name(successor)),
        );
        self.report(misfit, 0, None, Severity::Damaged, sink)
    }

    /// Computes the head at the end of a segment and compares it with what the next header says.
    pub(super) fn check_head(
        &mut self,
        file: &dyn File,
        id: SegmentId,
        end: u64,
        successor: Option<SegmentId>,
        sink: &mut SurveySink<'_>,
    ) -> Result<Option<Sha256Hex>> {
        if self.cursor.log.is_none() {
            return Ok(None);
        }
        let sha256 = self.cursor.sha256;
        let head = match successor.and_then(|_| self.ahead.take(id, sha256, end)) {
            Some(head) => head,
            None => {
                head_at(file, sha256, end).map_err(Error::io("read", self.log.segment_path(id)))?
            }
        };
        let Some(successor) = successor else {
            return Ok(Some(head));
        };
        let Ok(header) = self.header(successor)? else {
            return Ok(Some(head));
        };
        // The head of hurt bytes is another, and what hurt them was told.
        if self.hurt || self.cursor.header_lost(successor) {
            return Ok(Some(head));
        }
        let sealed = header
            .prev
            .is_some_and(|prev| prev.segment == id && prev.valid_bytes.get() == end);
        if sealed && header.sha256.is_some_and(|said| said != head) {
            let changed = format!("its sha256 is not that of {id}");
            let kind = DamageKind::Header(changed);
            let misfit = self.damage(
                successor,
                Offset::START,
                kind,
                Some(Witness::Name(successor)),
            );
            self.report(misfit, 0, None, Severity::Damaged, sink)?;
        }
        Ok(Some(head))
    }
}
