//! One item: what it is called, and what it brings with it.

use super::NewImport;
use super::fields::{self, Known, Sorted};
use super::finding::{About, Remark};
use super::phase;
use super::reader::{Found, Reader, keep};
use super::shape::Shape;
use super::tree::{Field, Node, Value};
use super::words::{self, Meaning};
use crate::error::Error;
use crate::pipeline::event::{ImportedItem, ImportedPhase};
use crate::pipeline::{ItemId, PackedImport, Phase, Status, Timestamp};

const KNOWN: [Known; 7] = [
    Known::written("id", &["id"]),
    Known::written("address", &["address"]),
    Known::written("index", &["index"]),
    Known::written("status", &["status"]),
    Known::written("phases", &["phases", "phase_status"]),
    Known::written("created_at", &["created_at"]),
    Known::written("last_updated", &["last_updated", "updated_at"]),
];

/// How the reason of a hold begins that the status of an item asks for, not that of a phase.
const HELD_BY_ITEM: &str = "imported as ";

/// The most phases that an item may have. A plan of thousands is no plan; somebody put data where phases stand.
const MAX_PHASES: usize = 1000;

/// An element of the file that should be an item.
pub(super) struct Entry<'n, 'a> {
    /// The key that it stands under, if the items are an object.
    pub(super) key: Option<&'n str>,
    /// Where it begins.
    pub(super) at: usize,
    pub(super) node: &'n Node<'a>,
}

/// An item that was read, with what is still to be checked against the plan.
pub(super) struct Draft {
    pub(super) import: NewImport,
    /// How its phases stand: what all items are looked through for.
    pub(super) phases: Vec<(Phase, Status)>,
    /// Where it begins.
    pub(super) at: usize,
    /// Where it ends.
    pub(super) end: usize,
    /// What the item's own status says.
    pub(super) says: Option<Says>,
    /// Its own index, as it stands, and where.
    pub(super) index: Option<(String, usize)>,
}

impl Draft {
    /// Keeps a text as it stood in the file.
    pub(super) fn keep(&mut self, key: &str, text: &str) {
        let mut state = self.import.state.open();
        keep(&mut state.found, key, text);
        self.import.state = PackedImport::of(&state, &mut Vec::new());
    }
}

/// The status word of an item.
pub(super) struct Says {
    pub(super) word: String,
    pub(super) meaning: Meaning,
    pub(super) at: usize,
}

/// What an entry of the file is called: its address, else the key that it stands under, else its id.
pub(super) struct Named {
    pub(super) name: ItemId,
    id: Option<String>,
}

/// Finds out what an entry is called; `None`, with a finding that shows it whole, if it is called nothing.
pub(super) fn name(reader: &mut Reader<'_>, shape: &Shape, entry: &Entry<'_, '_>) -> Option<Named> {
    let own = ["id", "hash"]
        .into_iter()
        .find_map(|key| label(reader, entry.node, key));
    let address = ["address", "full_address"].into_iter().find_map(|key| {
        entry
            .node
            .get(key)?
            .text()
            .filter(|text| !text.trim().is_empty())
    });
    let key = entry.key.filter(|key| !key.trim().is_empty());
    let key_as_id = key.filter(|_| shape.keyed_by_id || address.is_some());
    let id = own.or_else(|| {
        key_as_id
            .filter(|key| address != Some(key))
            .map(str::to_owned)
    });
    let name = address.or(key).map(str::to_owned).or_else(|| id.clone());
    let why = match name.map(|name| ItemId::new(&name)) {
        _ if entry.node.fields().is_none() => format!("{} is no item", entry.node.kind()),
        Some(Ok(name)) => return Some(Named { name, id }),
        Some(Err(error)) => error.to_string(),
        None => "an item with neither address nor id".to_owned(),
    };
    let remark = Remark::judged("I-ITEM", entry.at).found(reader.source(entry.node));
    let message = format!("{why}; it is left out");
    reader.remark(remark.decided("left out").says(message));
    None
}

/// A text or a number that serves as an id.
fn label(reader: &Reader<'_>, node: &Node<'_>, key: &str) -> Option<String> {
    let node = node.get(key).filter(|node| !node.is_blank())?;
    match node.value {
        Value::Text(_) | Value::Number => Some(reader.shown(node)),
        _ => None,
    }
}

