//! The scan of a segment: bytes in, verified records out, until the first byte that does not verify.
//!
//! ```text
//! record  record  more more last  record  more more  ~~~~
//!                 '---group----'          ^         ^ stop.line: the bytes that do not verify
//!                                         '- stop.offset: the group they hurt begins here
//! ```
//!
//! The one scanner there is. Recovery, verify, repair, history and the writer all use it and differ only in what they
//! do with the [`Stop`]. It reads no file: it is given bytes and asks for more.

use super::frame::{self, Crc, Frame, MAX_LINE};
use super::group;
use crate::error::DamageKind;
use crate::position::{Offset, Seq};

/// Where a scan is and what it expects there. Copy it, and the copy reads the same bytes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    offset: Offset,
    next: Seq,
    /// The checksum that the next record must name; `None` behind a lost range, where nobody knows it.
    previous: Option<Crc>,
    group: Option<Group>,
}

/// A group whose last line has not been seen yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    offset: Offset,
    first: Seq,
    previous: Option<Crc>,
    durable: Seq,
}

/// What one step of a scan came upon.
#[derive(Debug)]
pub enum Step<'a> {
    /// One line that verifies.
    Line(Line<'a>),
    /// The line goes on behind the bytes given: give more.
    Hungry,
    /// No further line verifies.
    Stop(Stop),
}

/// One verified line. It counts only once its group is whole.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Where it begins.
    pub offset: Offset,
    /// What it says.
    pub frame: Frame<'a>,
    /// How it stands in its group.
    pub part: Part,
}

/// How a line stands in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A record on its own.
    Whole,
    /// More follows.
    Open,
    /// The last of several: with it the group counts.
    Last,
}

/// Where and why a scan ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The first byte that does not count: the failing line's, or that of the group it is in.
    pub offset: Offset,
    /// The seq expected at `offset`.
    pub seq: Seq,
    /// The first byte that does not verify; at or behind `offset`.
    pub line: Offset,
    /// What is wrong there; `None` where the bytes simply end.
    pub fault: Option<DamageKind>,
}

impl Scan {
    /// A scan that begins at a line's first byte.
    pub const fn new(offset: Offset, next: Seq, previous: Option<Crc>) -> Self {
        Self {
            offset,
            next,
            previous,
            group: None,
        }
    }

    /// The first byte not yet read.
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// The seq of the next record.
    pub const fn next(&self) -> Seq {
        self.next
    }

    /// The checksum of the record before; `None` if nobody knows it.
    pub const fn previous(&self) -> Option<Crc> {
        self.previous
    }

    /// This scan put back to where its unfinished group began; itself outside of one.
    #[must_use]
    pub fn at_group_start(&self) -> Self {
        match &self.group {
            Some(group) => Self::new(group.offset, group.first, group.previous),
            None => self.clone(),
        }
    }

    /// Passes over bytes that were given up: goes on at `offset` with `next`, whatever came before.
    pub fn pass_over(&mut self, offset: Offset, next: Seq) {
        *self = Self::new(offset, next, None);
    }

