//! Which records are given up where bytes cannot be read, and where the log goes on.
//!
//! Pure: what was surveyed in, ranges out.

use crate::error::DamageKind;
use crate::log::header::{LogId, LostRange};
use crate::log::{Finding, tail};
use crate::position::{Offset, SegmentId, Seq};

use super::SeqRange;
use super::look::{Hurt, Look, Segment};

/// The shortest line that is a record, with its newline.
const SHORTEST: u64 = 26;

/// The range that a header declares lost for hurt bytes. `bytes` are those bytes, `attested` is the highest seq that
/// anybody attests.
pub(super) fn of_hurt(
    look: &Look,
    hurt: &Hurt,
    bytes: &[u8],
    attested: Seq,
    log: Option<LogId>,
) -> LostRange {
    let finding = &hurt.finding;
    let damage = &finding.damage;
    let id = damage.segment.unwrap_or(SegmentId::FIRST);
    let Some(segment) = look.segment(id) else {
        // The file is not there.
        return LostRange {
            segment: id,
            from_byte: Offset::START,
            to_byte: Offset::START,
            from_seq: damage.seq,
            to_seq: finding.to_seq.unwrap_or(attested).max(damage.seq),
        };
    };
    let header_only = finding.bytes == 0 && matches!(damage.kind, DamageKind::Header(_));
    if header_only {
        return of_header(look, segment, bytes, log);
    }
    if let DamageKind::Order(order) = damage.kind {
        // In a segment too long to be written anew: what is not in its place cannot be kept.
        return LostRange {
            segment: id,
            from_byte: damage.offset,
            to_byte: damage.offset.plus(finding.bytes),
            from_seq: damage.seq,
            to_seq: order.last,
        };
    }
    let reached = damage.offset.get() + finding.bytes;
    let to_end = reached >= segment.len.min(segment.limit());
    let to_byte = if to_end {
        segment.limit().max(reached)
    } else {
        reached
    };
    LostRange {
        segment: id,
        from_byte: damage.offset,
        to_byte: Offset::new(to_byte),
        from_seq: damage.seq,
        to_seq: finding
            .to_seq
            .unwrap_or_else(|| last_possible(finding, bytes, attested)),
    }
}

/// A header that verifies and does not fit: it is given up, and with it every record of a segment of another log.
fn of_header(look: &Look, segment: &Segment, bytes: &[u8], log: Option<LogId>) -> LostRange {
    let foreign = segment
        .header
        .as_ref()
        .is_some_and(|header| log.is_some_and(|log| log != header.log));
    let behind = look
        .segments
        .partition_point(|other| other.id <= segment.id);
    let next = look.segments.get(behind);
    let first = segment.id.first_seq();
    let (to_byte, to_seq) = if foreign {
        let to = next.map_or(look.end.last, |next| next.id.first_seq().before());
        (segment.limit().max(segment.len), to.max(first))
    } else {
        let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |len| len + 1);
        (line as u64, first)
    };
    LostRange {
        segment: segment.id,
        from_byte: Offset::START,
        to_byte: Offset::new(to_byte),
        from_seq: first,
        to_seq,
    }
}

/// The highest seq that hurt bytes at the end of the log may have held: no token in them may be issued again.
fn last_possible(finding: &Finding, bytes: &[u8], attested: Seq) -> Seq {
    let from = finding.damage.seq;
    if bytes.is_empty() {
        return attested.max(from);
    }
    let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
    let pieces = lines + u64::from(bytes.last() != Some(&b'\n'));
    let unread = finding.bytes.saturating_sub(bytes.len() as u64) / SHORTEST;
    let counted = from.plus((pieces + unread).saturating_sub(1));
    // What still looks like the head of a record says its seq, as long as so many records can have been there.
    let most = from.plus(bytes.len() as u64 / SHORTEST);
    let said = bytes
        .split(|&byte| byte == b' ')
        .filter_map(|field| std::str::from_utf8(field).ok()?.parse().ok());
    let said = said
        .map(Seq::new)
        .filter(|&seq| seq >= from && seq <= most)
        .max();
    let within = tail::attested_within(bytes).map(|attested| attested.seq);
    [Some(attested), Some(counted), said, within]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(from)
}

/// Of the seqs of these ranges those that no repair gave up before: sorted, with those that touch as one.
pub(super) fn new_seqs(ranges: &[LostRange], before: &[LostRange]) -> Vec<SeqRange> {
    let known = merged(before);
    let new = merged(ranges).into_iter();
    new.flat_map(|range| left_of(range, &known)).collect()
}

/// Everything that the next header declares: what these ranges give up, and what was given up before and is passed over
/// where it was declared. What stands there no more is part of what is given up now; where it was the last of its segment,
/// nothing stands there for it.
pub(super) fn all_of(look: &Look, new: &[LostRange]) -> Vec<LostRange> {
    let mut all = look.end.given_up.clone();
    all.extend_from_slice(new);
    for lost in &look.end.lost {
        let same = |other: &&LostRange| other.segment == lost.segment;
        let known: Vec<LostRange> = all.iter().filter(same).copied().collect();
        let Some(segment) = look.segment(lost.segment) else {
            continue;
        };
        for left in new_seqs(&[*lost], &known) {
            let at = Offset::new(segment.limit());
            // Where the records can be read after all, an empty range says that the older one counts no more.
            let to_seq = if left.from > segment.last {
                left.to
            } else {
                left.from.before()
            };
            all.push(LostRange {
                segment: lost.segment,
                from_byte: at,
                to_byte: at,
                from_seq: left.from,
                to_seq,
            });
        }
    }
    all.sort_unstable_by_key(|lost| (lost.segment, lost.from_byte, lost.from_seq, lost.to_byte));
    all.dedup();
    all
}

