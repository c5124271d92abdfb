//! `extraction_state.json` as other programs write it, in its three forms.

use std::collections::HashMap;

use super::super::fields::{self, Known, Sorted};
use super::super::finding::{About, Remark};
use super::super::parser::parse;
use super::super::reader::{Found, Reader, keep};
use super::super::tree::{Bad, Field, Node, Value};
use super::{Read, Says, end, left_out};
use crate::error::Error;
use crate::pipeline::ItemId;
use crate::pipeline::extraction::{ExtractionChange, ExtractionStatus, ImportedExtraction};
use crate::pipeline::json::Extras;
use crate::snapshot::extraction::Shape;

const KNOWN: [Known; 6] = [
    Known::written("completed_properties", &["completed_properties"]),
    Known::written("failed_properties", &["failed_properties"]),
    Known::behind(
        "failed_properties",
        "in_progress_properties",
        &["in_progress_properties"],
    ),
    Known::behind(
        "failed_properties",
        "property_last_checked",
        &["property_last_checked"],
    ),
    Known::behind("failed_properties", "retry_counts", &["retry_counts"]),
    Known::written("last_updated", &["last_updated"]),
];

/// The lists, the one that counts more first: what is done stays done.
const LISTS: [(&str, ExtractionStatus); 3] = [
    ("completed_properties", ExtractionStatus::Completed),
    ("failed_properties", ExtractionStatus::Failed),
    ("in_progress_properties", ExtractionStatus::InProgress),
];

/// Reads the file. Half of a set must not look whole: nothing of a damaged one is taken.
pub(super) fn read(reader: &mut Reader<'_>, bytes: Option<Bad>) -> Result<Read, Error> {
    let text = reader.text;
    let root = match (bytes, parse(text, &[], &mut |_| ())) {
        (bytes, Err(bad)) => {
            reader.options.salvage = false;
            end(reader, Some(bad), bytes, 0)?;
            unreachable!("a damaged file was refused");
        }
        (Some(bad), Ok(_)) => return Err(reader.bad(&bad)),
        (None, Ok(root)) => root,
    };
    let Some(fields) = root.fields() else {
        let kind = root.kind();
        let message = format!("no extraction state: expected an object, found {kind}");
        return Err(reader.error(root.at, message));
    };
    let sorted = fields::sort(reader, fields, &KNOWN)?;
    let mut all = All::default();
    for (key, status) in LISTS {
        all.list(reader, sorted.get(key), status)?;
    }
    all.checked(reader, sorted.get("property_last_checked"))?;
    all.retries(reader, sorted.get("retry_counts"))?;
    reader.time(
        sorted.get("last_updated"),
        About::default(),
        &mut Found::new(),
    );
    let shape = shape(&sorted);
    let extras = sorted.extras;
    Ok(all.read(shape.as_str(), extras))
}

fn shape(sorted: &Sorted<'_, '_>) -> Shape {
    let has = |key: &str| sorted.get(key).is_some();
    if has("in_progress_properties") || has("retry_counts") {
        Shape::V2
    } else if has("property_last_checked") {
        Shape::New
    } else {
        Shape::Older
    }
}

#[derive(Default)]
struct All {
    index: HashMap<ItemId, usize>,
    items: Vec<(ItemId, Option<ExtractionStatus>, ImportedExtraction, usize)>,
}

impl All {
    /// The entry of an item; made if it is not there.
    fn entry(
        &mut self,
        reader: &mut Reader<'_>,
        name: &str,
        at: usize,
        source: &str,
    ) -> Option<usize> {
        match ItemId::new(name) {
            Ok(name) => Some(*self.index.entry(name.clone()).or_insert_with(|| {
                self.items
                    .push((name, None, ImportedExtraction::default(), at));
                self.items.len() - 1
            })),
            Err(error) => {
                left_out(reader, at, source, &error.to_string());
                None
            }
        }
    }

