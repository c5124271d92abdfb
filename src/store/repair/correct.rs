//! One flipped bit, found and put right: where the record's own checksum and its successor both attest the result.
//!
//! ```text
//! crc(x ^ e) = crc(x) ^ L(e)      so the place of a single error e follows from what the checksum is off by, in one
//!                                 pass over the line: 2^3 errors a byte, each one table step from that of the byte after
//! ```
//!
//! CRC-32 tells any two single errors apart up to far beyond the longest line (Castagnoli et al., 1993). A guess it is
//! all the same, for three flipped bits may look like one; that is why the next record must name the result.

use crate::log::frame::{self, Crc};
use crate::log::segment::{Scan, Step};
use crate::position::{Offset, Seq};

/// A bit that was flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flip {
    /// The byte, from the start of the bytes that were given.
    pub(super) at: usize,
    /// The bit, 0 the lowest.
    pub(super) bit: u8,
    /// The record that it belongs to.
    pub(super) seq: Seq,
}

/// Hurt bytes of a segment, with what is known around them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hurt<'a> {
    /// The segment's bytes, up to where it ends.
    pub(super) bytes: &'a [u8],
    /// Where reading stopped: the start of a record, or of the group it is in.
    pub(super) start: usize,
    /// The seq expected there.
    pub(super) seq: Seq,
    /// The checksum of the record before; `None` if nobody knows it.
    pub(super) previous: Option<Crc>,
    /// The checksum of the last record of `bytes`, as the next segment's header attests it.
    pub(super) last: Option<Crc>,
}

/// Finds the flipped bit that explains why the first failing line does not verify.
pub(super) fn correct(hurt: &Hurt<'_>) -> Option<Flip> {
    let bytes = hurt.bytes;
    let mut scan = Scan::new(Offset::new(hurt.start as u64), hurt.seq, hurt.previous);
    let line = loop {
        let at = usize::try_from(scan.offset().get()).ok()?;
        match scan.step(bytes.get(at..)?, true) {
            Step::Line(_) => {}
            _ => break at,
        }
    };
    let tail = &bytes[line..];
    let mut found = candidates(tail)
        .into_iter()
        .filter(|&(at, bit)| attested(hurt, &scan, tail, (at, bit)));
    let (at, bit) = found.next()?;
    let seq = scan.next();
    // Two that are both attested: nobody knows.
    found.next().is_none().then_some(Flip {
        at: line + at,
        bit,
        seq,
    })
}

/// True if the line verifies with that bit flipped, and what follows names it as the record before.
fn attested(hurt: &Hurt<'_>, scan: &Scan, tail: &[u8], (at, bit): (usize, u8)) -> bool {
    // The line, which may go on behind a newline that is none, and the next one, which names its predecessor.
    let end = |from: usize| {
        let rest = tail.get(from..).unwrap_or_default();
        memchr::memchr(b'\n', rest).map_or(tail.len(), |len| from + len + 1)
    };
    let mut fixed = tail[..end(end(end(at)))].to_vec();
    fixed[at] ^= 1 << bit;
    let mut scan = scan.clone();
    let Step::Line(line) = scan.step(&fixed, true) else {
        return false;
    };
    let crc = line.frame.crc;
    let len = memchr::memchr(b'\n', &fixed).map_or(fixed.len(), |len| len + 1);
    match fixed.get(len..) {
        None | Some([]) => len == tail.len() && hurt.last == Some(crc),
        Some(next) => {
            let named = next
                .get(9..17)
                .and_then(|digits| std::str::from_utf8(digits).ok());
            named.and_then(Crc::parse) == Some(crc)
        }
    }
}

/// Every single flip after which a record may stand at the start of these bytes.
pub(super) fn candidates(tail: &[u8]) -> Vec<(usize, u8)> {
    let len = memchr::memchr(b'\n', tail);
    let line = &tail[..len.unwrap_or(tail.len()).min(frame::MAX_LINE)];
    let Some((digits, covered)) = line.split_at_checked(8) else {
        return Vec::new();
    };
    let mut found = in_digits(digits, Crc::of(covered));
    let claimed = std::str::from_utf8(digits).ok().and_then(Crc::parse);
    if let Some(claimed) = claimed {
        found.extend(in_covered(covered, claimed).map(|(at, bit)| (at + 8, bit)));
        found.extend(lost_newlines(covered, claimed).map(|(at, bit)| (at + 8, bit)));
        if let Some(len) = len {
            found.extend(false_newline(tail, len, claimed).map(|bit| (len, bit)));
        }
    }
    found
}

/// A flip in the checksum's own digits.
fn in_digits(digits: &[u8], computed: Crc) -> Vec<(usize, u8)> {
    let wanted = computed.to_string();
    let off = digits.iter().zip(wanted.as_bytes()).enumerate();
    let off: Vec<(usize, u8)> = off
        .map(|(at, (is, should))| (at, is ^ should))
        .filter(|(_, diff)| *diff != 0)
        .collect();
    match *off {
        [(at, diff)] if diff.is_power_of_two() => vec![(at, bit_of(diff))],
        _ => Vec::new(),
    }
}

