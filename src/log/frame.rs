//! One record's bytes: the line of text that a record is on disk, written and read back.
//!
//! ```text
//! 74695ccf 00000000 1 0 {"event":"segment"}\n
//! crc32    previous | | payload: one JSON object
//!                   | durable
//!                   seq
//! ```
//!
//! There is exactly one way to write a record, and only that way is read: what could be written in two ways could
//! be changed without anybody noticing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::DamageKind;
use crate::faults::{self, Fault};
use crate::position::Seq;

/// The largest payload, in bytes: 16 MiB.
pub const MAX_PAYLOAD: usize = 16 << 20;

/// The longest line, in bytes, without its newline: two checksums, two numbers of at most 19 digits, four spaces.
pub const MAX_LINE: usize = MAX_PAYLOAD + 8 + 8 + 19 + 19 + 4;

/// The highest sequence number that is read. A log that counts up to it at a million records a second takes
/// 292,000 years; below it, `seq + 1` never overflows.
const MAX_SEQ: u64 = i64::MAX as u64;

/// A CRC-32 (IEEE), written as 8 lower-case hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Crc(u32);

impl Crc {
    /// Takes the value as it is.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// What stands for "the record before the first".
    pub const NONE: Self = Self(0);

    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(crc32fast::hash(bytes))
    }

    /// Reads 8 lower-case hex digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_bytes(text.as_bytes())
    }

    fn parse_bytes(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; 8] = digits.try_into().ok()?;
        // All eight are looked up before one is judged: this is done twice for each line of the log.
        let (mut value, mut odd) = (0, 0);
        for digit in digits {
            let nibble = NIBBLES[usize::from(*digit)];
            odd |= nibble;
            value = value << 4 | u32::from(nibble & 0xf);
        }
        (odd < 0x10).then_some(Self(value))
    }
}

/// The value of each lower-case hex digit; 0xff for any other byte.
const NIBBLES: [u8; 256] = {
    let mut table = [0xff; 256];
    let (digits, mut value) = (b"0123456789abcdef", 0);
    while value < 16 {
        table[digits[value as usize] as usize] = value;
        value += 1;
    }
    table
};

impl fmt::Display for Crc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for Crc {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Crc {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 8 lower-case hex digits"))
    }
}

/// A checksum while it is being computed.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(crc32fast::Hasher);

impl Running {
    /// Takes the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of the bytes taken so far.
    pub(super) fn value(&self) -> Crc {
        Crc(self.0.clone().finalize())
    }
}

/// One record's bytes, taken apart after they were verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The checksum of everything after it on the line.
    pub crc: Crc,
    /// The checksum of the record before.
    pub previous: Crc,
    /// The record's place in the log.
    pub seq: Seq,
    /// What the writer knew to be on disk when it wrote the line.
    pub durable: Seq,
    /// One JSON object, as far as its outline tells; its inside is for others to parse.
    pub payload: &'a str,
}

impl Frame<'_> {
    /// How many bytes the record takes in its file, with its newline.
    pub fn encoded_len(&self) -> u64 {
        let digits = |seq: Seq| u64::from(seq.get().checked_ilog10().unwrap_or(0)) + 1;
        // Two checksums of 8 digits, four spaces, the newline.
        21 + digits(self.seq) + digits(self.durable) + self.payload.len() as u64
    }
}

/// Why a line is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not in the canonical form.
    #[error("not a record: {0}")]
    Malformed(&'static str),
    /// The bytes are not those that the checksum was made of.
    #[error("the checksum does not match")]
    Checksum,
}

impl From<FrameError> for DamageKind {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Malformed(what) => Self::Malformed(what),
            FrameError::Checksum => Self::Checksum,
        }
    }
}

/// Takes a line apart, without its newline.
///
/// # Errors
/// The line is not the canonical form of a record, or its checksum does not match.
pub fn parse(line: &[u8]) -> Result<Frame<'_>, FrameError> {
    use FrameError::Malformed;

    if line.len() > MAX_LINE {
        return Err(Malformed("longer than a record can be"));
    }
    let (digits, covered) = line.split_at_checked(8).ok_or(Malformed("too short"))?;
    let crc = Crc::parse_bytes(digits).ok_or(Malformed("no checksum at its start"))?;
    if covered.first() != Some(&b' ') {
        return Err(Malformed("no checksum at its start"));
    }
    // No field is looked at before the bytes are known to be those that were written.
    if Crc::of(covered) != crc && !faults::on(Fault::ChecksumNotChecked) {
        return Err(FrameError::Checksum);
    }
    let mut fields = covered[1..].splitn(4, |&byte| byte == b' ');
    let mut field = || fields.next().ok_or(Malformed("fields are missing"));
    let previous = Crc::parse_bytes(field()?).ok_or(Malformed("no checksum of its predecessor"))?;
    let seq = parse_seq(field()?).ok_or(Malformed("no sequence number"))?;
    let durable = parse_seq(field()?).ok_or(Malformed("no durable sequence number"))?;
    if durable >= seq {
        return Err(Malformed("it attests itself"));
    }
    let payload = std::str::from_utf8(field()?).map_err(|_| Malformed("not UTF-8"))?;
    if let Some(fault) = payload_fault(payload) {
        return Err(Malformed(fault));
    }
    Ok(Frame {
        crc,
        previous,
        seq,
        durable,
        payload,
    })
}