    /// Reads one line. `bytes` begin at [`Scan::offset`]; `at_end` says that nothing follows them.
    pub fn step<'a>(&mut self, bytes: &'a [u8], at_end: bool) -> Step<'a> {
        let longest = &bytes[..bytes.len().min(MAX_LINE + 1)];
        let line = match memchr::memchr(b'\n', longest) {
            Some(len) => &bytes[..len],
            None if longest.len() > MAX_LINE => {
                return self.stop(DamageKind::Malformed("longer than a record can be"));
            }
            None if !at_end => return Step::Hungry,
            None if bytes.is_empty() => return Step::Stop(self.end()),
            None => return self.stop(DamageKind::Unterminated),
        };
        match self.verify(line) {
            Ok(verified) => Step::Line(verified),
            Err(fault) => self.stop(fault),
        }
    }

    fn verify<'a>(&mut self, line: &'a [u8]) -> Result<Line<'a>, DamageKind> {
        let frame = frame::parse(line)?;
        if frame.seq != self.next {
            return Err(DamageKind::Sequence);
        }
        if self
            .previous
            .is_some_and(|previous| previous != frame.previous)
        {
            return Err(DamageKind::Chain);
        }
        if let Some(group) = &self.group
            && group.durable != frame.durable
        {
            return Err(DamageKind::Malformed(
                "its group knows another durable record",
            ));
        }
        let offset = self.offset;
        let part = match (group::is_more(frame.payload), self.group.is_some()) {
            (false, false) => Part::Whole,
            (false, true) => Part::Last,
            (true, _) => Part::Open,
        };
        if part == Part::Open {
            self.group.get_or_insert(Group {
                offset,
                first: frame.seq,
                previous: self.previous,
                durable: frame.durable,
            });
        } else {
            self.group = None;
        }
        self.offset = offset.plus(line.len() as u64 + 1);
        self.next = frame.seq.next();
        self.previous = Some(frame.crc);
        Ok(Line {
            offset,
            frame,
            part,
        })
    }

    fn stop(&self, fault: DamageKind) -> Step<'static> {
        Step::Stop(self.stop_with(Some(fault)))
    }

    fn end(&self) -> Stop {
        let fault = self.group.as_ref().map(|_| DamageKind::UnfinishedGroup);
        self.stop_with(fault)
    }

    fn stop_with(&self, fault: Option<DamageKind>) -> Stop {
        let (offset, seq) = match &self.group {
            Some(group) => (group.offset, group.first),
            None => (self.offset, self.next),
        };
        Stop {
            offset,
            seq,
            line: self.offset,
            fault,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A log of single records and groups, as one segment's bytes; each group one slice of payloads.
    pub(crate) fn lines(groups: &[&[&str]]) -> Vec<u8> {
        let (mut bytes, mut previous, mut next) = (Vec::new(), Crc::NONE, Seq::FIRST);
        for group in groups {
            let payloads: Vec<String> = group.iter().map(|&payload| payload.to_owned()).collect();
            let encoded = group::encode_group(previous, next, next.before(), &payloads);
            bytes.extend_from_slice(&encoded.bytes);
            (previous, next) = (encoded.last_crc, encoded.last.next());
        }
        bytes
    }

    /// Everything that counts, and the stop.
    pub(crate) fn scan_all(bytes: &[u8]) -> (Vec<Seq>, Stop) {
        let mut scan = Scan::new(Offset::START, Seq::FIRST, Some(Crc::NONE));
        let (mut whole, mut open) = (Vec::new(), Vec::new());
        loop {
            let at = usize::try_from(scan.offset().get()).unwrap();
            match scan.step(&bytes[at..], true) {
                Step::Line(line) => {
                    open.push(line.frame.seq);
                    if line.part != Part::Open {
                        whole.append(&mut open);
                    }
                }
                Step::Hungry => panic!("hungry at the end"),
                Step::Stop(stop) => return (whole, stop),
            }
        }
    }

    const A: &str = r#"{"event":"a"}"#;

    #[test]
    fn a_clean_end_has_no_fault() {
        let bytes = lines(&[&[A], &[A, A], &[A]]);
        let (seqs, stop) = scan_all(&bytes);
        assert_eq!(seqs, [1, 2, 3, 4].map(Seq::new));
        assert_eq!(stop.fault, None);
        assert_eq!(
            (stop.offset.get(), stop.seq),
            (bytes.len() as u64, Seq::new(5))
        );
        assert_eq!(scan_all(b"").1.fault, None);
    }

    #[test]
    fn unfinished_group_ends_the_log_at_its_first_byte() {
        let whole = lines(&[&[A]]).len();
        let bytes = lines(&[&[A], &[A, A, A]]);
        let last = bytes[..bytes.len() - 1]
            .iter()
            .rposition(|&b| b == b'\n')
            .unwrap()
            + 1;
        for cut in whole + 1..bytes.len() {
            let (seqs, stop) = scan_all(&bytes[..cut]);
            assert_eq!(seqs, [Seq::FIRST], "cut at {cut}");
            assert_eq!((stop.offset.get(), stop.seq), (whole as u64, Seq::new(2)));
            assert!(stop.fault.is_some());
            if cut == last {
                assert_eq!(stop.fault, Some(DamageKind::UnfinishedGroup));
                assert_eq!(stop.line.get(), last as u64);
            }
        }
    }

    #[test]
    fn removed_repeated_and_swapped_lines_show() {
        let bytes = lines(&[&[A], &[A], &[A]]);
        let text: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
        for (order, counted) in [
            (vec![0, 2], 1),
            (vec![0, 0, 1], 1),
            (vec![0, 2, 1], 1),
            (vec![1, 2], 0),
        ] {
            let mutant: Vec<u8> = order.iter().flat_map(|&i| text[i].to_vec()).collect();
            let (seqs, stop) = scan_all(&mutant);
            assert_eq!(seqs.len(), counted, "{order:?}");
            assert_eq!(stop.fault, Some(DamageKind::Sequence));
        }
        // The seq fits, the history does not.
        let other = lines(&[&[r#"{"event":"b"}"#], &[A]]);
        let other: Vec<&[u8]> = other.split_inclusive(|&b| b == b'\n').collect();
        let (_, stop) = scan_all(&[text[0], other[1]].concat());
        assert_eq!(stop.fault, Some(DamageKind::Chain));
    }

    #[test]
    fn group_lines_share_one_durable() {
        let mut bytes = Vec::new();
        let more = r#"{"more":true,"event":"a"}"#;
        let first = frame::encode(&mut bytes, Crc::NONE, Seq::new(1), Seq::NONE, more);
        frame::encode(&mut bytes, first, Seq::new(2), Seq::new(1), A);
        let (seqs, stop) = scan_all(&bytes);
        assert!(seqs.is_empty());
        assert!(matches!(stop.fault, Some(DamageKind::Malformed(_))));
        assert_eq!(stop.offset, Offset::START);
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        let bytes = lines(&[&[A], &[A, A]]);
        let mut scan = Scan::new(Offset::START, Seq::FIRST, Some(Crc::NONE));
        let (mut given, mut seen) = (0, 0);
        loop {
            let at = usize::try_from(scan.offset().get()).unwrap();
            match scan.step(&bytes[at..given], given == bytes.len()) {
                Step::Line(_) => seen += 1,
                Step::Hungry => given += 1,
                Step::Stop(stop) => break assert_eq!(stop.fault, None),
            }
        }
        assert_eq!(seen, 3);
    }

    #[test]
    fn endless_line_is_no_record() {
        let mut scan = Scan::new(Offset::START, Seq::FIRST, None);
        let bytes = vec![b'x'; MAX_LINE + 1];
        assert!(matches!(scan.step(&bytes, false), Step::Stop(_)));
        assert!(matches!(scan.step(&bytes[1..], false), Step::Hungry));
    }
}
