//! The verdict on bytes that do not verify: were they cut by a crash, or is an acknowledged record hurt?
//!
//! | case | verdict |
//! |---|---|
//! | a witness attests the seq expected at the stop, or a later one | damaged |
//! | not in the last segment | damaged |
//! | a segment's header | damaged |
//! | else, and torn-shaped | torn |
//! | otherwise | ambiguous |
//!
//! A pure function of bytes and witnesses. Stopping at the first bad checksum, as most logs do, silently drops
//! acknowledged records; this table is why phaselog does not.

use super::frame::{self, Frame};
use super::segment::Stop;
use crate::error::{DamageKind, Witness};
use crate::faults::{self, Fault};
use crate::position::{SegmentId, Seq};

/// What a power cut leaves or takes at once on the disks we know, in bytes.
const SECTOR: u64 = 512;

/// How many items a damage report names at most.
const MAX_ITEMS: usize = 1000;

/// The highest seq that somebody attests to be durable, and who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The seq.
    pub seq: Seq,
    /// Who says so.
    pub by: Witness,
}

impl Attested {
    /// The stronger of two; the first of equals.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.seq > self.seq { other } else { self }
    }
}

/// Everything that a verdict rests on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Where reading stopped.
    pub stop: &'a Stop,
    /// The bytes from `stop.offset` to the end of the file.
    pub bytes: &'a [u8],
    /// The strongest witness outside of these bytes.
    pub attested: Attested,
    /// The segment.
    pub segment: SegmentId,
    /// The segment after it, if there is one.
    pub successor: Option<SegmentId>,
}

/// How bytes look that a crash cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One line without its end.
    CutLine,
    /// A run of NULs, as a power cut leaves them.
    Zeros,
    /// Whole lines of a group without its last.
    CutGroup,
}

/// What is to be thought of the log's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The bytes end where a record ends.
    Clean,
    /// Never acknowledged: the next writer seals the segment where it stands.
    Torn(Shape),
    /// An acknowledged record is hurt.
    Damaged(Witness),
    /// Nothing tells. A person decides.
    Ambiguous,
}

/// Judges the bytes from a stop to the end of its file.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let Evidence {
        stop,
        bytes,
        segment,
        ..
    } = *evidence;
    if faults::on(Fault::StopsAtTheFirstBadRecord) {
        return match stop.fault {
            Some(_) => Verdict::Torn(Shape::CutLine),
            None => Verdict::Clean,
        };
    }
    let attested = attested_within(bytes)
        .into_iter()
        .fold(evidence.attested, Attested::or);
    if attested.seq >= stop.seq {
        return Verdict::Damaged(attested.by);
    }
    if let Some(successor) = evidence.successor {
        return Verdict::Damaged(Witness::Header(successor));
    }
    if stop.offset.get() == 0 {
        return Verdict::Damaged(Witness::Name(segment));
    }
    if stop.fault.is_none() {
        return Verdict::Clean;
    }
    match shape(stop, bytes) {
        Some(shape) => Verdict::Torn(shape),
        None => Verdict::Ambiguous,
    }
}

/// The highest `durable` field of any record in these bytes, wherever it stands.
pub fn attested_within(bytes: &[u8]) -> Option<Attested> {
    let attested = records_within(bytes).map(|frame| Attested {
        seq: frame.durable,
        by: Witness::Record(frame.seq),
    });
    attested.reduce(Attested::or)
}

/// Every record in these bytes, wherever it stands.
pub fn records_within(bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let whole = lines.map_while(|line| line.strip_suffix(b"\n"));
    whole.filter_map(record_at_end)
}

