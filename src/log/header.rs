//! A segment's header: its first record, which says where the segment before it ends.
//!
//! ```text
//! {"event":"segment","at":…,"format":1,"min_reader":1,"log":"<32 hex>","prev":{…},"sha256":…,"lost":[],"writer":"phaselog 0.1.0"}
//! ```
//!
//! A header gets its name only when it is durable, and the segment before it was synced before that. So a header that
//! can be read attests every byte of its predecessor, and one that cannot be read is damage, never a torn write.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::frame::Crc;
use super::head::Sha256Hex;
use crate::pipeline::Timestamp;
use crate::position::{Offset, SegmentId, Seq};

/// The format that this version writes.
pub const FORMAT: u32 = 1;

/// The highest `min_reader` that this version understands.
pub const READER: u32 = 1;

/// Who writes, as headers say it.
pub const WRITER: &str = concat!("phaselog ", env!("CARGO_PKG_VERSION"));

/// What the header's `clock` says where the time was given; it has none where it was the system's.
const GIVEN: &str = "given";

/// The id of a log, 128 random bits as 32 lower-case hex digits: the same in every header and snapshot of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId(u128);

impl LogId {
    /// Makes an id from random bits.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// Reads 32 lower-case hex digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        if text.len() != 32 || !text.bytes().all(hex) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for LogId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 32 lower-case hex digits"))
    }
}

/// What a segment's first record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// When the segment was made.
    pub at: Timestamp,
    /// The format of its records.
    pub format: u32,
    /// The oldest reader that may read it.
    pub min_reader: u32,
    /// Which log it belongs to.
    pub log: LogId,
    /// Where the segment before it ends; `None` in the first.
    pub prev: Option<Predecessor>,
    /// The head of the log at the end of the segment before it; `None` in the first.
    pub sha256: Option<Sha256Hex>,
    /// Every range that was ever given up.
    pub lost: Vec<LostRange>,
    /// The program that wrote it.
    pub writer: String,
    /// The time is one that somebody gave (`--now`).
    pub clock_given: bool,
}

/// Where a sealed segment ends, as its successor's header attests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// The segment.
    #[serde(with = "segment_name")]
    pub segment: SegmentId,
    /// Its last record that counts.
    pub last_seq: Seq,
    /// The end of that record, in bytes; what follows was never acknowledged.
    #[serde(with = "bytes")]
    pub valid_bytes: Offset,
    /// That record's checksum.
    pub last_crc32: Crc,
}

/// Bytes that a repair gave up, with the records they held. What follows them stays valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRange {
    /// The segment.
    #[serde(with = "segment_name")]
    pub segment: SegmentId,
    /// The first byte given up.
    #[serde(with = "bytes")]
    pub from_byte: Offset,
    /// The first byte behind it.
    #[serde(with = "bytes")]
    pub to_byte: Offset,
    /// The first record given up.
    pub from_seq: Seq,
    /// The last record given up.
    pub to_seq: Seq,
}

/// Why a record is no header that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// A newer version wrote it and says that this one must not read it.
    Newer(String),
    /// It is no header.
    Invalid(String),
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    event: std::borrow::Cow<'a, str>,
    min_reader: Option<u32>,
}

#[derive(Serialize)]
struct Written<'a> {
    event: &'static str,
    at: Timestamp,
    format: u32,
    min_reader: u32,
    log: LogId,
    prev: Option<Predecessor>,
    sha256: Option<Sha256Hex>,
    lost: &'a [LostRange],
    writer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<&'static str>,
}

#[derive(Deserialize)]
struct Read {
    at: Timestamp,
    format: u32,
    min_reader: u32,
    log: LogId,
    prev: Option<Predecessor>,
    sha256: Option<Sha256Hex>,
    #[serde(default)]
    lost: Vec<LostRange>,
    #[serde(default)]
    writer: String,
    clock: Option<String>,
}

impl SegmentHeader {
    /// The header of a log's first segment.
    pub fn first(at: Timestamp, log: LogId) -> Self {
        Self {
            at,
            format: FORMAT,
            min_reader: READER,
            log,
            prev: None,
            sha256: None,
            lost: Vec::new(),
            writer: WRITER.to_owned(),
            clock_given: false,
        }
    }

