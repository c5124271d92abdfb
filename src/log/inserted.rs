//! Bytes that are no record, between records of which the second names the first: somebody put them there, and nothing is missing.
//!
//! ```text
//! record 4 (more)   somebody's line   record 5 (more)   record 6
//! ```
//!
//! A scan stops at such bytes, and in a group at the group's beginning. What tells that no record stood in their place is what the
//! scan would accept behind them: the next record, and with it the rest of the group.

use std::io;
use std::ops::Range;

use super::frame::{self, Crc};
use super::segment::{Scan, Step, Stop};
use super::window::read_range;
use crate::error::DamageKind;
use crate::ports::File;
use crate::position::{Offset, Seq};

/// How far behind a stop records are looked for, in bytes: further than a segment is long, groups aside.
const REACH: u64 = 4 << 20;

/// The longest file that is looked at, in bytes: in a longer one a repair leaves nothing out, and can only give a group up.
pub(crate) const LONGEST: u64 = 256 << 20;

/// Records behind a stop, with what stands between them.
#[derive(Debug)]
pub(super) struct Inserted {
    /// What was read behind the stop.
    pub(super) bytes: Vec<u8>,
    /// Its lines, up to where no group is open.
    pub(super) pieces: Vec<Piece>,
    /// The scan behind them.
    pub(super) scan: Scan,
    /// How many of these bytes are no record.
    pub(super) strange: u64,
}

impl Inserted {
    /// Where the first of the bytes stand that are no record, counted from the stop, how many they are, and the seq behind them.
    pub(super) fn first(&self) -> Option<(u64, u64, Seq)> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Strange(place, seq) => Some((place.start as u64, place.len() as u64, *seq)),
            Piece::Record(_) => None,
        })
    }
}

/// A part of these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The line of a record.
    Record(Range<usize>),
    /// Bytes that are none, in front of the record with this seq.
    Strange(Range<usize>, Seq),
}

/// Looks whether what stands at a stop is no record, and everything behind it that belongs there is. `previous` is the checksum of
/// the record before the stop, `limit` the byte at which the segment ends, without what was inserted.
///
/// # Errors
/// What the system says.
pub(super) fn look(
    file: &dyn File,
    stop: &Stop,
    previous: Option<Crc>,
    limit: u64,
) -> io::Result<Option<Inserted>> {
    let len = file.len()?;
    let strange = match &stop.fault {
        Some(DamageKind::Malformed(_) | DamageKind::Checksum) => true,
        // What was inserted makes a sealed segment longer than its seal says: that cuts a line.
        Some(DamageKind::Unterminated) => len > limit,
        _ => false,
    };
    if !strange || len > LONGEST {
        return Ok(None);
    }
    let from = stop.offset.get();
    let bytes = read_range(file, from, len.min(from.saturating_add(REACH)))?;
    let limit = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
    let begin = Scan::new(Offset::START, stop.seq, previous);
    Ok(find(&bytes, begin, limit).map(|found| Inserted {
        scan: Scan::new(
            Offset::new(from + found.scan.offset().get()),
            found.scan.next(),
            found.scan.previous(),
        ),
        bytes,
        ..found
    }))
}

fn find(bytes: &[u8], begin: Scan, limit: usize) -> Option<Inserted> {
    let mut scan = begin;
    let (mut at, mut strange) = (0, 0);
    let mut pieces = Vec::new();
    let mut waiting: Option<Range<usize>> = None;
    while waiting.is_some() || strange == 0 || scan.at_group_start() != scan {
        let end = at + memchr::memchr(b'\n', bytes.get(at..)?)? + 1;
        let mut behind = scan.clone();
        let follows = matches!(behind.step(&bytes[at..end], true), Step::Line(_));
        if follows && end <= limit.saturating_add(strange) {
            pieces.extend(
                waiting
                    .take()
                    .map(|place| Piece::Strange(place, scan.next())),
            );
            pieces.push(Piece::Record(at..end));
            scan = behind;
        } else if frame::parse(&bytes[at..end - 1]).is_err() {
            strange += end - at;
            waiting = Some(waiting.map_or(at, |place| place.start)..end);
        } else {
            return None;
        }
        at = end;
    }
    Some(Inserted {
        bytes: Vec::new(),
        pieces,
        scan: Scan::new(Offset::new(at as u64), scan.next(), scan.previous()),
        strange: strange as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::lines;
    use super::*;

    const A: &str = r#"{"event":"added","item":"a"}"#;
    const LINE: &[u8] = b"somebody was here\n";

    fn found(bytes: &[u8], limit: usize) -> Option<Inserted> {
        find(
            bytes,
            Scan::new(Offset::START, Seq::FIRST, Some(Crc::NONE)),
            limit,
        )
    }

    /// The lines of a group of three and of a record behind it, and the pieces they are with others before some.
    fn with(before: &[usize]) -> (Vec<u8>, Vec<u8>) {
        let whole = lines(&[&[A, A, A], &[A]]);
        let mut hurt = Vec::new();
        for (at, line) in whole.split_inclusive(|&byte| byte == b'\n').enumerate() {
            if before.contains(&at) {
                hurt.extend_from_slice(LINE);
            }
            hurt.extend_from_slice(line);
        }
        (whole, hurt)
    }

    #[test]
    fn what_stands_in_a_group_is_told_from_its_records() {
        for before in [&[0][..], &[1], &[2], &[1, 2], &[0, 1, 2]] {
            let (whole, hurt) = with(before);
            let found = found(&hurt, whole.len()).unwrap();
            assert_eq!(found.scan.next(), Seq::new(4), "{before:?}");
            assert_eq!(found.strange, (before.len() * LINE.len()) as u64);
            let strange = found.pieces.iter().filter_map(|piece| match piece {
                Piece::Strange(place, seq) if hurt[place.clone()] == *LINE => Some(seq.get()),
                _ => None,
            });
            let expected: Vec<u64> = before.iter().map(|&at| at as u64 + 1).collect();
            assert_eq!(strange.collect::<Vec<_>>(), expected);
            let records = found.pieces.iter().filter_map(|piece| match piece {
                Piece::Record(place) => Some(&hurt[place.clone()]),
                Piece::Strange(..) => None,
            });
            assert!(whole.starts_with(&records.collect::<Vec<_>>().concat()));
        }
    }

    #[test]
    fn where_a_record_is_missing_nothing_was_inserted() {
        let (whole, hurt) = with(&[1]);
        // The line behind it is hurt too, or the segment ends before the record that the bytes stand in front of.
        let mut worse = hurt.clone();
        let at = worse.len() - 5;
        worse[at] ^= 1;
        assert!(
            found(&worse, whole.len()).is_some(),
            "that is behind the group"
        );
        let first = hurt.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        worse[first + LINE.len() + 30] ^= 1;
        assert!(found(&worse, whole.len()).is_none());
        assert!(found(&hurt, first).is_none());
        // Nothing stands behind it.
        assert!(found(&[&whole[..], LINE].concat(), whole.len()).is_none());
        assert!(found(&whole, whole.len()).is_none());
    }
}
