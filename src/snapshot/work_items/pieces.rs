//! Reads a `work_items.json` that is laid out as we do it piece by piece: of its text, one item is in memory at a time.
//!
//! ```text
//!   {                              the head, to the opening of the list: the plan is known from here on
//!     "work_items": [
//!       {                          an item goes from this line
//!       },                         to this one: no text of ours holds a newline, and whatever is inside is indented further
//!     ],
//!     "log": { "state": {
//!         "seqs": [
//!           [                      a row of the longest table goes to its bracket: it is nothing but numbers
//!         ],                       the end, with the checksum of everything before it
//! ```
//!
//! Whatever does not stand where we put it is for who reads the file as a whole.

use std::io;

use crc32fast::Hasher;
use memchr::memmem;

use super::parse::{Document, ItemPart, Items};
use super::{LOG_KEY, WorkItems, newer_version, stated_checksum};
use crate::pipeline::Plan;

/// The line that opens the list of items.
const LIST: &[u8] = b"\n  \"work_items\": [";

/// How an item begins, behind the bracket or the comma.
const ITEM: &[u8] = b"\n    {";

/// How an item ends, but for the comma.
const ITEM_END: &[u8] = b"\n    }";

/// How `log.state` begins, in `log`.
const STATE: &[u8] = b"\n    \"state\": {";

/// How the longest table of `log.state` begins, a row for each item that any record was about.
const SEQS: &[u8] = b"\n      \"seqs\": [";

/// How a row of it begins.
const ROW: &[u8] = b"\n        [";

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// Reads a file from its beginning to its end. `None` if it is not laid out as we do it, if its checksum does not hold, or if
/// anything in it is not as it should be: who reads it as a whole can tell what.
///
/// # Errors
/// What reading says.
pub fn decode_in_pieces(from: &mut dyn io::Read) -> io::Result<Option<Box<WorkItems>>> {
    let mut text = Text::new(from);
    let Some(at) = text.find(LIST)? else {
        return Ok(None);
    };
    let mut whole = text.take(at + LIST.len()).to_vec();
    let Some(plan) = plan_of(&whole) else {
        return Ok(None);
    };
    let mut items = Items::of(plan);
    while text.starts_with(ITEM)? {
        let Some(at) = text.find(ITEM_END)? else {
            return Ok(None);
        };
        let item = text.take(at + ITEM_END.len());
        let part = serde_json::from_slice::<ItemPart<'_>>(item).ok();
        if part.and_then(|part| items.take(part)).is_none() {
            return Ok(None);
        }
        if text.starts_with(b",")? {
            text.take(1);
        }
    }
    if let Some(()) = text.take_through(&[LOG_KEY, STATE, SEQS], &mut whole)? {
        while text.starts_with(ROW)? {
            let Some(at) = text.find(b"]")? else {
                return Ok(None);
            };
            let row = text.take(at + 1);
            let row = serde_json::from_slice::<Vec<u64>>(row).ok();
            if row.and_then(|row| items.take_seqs(&row)).is_none() {
                return Ok(None);
            }
            if text.starts_with(b",")? {
                text.take(1);
            }
        }
    }
    let mut crc32 = text.crc32.clone();
    let end = text.rest()?;
    let Some((stated, covered)) = stated_checksum(end) else {
        return Ok(None);
    };
    crc32.update(covered);
    if crc32.finalize() != stated {
        return Ok(None);
    }
    whole.extend_from_slice(end);
    let document = serde_json::from_slice::<Document<'_>>(&whole).ok();
    let document = document.filter(|it| newer_version(&it.schema_version, it.format()).is_none());
    Ok(document.and_then(|it| it.around(items)).map(Box::new))
}

/// The plan, which stands before the items.
fn plan_of(head: &[u8]) -> Option<Plan> {
    let document = [head, b"]}"].concat();
    let document = serde_json::from_slice::<Document<'_>>(&document).ok()?;
    Some(document.plan())
}

/// The text of a file, from where it is read on.
struct Text<'r> {
    from: &'r mut dyn io::Read,
    bytes: Vec<u8>,
    /// Where the text goes on; what stands before was taken.
    at: usize,
    /// Of everything that was taken.
    crc32: Hasher,
}

impl<'r> Text<'r> {
    fn new(from: &'r mut dyn io::Read) -> Self {
        let (bytes, crc32) = (Vec::new(), Hasher::new());
        Self {
            from,
            bytes,
            at: 0,
            crc32,
        }
    }

    /// Reads on; false at the end of the file.
    fn more(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let before = self.bytes.len();
        self.bytes.resize(before + BLOCK, 0);
        let read = loop {
            match self.from.read(&mut self.bytes[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.bytes
            .truncate(before + read.as_ref().map_or(0, |read| *read));
        read.map(|read| read > 0)
    }

    /// How far on something stands; `None` if it stands nowhere.
    fn find(&mut self, what: &[u8]) -> io::Result<Option<usize>> {
        self.find_from(0, what)
    }

    /// As [`Text::find`], not before `from`.
    fn find_from(&mut self, from: usize, what: &[u8]) -> io::Result<Option<usize>> {
        let finder = memmem::Finder::new(what);
        // What was looked through already.
        let mut through = from;
        loop {
            let text = &self.bytes[self.at..];
            if let Some(at) = finder.find(&text[through..]) {
                return Ok(Some(through + at));
            }
            through = text.len().saturating_sub(what.len() - 1).max(from);
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    /// Takes everything through the last of these, which stand in this order; nothing if any of them stands nowhere.
    fn take_through(&mut self, all: &[&[u8]], into: &mut Vec<u8>) -> io::Result<Option<()>> {
        let mut end = 0;
        for what in all {
            let Some(at) = self.find_from(end, what)? else {
                return Ok(None);
            };
            end = at + what.len();
        }
        into.extend_from_slice(self.take(end));
        Ok(Some(()))
    }

    fn starts_with(&mut self, what: &[u8]) -> io::Result<bool> {
        while self.bytes.len() - self.at < what.len() {
            if !self.more()? {
                return Ok(false);
            }
        }
        Ok(self.bytes[self.at..].starts_with(what))
    }

    /// The next bytes, of which there are so many.
    fn take(&mut self, count: usize) -> &[u8] {
        let from = self.at;
        self.at += count;
        let taken = &self.bytes[from..self.at];
        self.crc32.update(taken);
        taken
    }

    /// Everything up to the end of the file.
    fn rest(&mut self) -> io::Result<&[u8]> {
        while self.more()? {}
        Ok(&self.bytes[self.at..])
    }
}
