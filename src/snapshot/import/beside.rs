//! The files beside `work_items.json`: the items' data, and their image extraction.
//!
//! ```text
//!   enrichment   list: objects with a full_address        dict: objects by address; what is no object is carried along
//!   extraction   older: two lists   new: and property_last_checked   v2: and in_progress_properties, retry_counts
//! ```
//!
//! Data is read element by element: of a large file one object at a time is a tree, and what stays of it is the place
//! where it stands.

mod data;
mod extraction;
mod phases;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::document;
use super::finding::{About, Remark};
use super::reader::Reader;
use super::text;
use super::tree::Bad;
use super::{Finding, Options};
use crate::error::Error;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::json::Extras;
use crate::pipeline::{ExtractionChange, ItemId, Json, Timestamp};
use crate::snapshot::set::ROOT;
use crate::snapshot::{enrichment, extraction as extraction_state, sha256};

pub use phases::{PHASE_STATUS, PhaseSaid, items_with_phases, phases_said};

/// The fields by which a file with the progress of items is told.
const WORK_ITEMS: [&str; 3] = ["work_items", "properties", "schema_version"];

/// Fields that such a file often begins with, and others may have too.
const HINTS: [&str; 2] = ["session", "summary"];

/// The fields by which a file with extractions is told.
const EXTRACTION: [&str; 3] = [
    "completed_properties",
    "failed_properties",
    "property_last_checked",
];

/// A file that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct BesideDocument {
    /// The file.
    pub file: ImportedFile,
    /// What it says of each item, in its order.
    pub items: Vec<BesideItem>,
    /// What was not as it should be, in the order of the file.
    pub findings: Vec<Finding>,
    /// The newest time in it that is not in the future.
    pub newest: Option<Timestamp>,
    /// The checksum of its bytes, as a root names it.
    pub crc32: u32,
}

/// What a file says of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct BesideItem {
    /// The item.
    pub name: ItemId,
    /// What.
    pub says: Says,
    /// Where it stands: the line, counted from 1.
    pub line: u64,
    /// The column in characters, counted from 1.
    pub column: u64,
}

/// What a file says of one item.
#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    /// Its data, an object that stands there in the file.
    Data(Span),
    /// How its extraction stands.
    Extraction(ExtractionChange),
}

/// Where a value stands in a file. All data together may be most of the memory, so it is read where it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first byte, counted from the beginning of the file.
    pub at: u64,
    /// How many bytes it has.
    pub len: usize,
    /// Their checksum, so that a file that was changed meanwhile is found out.
    pub crc32: u32,
}

impl Span {
    /// The value, if these are its bytes.
    pub fn json(&self, bytes: &[u8]) -> Option<Json> {
        let same = bytes.len() == self.len && crc32fast::hash(bytes) == self.crc32;
        same.then(|| serde_json::from_slice(bytes).ok()).flatten()
    }
}

/// What kind of state file these bytes are, as far as their beginning tells, damaged or not; where nothing in them tells,
/// the name that the file has, which is one of our three or says nothing.
pub fn kind(name: &str, bytes: &[u8]) -> &'static str {
    let by_name = match name {
        enrichment::NAME => Some(ImportedFile::ENRICHMENT),
        extraction_state::NAME => Some(ImportedFile::EXTRACTION),
        ROOT => Some(ImportedFile::WORK_ITEMS),
        _ => None,
    };
    let text = text::decode(bytes).text;
    let is_list = text.trim_start().starts_with('[');
    let (mut by_key, mut hinted) = (None, false);
    let (mut is_data, mut objects, mut seen) = (false, 0, 0);
    let _ = super::parser::each_known(
        text,
        |key| {
            hinted |= HINTS.contains(&key);
            by_key = if WORK_ITEMS.contains(&key) {
                Some(ImportedFile::WORK_ITEMS)
            } else if EXTRACTION.contains(&key) {
                Some(ImportedFile::EXTRACTION)
            } else {
                None
            };
            by_key.is_none()
        },
        |element| {
            objects += usize::from(element.node.fields().is_some());
            // An address begins no field of the other two.
            let mut names = ["full_address", "address"].into_iter();
            is_data = names.any(|name| element.node.get(name).is_some());
            is_data |= objects > 16 && !is_list;
            seen += 1;
            !is_data && seen < 64
        },
    );
    // An object of objects may be one by address, if nothing speaks against it.
    let may_be_data = objects > 0 && !is_list && !hinted;
    by_key
        .or(is_data.then_some(ImportedFile::ENRICHMENT))
        .or(by_name)
        .or(may_be_data.then_some(ImportedFile::ENRICHMENT))
        .unwrap_or(ImportedFile::WORK_ITEMS)
}

