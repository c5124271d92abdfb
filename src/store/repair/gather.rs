//! A segment whose records are all there, in any order and with other bytes among them, put together as it was: around what was
//! given up of it before.
//!
//! ```text
//! record 5, somebody's line, record 8, [given up 6], record 7      record 5, [given up 6], record 7, record 8
//! ```
//!
//! Each record names the one before it, and what was given up has its place and its length. So nothing is guessed: the result
//! has every record of the segment, in its order, and ends where the next header says, or where the file ended.

use std::collections::HashMap;
use std::ops::Range;

use crate::log::frame::{self, Crc};
use crate::log::header::{LostRange, Predecessor};
use crate::log::segment::{Scan, Step};
use crate::position::{Offset, Seq};

/// What is known of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    /// Its file.
    pub(super) bytes: &'a [u8],
    /// The seq of its header.
    pub(super) first: Seq,
    /// The checksum that goes before it; `None` if nobody knows it.
    pub(super) previous: Option<Crc>,
    /// What was given up of it, in the order of its places.
    pub(super) given_up: &'a [LostRange],
    /// Where the next header says that it ends; `None` if that is not there.
    pub(super) seal: Option<Predecessor>,
    /// The first seq of the segment behind it, if there is or was one.
    pub(super) next: Option<Seq>,
}

/// One line, if it is a record.
struct Line {
    place: Range<usize>,
    record: Option<(Seq, Crc)>,
}

/// The segment as it was, if all of it is there; `None` too if that is how it is.
pub(super) fn gather(known: &Known<'_>) -> Option<Vec<u8>> {
    let lines = lines_of(known.bytes);
    let mut places: HashMap<Seq, Vec<usize>> = HashMap::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some((seq, crc)) = line.record {
            let alike = places.entry(seq).or_default();
            // A copy says nothing new.
            if alike
                .iter()
                .all(|&other| lines[other].record != Some((seq, crc)))
            {
                alike.push(at);
            }
        }
    }
    let end = known
        .seal
        .map(|seal| usize::try_from(seal.valid_bytes.get()).unwrap_or(usize::MAX));
    let mut scan = Scan::new(Offset::START, known.first, known.previous);
    let mut given_up = known.given_up.iter().peekable();
    let mut out: Vec<u8> = Vec::with_capacity(known.bytes.len());
    let mut last = None;
    while end.is_none_or(|end| out.len() < end) {
        if let Some(lost) = given_up.next_if(|lost| lost.from_byte.get() == out.len() as u64) {
            if scan.next() != lost.from_seq || scan.at_group_start() != scan {
                return None;
            }
            out.extend_from_slice(&known.bytes[bytes_of(lost, last, &lines, known.bytes)?]);
            scan.pass_over(Offset::new(out.len() as u64), lost.to_seq.next());
            continue;
        }
        let Some(alike) = places.get(&scan.next()) else {
            break;
        };
        let fits = |&at: &usize| {
            let mut scan = scan.clone();
            let line = &known.bytes[lines[at].place.clone()];
            matches!(scan.step(line, true), Step::Line(_)).then_some((at, scan))
        };
        let mut fitting = alike.iter().filter_map(fits);
        let (at, behind) = fitting.next()?;
        if fitting.next().is_some() {
            return None;
        }
        out.extend_from_slice(&known.bytes[lines[at].place.clone()]);
        (scan, last) = (behind, Some(at));
    }
    let whole = scan.at_group_start() == scan;
    let ended = if let Some(seal) = known.seal {
        seal.valid_bytes.get() == out.len() as u64
            && scan.next() == seal.last_seq.next()
            && scan.previous().is_none_or(|crc| crc == seal.last_crc32)
    } else {
        // Bytes at the end that are no record may have been one.
        let newline = known.bytes.last() == Some(&b'\n');
        let counted = |line: &Line| line.record.is_some_and(|(seq, _)| seq < scan.next());
        let complete = known.next.is_none_or(|next| next == scan.next());
        newline && complete && given_up.next().is_none() && lines.last().is_some_and(counted)
    };
    (whole && ended && !known.bytes.starts_with(&out)).then_some(out)
}

fn lines_of(bytes: &[u8]) -> Vec<Line> {
    let (mut lines, mut at) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let record = line
            .strip_suffix(b"\n")
            .and_then(|line| frame::parse(line).ok());
        lines.push(Line {
            place: at..at + line.len(),
            record: record.map(|frame| (frame.seq, frame.crc)),
        });
        at += line.len();
    }
    lines
}