/// A flip in what the checksum covers, from what the checksum is off by.
fn in_covered(covered: &[u8], claimed: Crc) -> impl Iterator<Item = (usize, u8)> {
    let off = claimed.value() ^ Crc::of(covered).value();
    let mut errors = single_errors();
    let mut found = None;
    for at in (0..covered.len()).rev() {
        if let Some(bit) = (0..8u8).find(|&bit| errors[usize::from(bit)] == off) {
            found = Some((at, bit));
            break;
        }
        errors = errors.map(step);
    }
    found.into_iter()
}

/// A newline that was flipped into another byte: two lines look like one.
fn lost_newlines(covered: &[u8], claimed: Crc) -> impl Iterator<Item = (usize, u8)> {
    let mut checksum = crc32fast::Hasher::new();
    let mut done = 0;
    let mut found = None;
    for (at, &byte) in covered.iter().enumerate() {
        let diff = byte ^ b'\n';
        if !diff.is_power_of_two() {
            continue;
        }
        checksum.update(&covered[done..at]);
        done = at;
        if at > 0 && checksum.clone().finalize() == claimed.value() {
            found = Some((at, bit_of(diff)));
            break;
        }
    }
    found.into_iter()
}

/// A byte that was flipped into the newline at `len`: one line looks like two.
fn false_newline(tail: &[u8], len: usize, claimed: Crc) -> Option<u8> {
    let rest = &tail[len + 1..];
    let after = memchr::memchr(b'\n', rest)?;
    let covered = tail.get(8..len + 1 + after)?;
    if covered.len() > frame::MAX_LINE {
        return None;
    }
    let off = claimed.value() ^ Crc::of(covered).value();
    let mut errors = single_errors();
    for _ in 0..after {
        errors = errors.map(step);
    }
    (0..8u8).find(|&bit| errors[usize::from(bit)] == off)
}

fn bit_of(power: u8) -> u8 {
    u8::try_from(power.trailing_zeros()).unwrap_or(0)
}

/// What the checksum is off by for each flipped bit of the last byte.
fn single_errors() -> [u32; 8] {
    std::array::from_fn(|bit| step(1 << bit))
}

/// What the checksum is off by when one more byte follows.
fn step(mut error: u32) -> u32 {
    // IEEE 802.3, reflected.
    const POLYNOMIAL: u32 = 0xedb8_8320;
    for _ in 0..8 {
        error = error >> 1 ^ if error & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three records, the second a group of two lines.
    fn log() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut crc = Crc::NONE;
        let payloads = [
            r#"{"event":"added","item":"J*"}"#,
            r#"{"more":true,"event":"added","item":"b"}"#,
            r#"{"event":"added","item":"c"}"#,
            r#"{"event":"added","item":"d"}"#,
        ];
        for (seq, payload) in (1..).zip(payloads) {
            let durable = Seq::new([0, 1, 1, 3][usize::try_from(seq - 1).unwrap()]);
            crc = frame::encode(&mut bytes, crc, Seq::new(seq), durable, payload);
        }
        bytes
    }

    fn fix(bytes: &[u8], last: Option<Crc>) -> Option<Flip> {
        let (start, seq, previous) = (0, Seq::FIRST, Some(Crc::NONE));
        correct(&Hurt {
            bytes,
            start,
            seq,
            previous,
            last,
        })
    }

    fn last_crc(bytes: &[u8]) -> Crc {
        let line = bytes[..bytes.len() - 1]
            .rsplit(|&byte| byte == b'\n')
            .next()
            .unwrap();
        frame::parse(line).unwrap().crc
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = log();
        let last = Some(last_crc(&whole));
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut hurt = whole.clone();
                hurt[at] ^= 1 << bit;
                let flip = fix(&hurt, last).unwrap_or_else(|| panic!("byte {at} bit {bit}"));
                assert_eq!((flip.at, flip.bit), (at, bit));
            }
        }
    }

    #[test]
    fn a_last_record_that_nobody_attests_is_left() {
        let whole = log();
        let start = whole.len() - 20;
        for at in start..whole.len() {
            let mut hurt = whole.clone();
            hurt[at] ^= 1;
            assert_eq!(fix(&hurt, None), None);
            assert_eq!(fix(&hurt, Some(Crc::NONE)), None);
        }
    }

    #[test]
    fn two_flipped_bits_are_no_guess() {
        let whole = log();
        let last = Some(last_crc(&whole));
        for at in 0..whole.len() - 4 {
            let mut hurt = whole.clone();
            hurt[at] ^= 1;
            hurt[at + 3] ^= 4;
            if let Some(flip) = fix(&hurt, last) {
                // One bit in each of two lines: the first is put right, and is right.
                assert_eq!((flip.at, flip.bit), (at, 0));
                assert!(
                    whole[at..at + 3].contains(&b'\n') || whole[at + 3] == b'\n',
                    "byte {at}"
                );
            }
        }
    }

    #[test]
    fn whole_bytes_need_nothing() {
        assert_eq!(fix(&log(), None), None);
        assert_eq!(fix(b"", None), None);
    }
}
