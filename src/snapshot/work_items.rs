//! `work_items.json`: the root snapshot, the progress of every item.
//!
//! ```text
//!   {
//!     "schema_version", "session", "plan", "work_items", "summary", "last_checkpoint"    what people and scripts read
//!     "log": { "id", "seq", "crc32", "sha256",    the place in the log that it covers
//!              "files",                           the other snapshots of the set
//!              "state" },                         what `apply` keeps beyond the readable part
//!     "crc32": "0badcafe"                         over every byte before this line
//!   }
//! ```
//!
//! `decode(encode(state))` is the same state. Fields of other programs stay where they stood; one whose key is a word
//! of ours is kept in `log.state`.

mod rest;
mod encode;
mod parse;
mod pieces;
mod top;
#[cfg(test)]
mod tests;

use std::io;

use serde_json::Value;

use super::{CompanionName, LogPlace, Offsets, TimeStyle, parse_crc};
use crate::pipeline::PipelineState;
use crate::position::Seq;
use parse::{Document, Head};
use top::Top;

pub use super::sink::Written;
pub use encode::encode;
pub use pieces::decode_in_pieces;
pub use rest::{DataRow, data_rows};

/// The version that is written. Another with the same first number is read, a higher first number is refused.
pub const SCHEMA_VERSION: &str = "1.0.0";

/// The newest layout of `log` that is read; a file without `log.format` has 1.
const FORMAT: u64 = 1;

/// The end of every snapshot: the line of the checksum, the bracket, a newline. The digits are not part of this text.
const TAIL: (&[u8], &[u8]) = (b"\n  \"crc32\": \"", b"\"\n}\n");

/// How many bytes at the end the checksum does not cover: all of the last lines but the newline before them.
pub(super) const UNCOVERED: usize = TAIL.0.len() - 1 + 8 + TAIL.1.len();

/// In this many bytes from the beginning on a file of ours says its version.
pub(super) const START: usize = 256;

/// What `log` begins with, in a file that is laid out as we do it.
pub(super) const LOG_KEY: &[u8] = b"\n  \"log\": {";

/// What a root snapshot holds.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkItems {
    /// The state, without the items' data: [`super::enrichment::attach`] brings that in.
    pub state: PipelineState,
    /// What it says of the items' data.
    pub data: Vec<DataRow>,
    /// The place in the log that it covers.
    pub place: LogPlace,
    /// The other files of its set.
    pub companions: Vec<CompanionName>,
}

/// What a root snapshot says about its set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The place in the log that it covers.
    pub place: LogPlace,
    /// The other files of its set.
    pub companions: Vec<CompanionName>,
}

/// What the bytes of a `work_items.json` are.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Decoded<T> {
    /// Ours, as we wrote it.
    Valid(T),
    /// Ours, read and written again by somebody who changed nothing but the layout. As good as valid.
    Reformatted(T),
    /// Ours, with changes by somebody else.
    Edited {
        /// The place in the log that it covered when it was written, if that can still be read.
        log_seq: Option<Seq>,
    },
    /// Not JSON, or not whole.
    Damaged {
        /// What is wrong.
        message: String,
        /// Counted from 1; 0 if unknown.
        line: usize,
        /// Counted from 1; 0 if unknown.
        column: usize,
    },
    /// JSON of somebody else: it never was a snapshot of a log.
    Foreign,
    /// Written by a newer version: it says so, and its checksum holds.
    Newer {
        /// What is not known here.
        what: String,
    },
}

impl<T> Decoded<T> {
    /// What is usable in it.
    pub fn usable(self) -> Option<T> {
        match self {
            Self::Valid(inside) | Self::Reformatted(inside) => Some(inside),
            _ => None,
        }
    }

    fn map<U>(self, with: impl FnOnce(T) -> U) -> Decoded<U> {
        match self {
            Self::Valid(inside) => Decoded::Valid(with(inside)),
            Self::Reformatted(inside) => Decoded::Reformatted(with(inside)),
            Self::Edited { log_seq } => Decoded::Edited { log_seq },
            Self::Damaged {
                message,
                line,
                column,
            } => Decoded::Damaged {
                message,
                line,
                column,
            },
            Self::Foreign => Decoded::Foreign,
            Self::Newer { what } => Decoded::Newer { what },
        }
    }
}