    /// The payload of its record.
    ///
    /// # Panics
    /// Never: a header has only text keys.
    pub fn to_payload(&self) -> String {
        let written = Written {
            event: "segment",
            at: self.at,
            format: self.format,
            min_reader: self.min_reader,
            log: self.log,
            prev: self.prev,
            sha256: self.sha256,
            lost: &self.lost,
            writer: &self.writer,
            clock: self.clock_given.then_some(GIVEN),
        };
        serde_json::to_string(&written).expect("a header has only text keys")
    }

    /// Reads a payload back; fields that are not known here are passed over.
    ///
    /// # Errors
    /// Written by a newer version for newer readers, or no header.
    pub fn parse(payload: &str) -> Result<Self, HeaderFault> {
        // The outline first: a newer version may have changed every other field.
        let outline: Outline<'_> = serde_json::from_str(payload).map_err(invalid)?;
        if outline.event != "segment" {
            return Err(HeaderFault::Invalid(format!(
                "it is a record of the kind {:?}",
                outline.event
            )));
        }
        match outline.min_reader {
            None => return Err(HeaderFault::Invalid("no min_reader".to_owned())),
            Some(needed) if needed > READER => {
                return Err(HeaderFault::Newer(format!(
                    "its records need reader {needed}, this is reader {READER}"
                )));
            }
            Some(_) => {}
        }
        let read: Read = serde_json::from_str(payload).map_err(invalid)?;
        let seqs = read
            .lost
            .iter()
            .flat_map(|lost| [lost.from_seq, lost.to_seq]);
        let bytes = read
            .lost
            .iter()
            .flat_map(|lost| [lost.from_byte, lost.to_byte]);
        let seqs = seqs.chain(read.prev.iter().map(|prev| prev.last_seq));
        let bytes = bytes.chain(read.prev.iter().map(|prev| prev.valid_bytes));
        // Half of the range is left free, so that no sum further on can overflow.
        if !seqs
            .map(Seq::get)
            .chain(bytes.map(Offset::get))
            .all(|n| i64::try_from(n).is_ok())
        {
            return Err(HeaderFault::Invalid("a number is too large".to_owned()));
        }
        Ok(Self {
            at: read.at,
            format: read.format,
            min_reader: read.min_reader,
            log: read.log,
            prev: read.prev,
            sha256: read.sha256,
            lost: read.lost,
            writer: read.writer,
            clock_given: read.clock.as_deref() == Some(GIVEN),
        })
    }

