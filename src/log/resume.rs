//! Where reading can go on behind hurt bytes: at the next record, unless it belongs to a group that they were part of.
//!
//! ```text
//! more ~~~~ last record      a verified line says that more follows, and the hurt one does not say that it was the last
//! ~~~~ more last record      what is left of the hurt line says that more follows
//! ~~~~ record                it says that it was the last, or the record attests it: no group of which it were a part does
//! ```
//!
//! Groups are whole or absent, so what is left of a hurt group belongs to the hurt. Whether a hurt line had more behind it,
//! it tells by what is left of it, and the record behind it by what it attests; where neither does, it had.

use super::frame::{self, Crc, Frame};
use super::group::{self, MORE};
use super::segment::Stop;
use crate::position::{Offset, Seq};

/// The most bytes that stand before a payload: two checksums, two numbers, four spaces.
const LONGEST_HEAD: usize = frame::MAX_LINE - frame::MAX_PAYLOAD;

/// Where reading can go on behind a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resume {
    /// How many bytes are hurt, counted from the stop's offset.
    pub(super) hurt: usize,
    /// The seq of the record behind them; `None` if there is none to the end of the bytes.
    pub(super) seq: Option<Seq>,
}

/// Finds the end of the damage that begins at a stop: the record that continues what is before the stop, if it stands
/// anywhere behind; else the next record that can stand there. `previous` is the checksum of the record before the stop,
/// if anybody knows it; what begins at `below`, if that is known, stands behind these bytes.
pub(super) fn resume(
    stop: &Stop,
    previous: Option<Crc>,
    below: Option<Seq>,
    bytes: &[u8],
) -> Resume {
    let verified = usize::try_from(stop.line.get() - stop.offset.get()).unwrap_or(usize::MAX);
    let verified = verified.min(bytes.len());
    let mut before = Before::at(stop, &bytes[..verified]);
    let (mut at, mut next) = (verified, None);
    while let Some(len) = memchr::memchr(b'\n', &bytes[at..]) {
        let (line, behind) = (&bytes[at..at + len], &bytes[at + len + 1..]);
        if previous.is_some_and(|previous| continues(line, stop.seq, previous)) {
            return Resume {
                hurt: at,
                seq: Some(stop.seq),
            };
        }
        if next.is_none() {
            let whole = frame::parse(line).ok().map(|frame| (0, frame));
            match whole.or_else(|| joined(line, behind)) {
                None => before.pass(line),
                Some((begin, frame)) => {
                    if begin > 0 {
                        before.pass(&line[..begin]);
                    }
                    let place = at + begin;
                    // A whole record that stands too early: what is missing before it leaves no bytes. One that has the
                    // right seq and failed all the same does not follow what is before it.
                    let later = frame.seq > stop.seq || place > verified && frame.seq >= stop.seq;
                    if !later || below.is_some_and(|below| frame.seq >= below) {
                        before.pass(line);
                    } else if before.holds(&frame) {
                        before.take(&frame);
                    } else {
                        next = Some(Resume {
                            hurt: place,
                            seq: Some(frame.seq),
                        });
                    }
                }
            }
        }
        at += len + 1;
    }
    next.unwrap_or(Resume {
        hurt: bytes.len(),
        seq: None,
    })
}

/// What stands before a record that may be the next one, and whether that can be a part of it.
struct Before {
    /// The last record that is known.
    last: Seq,
    /// The group of it that goes on, by what its lines attest.
    open: Option<Seq>,
    /// How many hurt lines follow it.
    hurt: u64,
    /// Whether the last of them says that more follows; `None` if it does not tell.
    more: Option<bool>,
    /// The last of them that still says its seq, and whether it says that more follows.
    named: Option<(Seq, Option<bool>)>,
    /// The next line should be a segment's header, which stands alone.
    header: bool,
}

