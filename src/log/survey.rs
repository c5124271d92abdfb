//! Reading everything that can be read, and saying what cannot: for verify, repair and history.
//!
//! The same scanner and the same verdict as every other reader has. Only the policy differs: a survey reports where
//! a reader would stop, and goes on at the next record.

mod search;
mod given_up;
mod out_of_place;
mod ahead;
mod relay;
mod seal;

use super::cursor::Cursor;
use super::frame::Crc;
use super::head::Sha256Hex;
use super::header::{LogId, LostRange, SegmentHeader};
use super::pass::Pass;
use super::reader::{Access, Entry, Log, Witnesses};
use super::tail::{Attested, Shape};
use super::trouble::{
    HeaderLine, HeaderProblem, Trouble, file_name, header_trouble, not_opened, read_header,
};
use crate::error::{Damage, DamageKind, Error, Result, Witness};
use crate::position::{Offset, SegmentId, Seq};
use ahead::Ahead;
use search::Ends;

/// A log of fewer segments is read before another thread has begun.
const LEAST_SEGMENTS: usize = 16;

/// How often a survey looks for another order of lines: that is a long look, and hostile bytes may ask for any number.
const MOST_LOOKS: u32 = 256;

/// What a survey comes upon, in the order of the log.
#[derive(Debug)]
pub enum Survey<'a> {
    /// A segment begins.
    Segment(SegmentFacts<'a>),
    /// A record that can be read; that it stands in its place is certain only where no finding is just before it.
    Record(Entry<'a>),
    /// Bytes that are no records, or records that are not there.
    Finding(&'a Finding),
}

/// What is known of a segment before its records are read.
#[derive(Clone, Copy, Debug)]
pub struct SegmentFacts<'a> {
    /// The segment.
    pub id: SegmentId,
    /// Its header, if that can be read and fits.
    pub header: Option<&'a SegmentHeader>,
    /// The file's length, in bytes.
    pub file_bytes: u64,
    /// Where its successor's header says that it ends.
    pub sealed_at: Option<Offset>,
}

/// A range that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where, from which seq on, and why.
    pub damage: Damage,
    /// How many bytes are hurt, from `damage.offset` on.
    pub bytes: u64,
    /// The last seq that is missing; below `damage.seq` if no seq is, `None` if nobody knows.
    pub to_seq: Option<Seq>,
    /// How bad it is.
    pub severity: Severity,
}

impl Finding {
    /// The error for who cannot go on without what the system refuses to read.
    pub(crate) fn refused(&self) -> Error {
        let said = match &self.damage.kind {
            DamageKind::Refused {
                number: Some(number),
                ..
            } => std::io::Error::from_raw_os_error(*number),
            kind => std::io::Error::other(kind.to_string()),
        };
        Error::io("read", &self.damage.file)(said)
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// An acknowledged record is hurt.
    Damaged,
    /// Nothing tells whether it was acknowledged.
    Ambiguous,
    /// Never acknowledged.
    Torn(Shape),
    /// Somebody may be writing it just now.
    InFlight,
    /// A torn tail that was sealed; it lies behind where the segment ends.
    Sealed,
    /// Bytes behind where a sealed segment ends that no crash leaves there.
    Beyond,
    /// A repair gave it up.
    GivenUp,
    /// The system refuses to read it: no verdict.
    Unreadable,
}

/// What a survey found out on the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyEnd {
    /// Which log it is, if any header can be read.
    pub log: Option<LogId>,
    /// The last record that can be read.
    pub last: Seq,
    /// Its checksum.
    pub last_crc: Crc,
    /// The last segment.
    pub segment: SegmentId,
    /// The end of the last record that can be read in it.
    pub offset: Offset,
    /// The head of the log there; `None` if the last segment, or its header, is hurt.
    pub head: Option<Sha256Hex>,
    /// How many findings speak of damage or are ambiguous.
    pub bad: usize,
    /// What was given up before, as the last header says it that says anything of its segment.
    pub lost: Vec<LostRange>,
    /// That part of it that is passed over where it was declared.
    pub given_up: Vec<LostRange>,
}

/// Takes what a survey comes upon.
pub type SurveySink<'s> = dyn FnMut(Survey<'_>) -> Result<()> + 's;