/// Reads a file of that kind.
///
/// # Errors
/// As [`super::read`].
pub fn read_beside(
    path: &str,
    bytes: &[u8],
    kind: &str,
    options: &Options,
) -> Result<BesideDocument, Error> {
    read_beside_told(path, bytes, kind, options, &|_| ())
}

/// As [`read_beside`], and `told` is told how many bytes more are read, now and then.
///
/// # Errors
/// As [`read_beside`].
pub fn read_beside_told(
    path: &str,
    bytes: &[u8],
    kind: &str,
    options: &Options,
    told: &dyn Fn(u64),
) -> Result<BesideDocument, Error> {
    let decoded = text::decode(bytes);
    let mut reader = Reader::new(path, decoded.text, options);
    reader.told = Some(told);
    if decoded.has_mark {
        reader.begin = text::MARK.len();
    }
    if decoded.has_mark {
        let remark = Remark::note("I-BOM", 0).found("a byte order mark");
        let message =
            "the file begins with a byte order mark, which is no part of JSON; it was passed over";
        reader.remark(remark.decided("passed over").says(message));
    }
    let read = if kind == ImportedFile::EXTRACTION {
        extraction::read(&mut reader, decoded.bad)?
    } else {
        data::read(&mut reader, decoded.bad)?
    };
    near_duplicates(&mut reader, &read.items);
    let zone = reader.finish();
    let places = &reader.places;
    let items = read.items.into_iter().map(|(name, says, at)| {
        let place = places.of(at);
        BesideItem {
            name,
            says,
            line: place.line as u64,
            column: place.column as u64,
        }
    });
    let items = items.collect();
    let file = ImportedFile {
        path: path.to_owned(),
        kind: kind.to_owned(),
        shape: read.shape.to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
        zone,
        words: std::mem::take(&mut reader.words),
        session: None,
        extras: read.extras,
        times: None,
    };
    let newest = reader.newest;
    let findings = Remark::place_all(std::mem::take(&mut reader.remarks), &reader.places);
    Ok(BesideDocument {
        file,
        items,
        findings,
        newest,
        crc32: crc32fast::hash(bytes),
    })
}

/// True if a file that cannot be read has whole items before its damage, which [`Options::salvage`] would take.
pub fn can_salvage(path: &Path, bytes: &[u8], kind: &str, options: &Options) -> bool {
    let (path, salvage) = (path.display().to_string(), true);
    let options = &Options {
        salvage,
        ..options.clone()
    };
    match kind {
        // Half of a set would look whole.
        ImportedFile::EXTRACTION => false,
        ImportedFile::ENRICHMENT => {
            read_beside(&path, bytes, kind, options).is_ok_and(|read| !read.items.is_empty())
        }
        _ => super::read(&path, bytes, options).is_ok_and(|read| !read.items.is_empty()),
    }
}

/// What a reader found, before places have become lines.
struct Read {
    shape: &'static str,
    /// With the byte of the text where each stands.
    items: Vec<(ItemId, Says, usize)>,
    extras: Extras,
}

/// What ends the reading: of a damaged file that is to be salvaged, nothing.
fn end(
    reader: &mut Reader<'_>,
    bad: Option<Bad>,
    bytes: Option<Bad>,
    items: usize,
) -> Result<(), Error> {
    let bad = match (bytes, bad) {
        // What is wrong before the bad byte comes first.
        (Some(bytes), Some(bad)) if bad.at < bytes.at => bad,
        (Some(bytes), _) => bytes,
        (None, Some(bad)) => bad,
        (None, None) => return Ok(()),
    };
    if !reader.options.salvage {
        return Err(reader.bad(&bad));
    }
    let left = reader.text.len().saturating_sub(bad.at);
    document::report_damage(reader, &bad, items, left);
    Ok(())
}

/// Reports an element that is no item: it is left out, and the report has all of it.
fn left_out(reader: &mut Reader<'_>, at: usize, source: &str, why: &str) {
    let remark = Remark::judged("I-ITEM", at).found(source);
    let message = format!("{why}; it is left out");
    reader.remark(remark.decided("left out").says(message));
}

/// Reports items whose names differ only in case, commas and full stops. They stay two.
fn near_duplicates(reader: &mut Reader<'_>, items: &[(ItemId, Says, usize)]) {
    let mut first: HashMap<String, &ItemId> = HashMap::with_capacity(items.len());
    let mut told = HashSet::new();
    for (name, _, at) in items {
        let plain = name.as_str().to_lowercase().replace([',', '.'], "");
        match first.get(&plain) {
            Some(other) if told.insert(name) => {
                let message = format!("it differs from {other} only in case, commas or full stops");
                let remark = Remark::judged("I-NEAR-DUPLICATE", *at);
                let remark = remark
                    .about(About::item(name.as_str()))
                    .found(name.as_str());
                reader.remark(remark.decided("they stay two items").says(message));
            }
            Some(_) => {}
            None => drop(first.insert(plain, name)),
        }
    }
}