    /// What contradicts the header's place: its segment, its `previous`, the log and the segment before it.
    pub fn misfit(&self, id: SegmentId, previous: Crc) -> Option<String> {
        let Some(prev) = &self.prev else {
            return if id != SegmentId::FIRST {
                Some("it names no segment before it".to_owned())
            } else if previous != Crc::NONE {
                Some("something goes before the first record".to_owned())
            } else {
                None
            };
        };
        let first = id.first_seq();
        // After a repair the seqs go on behind all that were given up, so that no token is ever issued twice.
        let follows = prev.last_seq.next() == first
            || prev.last_seq < first && self.lost.iter().any(|lost| lost.to_seq.next() == first);
        if prev.segment >= id {
            Some(format!(
                "it names {} as the segment before it",
                prev.segment
            ))
        } else if !follows {
            Some(format!(
                "it says that record {} goes before it",
                prev.last_seq
            ))
        } else if prev.last_crc32 != previous {
            Some("it names two different records before it".to_owned())
        } else {
            None
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn invalid(error: serde_json::Error) -> HeaderFault {
    HeaderFault::Invalid(error.to_string())
}

mod segment_name {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::position::SegmentId;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the shape serde asks for"
    )]
    pub(super) fn serialize<S: Serializer>(id: &SegmentId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SegmentId, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(from)?;
        SegmentId::from_file_name(&name)
            .filter(|id| i64::try_from(id.first_seq().get()).is_ok())
            .ok_or_else(|| serde::de::Error::custom("not the name of a segment"))
    }
}

mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::position::Offset;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the shape serde asks for"
    )]
    pub(super) fn serialize<S: Serializer>(bytes: &Offset, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(bytes.get())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Offset, D::Error> {
        u64::deserialize(from).map(Offset::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            prev: Some(Predecessor {
                segment: SegmentId::FIRST,
                last_seq: Seq::new(517),
                valid_bytes: Offset::new(104_857),
                last_crc32: Crc::parse("77ab01cd").unwrap(),
            }),
            sha256: Some(Sha256Hex::of(b"")),
            lost: vec![LostRange {
                segment: SegmentId::FIRST,
                from_byte: Offset::new(1),
                to_byte: Offset::new(2),
                from_seq: Seq::new(43),
                to_seq: Seq::new(45),
            }],
            writer: "phaselog 0.1.0".to_owned(),
            ..SegmentHeader::first(
                Timestamp::parse_rfc3339("2026-11-23T01:40:15.123456Z").unwrap(),
                LogId::new(0xab),
            )
        }
    }

    const GOLDEN: &str = concat!(
        r#"{"event":"segment","at":"2026-11-23T01:40:15.123456Z","format":1,"min_reader":1,"#,
        r#""log":"000000000000000000000000000000ab","prev":{"segment":"00000000000000000001.wal","#,
        r#""last_seq":517,"valid_bytes":104857,"last_crc32":"77ab01cd"},"sha256":"#,
        r#""e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","lost":[{"segment":"#,
        r#""00000000000000000001.wal","from_byte":1,"to_byte":2,"from_seq":43,"to_seq":45}],"#,
        r#""writer":"phaselog 0.1.0"}"#
    );

    #[test]
    fn golden_header_reads_and_writes() {
        assert_eq!(header().to_payload(), GOLDEN);
        assert_eq!(SegmentHeader::parse(GOLDEN), Ok(header()));
        let unknown = GOLDEN.replacen(r#""format":1"#, r#""format":1,"colour":"red""#, 1);
        assert_eq!(SegmentHeader::parse(&unknown), Ok(header()));
        let given = GOLDEN.replacen(r#""format":1"#, r#""format":1,"clock":"given""#, 1);
        let clock_given = SegmentHeader::parse(&given).map(|header| header.clock_given);
        assert_eq!(clock_given, Ok(true));
    }

    #[test]
    fn newer_header_is_refused_even_if_its_fields_changed() {
        let newer = r#"{"event":"segment","min_reader":2,"prev":"changed"}"#;
        assert!(matches!(
            SegmentHeader::parse(newer),
            Err(HeaderFault::Newer(_))
        ));
        for invalid in [
            r#"{"event":"added"}"#,
            r#"{"event":"segment"}"#,
            "{}",
            "{x}",
        ] {
            let read = SegmentHeader::parse(invalid);
            assert!(matches!(read, Err(HeaderFault::Invalid(_))), "{invalid}");
        }
    }

    #[test]
    fn header_must_fit_its_place() {
        let fits = |header: &SegmentHeader, id, crc: &str| {
            let id = SegmentId::starting_at(Seq::new(id));
            header.misfit(id, Crc::parse(crc).unwrap()).is_none()
        };
        assert!(fits(&header(), 518, "77ab01cd"));
        assert!(!fits(&header(), 519, "77ab01cd"));
        assert!(!fits(&header(), 518, "77ab01ce"));
        assert!(!fits(&header(), 1, "77ab01cd"));
        let mut repaired = header();
        repaired.lost[0].to_seq = Seq::new(520);
        assert!(fits(&repaired, 521, "77ab01cd"));
        let first = SegmentHeader::first(header().at, header().log);
        assert!(fits(&first, 1, "00000000"));
        assert!(!fits(&first, 1, "00000001"));
        assert!(!fits(&first, 518, "77ab01cd"));
    }

    #[test]
    fn log_ids_are_32_digits() {
        let id = LogId::new(0xfeed);
        assert_eq!(LogId::parse(&id.to_string()), Some(id));
        for bad in [
            "",
            "feed",
            "0000000000000000000000000000FEED",
            "+000000000000000000000000000feed",
        ] {
            assert_eq!(LogId::parse(bad), None);
        }
    }
}