impl Log {
    /// Reads every record that can be read, from the first segment to the last, and reports everything that cannot.
    ///
    /// Without the append lock (`under_lock`) what others write meanwhile may look hurt: what is bad then is to be
    /// surveyed again under it. Writes nothing.
    ///
    /// # Errors
    /// [`Error::NoStore`], [`Error::NewerFormat`], [`Error::Io`] but for a segment that cannot be read, which is a finding,
    /// and what the sink returns; damage is no error here, but for a `wal/` that has lost all its segments.
    pub fn survey(
        &self,
        witnesses: Witnesses,
        under_lock: bool,
        sink: &mut SurveySink<'_>,
    ) -> Result<SurveyEnd> {
        let ids = self.segments()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if ids.len() < LEAST_SEGMENTS || cores < 2 {
            return self.survey_with(&ids, Ahead::default(), witnesses, under_lock, sink);
        }
        std::thread::scope(|scope| {
            let ahead = Ahead::begin(scope, self, &ids);
            let survey = |sink: &mut SurveySink<'_>| {
                self.survey_with(&ids, ahead, witnesses, under_lock, sink)
            };
            relay::relay(survey, sink)
        })
    }

    fn survey_with(
        &self,
        ids: &[SegmentId],
        ahead: Ahead,
        witnesses: Witnesses,
        under_lock: bool,
        sink: &mut SurveySink<'_>,
    ) -> Result<SurveyEnd> {
        let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else {
            return Err(self.no_segments(witnesses));
        };
        let previous = (first == SegmentId::FIRST).then_some(Crc::NONE);
        let mut surveyor = Surveyor {
            log: self,
            witnesses,
            under_lock,
            pass: Pass::new(self, witnesses, Access::ReadOnly, under_lock),
            cursor: Cursor::at(first, previous),
            last: (Seq::NONE, Crc::NONE),
            bad: 0,
            hurt: false,
            searched: None,
            looks_left: MOST_LOOKS,
            copied: 0,
            told: Seq::NONE,
            read: None,
            ahead,
            given_up: Vec::new(),
        };
        let ours = surveyor.learn_lost(ids)?;
        // The last is passed over by none.
        let passed_over = surveyor.passed_over(ids, ours)?;
        let counts = |id: &SegmentId| !passed_over.contains_key(id);
        surveyor.learn_gone(ids, &counts);
        let (mut head, mut before) = (None, None);
        for (index, &id) in ids.iter().enumerate() {
            if let Some(&passed) = passed_over.get(&id) {
                surveyor.report_out_of_place(id, passed, sink)?;
                continue;
            }
            let after = ids[index + 1..].iter().copied().find(counts);
            let before = before.replace(id);
            head = match surveyor.segment(before, id, after, sink) {
                Err(Error::Io { path, source, .. }) if path == self.segment_path(id) => {
                    surveyor.refused(id, after, refusal(&source), sink)?;
                    None
                }
                surveyed => surveyed?,
            };
        }
        Ok(SurveyEnd {
            log: surveyor.cursor.log,
            last: surveyor.last.0,
            last_crc: surveyor.last.1,
            segment: last,
            offset: surveyor.cursor.scan.offset(),
            head,
            bad: surveyor.bad,
            lost: surveyor.cursor.lost.ranges().to_vec(),
            given_up: surveyor.given_up,
        })
    }
}

/// What the system said, as a finding has it.
fn refusal(said: &std::io::Error) -> DamageKind {
    DamageKind::Refused {
        number: said.raw_os_error(),
        what: said.to_string(),
    }
}

struct Surveyor<'l> {
    log: &'l Log,
    witnesses: Witnesses,
    under_lock: bool,
    pass: Pass<'l>,
    cursor: Cursor,
    last: (Seq, Crc),
    bad: usize,
    /// The segment that is read is hurt, or in part given up: its bytes are not those that were sealed.
    hurt: bool,
    /// What is attested behind the first stop in this segment.
    searched: Option<(SegmentId, Attested)>,
    /// How many more stops are looked at for another order.
    looks_left: u32,
    /// How many bytes of the segment that is read are copies of lines, or none of its: it is longer by them than it was sealed.
    copied: u64,
    /// What is missing before this seq was told already.
    told: Seq,
    /// The header that was read last: each is asked for when its segment begins, and before, when that of the segment
    /// before it ends.
    read: Option<(SegmentId, HeaderLine)>,
    ahead: Ahead,
    /// What was given up before and is passed over where it was declared.
    given_up: Vec<LostRange>,
}

