//! Takes over a `work_items.json` that another program wrote: bytes in, values out.
//!
//! ```text
//!   bytes -> text -> tree (strict JSON with places) -> shape (w1 … w7, seed, own)
//!                      -> items and phases (words, times, unknown fields) -> plan -> checks
//!                      -> ImportedDocument: plan, items, findings  --events()-->  planned, imported, added …
//! ```
//!
//! Nothing is guessed silently: whatever is not as it should be becomes a [`Finding`] with its line and column, what
//! stood there, and what was decided. Whatever is not understood is carried along untouched.

mod place;
mod text;
mod tree;
mod parser;
mod scalar;
mod words;
mod times;
mod finding;
mod codes;
mod reader;
mod twice;
mod fields;
mod phase;
mod item;
mod shape;
mod own;
mod seed;
mod w1;
mod w2;
mod w3;
mod w4;
mod w5;
mod w6;
mod w7;
mod shapes;
mod plan;
mod checks;
mod document;
mod beside;

#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::{Event, ItemId, Json, PackedImport, Plan, Timestamp};

pub use beside::{
    BesideDocument, BesideItem, PHASE_STATUS, PhaseSaid, Says, Span, can_salvage,
    items_with_phases, kind, phases_said, read_beside, read_beside_told,
};
pub use codes::{CODES, Code, advice};
pub use finding::{Finding, Severity};
pub use times::Zone;

/// The largest file that is read. A file of this size holds more than a million items.
pub const MAX_FILE_BYTES: u64 = 2 << 30;

/// True for the name of a temp or backup file, as interrupted writers and careful people leave them: never read.
pub fn is_left_over(name: &str) -> bool {
    let stale = name.ends_with(".tmp") || name.ends_with(".bak") || name.contains(".bak.");
    stale || name.ends_with(".backup.json") || name.ends_with(".corrupted.json")
}

/// What the caller knows that the file does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where times without an offset are taken to be.
    pub zone: Zone,
    /// Times after this are reported. Nothing else depends on it.
    pub now: Timestamp,
    /// Each phase needs the one before it.
    pub linear: bool,
    /// Take the whole items before the damage instead of refusing a damaged file.
    pub salvage: bool,
}

impl Options {
    /// Local times, the phases as they stand, and no damage.
    pub const fn new(now: Timestamp) -> Self {
        let (zone, linear, salvage) = (Zone::Local, false, false);
        Self {
            zone,
            now,
            linear,
            salvage,
        }
    }
}

/// A file that was read, in our words.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedDocument {
    /// The phases: the file's own plan, else every phase that an item has. Empty if the file has neither.
    pub plan: Plan,
    /// The items, in the order of the file.
    pub items: Vec<NewImport>,
    /// The file.
    pub file: ImportedFile,
    /// What was not as it should be, in the order of the file.
    pub findings: Vec<Finding>,
    /// The newest time in the file that is not in the future.
    pub newest: Option<Timestamp>,
}

/// An item that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImport {
    /// Its name: the address.
    pub name: ItemId,
    /// The id it brings with it.
    pub id: Option<String>,
    /// The state it brings with it.
    pub state: PackedImport,
    /// Why it is to be held, if a word in it says so.
    pub held: Option<String>,
}

impl ImportedDocument {
    /// The events that bring the file into a new store: `planned`, `imported`, then for each item `added` and, where
    /// a word means so, `held`.
    ///
    /// Without phases there is no `planned`: a plan needs a phase, and an empty file must not undo another plan.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        let items = self.items.iter().flat_map(NewImport::events);
        self.first_events().chain(items)
    }

    /// As [`Self::events`], one after the other, and each item is used up when its events are asked for. First how many they
    /// are.
    pub fn take_events(&mut self) -> (usize, impl Iterator<Item = Event> + use<>) {
        let first: Vec<Event> = self.first_events().collect();
        let items = std::mem::take(&mut self.items);
        let held = items.iter().filter(|item| item.held.is_some()).count();
        let count = first.len() + items.len() + held;
        let items = items.into_iter().flat_map(NewImport::into_events);
        (count, first.into_iter().chain(items))
    }

    fn first_events(&self) -> impl Iterator<Item = Event> + use<> {
        let phases = self.plan.phases().to_vec();
        let planned = (!phases.is_empty()).then_some(Event::Planned { phases });
        let imported = Event::Imported(Box::new(self.file.clone()));
        planned.into_iter().chain([imported])
    }
}

impl NewImport {
    /// `added`, and `held` behind it where a word means so.
    pub fn events(&self) -> impl Iterator<Item = Event> + use<> {
        self.clone().into_events()
    }

    fn into_events(self) -> impl Iterator<Item = Event> + use<> {
        let held = self.held.map(|reason| Event::Held {
            item: self.name.clone(),
            reason: Some(reason),
        });
        let added = Event::Added {
            item: self.name,
            id: self.id,
            imported: Some(Box::new(self.state.open())),
        };
        [added].into_iter().chain(held)
    }
}

/// Reads bytes that are one JSON value and nothing else: what somebody gives as data.
///
/// # Errors
/// [`Error::Parse`] with line and column for what is no JSON, keys that stand twice in an object, and values nested too
/// deep to be kept.
pub fn strict_json(path: &str, bytes: &[u8]) -> Result<Json, Error> {
    let decoded = text::decode(bytes);
    let reader = reader::Reader::new(path, decoded.text, &Options::new(Timestamp::EPOCH));
    let (root, _) = document::parse(&reader, decoded.text, decoded.bad, &mut |_| ())?;
    reader.json(&root)
}

/// What is decided of an item that the file gives up as a whole.
pub const HELD: &str = "held";

/// Reads a state file.
///
/// # Errors
/// [`Error::Parse`] with line and column if the file is damaged (unless [`Options::salvage`] finds whole items before
/// the damage) or is none of the known shapes, [`Error::NewerFormat`] for a `schema_version` of 2 or more,
/// [`Error::TooLarge`] if the file or one item in it is larger than a store can take.
pub fn read(path: &str, bytes: &[u8], options: &Options) -> Result<ImportedDocument, Error> {
    let size = bytes.len() as u64;
    if size > MAX_FILE_BYTES {
        return Err(Error::TooLarge {
            what: path.to_owned(),
            bytes: size,
            limit: MAX_FILE_BYTES,
        });
    }
    document::read(path, bytes, options)
}