/// Reads a `work_items.json`. The checksum is verified before any field is believed.
pub fn decode(bytes: &[u8]) -> Decoded<Box<WorkItems>> {
    if !checksum_holds(bytes) {
        return examine(bytes);
    }
    match serde_json::from_slice::<Document<'_>>(bytes) {
        Ok(document) => match newer_version(&document.schema_version, document.format()) {
            Some(what) => Decoded::Newer { what },
            None => match document.assemble() {
                Some(inside) => Decoded::Valid(Box::new(inside)),
                None => refuse(bytes, "its parts do not fit each other".into(), 0, 0),
            },
        },
        Err(error) => refuse(bytes, text_of(&error), error.line(), error.column()),
    }
}

/// Reads only what a `work_items.json` says about its set.
pub fn decode_names(bytes: &[u8]) -> Decoded<Names> {
    let head = checksum_holds(bytes)
        .then(|| head_of_ours(bytes).or_else(|| serde_json::from_slice::<Head>(bytes).ok()))
        .flatten()
        .filter(|head| newer_version(&head.schema_version, head.format()).is_none())
        .and_then(Head::names);
    match head {
        Some(names) => Decoded::Valid(names),
        None => decode(bytes).map(|inside| {
            let (place, companions) = (inside.place, inside.companions);
            Names { place, companions }
        }),
    }
}

/// The head of a file that is laid out as we do it: its version stands in front, its `log` behind all items, and nobody
/// has to read through those. No text of ours holds a newline, so only the key itself can stand there.
fn head_of_ours(bytes: &[u8]) -> Option<Head> {
    let log = memchr::memmem::rfind(bytes, LOG_KEY)?;
    head_of_parts(bytes, &bytes[log..])
}

/// The same, of the beginning of a file and of what stands from its last [`LOG_KEY`] on.
fn head_of_parts(start: &[u8], log: &[u8]) -> Option<Head> {
    let version = start.strip_prefix(b"{\n  \"schema_version\": \"")?;
    let version = &version[..memchr::memchr(b'"', version)?];
    let parts = [b"{\"schema_version\": \"", version, b"\",", log];
    serde_json::from_slice(&parts.concat()).ok()
}

/// What a file says about its set, by the parts of it that say so: its first [`START`] bytes, and everything from its last
/// [`LOG_KEY`] on, which has [`UNCOVERED`] bytes that the checksum `crc32` of all others does not cover. `None` if that is not
/// how we lay it out, or the checksum does not hold: then only the whole of it tells what it is.
pub(super) fn names_of_parts(start: &[u8], log: &[u8], crc32: u32) -> Option<Names> {
    let (stated, _) = stated_checksum(log)?;
    let head = (stated == crc32).then(|| head_of_parts(start, log))??;
    let known = newer_version(&head.schema_version, head.format()).is_none();
    known.then(|| head.names())?
}

/// What a file claims about its set, whether its checksum holds or not.
pub(super) fn claimed_names(bytes: &[u8]) -> Option<Names> {
    serde_json::from_slice::<Head>(bytes).ok()?.names()
}