impl Before {
    /// At a stop, behind the verified lines of an unfinished group.
    fn at(stop: &Stop, verified: &[u8]) -> Self {
        let count = memchr::memchr_iter(b'\n', verified).count() as u64;
        let first =
            memchr::memchr(b'\n', verified).and_then(|len| frame::parse(&verified[..len]).ok());
        Self {
            last: stop.seq.plus(count).before(),
            open: first.map(|frame| frame.durable),
            hurt: 0,
            more: None,
            named: None,
            header: stop.line == Offset::START,
        }
    }

    /// Passes over a hurt line.
    fn pass(&mut self, line: &[u8]) {
        let expected = self.last.plus(self.hurt + 1);
        let seq = says_seq(line);
        if seq.is_some_and(|seq| seq <= self.last) {
            // It stands elsewhere: no trace of what should stand here.
            return;
        }
        let header = std::mem::take(&mut self.header) && seq.is_none_or(|seq| seq == expected);
        let more = says_more(line, seq.unwrap_or(expected)).or(header.then_some(false));
        if let Some(seq) = seq {
            self.named = Some((seq, more));
        }
        // One from further behind says nothing of what stood here.
        if seq.is_none_or(|seq| seq == expected) {
            (self.hurt, self.more) = (self.hurt + 1, more);
        }
    }

    /// Passes over a record that belongs to a hurt group.
    fn take(&mut self, frame: &Frame<'_>) {
        if frame.seq > self.last {
            *self = Self {
                last: frame.seq,
                open: group::is_more(frame.payload).then_some(frame.durable),
                hurt: 0,
                more: None,
                named: None,
                header: false,
            };
        }
    }

    /// True if the record may be part of a group that is hurt.
    fn holds(&self, frame: &Frame<'_>) -> bool {
        let before = frame.seq.before();
        // Who wrote a group knew nothing of it to be durable.
        if frame.durable >= before {
            return false;
        }
        if frame.seq <= self.last {
            // It stands there already.
            return true;
        }
        let gone = before.get() - self.last.get();
        if gone == 0 {
            return self.open == Some(frame.durable);
        }
        let more = match self.named {
            Some((seq, more)) if seq == before => more,
            // As many lines as records: the last line was the last record.
            _ if self.hurt == gone => self.more,
            _ => None,
        };
        more.unwrap_or_else(|| {
            // All lines of a group attest the same. Of two that are hurt the second may have begun another one.
            gone > 1 || self.open.is_none_or(|durable| durable == frame.durable)
        })
    }
}

/// The whole record that a hurt line ends with, and where in the line it begins: the newline before it is hurt too. Only
/// where the next line names it, for what stands in a payload is somebody else's text.
fn joined<'a>(line: &'a [u8], behind: &[u8]) -> Option<(usize, Frame<'a>)> {
    let frame = super::tail::record_at_end(line)?;
    let named = named_before(behind)? == frame.crc;
    let len = usize::try_from(frame.encoded_len() - 1).ok()?;
    named.then(|| (line.len() - len, frame))
}

/// The checksum that a line names as that of the record before it.
fn named_before(line: &[u8]) -> Option<Crc> {
    let digits = std::str::from_utf8(line.get(9..17)?).ok()?;
    Crc::parse(digits)
}

/// True if a line is the record of that seq behind the one with that checksum.
fn continues(line: &[u8], seq: Seq, previous: Crc) -> bool {
    // Hardly any line is, and to verify one costs its checksum.
    named_before(line) == Some(previous) && frame::parse(line).is_ok_and(|frame| frame.seq == seq)
}