/// Ranges of seqs, sorted, with those that touch as one; ranges of bytes that are no record are none.
pub(super) fn merged(ranges: &[LostRange]) -> Vec<SeqRange> {
    let all = ranges
        .iter()
        .filter(|lost| lost.to_seq >= lost.from_seq)
        .map(|lost| SeqRange {
            from: lost.from_seq,
            to: lost.to_seq,
        });
    touching_as_one(all.collect())
}

/// Adds a record to the last of these ranges if it follows it, else as a range of its own.
pub(super) fn extend(ranges: &mut Vec<SeqRange>, seq: Seq) {
    match ranges.last_mut() {
        Some(last) if last.to.next() == seq => last.to = seq,
        _ => ranges.push(SeqRange { from: seq, to: seq }),
    }
}

/// What the first of these ranges have and the others do not.
pub(super) fn without(ranges: Vec<SeqRange>, others: Vec<SeqRange>) -> Vec<SeqRange> {
    let others = touching_as_one(others);
    let ranges = touching_as_one(ranges);
    let left = ranges.into_iter().flat_map(|range| left_of(range, &others));
    left.collect()
}

/// What is left of a range without these, which are sorted and do not touch.
fn left_of(range: SeqRange, others: &[SeqRange]) -> Vec<SeqRange> {
    let (mut left, mut from) = (Vec::new(), range.from);
    let at = others.partition_point(|other| other.to < from);
    for other in &others[at..] {
        if other.from > range.to {
            break;
        }
        if from < other.from {
            let to = other.from.before();
            left.push(SeqRange { from, to });
        }
        from = other.to.next().max(from);
    }
    if from <= range.to {
        left.push(SeqRange { from, to: range.to });
    }
    left
}

/// Ranges, sorted, with those that touch as one.
pub(super) fn touching_as_one(mut all: Vec<SeqRange>) -> Vec<SeqRange> {
    all.sort_unstable();
    let mut merged: Vec<SeqRange> = Vec::new();
    for range in all {
        match merged.last_mut() {
            Some(last) if range.from <= last.to.next() => last.to = last.to.max(range.to),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Damage;
    use crate::log::Severity;

    fn lost(from: u64, to: u64) -> LostRange {
        LostRange {
            segment: SegmentId::FIRST,
            from_byte: Offset::START,
            to_byte: Offset::START,
            from_seq: Seq::new(from),
            to_seq: Seq::new(to),
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let ranges = merged(&[
            lost(8, 9),
            lost(3, 4),
            lost(5, 4),
            lost(5, 6),
            lost(4, 5),
            lost(11, 11),
        ]);
        let shown: Vec<String> = ranges.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["3..6", "8..9", "11..11"]);
    }

    #[test]
    fn what_was_given_up_before_is_typed_once() {
        let before = [lost(5, 6), lost(9, 9), lost(30, 40)];
        let new = |from, to| -> Vec<String> {
            let new = new_seqs(&[lost(from, to)], &before);
            new.iter().map(ToString::to_string).collect()
        };
        assert_eq!(new(4, 10), ["4..4", "7..8", "10..10"]);
        assert_eq!(new(5, 6), [""; 0]);
        assert_eq!(new(6, 7), ["7..7"]);
        assert_eq!(new(1, 2), ["1..2"]);
        assert_eq!(new(29, 41), ["29..29", "41..41"]);
        assert_eq!(new(3, 2), [""; 0]);
    }

    fn hurt(bytes: &[u8]) -> Finding {
        Finding {
            damage: Damage {
                file: "wal".into(),
                segment: Some(SegmentId::FIRST),
                offset: Offset::START,
                seq: Seq::new(40),
                kind: DamageKind::Checksum,
                witness: None,
                items: Vec::new(),
            },
            bytes: bytes.len() as u64,
            to_seq: None,
            severity: Severity::Ambiguous,
        }
    }

    fn possible(bytes: &[u8], attested: u64) -> u64 {
        last_possible(&hurt(bytes), bytes, Seq::new(attested)).get()
    }

    #[test]
    fn no_seq_that_hurt_bytes_may_have_held_is_issued_again() {
        assert_eq!(possible(b"", 45), 45);
        assert_eq!(possible(b"xxxxxxxx yyyyyyyy 40 3 {}\n", 0), 40);
        assert_eq!(possible(b"hurt\nhurt\nhurt", 0), 42);
        assert_eq!(possible(b"hurt\n", 44), 44);
        // Two lines that a hurt newline made one.
        let glued = b"0123abcd 0123abcd 40 39 {\"event\":\"x\"}*0123abcd 0123abcd 41 39 {\"event\":\"x\"}\n";
        assert_eq!(possible(glued, 0), 41);
        assert_eq!(possible(b"a 99999999 b\n", 0), 40);
        // Of a very long hurt only the beginning is read.
        let mut finding = hurt(b"hurt\n");
        finding.bytes += 100 * SHORTEST;
        assert_eq!(last_possible(&finding, b"hurt\n", Seq::NONE).get(), 140);
    }
}