/// What a file that somebody edited says about its set: nothing vouches for it but the log.
pub fn stated_names(bytes: &[u8]) -> Option<Names> {
    // Some editors begin a file with this mark.
    claimed_names(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

/// How the times of a file were written before somebody edited it, as far as it says so.
pub fn stated_style(bytes: &[u8]) -> TimeStyle {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Stated {
        log: StatedLog,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct StatedLog {
        state: StatedState,
    }
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct StatedState {
        offsets: Offsets,
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let stated = serde_json::from_slice::<Stated>(bytes).unwrap_or_default();
    match stated.log.state.offsets {
        none if none.is_empty() => TimeStyle::Utc,
        offsets => TimeStyle::NaiveAs(offsets),
    }
}

/// True if the file ends as ours do and its checksum is that of its bytes.
pub(super) fn checksum_holds(bytes: &[u8]) -> bool {
    stated_checksum(bytes).is_some_and(|(stated, covered)| crc32fast::hash(covered) == stated)
}

/// The checksum that stands in the last line, and what it covers.
fn stated_checksum(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = bytes.strip_suffix(TAIL.1)?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
    let crc32 = parse_crc(str::from_utf8(digits).ok()?)?;
    let before = rest.strip_suffix(TAIL.0)?;
    // The newline before the line belongs to what is covered.
    Some((crc32, &bytes[..=before.len()]))
}

/// A file of ours by its checksum that cannot be read: of a newer version, if it says so or has what we do not know.
fn refuse<T>(bytes: &[u8], message: String, line: usize, column: usize) -> Decoded<T> {
    let document = serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    match newer(&document) {
        Some(what) => Decoded::Newer { what },
        None => Decoded::Damaged {
            message,
            line,
            column,
        },
    }
}

/// Finds out what a file is whose checksum does not hold.
fn examine(bytes: &[u8]) -> Decoded<Box<WorkItems>> {
    // Some editors begin a file with this mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Not as a tree: that would take many times the memory of the text.
    let top = match serde_json::from_slice::<Top>(bytes) {
        Ok(top) => top,
        Err(error) => {
            return Decoded::Damaged {
                message: text_of(&error),
                line: error.line(),
                column: error.column(),
            };
        }
    };
    let Some(log) = top.log else {
        return Decoded::Foreign;
    };
    // It may look like a newer version's, but a hurt byte looks like that too, and the log has everything.
    match unchanged(bytes) {
        Some(inside) => Decoded::Reformatted(Box::new(inside)),
        None => Decoded::Edited {
            log_seq: log.seq.map(Seq::new),
        },
    }
}

/// Reads a file that only its layout keeps from being valid: written again from what it says, it has the checksum that
/// it states, and says the same in every field, also in those that are derived.
fn unchanged(bytes: &[u8]) -> Option<WorkItems> {
    let parts = serde_json::from_slice::<Document<'_>>(bytes).ok()?;
    let stated = parse_crc(&parts.crc32)?;
    let style = parts.style();
    let inside = parts.assemble()?;
    let write = |out: &mut dyn io::Write| {
        let rows = &mut inside.data.iter().cloned();
        let (place, companions) = (&inside.place, &inside.companions);
        encode::encode_with(&inside.state, rows, place, companions, style.clone(), out).ok()
    };
    // Most that are looked at were edited: what their state comes to as text is not held in memory only to learn that.
    if write(&mut io::sink())?.crc32 != stated {
        return None;
    }
    let mut again = Vec::with_capacity(bytes.len());
    write(&mut again)?;
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let both = value(bytes).zip(value(&again));
    let is_same = both.is_some_and(|(document, canonical)| same(&document, &canonical));
    is_same.then_some(inside)
}

/// True if two documents say the same, whatever the order of their keys and the spelling of their numbers.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let has = |(key, value)| other.get(key).is_some_and(|found| same(value, found));
            one.len() == other.len() && one.iter().all(has)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            one == other || (one.as_f64().is_some() && one.as_f64() == other.as_f64())
        }
        _ => one == other,
    }
}

/// What in a document is of a newer version, if anything is. Only a right checksum makes that worth asking.
fn newer(document: &Value) -> Option<String> {
    let log = document.get("log")?;
    let format = log.get("format").and_then(Value::as_u64);
    let version = document.get("schema_version").and_then(Value::as_str);
    if let Some(what) = newer_version(version.unwrap_or_default(), format) {
        return Some(what);
    }
    // Passing over what `apply` kept would give a state that no replay gives.
    let mut keys = log.get("state")?.as_object()?.keys();
    keys.find(|key| !rest::KEYS.contains(&key.as_str()))
        .map(|key| format!("log.state.{key}"))
}

/// Which of the two versions that a document states is newer than what is read here, if one is.
fn newer_version(schema: &str, format: Option<u64>) -> Option<String> {
    if let Some(format) = format.filter(|&format| format > FORMAT) {
        return Some(format!("log.format {format}"));
    }
    (major(schema) > major(SCHEMA_VERSION)).then(|| format!("schema_version {schema}"))
}

/// The first number of a version; 0 if it is none.
fn major(version: &str) -> u64 {
    let first = version.split('.').next().unwrap_or_default();
    first.parse().unwrap_or_default()
}

/// What is wrong, without the place, which is told apart.
fn text_of(error: &serde_json::Error) -> String {
    let (text, at) = (error.to_string(), format!(" at line {}", error.line()));
    text.split_once(&at)
        .map_or_else(|| text.clone(), |(message, _)| message.to_owned())
}