/// Whether a hurt line says that more follows; `None` if too little of it is left. `seq` is that of its record, if all
/// lines before it are there.
fn says_more(line: &[u8], seq: Seq) -> Option<bool> {
    // However the keys of a payload are ordered, `more` is the first if it is there.
    const ALONE: [&[u8]; 2] = [br#"{"at":"20"#, br#"{"event":"#];
    const BODY: &str = r#""at":"20??-??-??T??:??:??.??????Z","event":""#;
    // What still is as it was written is found anywhere;
    let found = |text: &[u8]| {
        let head = &line[..line.len().min(LONGEST_HEAD + text.len())];
        memchr::memmem::find(head, text).is_some()
    };
    if found(MORE.as_bytes()) {
        return Some(true);
    }
    if ALONE.into_iter().any(found) {
        return Some(false);
    }
    // what is hurt itself, in its place, if half of it is left. That depends on nothing but the digits before it.
    let digits = |seq: Seq| seq.get().checked_ilog10().unwrap_or(0) as usize + 1;
    let places = (1..=digits(seq)).map(|durable| 18 + digits(seq) + 1 + durable + 1);
    let alike = |begin: &str| {
        let text = [begin, BODY].concat();
        let wanted = text.bytes().filter(|&byte| byte != b'?').count();
        places.clone().any(|place| {
            let there = line.get(place..).unwrap_or_default();
            let same = std::iter::zip(there, text.as_bytes()).filter(|(is, should)| is == should);
            same.count() > wanted / 2
        })
    };
    match (alike(MORE), alike("{")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// The seq that a hurt line says it has: it stands behind two checksums, whatever is left of these.
fn says_seq(line: &[u8]) -> Option<Seq> {
    const BEFORE: usize = 8 + 1 + 8;
    let behind = line.get(BEFORE..)?.strip_prefix(b" ")?;
    let len = memchr::memchr(b' ', behind)?;
    let digits = std::str::from_utf8(&behind[..len]).ok()?;
    digits.parse().ok().map(Seq::new)
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::{lines, scan_all};
    use super::*;

    const A: &str =
        r#"{"at":"2026-11-23T01:40:15.123456Z","event":"added","item":"100 N Example St"}"#;

    /// A log of groups of so many records. Each attests what the one before it attested, as under many writers, or all
    /// that is before it.
    fn log(groups: &[usize], behind: bool) -> (Vec<u8>, Vec<(usize, u64)>) {
        let (mut bytes, mut previous, mut next) = (Vec::new(), Crc::NONE, Seq::FIRST);
        let mut begin = Vec::new();
        for (index, &count) in groups.iter().enumerate() {
            begin.push((bytes.len(), next.get()));
            let durable = if behind && index > 0 {
                Seq::FIRST
            } else {
                next.before()
            };
            let encoded = group::encode_group(previous, next, durable, &vec![A.to_owned(); count]);
            bytes.extend_from_slice(&encoded.bytes);
            (previous, next) = (encoded.last_crc, encoded.last.next());
        }
        begin.push((bytes.len(), next.get()));
        (bytes, begin)
    }

    fn resumed(bytes: &[u8]) -> (usize, Resume) {
        let (_, stop) = scan_all(bytes);
        let offset = usize::try_from(stop.offset.get()).unwrap();
        (offset, resume(&stop, None, None, &bytes[offset..]))
    }

    /// Where each line begins, and the end.
    fn places(bytes: &[u8]) -> Vec<usize> {
        let ends = memchr::memchr_iter(b'\n', bytes).map(|end| end + 1);
        std::iter::once(0).chain(ends).collect()
    }

    #[test]
    fn broken_group_is_hurt_as_a_whole() {
        let whole = lines(&[&[A], &[A, A, A], &[A]]);
        let (one, group) = (lines(&[&[A]]).len(), lines(&[&[A], &[A, A, A]]).len());
        let line = (group - one) / 3;
        for at in [one + 2, one + line + 2, one + 2 * line + 2] {
            let mut hit = whole.clone();
            hit[at] ^= 1;
            let (_, stop) = scan_all(&hit);
            let behind = &hit[usize::try_from(stop.offset.get()).unwrap()..];
            let resumed = resume(&stop, None, None, behind);
            assert_eq!((stop.offset.get(), stop.seq), (one as u64, Seq::new(2)));
            assert_eq!(resumed.seq, Some(Seq::new(5)), "byte {at}");
            assert_eq!(resumed.hurt, group - one);
        }
    }

    #[test]
    fn a_group_goes_as_a_whole_and_takes_nobody_with_it() {
        for behind in [false, true] {
            let (whole, groups) = log(&[1, 1, 3, 1, 2, 2, 1, 1], behind);
            for (line, pair) in places(&whole).windows(2).enumerate().skip(1) {
                let group = groups.iter().rposition(|&(at, _)| at <= pair[0]).unwrap();
                if group + 2 == groups.len() {
                    continue;
                }
                let (begin, (end, seq)) = (groups[group].0, groups[group + 1]);
                // From anywhere in the line on, as far as its payload's beginning is left.
                for from in 0..pair[1] - pair[0] - 1 {
                    let hurt_to = if from < 40 {
                        from + 10
                    } else {
                        pair[1] - pair[0] - 1
                    };
                    let mut hurt = whole.clone();
                    hurt[pair[0] + from..(pair[0] + hurt_to).min(pair[1] - 1)].fill(b'~');
                    let (offset, found) = resumed(&hurt);
                    assert_eq!(offset, begin, "line {line} byte {from}");
                    let expected = Resume {
                        hurt: end - begin,
                        seq: Some(Seq::new(seq)),
                    };
                    assert_eq!(found, expected, "line {line} byte {from} behind {behind}");
                }
            }
        }
    }

    #[test]
    fn a_group_that_lost_a_line_goes_as_a_whole() {
        for behind in [false, true] {
            let (whole, groups) = log(&[1, 3, 1, 1], behind);
            let places = places(&whole);
            for gone in [1, 2, 3] {
                for leave in [None, Some(b'\0'), Some(b'x')] {
                    let mut hurt = whole.clone();
                    match leave {
                        None => drop(hurt.drain(places[gone]..places[gone + 1])),
                        Some(byte) => hurt[places[gone]..places[gone + 1] - 1].fill(byte),
                    }
                    let (offset, found) = resumed(&hurt);
                    assert_eq!(offset, groups[1].0);
                    let seq = found.seq.unwrap().get();
                    // Where nothing tells that it was the last of its group, one more goes.
                    let next = if behind && gone == 3 { 6 } else { 5 };
                    assert_eq!(seq, next, "line {gone} {leave:?} behind {behind}");
                }
            }
        }
    }

    #[test]
    fn one_alone_takes_no_group_with_it() {
        let (whole, groups) = log(&[1, 1, 3, 1], false);
        let places = places(&whole);
        let mut hurt = whole.clone();
        hurt[places[1]..places[2] - 1].fill(0);
        let (offset, found) = resumed(&hurt);
        let expected = Resume {
            hurt: groups[2].0 - groups[1].0,
            seq: Some(Seq::new(3)),
        };
        assert_eq!((offset, found), (groups[1].0, expected));
    }

    #[test]
    fn a_hurt_header_takes_no_group_with_it() {
        let (whole, groups) = log(&[1, 2, 1], true);
        let mut hurt = whole.clone();
        hurt[..groups[1].0 - 1].fill(b'\0');
        let (_, found) = resumed(&hurt);
        assert_eq!(
            found,
            Resume {
                hurt: groups[1].0,
                seq: Some(Seq::new(2))
            }
        );
    }

    #[test]
    fn what_a_hurt_line_runs_into_is_whole_if_the_next_names_it() {
        let (whole, _) = log(&[1, 1, 1, 1], false);
        let places = places(&whole);
        let mut hurt = whole.clone();
        hurt[places[1] + 20] ^= 0xff;
        hurt[places[2] - 1] = b' ';
        let (offset, found) = resumed(&hurt);
        assert_eq!(offset, places[1]);
        assert_eq!(
            found,
            Resume {
                hurt: places[2] - places[1],
                seq: Some(Seq::new(3))
            }
        );
        // With nothing behind it that names it, it may be somebody's text.
        hurt.truncate(places[3]);
        assert_eq!(resumed(&hurt).1.seq, None);
    }
}
