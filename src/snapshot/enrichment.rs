//! `enrichment_data.json`: the data of every item that has some, in the shape in which it came.
//!
//! ```text
//!   a list (the shape where none was imported)          a dict
//!   [                                                   {
//!     {                                                   "100 N Example St": {
//!       "full_address": "100 N Example St",                 "list_price": 639000
//!       "list_price": 639000                              }
//!     }                                                 }
//!   ]
//! ```
//!
//! Items in the order of the pipeline, fields in theirs, values as they were written. Who set what stands in the root
//! (`log.state`), so that readers of this file find what they know. In a list each object has its item as
//! `full_address`: where its own is there and is the item it stays in its place, else it is put in front, and the root
//! keeps what the object's own was.

mod pieces;

use std::fmt;
use std::io;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use self::pieces::Pieces;
use super::TimeStyle;
use super::sink::Sink;
use super::work_items::DataRow;
pub use crate::pipeline::enrichment::ADDRESS;
use crate::pipeline::enrichment::ItemData;
use crate::pipeline::members::Members;
use crate::pipeline::{Json, PipelineState};

/// The file's name.
pub const NAME: &str = "enrichment_data.json";

/// How the objects are held together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A list of objects.
    List,
    /// An object by item.
    Dict,
}

impl Shape {
    /// The shape in which the state is written.
    pub fn of(state: &PipelineState) -> Self {
        match state.enrichment.as_ref().map(|file| &*file.shape) {
            Some("dict") => Self::Dict,
            _ => Self::List,
        }
    }

    /// The word in records and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Dict => "dict",
        }
    }
}

/// Where an object's own `full_address` stands among its fields, and its text, where it is not the item; the text is
/// `None` if it has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAddress(usize, Option<String>);

impl OwnAddress {
    /// `None` if the object's own address is the item.
    pub(super) fn of(item: &str, object: &Json) -> Option<Self> {
        let members = Members::of(object.as_str())?;
        let Some(at) = members.iter().position(|(key, _)| key == ADDRESS) else {
            return Some(Self(0, None));
        };
        let text = members.get(ADDRESS)?;
        (!is_text(text, item)).then(|| Self(at, Some(text.to_owned())))
    }
}

/// The text of an object's own [`ADDRESS`]; `None` if it has none.
pub fn address_of(object: &Json) -> Option<String> {
    let members = Members::of(object.as_str())?;
    serde_json::from_str(members.get(ADDRESS)?).ok()
}

fn is_text(json: &str, text: &str) -> bool {
    serde_json::from_str::<String>(json).is_ok_and(|own| own == text)
}

/// Writes the file, item by item.
///
/// # Errors
/// Only what `out` returns.
pub fn encode(state: &PipelineState, out: &mut dyn io::Write) -> io::Result<()> {
    let mut sink = Sink::new(TimeStyle::Utc, out);
    let shape = Shape::of(state);
    let (open, close) = match shape {
        Shape::List => ("[", "]"),
        Shape::Dict => ("{", "}"),
    };
    sink.put(open);
    let mut any = false;
    let mut begin = |sink: &mut Sink<'_>| {
        if any {
            sink.put(",");
        }
        any = true;
        sink.line(1);
    };
    for (index, data) in state.data() {
        begin(&mut sink);
        let (name, object) = (state.name_at(index), data.object());
        match shape {
            Shape::Dict => {
                sink.text(name);
                sink.put(": ");
                sink.json(object, 1);
            }
            Shape::List if OwnAddress::of(name, object).is_none() => sink.json(object, 1),
            Shape::List => {
                let first = serde_json::to_string(name).expect("a text is plain JSON");
                let mut members = Members::of(object.as_str()).unwrap_or_default();
                members.remove(ADDRESS);
                members.insert(0, ADDRESS, &first);
                sink.json(&members.to_json(), 1);
            }
        }
        sink.pass_on()?;
    }
    let file = state.enrichment.iter().filter(|_| shape == Shape::Dict);
    for extra in file.flat_map(|file| file.extras.iter()) {
        if state
            .index_of(&extra.key)
            .is_some_and(|at| state.data_at(at).is_some())
        {
            // The key is taken; the root has the field.
            continue;
        }
        begin(&mut sink);
        sink.text(&extra.key);
        sink.put(": ");
        sink.json(&extra.value, 1);
        sink.pass_on()?;
    }
    if any {
        sink.line(0);
    }
    sink.put(close);
    sink.put("\n");
    sink.finish()
}

/// Lays out an object for people, as the file has it.
pub fn pretty(object: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sink = Sink::new(TimeStyle::Utc, &mut bytes);
    sink.json(object, 0);
    sink.put("\n");
    sink.finish().expect("a vector takes all bytes");
    bytes
}

/// Brings the data of the items into a state that a root gave; `rows` is what the root says of it. `None` if the file
/// is not what the root names: then the state is of no use.
///
/// # Errors
/// Only what `from` returns.
pub fn attach(
    state: &mut PipelineState,
    rows: Vec<DataRow>,
    from: &mut dyn io::Read,
) -> io::Result<Option<()>> {
    let shape = Shape::of(state);
    let mut pieces = Pieces::new(from, shape == Shape::List);
    let mut objects = Objects {
        state,
        rows: rows.into_iter(),
        shape,
    };
    while let Some(piece) = pieces.next()? {
        let mut deserializer = serde_json::Deserializer::from_slice(piece);
        let taken = match shape {
            Shape::List => deserializer.deserialize_seq(&mut objects),
            Shape::Dict => deserializer.deserialize_map(&mut objects),
        };
        if taken.and_then(|()| deserializer.end()).is_err() {
            return Ok(None);
        }
    }
    // Fewer than the root has are none.
    Ok(objects.rows.next().is_none().then_some(()))
}

/// Takes the objects of the file one after the other, each with its row.
struct Objects<'s> {
    state: &'s mut PipelineState,
    rows: std::vec::IntoIter<DataRow>,
    shape: Shape,
}

impl Objects<'_> {
    /// Puts an object into the item of its row; `None` if it is not that item's.
    fn take(&mut self, row: DataRow, key: Option<&str>, object: Json) -> Option<()> {
        let DataRow(item, origin, later, own) = row;
        let name = self.state.name(item)?.to_owned();
        let object = match (key, own) {
            (Some(key), None) => (key == name).then_some(object)?,
            (Some(_), Some(_)) => return None,
            (None, own) => {
                let mut members = Members::of(object.as_str())?;
                if !is_text(members.get(ADDRESS)?, &name) {
                    return None;
                }
                match own {
                    None => object,
                    Some(OwnAddress(at, text)) => {
                        members.remove(ADDRESS);
                        if let Some(text) = &text {
                            let text: Json = serde_json::from_str(text).ok()?;
                            members.insert(at, ADDRESS, text.as_str());
                            members.to_json()
                        } else {
                            members.to_json()
                        }
                    }
                }
            }
        };
        self.state
            .set_data(item, ItemData::from_parts(object, origin, later))
    }
}

impl<'de> Visitor<'de> for &mut Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.shape.as_str())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(object) = list.next_element()? {
            let row = self.rows.next();
            let row = row.ok_or_else(|| A::Error::custom("too long"))?;
            self.take(row, None, object)
                .ok_or_else(|| A::Error::custom("another item"))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let Some(row) = self.rows.next() else {
                // Fields that are no item's: the root has them too.
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            let object = map.next_value()?;
            self.take(row, Some(&key), object)
                .ok_or_else(|| A::Error::custom("another item"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