/// The record that a line ends with. A hurt newline glues a hurt line to the whole record behind it, and that record
/// is still a witness.
pub(super) fn record_at_end(line: &[u8]) -> Option<Frame<'_>> {
    // Each try costs a checksum of the rest of the line; hostile bytes must not make that quadratic.
    const TRIES: usize = 64;
    if let Ok(frame) = frame::parse(line) {
        return Some(frame);
    }
    memchr::memchr_iter(b' ', line)
        .filter(|&space| {
            space > 8
                && line.get(space + 9) == Some(&b' ')
                && line[space - 8..space].iter().all(u8::is_ascii_hexdigit)
        })
        .take(TRIES)
        .find_map(|space| frame::parse(&line[space - 8..]).ok())
}

fn shape(stop: &Stop, bytes: &[u8]) -> Option<Shape> {
    if stop.fault == Some(DamageKind::UnfinishedGroup) {
        return Some(Shape::CutGroup);
    }
    // What verified before the failing line is no part of its shape: those are whole lines of a group.
    let verified = usize::try_from(stop.line.get() - stop.offset.get()).unwrap_or(usize::MAX);
    let failing = bytes.get(verified..).unwrap_or_default();
    if memchr::memchr(b'\n', failing).is_none() && !is_record_and_more(failing) {
        Some(Shape::CutLine)
    } else if has_lost_sector(stop.offset.get(), bytes) {
        Some(Shape::Zeros)
    } else {
        None
    }
}

/// True if a whole record stands at the start with another byte where its newline should be. A crash leaves no such
/// thing: the newline was written with the byte before it and goes with the rest of its sector.
fn is_record_and_more(bytes: &[u8]) -> bool {
    frame::at_start(bytes).is_some_and(|len| len < bytes.len())
}

/// True if a run of NULs reaches the end of the file or the end of a sector of it.
fn has_lost_sector(start: u64, bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some(nul) = memchr::memchr(0, &bytes[at..]) {
        let first = at + nul;
        let run = bytes[first..].iter().take_while(|&&byte| byte == 0).count();
        let end = first + run;
        if end == bytes.len() || (start + end as u64).is_multiple_of(SECTOR) {
            return true;
        }
        at = end;
    }
    false
}