    fn list(
        &mut self,
        reader: &mut Reader<'_>,
        field: Option<&Field<'_>>,
        status: ExtractionStatus,
    ) -> Result<(), Error> {
        let Some(field) = field.filter(|field| !field.node.is_blank()) else {
            return Ok(());
        };
        let Some(list) = field.node.list() else {
            return Err(unexpected(reader, field, "a list"));
        };
        for node in list {
            let source = reader.source(node);
            let Some(name) = node.text() else {
                let why = format!("{} is no item", node.kind());
                left_out(reader, node.at, source, &why);
                continue;
            };
            let Some(entry) = self.entry(reader, name, node.at, source) else {
                continue;
            };
            let (_, before, _, first) = &mut self.items[entry];
            let line = reader.places.of(*first).line;
            match *before {
                None => *before = Some(status),
                Some(other) if other == status => {
                    let remark = Remark::note("I-DUPLICATE", node.at).about(About::item(name));
                    let message =
                        format!("it stands twice in {}, in line {line} as well", field.key);
                    reader.remark(remark.found(name).decided("once").says(message));
                }
                Some(other) => {
                    let remark = Remark::judged("I-BOTH-LISTS", node.at).about(About::item(name));
                    let (other, status) = (other.as_str(), status.as_str());
                    let message =
                        format!("it is {other} in line {line} and {status} here; {other} counts");
                    reader.remark(remark.found(status).decided(other).says(message));
                }
            }
        }
        Ok(())
    }

    fn checked(&mut self, reader: &mut Reader<'_>, field: Option<&Field<'_>>) -> Result<(), Error> {
        for field in object(reader, field)? {
            let source = reader.source(&field.node);
            let Some(entry) = self.entry(reader, &field.key, field.at, source) else {
                continue;
            };
            let mut found = Found::new();
            let time = reader.time(Some(field), About::item(&field.key), &mut found);
            let state = &mut self.items[entry].2;
            state.last_checked = time;
            // The key is the item's name.
            for (_, text) in found {
                keep(&mut state.found, "property_last_checked", &text);
            }
        }
        Ok(())
    }

    fn retries(&mut self, reader: &mut Reader<'_>, field: Option<&Field<'_>>) -> Result<(), Error> {
        for field in object(reader, field)? {
            let source = reader.source(&field.node);
            let number = match field.node.value {
                Value::Number => source.parse::<u32>().ok(),
                _ => None,
            };
            let Some(entry) = self.entry(reader, &field.key, field.at, source) else {
                continue;
            };
            let Some(number) = number else {
                let remark = Remark::judged("I-FIELD", field.node.at);
                let remark = remark.about(About::item(&field.key)).found(source);
                let message = "its retry count is no number of retries; it counts from 0";
                reader.remark(remark.decided("0").says(message));
                keep(&mut self.items[entry].2.found, "retry_counts", source);
                continue;
            };
            self.items[entry].2.retry_count = number;
        }
        Ok(())
    }

    fn read(self, shape: &'static str, extras: Extras) -> Read {
        let items = self.items.into_iter().map(|(name, status, state, at)| {
            let imported = Some(Box::new(state));
            let change = ExtractionChange { status, imported };
            (name, Says::Extraction(change), at)
        });
        Read {
            shape,
            items: items.collect(),
            extras,
        }
    }
}

/// The fields of an object that may be missing or null.
fn object<'n, 'a>(
    reader: &Reader<'_>,
    field: Option<&'n Field<'a>>,
) -> Result<&'n [Field<'a>], Error> {
    let Some(field) = field.filter(|field| !field.node.is_blank()) else {
        return Ok(&[]);
    };
    let fields = |node: &'n Node<'a>| node.fields();
    fields(&field.node).ok_or_else(|| unexpected(reader, field, "an object"))
}

fn unexpected(reader: &Reader<'_>, field: &Field<'_>, expected: &str) -> Error {
    let (key, kind) = (&field.key, field.node.kind());
    let message = format!("{key} is {kind}; expected {expected}");
    reader.error(field.node.at, message)
}