/// Reads an item.
pub(super) fn read(
    reader: &mut Reader<'_>,
    entry: &Entry<'_, '_>,
    named: Named,
) -> Result<Draft, Error> {
    let Named { name, id } = named;
    let about = About::item(name.as_str());
    let sorted = fields::sort(reader, entry.node.fields().unwrap_or_default(), &KNOWN)?;
    let mut found = Found::new();
    let mut held = None;
    let phases = phases(reader, &name, &sorted, &mut held)?;
    let status = sorted.get("status").filter(|field| !field.node.is_blank());
    let says = status.map(|field| {
        let word = reader.shown(&field.node);
        let meaning = reader.word(&word, field.node.at, about);
        if meaning.holds {
            held = Some(format!("{HELD_BY_ITEM}{word}"));
        }
        let at = field.node.at;
        Says { word, meaning, at }
    });
    if held.is_none() {
        held = given_up(reader, says.as_ref(), &phases, about);
    }
    if let Some(key) = entry
        .key
        .filter(|key| *key != name.as_str() && Some(*key) != id.as_deref())
    {
        let message =
            format!("it stands under the key {key:?}, which is neither its address nor its id");
        let remark = Remark::note("I-FIELD", entry.at).about(about).found(key);
        reader.remark(remark.decided("kept in the record").says(message));
        keep(&mut found, "key", key);
    }
    let created_at = reader.time(sorted.get("created_at"), about, &mut found);
    let last_updated = reader.time(sorted.get("last_updated"), about, &mut found);
    check_older(
        reader,
        sorted.get("last_updated"),
        last_updated,
        &phases,
        about,
    );
    let index = sorted.get("index").filter(|field| !field.node.is_null());
    let index = index.map(|field| (reader.shown(&field.node), field.node.at));
    let stand = phases.iter().map(|it| (it.phase.clone(), it.status));
    let stand = stand.collect();
    let state = ImportedItem {
        created_at,
        last_updated,
        phases,
        found,
        extras: sorted.extras,
    };
    let state = PackedImport::of(&state, &mut reader.scratch);
    let import = NewImport {
        name,
        id,
        state,
        held,
    };
    let (at, end) = (entry.at, entry.node.end);
    Ok(Draft {
        import,
        phases: stand,
        at,
        end,
        says,
        index,
    })
}

fn phases(
    reader: &mut Reader<'_>,
    name: &ItemId,
    sorted: &Sorted<'_, '_>,
    held: &mut Option<String>,
) -> Result<Vec<ImportedPhase>, Error> {
    let Some(field) = sorted.get("phases").filter(|field| !field.node.is_blank()) else {
        return Ok(Vec::new());
    };
    let Some(fields) = field.node.fields() else {
        let kind = field.node.kind();
        let message = format!(
            "{} of {name} is {kind}; expected an object with a field for each phase",
            field.key
        );
        return Err(reader.error(field.node.at, message));
    };
    if fields.len() > MAX_PHASES {
        let message = format!(
            "{name} has {} phases; at most {MAX_PHASES} are read",
            fields.len()
        );
        return Err(reader.error(field.node.at, message));
    }
    let mut phases: Vec<ImportedPhase> = Vec::with_capacity(fields.len());
    for field in fields {
        let draft = phase::read(reader, name.as_str(), field)?;
        let phase = &draft.state.phase;
        if phases.iter().any(|other| other.phase == *phase) {
            let message = format!("two phases of {name} would both be called {phase} here");
            return Err(reader.error(field.at, message));
        }
        if let Some(word) = draft.holds {
            held.get_or_insert_with(|| format!("{phase} was imported as {word}"));
        }
        phases.push(draft.state);
    }
    Ok(phases)
}

/// An item that is cancelled as a whole, though phases of it are open, is held: nobody wants them done, and nothing says
/// that they are.
fn given_up(
    reader: &mut Reader<'_>,
    says: Option<&Says>,
    phases: &[ImportedPhase],
    about: About<'_>,
) -> Option<String> {
    let says = says.filter(|says| says.meaning.status == Status::Skipped)?;
    let done = !phases.is_empty() && phases.iter().all(|phase| phase.status.is_settled());
    if done {
        return None;
    }
    let word = &says.word;
    let message = format!("the item is {word}, but phases of it are open; it is held");
    let remark = Remark::judged("I-ITEM-STATUS", says.at).about(about);
    reader.remark(remark.found(word).decided(super::HELD).says(message));
    Some(format!("{HELD_BY_ITEM}{word}"))
}

fn check_older(
    reader: &mut Reader<'_>,
    field: Option<&Field<'_>>,
    last_updated: Option<Timestamp>,
    phases: &[ImportedPhase],
    about: About<'_>,
) {
    let times = |phase: &ImportedPhase| {
        [
            phase.started_at,
            phase.completed_at,
            phase.failed_at,
            phase.stale_reset_at,
        ]
    };
    let newest = phases.iter().flat_map(times).flatten().max();
    let (Some(newest), Some(last), Some(field)) = (newest, last_updated, field) else {
        return;
    };
    if last < newest {
        let remark = Remark::note("I-OLDER", field.node.at).about(about);
        let message = format!(
            "{} ({last}) is older than the newest phase ({newest}); both stay",
            field.key
        );
        let text = reader.shown(&field.node);
        reader.remark(remark.found(text).decided("both stay").says(message));
    }
}

impl Says {
    /// True if the word says that there is nothing left to do.
    pub(super) fn done(&self) -> bool {
        self.meaning.status == Status::Completed
    }

    /// True if the word is none that a status could be compared with.
    pub(super) fn unknown(&self) -> bool {
        self.meaning.sure == words::Sure::Unknown
    }
}