/// The items that bytes name, as far as they can be read: best effort, for people.
pub fn items(bytes: &[u8]) -> Vec<String> {
    const KEY: &[u8] = br#""item":"#;
    let mut items: Vec<String> = Vec::new();
    for at in memchr::memmem::find_iter(bytes, KEY) {
        let value = &bytes[at + KEY.len()..];
        let mut texts = serde_json::Deserializer::from_slice(value).into_iter::<String>();
        if let Some(Ok(item)) = texts.next()
            && !items.contains(&item)
        {
            items.push(item);
            if items.len() == MAX_ITEMS {
                break;
            }
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::{lines, scan_all};
    use super::*;
    use crate::error::DamageKind;

    const A: &str = r#"{"event":"a","item":"100 N Example St"}"#;
    const NOBODY: Attested = Attested {
        seq: Seq::NONE,
        by: Witness::Mark(Seq::NONE),
    };

    fn verdict(bytes: &[u8], mark: u64) -> Verdict {
        let (_, stop) = scan_all(bytes);
        let attested = Attested {
            seq: Seq::new(mark),
            by: Witness::Mark(Seq::new(mark)),
        };
        judge(&Evidence {
            stop: &stop,
            bytes: &bytes[usize::try_from(stop.offset.get()).unwrap()..],
            attested: NOBODY.or(attested),
            segment: SegmentId::FIRST,
            successor: None,
        })
    }

    #[test]
    fn truncated_record_is_torn() {
        let whole = lines(&[&[A], &[A]]);
        let first = lines(&[&[A]]).len();
        for cut in first + 1..whole.len() {
            assert_eq!(
                verdict(&whole[..cut], 1),
                Verdict::Torn(Shape::CutLine),
                "{cut}"
            );
            assert_eq!(
                verdict(&whole[..cut], 2),
                Verdict::Damaged(Witness::Mark(Seq::new(2)))
            );
        }
        assert_eq!(verdict(&whole[..first], 1), Verdict::Clean);
        assert_eq!(
            verdict(&whole[..first], 2),
            Verdict::Damaged(Witness::Mark(Seq::new(2)))
        );
    }

    #[test]
    fn truncated_group_is_torn() {
        let whole = lines(&[&[A], &[A, A, A]]);
        let first = lines(&[&[A]]).len();
        for cut in first + 1..whole.len() {
            let shape = if whole[cut - 1] == b'\n' {
                Shape::CutGroup
            } else {
                Shape::CutLine
            };
            assert_eq!(verdict(&whole[..cut], 1), Verdict::Torn(shape), "{cut}");
        }
    }

    #[test]
    fn hurt_record_with_a_later_witness_is_damaged() {
        // Each line of `lines` attests the group before it.
        let whole = lines(&[&[A], &[A], &[A]]);
        let second = lines(&[&[A]]).len();
        for at in second..lines(&[&[A], &[A]]).len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                let witness = Witness::Record(Seq::new(3));
                assert_eq!(verdict(&bytes, 0), Verdict::Damaged(witness), "{at} {bit}");
            }
        }
    }

    #[test]
    fn hurt_last_record_without_a_witness_is_never_clean() {
        let whole = lines(&[&[A], &[A]]);
        for at in lines(&[&[A]]).len()..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                // The newline flipped is the one flip that could pass for a cut.
                assert_eq!(verdict(&bytes, 0), Verdict::Ambiguous, "{at} {bit}");
            }
        }
    }

    #[test]
    fn zero_filled_tail_is_torn() {
        let mut bytes = lines(&[&[A], &[A]]);
        let cut = lines(&[&[A]]).len() + 20;
        bytes[cut..].fill(0);
        assert_eq!(verdict(&bytes, 1), Verdict::Torn(Shape::CutLine));
        bytes.extend_from_slice(b"\n\0\0");
        assert_eq!(verdict(&bytes, 1), Verdict::Torn(Shape::Zeros));
        bytes.push(b'x');
        assert_eq!(verdict(&bytes, 1), Verdict::Ambiguous);
    }

    #[test]
    fn lost_sector_counts_by_its_place_in_the_file() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(2000));
        let first = lines(&[&[A]]).len();
        let whole = lines(&[&[A], &[&long]]);
        let mut lost = whole.clone();
        lost[512..1024].fill(0);
        assert!(first < 512);
        assert_eq!(verdict(&lost, 1), Verdict::Torn(Shape::Zeros));
        let mut shifted = whole;
        shifted[513..1023].fill(0);
        assert_eq!(verdict(&shifted, 1), Verdict::Ambiguous);
    }

    #[test]
    fn sealed_segments_and_headers_are_never_torn() {
        let (_, stop) = scan_all(b"0000");
        let evidence = Evidence {
            stop: &stop,
            bytes: b"0000",
            attested: NOBODY,
            segment: SegmentId::FIRST,
            successor: None,
        };
        assert_eq!(
            judge(&evidence),
            Verdict::Damaged(Witness::Name(SegmentId::FIRST))
        );
        let next = SegmentId::starting_at(Seq::new(9));
        let sealed = Evidence {
            successor: Some(next),
            ..evidence
        };
        assert_eq!(judge(&sealed), Verdict::Damaged(Witness::Header(next)));
        assert_eq!(
            verdict(b"", 0),
            Verdict::Damaged(Witness::Name(SegmentId::FIRST))
        );
    }

    #[test]
    fn whole_record_without_its_newline_is_torn() {
        let bytes = lines(&[&[A], &[A]]);
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(scan_all(cut).1.fault, Some(DamageKind::Unterminated));
        assert_eq!(verdict(cut, 1), Verdict::Torn(Shape::CutLine));
    }

    #[test]
    fn hurt_bytes_still_name_their_items() {
        let bytes = br#"x{"item":"a \"b\""} "item":"c","item":"a \"b\"","item":"cut"#;
        assert_eq!(items(bytes), ["a \"b\"", "c"]);
    }
}