impl Surveyor<'_> {
    /// Surveys one segment; returns the head at its end.
    fn segment(
        &mut self,
        before: Option<SegmentId>,
        id: SegmentId,
        after: Option<SegmentId>,
        sink: &mut SurveySink<'_>,
    ) -> Result<Option<Sha256Hex>> {
        let path = self.log.segment_path(id);
        let file = match self.log.ports.disk.open_read(&path) {
            Ok(file) => file,
            Err(error) => return self.not_opened(id, after, error, sink).map(|()| None),
        };
        let len = file.len().map_err(Error::io("read", &path))?;
        let header = self.header(id)?;
        let sealed = match after {
            // What a header says that was given up is not believed, as no reader believes it.
            Some(after) if !self.cursor.header_lost(after) => {
                self.header(after)?.ok().and_then(|header| header.prev)
            }
            _ => None,
        };
        let sealed = sealed.filter(|prev| prev.segment == id);
        sink(Survey::Segment(SegmentFacts {
            id,
            header: header.as_ref().ok(),
            file_bytes: len,
            sealed_at: sealed.map(|prev| prev.valid_bytes),
        }))?;
        let begins_well = header.is_ok();
        self.enter(before, id, header, sink)?;
        let bad = self.bad;
        self.hurt = self.cursor.header_lost(id);
        let limit = sealed.map_or(len, |prev| prev.valid_bytes.get());
        self.pass.forget();
        self.copied = 0;
        let next = self.next_seq(id, after, sealed.as_ref())?;
        let ends = Ends {
            limit,
            after,
            next,
            below: next.filter(|_| sealed.is_some()),
            given_up: None,
        };
        self.records(&*file, len, ends, sink)?;
        let limit = limit.saturating_add(self.copied).min(len.max(limit));
        // What was given up may reach beyond the end of a file that was cut.
        let end = self.cursor.scan.offset().get().min(len);
        if let (Some(prev), Some(after)) = (&sealed, after) {
            self.check_seal(prev, after, sink)?;
            if len > limit {
                let (offset, bytes) = (Offset::new(limit), len - limit);
                let unread = self.damage(id, offset, DamageKind::Unterminated, None);
                let severity = self
                    .behind_the_seal(&*file, limit, len)
                    .map_err(Error::io("read", &path))?;
                self.report(unread, bytes, None, severity, sink)?;
            }
        }
        let head = self.check_head(&*file, id, end, after, sink)?;
        // The head of hurt bytes, or behind a header that nobody can read, is nobody's.
        Ok(head.filter(|_| begins_well && self.bad == bad))
    }

    /// Reports a segment whose name leads to no file, and goes on behind it.
    fn not_opened(
        &mut self,
        id: SegmentId,
        after: Option<SegmentId>,
        error: std::io::Error,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        let damage = match not_opened(self.log, id, error) {
            Trouble::Bad(Error::Damaged(damage)) => *damage,
            trouble => return Err(trouble.into_error()),
        };
        sink(Survey::Segment(SegmentFacts {
            id,
            header: None,
            file_bytes: 0,
            sealed_at: None,
        }))?;
        self.cursor.enter(id, None);
        // At the end of the log the witnesses alone know how far it went.
        let attested = self.witnesses.strongest().seq;
        let to = match after {
            Some(after) => Some(after.first_seq().before()),
            None => Some(attested).filter(|&seq| seq >= id.first_seq()),
        };
        self.told = to.map_or(self.told, Seq::next);
        self.report(damage, 0, to, Severity::Damaged, sink)
    }

    /// Reports a segment that the system refuses to read, and goes on behind it.
    fn refused(
        &mut self,
        id: SegmentId,
        after: Option<SegmentId>,
        why: DamageKind,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        self.cursor.enter(id, None);
        let mut damage = self.damage(id, Offset::START, why, None);
        damage.seq = id.first_seq();
        let to = after.map(|after| after.first_seq().before());
        self.told = to.map_or(self.told, Seq::next);
        self.bad += 1;
        self.report(damage, 0, to, Severity::Unreadable, sink)
    }

    /// Moves to a segment, and reports what its header says that does not fit what was read.
    fn enter(
        &mut self,
        before: Option<SegmentId>,
        id: SegmentId,
        header: HeaderLine,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        let expected = match before {
            Some(_) => self.cursor.scan.next(),
            None => Seq::FIRST,
        };
        let ended = before.map(|before| (before, self.cursor.scan.offset()));
        let follows = before.is_some() && expected == id.first_seq();
        let previous = match &header {
            Ok(header) => header.prev.map_or(Crc::NONE, |prev| prev.last_crc32).into(),
            Err(_) if follows => self.cursor.scan.previous(),
            Err(_) if id == SegmentId::FIRST => Some(Crc::NONE),
            Err(_) => None,
        };
        if let Some(before) = before
            && (header.is_err() || self.cursor.header_lost(id))
        {
            self.gap(before, expected.max(self.told), id, sink)?;
        }
        self.cursor.enter(id, previous);
        match header {
            Ok(_) if self.cursor.header_lost(id) => {}
            Ok(header) => {
                if self.cursor.log.is_some_and(|log| log != header.log) {
                    let kind = DamageKind::Header(format!("it belongs to the log {}", header.log));
                    let foreign = self.damage(id, Offset::START, kind, Some(Witness::Name(id)));
                    self.report(foreign, 0, None, Severity::Damaged, sink)?;
                }
                let gone = header.prev.map(|prev| prev.segment);
                self.cursor.learn(&header);
                if gone != before {
                    let gone = gone.filter(|&gone| before.is_none_or(|before| gone > before));
                    let gone = gone.unwrap_or(SegmentId::starting_at(expected));
                    let mut expected = expected;
                    if let Some(before) = before.filter(|before| before.first_seq() == expected)
                        && gone > before
                        && self.told <= expected
                    {
                        // Nothing of the one before stands there, its header neither.
                        self.gap(before, expected, gone, sink)?;
                        expected = gone.first_seq();
                    }
                    // With several gone in a row, the header names only the last of them.
                    let from = expected.max(self.told).min(gone.first_seq());
                    self.missing((gone, ended), from, id, sink)?;
                }
            }
            Err(HeaderProblem::Hurt(kind @ DamageKind::Header(_)))
                if !self.cursor.header_lost(id) =>
            {
                // Its line verifies, so the scan would not stop at it.
                let misfit = self.damage(id, Offset::START, kind, Some(Witness::Name(id)));
                self.report(misfit, 0, None, Severity::Damaged, sink)?;
            }
            Err(_) if before.is_none() && id != SegmentId::FIRST => {
                self.missing((SegmentId::FIRST, None), Seq::FIRST, id, sink)?;
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Reports the records that are missing between the end of a segment and one whose header says nothing of them.
    fn gap(
        &mut self,
        before: SegmentId,
        from: Seq,
        id: SegmentId,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        if self.cursor.lost_through(from) >= id.first_seq() {
            return Ok(());
        }
        let by = Some(Witness::Name(id));
        let mut missing = self.damage(before, self.cursor.scan.offset(), DamageKind::Missing, by);
        missing.seq = from;
        let to = self.cursor.lost.back(id.first_seq().before());
        self.report(missing, 0, Some(to), Severity::Damaged, sink)
    }

    /// Reports a segment that is gone, with all from that record on; `ended` is the segment before it, and its end.
    fn missing(
        &mut self,
        (gone, ended): (SegmentId, Option<(SegmentId, Offset)>),
        from: Seq,
        successor: SegmentId,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        let by = Some(Witness::Name(successor));
        let mut missing = self.damage(gone, Offset::START, DamageKind::MissingSegment, by);
        let last = successor.first_seq().before();
        missing.seq = from;
        if self.cursor.lost_through(from) > last {
            return self.report(missing, 0, Some(last), Severity::GivenUp, sink);
        }
        missing.seq = self.cursor.lost_through(from);
        let to = self.cursor.lost.back(last);
        if let Some((before, end)) = ended.filter(|_| to < gone.first_seq()) {
            // It was given up itself; what is missing now stood before it.
            missing = Damage {
                seq: missing.seq,
                ..self.damage(before, end, DamageKind::Missing, by)
            };
        }
        self.report(missing, 0, Some(to), Severity::Damaged, sink)
    }

    fn header(&mut self, id: SegmentId) -> Result<HeaderLine> {
        if let Some((_, line)) = self.read.as_ref().filter(|(read, _)| *read == id) {
            return Ok(line.clone());
        }
        match self.header_line(id)? {
            Err(newer @ HeaderProblem::Newer(..)) => {
                Err(header_trouble(self.log, id, newer).into_error())
            }
            line => {
                self.read = Some((id, line.clone()));
                Ok(line)
            }
        }
    }

    /// Reads a header. One that the system refuses to read is told with its segment, and not before.
    fn header_line(&self, id: SegmentId) -> Result<HeaderLine> {
        match read_header(self.log, id) {
            Err(Error::Io { source, .. }) if self.cursor.segment != id => {
                Ok(Err(HeaderProblem::Hurt(refusal(&source))))
            }
            line => line,
        }
    }

    fn damage(
        &self,
        id: SegmentId,
        offset: Offset,
        kind: DamageKind,
        by: Option<Witness>,
    ) -> Damage {
        Damage {
            file: file_name(id),
            segment: Some(id),
            offset,
            seq: if offset == Offset::START {
                id.first_seq()
            } else {
                self.cursor.scan.next()
            },
            kind,
            witness: by,
            items: Vec::new(),
        }
    }

    fn report(
        &mut self,
        damage: Damage,
        bytes: u64,
        to_seq: Option<Seq>,
        severity: Severity,
        sink: &mut SurveySink<'_>,
    ) -> Result<()> {
        if matches!(severity, Severity::Damaged | Severity::Ambiguous) {
            self.bad += 1;
        }
        self.hurt |= !matches!(severity, Severity::Sealed | Severity::Beyond);
        sink(Survey::Finding(&Finding {
            damage,
            bytes,
            to_seq,
            severity,
        }))
    }
}