/// How many bytes the whole record has that these bytes begin with, whatever stands behind it; `None` if they begin with
/// none. Only its checksum is looked at.
pub fn at_start(bytes: &[u8]) -> Option<usize> {
    let (digits, covered) = bytes.split_at_checked(8)?;
    let claimed = Crc::parse_bytes(digits)?;
    let covered = &covered[..covered.len().min(MAX_LINE - 8)];
    let mut checksum = Running::default();
    let mut done = 0;
    for brace in memchr::memchr_iter(b'}', covered) {
        checksum.update(&covered[done..=brace]);
        done = brace + 1;
        if checksum.value() == claimed {
            return Some(8 + done);
        }
    }
    None
}

/// What makes this text unfit to be a payload; `None` if it is fit.
pub fn payload_fault(payload: &str) -> Option<&'static str> {
    if payload.len() > MAX_PAYLOAD {
        Some("its payload is too large")
    } else if !payload.starts_with('{') || !payload.ends_with('}') || payload.len() < 2 {
        Some("its payload is no JSON object")
    } else if payload.bytes().fold(u8::MAX, u8::min) < 0x20 {
        // Every byte is looked at, which is many at once; to stop at the first is one by one.
        Some("control characters in its payload")
    } else {
        None
    }
}

/// Appends one line, newline included, and returns its checksum.
///
/// The payload must be one that [`payload_fault`] finds nothing wrong with, and `durable` below `seq`: otherwise the
/// line cannot be read back.
pub fn encode(into: &mut Vec<u8>, previous: Crc, seq: Seq, durable: Seq, payload: &str) -> Crc {
    debug_assert!(durable < seq && payload_fault(payload).is_none());
    let covered = format!(" {previous} {seq} {durable} {payload}");
    let crc = Crc::of(covered.as_bytes());
    into.reserve(covered.len() + 9);
    into.extend_from_slice(crc.to_string().as_bytes());
    into.extend_from_slice(covered.as_bytes());
    into.push(b'\n');
    crc
}

fn parse_seq(digits: &[u8]) -> Option<Seq> {
    let canonical = match digits {
        [b'0'] => true,
        [] | [b'0', ..] => false,
        _ => digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit),
    };
    if !canonical {
        return None;
    }
    let value = digits
        .iter()
        .fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    (value <= MAX_SEQ).then(|| Seq::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: &str = r#"74695ccf 00000000 1 0 {"event":"segment"}"#;

    /// A line with a right checksum, whatever stands in it.
    fn line(covered: &str) -> Vec<u8> {
        format!("{}{covered}", Crc::of(covered.as_bytes())).into_bytes()
    }

    #[test]
    fn the_vector_of_the_design_reads_and_writes() {
        let frame = parse(VECTOR.as_bytes()).unwrap();
        assert_eq!(frame.crc, Crc::parse("74695ccf").unwrap());
        assert_eq!((frame.seq, frame.durable), (Seq::FIRST, Seq::NONE));
        assert_eq!(frame.previous, Crc::NONE);
        assert_eq!(frame.payload, r#"{"event":"segment"}"#);
        let mut bytes = Vec::new();
        let crc = encode(&mut bytes, Crc::NONE, Seq::FIRST, Seq::NONE, frame.payload);
        assert_eq!(bytes, format!("{VECTOR}\n").into_bytes());
        assert_eq!(crc, frame.crc);
    }

    #[test]
    fn every_single_bit_flip_is_noticed() {
        for at in 0..VECTOR.len() {
            for bit in 0..8 {
                let mut bytes = VECTOR.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                assert!(parse(&bytes).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn only_the_canonical_form_is_a_record() {
        assert!(parse(&line(" 00000000 1 0 {}")).is_ok());
        for covered in [
            " 00000000 01 0 {}",
            " 00000000 1 00 {}",
            " 00000000 +1 0 {}",
            " 00000000 0 0 {}",
            " 00000000 1 1 {}",
            " 00000000 1 2 {}",
            " 0000000A 1 0 {}",
            " 0000000 1 0 {}",
            "  00000000 1 0 {}",
            " 00000000 1  0 {}",
            " 00000000 1 0  {}",
            " 00000000 1 0 {} ",
            " 00000000 1 0 {}\r",
            " 00000000 1 0 {",
            " 00000000 1 0 []",
            " 00000000 1 0 {\"a\":\"\t\"}",
            " 00000000 1 0",
            " 00000000 9223372036854775808 0 {}",
            " 00000000 99999999999999999999 0 {}",
            "",
            " ",
        ] {
            assert!(parse(&line(covered)).is_err(), "{covered:?}");
        }
        let mut bytes = b" 00000000 1 0 {\"a\":\"\xff\"}".to_vec();
        let crc = Crc::of(&bytes);
        bytes.splice(0..0, crc.to_string().into_bytes());
        assert_eq!(parse(&bytes), Err(FrameError::Malformed("not UTF-8")));
    }

    #[test]
    fn oversized_payload_is_refused() {
        let fits = format!("{{{}}}", " ".repeat(MAX_PAYLOAD - 2));
        assert!(parse(&line(&format!(" 00000000 1 0 {fits}"))).is_ok());
        assert!(parse(&line(&format!(" 00000000 1 0 {fits}}}"))).is_err());
    }

    #[test]
    fn checksums_are_eight_lower_case_digits() {
        assert_eq!(Crc::parse("77ab01cd").unwrap().to_string(), "77ab01cd");
        for bad in ["77AB01CD", "77ab01c", "77ab01cdd", "+7ab01cd", ""] {
            assert_eq!(Crc::parse(bad), None, "{bad}");
        }
    }
}