/// The bytes that were given up: as many as that behind the record before them or in front of the one behind them, and no
/// record that counts among them.
fn bytes_of(
    lost: &LostRange,
    before: Option<usize>,
    lines: &[Line],
    bytes: &[u8],
) -> Option<Range<usize>> {
    let size = lost.to_byte.get().saturating_sub(lost.from_byte.get());
    let size = usize::try_from(size).ok()?;
    if size == 0 {
        return Some(0..0);
    }
    let from = before.map_or(0, |at| lines[at].place.end);
    let next = lost.to_seq.next();
    let behind = lines
        .iter()
        .find(|line| line.record.is_some_and(|(seq, _)| seq == next));
    let in_front = behind.and_then(|line| line.place.start.checked_sub(size));
    let ours = |place: &Range<usize>| {
        let within = lines
            .iter()
            .filter(|line| line.place.start < place.end && place.start < line.place.end);
        place.end <= bytes.len()
            && within.clone().all(|line| match line.record {
                Some((seq, _)) => lost.from_seq <= seq && seq <= lost.to_seq,
                None => place.start <= line.place.start,
            })
    };
    let places = [Some(from), in_front].into_iter().flatten();
    let mut places = places.map(|from| from..from + size).filter(ours);
    places.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::group;
    use crate::position::SegmentId;

    const A: &str = r#"{"event":"added","item":"a"}"#;
    const LONGER: &str = r#"{"event":"added","item":"a longer one"}"#;

    /// Six records, the third and the fourth of them a group, and where each begins.
    fn segment() -> (Vec<u8>, Vec<usize>, Crc) {
        let (mut bytes, mut begins) = (Vec::new(), Vec::new());
        let (mut previous, mut next) = (Crc::NONE, Seq::FIRST);
        for payloads in [
            vec![A],
            vec![LONGER],
            vec![A, LONGER],
            vec![A],
            vec![LONGER],
        ] {
            let payloads: Vec<String> = payloads.into_iter().map(str::to_owned).collect();
            let group = group::encode_group(previous, next, next.before(), &payloads);
            for line in group.bytes.split_inclusive(|&byte| byte == b'\n') {
                begins.push(bytes.len());
                bytes.extend_from_slice(line);
            }
            (previous, next) = (group.last_crc, group.last.next());
        }
        begins.push(bytes.len());
        (bytes, begins, previous)
    }

    fn seal(len: usize, crc: Crc) -> Predecessor {
        Predecessor {
            segment: SegmentId::FIRST,
            last_seq: Seq::new(6),
            valid_bytes: Offset::new(len as u64),
            last_crc32: crc,
        }
    }

    fn gathered(
        bytes: &[u8],
        given_up: &[LostRange],
        seal: Option<Predecessor>,
    ) -> Option<Vec<u8>> {
        gather(&Known {
            bytes,
            first: Seq::FIRST,
            previous: Some(Crc::NONE),
            given_up,
            seal,
            next: None,
        })
    }

    /// A log in which the bytes of one record, or none for it, were given up.
    fn given_up(which: usize, kept: bool) -> (Vec<Vec<u8>>, LostRange, Vec<u8>) {
        let (bytes, begins, _) = segment();
        let line = |at: usize| bytes[begins[at]..begins[at + 1]].to_vec();
        let mut pieces: Vec<Vec<u8>> = (0..6).map(line).collect();
        if kept {
            let len = pieces[which].len() - 1;
            pieces[which][..len].fill(b'~');
        } else {
            pieces[which].clear();
        }
        let lost = LostRange {
            segment: SegmentId::FIRST,
            from_byte: Offset::new(begins[which] as u64),
            to_byte: Offset::new((begins[which] + pieces[which].len()) as u64),
            from_seq: Seq::new(which as u64 + 1),
            to_seq: Seq::new(which as u64 + 1),
        };
        let whole = pieces.concat();
        (pieces, lost, whole)
    }

    #[test]
    fn any_two_lines_find_their_places_around_what_was_given_up() {
        let (_, _, last) = segment();
        for which in [1, 4] {
            for kept in [true, false] {
                let (pieces, range, whole) = given_up(which, kept);
                let seal = Some(seal(whole.len(), last));
                for one in 0..6 {
                    for other in one + 1..6 {
                        if one == which || other == which {
                            continue;
                        }
                        let mut swapped = pieces.clone();
                        swapped.swap(one, other);
                        swapped.insert(3, b"somebody was here\n".to_vec());
                        let found = gathered(&swapped.concat(), &[range], seal);
                        // The bytes that were given up are known by what stands around them: here nothing of it does.
                        let torn = kept && one + 1 == which && other == which + 1;
                        let expected = (!torn).then_some(&*whole);
                        assert_eq!(found.as_deref(), expected, "{which} {one} {other}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_there_as_it_was_or_not_all_there_is_left_alone() {
        let (bytes, begins, last) = segment();
        let seal = Some(seal(bytes.len(), last));
        assert_eq!(gathered(&bytes, &[], seal), None);
        assert_eq!(gathered(&bytes, &[], None), None);
        let mut gone = bytes.clone();
        gone.drain(begins[1]..begins[2]);
        assert_eq!(gathered(&gone, &[], seal), None);
        let junk = |at: usize| {
            let mut bytes = bytes.clone();
            bytes.splice(at..at, *b"somebody was here\n");
            bytes
        };
        for &at in &begins[..6] {
            assert_eq!(gathered(&junk(at), &[], seal), Some(bytes.clone()));
            assert_eq!(gathered(&junk(at), &[], None), Some(bytes.clone()));
        }
        // At the end it may have been a record.
        assert_eq!(gathered(&junk(begins[6]), &[], None), None);
    }
}
