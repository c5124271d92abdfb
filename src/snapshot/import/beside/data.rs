//! `enrichment_data.json` as other programs write it: a list, or an object by address.

use std::collections::HashMap;
use std::ops::Range;

use super::super::finding::{About, Remark};
use super::super::parser::{Element, each};
use super::super::reader::Reader;
use super::super::tree::Bad;
use super::super::twice::twice;
use super::{Read, Says, Span, end, left_out};
use crate::error::Error;
use crate::pipeline::ItemId;
use crate::pipeline::json::Extras;
use crate::snapshot::enrichment::{ADDRESS, Shape};

/// The longest object, in bytes: its record has to have room for it.
const MAX_OBJECT_BYTES: usize = 16 * 1024 * 1024 - 128 * 1024;

/// Where an object tells what it is about, the first that is there.
const NAMES: [&str; 2] = [ADDRESS, "address"];

/// Reads the file.
pub(super) fn read(reader: &mut Reader<'_>, bytes: Option<Bad>) -> Result<Read, Error> {
    let text = reader.text;
    let mut all = All {
        seen: HashMap::new(),
        read: Read {
            shape: Shape::List.as_str(),
            items: Vec::new(),
            extras: Extras::default(),
        },
        objects: false,
    };
    let mut failed = None;
    let mut told = 0;
    let done = each(text, |element| {
        let end = element.node.end;
        if let Some(tell) = reader.told {
            tell((end - told) as u64);
        }
        told = end;
        match all.take(reader, element) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if all.objects || text.trim_start().starts_with('{') {
        all.read.shape = Shape::Dict.as_str();
    }
    let items = all.read.items.len();
    end(reader, done.err(), bytes, items)?;
    Ok(all.read)
}

struct All {
    /// Where the object of each item stands.
    seen: HashMap<ItemId, Range<usize>>,
    read: Read,
    /// The items stand under keys.
    objects: bool,
}

impl All {
    fn take(&mut self, reader: &mut Reader<'_>, element: Element<'_>) -> Result<(), Error> {
        let Element { key, at, node } = element;
        let source = reader.source(&node);
        let own = NAMES.iter().find_map(|name| node.get(name)?.text());
        let own = own.filter(|own| !own.trim().is_empty());
        if let Some(key) = &key {
            self.objects = true;
            let carried = node.fields().is_none() || (key.starts_with('_') && own.is_none());
            if carried {
                self.read.extras.push("", key, reader.json(&node)?);
                return Ok(());
            }
        } else if node.fields().is_none() {
            let why = format!("{} is no item", node.kind());
            left_out(reader, at, source, &why);
            return Ok(());
        }
        let name = match key.as_deref().or(own).map(ItemId::new) {
            Some(Ok(name)) => name,
            Some(Err(error)) => {
                left_out(reader, at, source, &error.to_string());
                return Ok(());
            }
            None => {
                let why = match NAMES.iter().find_map(|name| Some((name, node.get(name)?))) {
                    Some((name, value)) if value.text().is_some() => format!("its {name} is empty"),
                    Some((name, value)) => format!("its {name} is {}, not a text", value.kind()),
                    None => "an object without a full_address".to_owned(),
                };
                left_out(reader, at, source, &why);
                return Ok(());
            }
        };
        if let (Some(key), Some(own)) = (key.as_deref(), node.get(ADDRESS).and_then(|it| it.text()))
            && key != own
        {
            let remark = Remark::judged("I-FIELD", at).about(About::item(key));
            let message = format!("its full_address is {own:?}; the key counts, the field stays");
            reader.remark(remark.found(own).decided("the key counts").says(message));
        }
        if source.len() > MAX_OBJECT_BYTES {
            let (path, place) = (reader.path, reader.places.of(at));
            let (line, column) = (place.line, place.column);
            return Err(Error::TooLargeAt {
                path: path.into(),
                line,
                column,
                what: format!("the data of {name}"),
                bytes: source.len() as u64,
                limit: MAX_OBJECT_BYTES as u64,
            });
        }
        if let Some(first) = self.seen.get(&name) {
            twice(reader, name.as_str(), first, (at, node.at..node.end));
            return Ok(());
        }
        self.seen.insert(name.clone(), node.at..node.end);
        // Whoever needs it reads it again; here it is only looked at.
        reader.json(&node)?;
        let span = Span {
            at: (reader.begin + node.at) as u64,
            len: source.len(),
            crc32: crc32fast::hash(source.as_bytes()),
        };
        self.read.items.push((name, Says::Data(span), at));
        Ok(())
    }
}
