//! The document as a whole: from its bytes to its items, in the order in which things can go wrong.

use std::collections::HashMap;

use super::fields::{self, Known, Sorted};
use super::finding::{About, Remark};
use super::item::{self, Draft, Entry};
use super::plan::drop_field;
use super::reader::{Found, Reader};
use super::shape::{CONTAINERS, Look, Marks, Shape};
use super::shapes;
use super::text;
use super::tree::{Bad, Node, Value};
use super::twice::twice;
use super::{ImportedDocument, Options, checks, own, parser, plan, w2};
use crate::error::Error;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::{Event, Plan, Timestamp, codec};
use crate::snapshot::sha256;

/// The longest payload of a record.
const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024;

/// Text shorter than this cannot become a payload that is too long, whatever is written around it.
const SURELY_SHORT: usize = MAX_PAYLOAD_BYTES / 16;

const KNOWN: [Known; 8] = [
    Known::written("schema_version", &["schema_version"]),
    Known::written("session", &["session"]),
    Known::written("plan", &["plan"]),
    Known::written("work_items", &CONTAINERS),
    Known::written("summary", &["summary"]),
    Known::written("last_checkpoint", &["last_checkpoint"]),
    Known::behind("last_checkpoint", "log", &["log"]),
    Known::behind("last_checkpoint", "crc32", &["crc32"]),
];

/// Reads a document; see [`super::read`].
pub(super) fn read(path: &str, bytes: &[u8], options: &Options) -> Result<ImportedDocument, Error> {
    let decoded = text::decode(bytes);
    let mut reader = Reader::new(path, decoded.text, options);
    if decoded.has_mark {
        let remark = Remark::note("I-BOM", 0).found("a byte order mark");
        let message =
            "the file begins with a byte order mark, which is no part of JSON; it was passed over";
        reader.remark(remark.decided("passed over").says(message));
    }
    let mut marks = Marks::default();
    let mut note = |item: &Node<'_>| marks.note(item);
    let (root, damage) = parse(&reader, decoded.text, decoded.bad, &mut note)?;
    check_version(&reader, &root)?;
    let sorted = fields::sort(&reader, root.fields().unwrap_or_default(), &KNOWN)?;
    let Some(items) = sorted
        .get("work_items")
        .filter(|field| is_container(&field.node))
    else {
        return Err(match &damage {
            Some(bad) => reader.bad(bad),
            None => reader.error(root.at, not_known(&root)),
        });
    };
    let held = CONTAINERS.into_iter().filter_map(|key| root.get(key));
    if held.count() > 1 {
        // Only those that count tell.
        marks = Marks::default();
        elements(decoded.text, &items.node).for_each(|(_, _, item)| marks.note(&item));
    }
    let look = Look {
        root: &root,
        items: &items.node,
        marks,
    };
    let shape = shapes::of(&look);
    let mut drafts = read_items(&mut reader, shape, decoded.text, &items.node)?;
    if let Some(bad) = &damage {
        let end = bytes.len()
            - if decoded.has_mark {
                text::MARK.len()
            } else {
                0
            };
        report_damage(&mut reader, bad, drafts.len(), end - bad.at);
    }
    let plan = plan::read(&mut reader, sorted.get("plan"), &drafts)?;
    // A store may have begun with data alone, and have no plan yet.
    let needs_phases = shape.name != own::SHAPE.name;
    if let (true, Some(draft), []) = (needs_phases, drafts.first(), plan.phases()) {
        let message =
            "no item has a phase, and the file has no plan: there is nothing that could be done";
        return Err(reader.error(draft.at, message));
    }
    if shape.name == w2::SHAPE.name {
        let remark = Remark::note("I-EMPTY", items.at).found(reader.shown(&items.node));
        let message = "no item stands in it: the pipeline was idle";
        reader.remark(remark.decided("taken over as it is").says(message));
    }
    checks::indexes(&mut reader, &mut drafts);
    checks::phase_sets(&mut reader, &drafts, &plan);
    checks::near_duplicates(&mut reader, &drafts);
    let derived = checks::statuses(&mut reader, &mut drafts, &plan);
    checks::summary(&mut reader, sorted.get("summary"), &derived);
    let session = sorted.get("session").filter(|field| !field.node.is_null());
    checks::session(&mut reader, session, drafts.len());
    reader.time(
        sorted.get("last_checkpoint"),
        About::default(),
        &mut Found::new(),
    );
    report_ours(&mut reader, shape, &sorted);
    let session = match session {
        Some(field) => Some(reader.json(&field.node)?),
        None => None,
    };
    let zone = reader.finish();
    let file = ImportedFile {
        path: path.to_owned(),
        kind: "work_items".to_owned(),
        shape: shape.name.to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
        zone,
        words: std::mem::take(&mut reader.words),
        session,
        extras: sorted.extras,
        times: None,
    };
    finish(reader, plan, drafts, file)
}

/// The tree, and why it is not all of the file if that was allowed. `each` is given each item, which is not kept.
pub(super) fn parse<'a>(
    reader: &Reader<'_>,
    text: &'a str,
    bad_bytes: Option<Bad>,
    each: &mut dyn FnMut(&Node<'a>),
) -> Result<(Node<'a>, Option<Bad>), Error> {
    if reader.options.salvage {
        let (root, damage) = parser::parse_before_damage(text, &CONTAINERS, each);
        // The text ends where the bytes are bad; that is the cause, not the cut.
        let damage = damage.map(|bad| bad_bytes.unwrap_or(bad));
        return match (root, damage) {
            (Some(root), damage) => Ok((root, damage)),
            (None, bad) => Err(match bad {
                Some(bad) => reader.bad(&bad),
                None => reader.error(0, "no JSON"),
            }),
        };
    }
    match (bad_bytes, parser::parse(text, &CONTAINERS, each)) {
        // What is wrong before the bad byte comes first.
        (Some(bad), Err(earlier)) if earlier.at < bad.at => Err(reader.bad(&earlier)),
        (Some(bad), _) | (None, Err(bad)) => Err(reader.bad(&bad)),
        (None, Ok(root)) => Ok((root, None)),
    }
}

/// Refuses what a newer version wrote, before anything else in it is believed.
fn check_version(reader: &Reader<'_>, root: &Node<'_>) -> Result<(), Error> {
    let Some(node) = root.get("schema_version") else {
        return Ok(());
    };
    let text = reader.shown(node);
    let major = text.trim().trim_start_matches(['v', 'V']).split('.').next();
    match major.and_then(|major| major.parse::<u64>().ok()) {
        Some(2..) => Err(Error::NewerFormat {
            file: reader.path.into(),
            seq: None,
            what: format!("schema_version {text}"),
        }),
        _ => Ok(()),
    }
}

fn is_container(node: &Node<'_>) -> bool {
    matches!(node.value, Value::List(_) | Value::Object(_))
}

/// What is wrong with a document that is none of ours, with a word on what it may be.
fn not_known(root: &Node<'_>) -> String {
    let expected =
        "expected an object with `work_items` or `properties`, the items as a list or an object";
    let is_extraction = root.get("completed_properties").is_some();
    let of_data = |node: &Node<'_>| node.get("full_address").is_some();
    let is_enrichment = root.list().unwrap_or_default().iter().any(of_data)
        || root
            .fields()
            .unwrap_or_default()
            .iter()
            .any(|field| of_data(&field.node));
    let found = match (is_extraction, is_enrichment) {
        (true, _) => "this looks like an extraction_state.json",
        (_, true) => "this looks like an enrichment_data.json",
        _ => root.kind(),
    };
    format!("no work_items file: {expected}; found: {found}")
}

/// Every element of a container, read again: with the key that it stands under and where it begins.
fn elements<'n, 'a>(
    text: &'a str,
    items: &'n Node<'_>,
) -> impl Iterator<Item = (Option<&'n str>, usize, Node<'a>)> {
    let list = items.list().unwrap_or_default().iter();
    let list = list.map(|node| (None, node.at, node));
    let fields = items.fields().unwrap_or_default().iter();
    let fields = fields.map(|field| (Some(&*field.key), field.at, &field.node));
    let all = list.chain(fields);
    all.map(move |(key, at, node)| (key, at, parser::again(text, node)))
}

fn read_items(
    reader: &mut Reader<'_>,
    shape: &Shape,
    text: &str,
    items: &Node<'_>,
) -> Result<Vec<Draft>, Error> {
    let mut seen = HashMap::new();
    let mut drafts = Vec::new();
    for (key, at, node) in elements(text, items) {
        let node = &node;
        let entry = Entry { key, at, node };
        let Some(named) = item::name(reader, shape, &entry) else {
            continue;
        };
        let name = named.name.clone();
        if let Some(first) = seen.get(&name) {
            twice(reader, name.as_str(), first, (entry.at, node.at..node.end));
            continue;
        }
        seen.insert(name, node.at..node.end);
        drafts.push(item::read(reader, &entry, named)?);
    }
    Ok(drafts)
}

pub(super) fn report_damage(reader: &mut Reader<'_>, bad: &Bad, items: usize, left: usize) {
    let message = reader.bad_message(bad);
    let remark = Remark::judged("I-SALVAGED", bad.at).found(&message);
    let whole = match items {
        1 => "the one whole item before it was taken over".to_owned(),
        items => format!("the {items} whole items before it were taken over"),
    };
    let decided = match left {
        0 => format!("{whole}, the file ends here"),
        1 => format!("{whole}, one byte from here on was not read"),
        left => format!("{whole}, {left} bytes from here on were not read"),
    };
    let message = format!("the file is damaged here: {message}; {decided}");
    reader.remark(remark.decided(decided).says(message));
}

/// Fields that we write ourselves, with something in them that will not be found there again.
fn report_ours(reader: &mut Reader<'_>, shape: &Shape, sorted: &Sorted<'_, '_>) {
    if shape.name == own::SHAPE.name {
        return;
    }
    for key in ["log", "crc32"] {
        if let Some(field) = sorted.get(key) {
            drop_field(reader, field, "this key is the log's own here");
        }
    }
    let version = sorted.get("schema_version");
    let other =
        version.filter(|field| field.node.text() != Some("1.0.0") && !field.node.is_blank());
    if let Some(field) = other {
        let text = reader.shown(&field.node);
        let remark = Remark::note("I-FIELD", field.at).found(text);
        let message = "schema_version is 1.0.0 from now on";
        reader.remark(remark.decided("1.0.0").says(message));
    }
}

fn finish(
    reader: Reader<'_>,
    plan: Plan,
    drafts: Vec<Draft>,
    file: ImportedFile,
) -> Result<ImportedDocument, Error> {
    let imported = Event::Imported(Box::new(file.clone()));
    if reader.text.len() > SURELY_SHORT {
        is_taken(&imported).map_err(|bytes| Error::TooLarge {
            what: "the file's own fields".to_owned(),
            bytes,
            limit: MAX_PAYLOAD_BYTES as u64,
        })?;
    }
    for draft in &drafts {
        if draft.end - draft.at > SURELY_SHORT {
            let (place, name) = (reader.places.of(draft.at), &draft.import.name);
            let (path, line, column) = (reader.path, place.line, place.column);
            let too_large = |bytes| Error::TooLargeAt {
                path: path.into(),
                line,
                column,
                what: format!("item {name}"),
                bytes,
                limit: MAX_PAYLOAD_BYTES as u64,
            };
            let mut events = draft.import.events();
            events.try_for_each(|event| is_taken(&event).map_err(too_large))?;
        }
    }
    // Not in the place of the drafts, which take more room.
    let mut items = Vec::with_capacity(drafts.len());
    items.extend(drafts.into_iter().map(|draft| draft.import));
    let findings = Remark::place_all(reader.remarks, &reader.places);
    let newest = reader.newest;
    Ok(ImportedDocument {
        plan,
        items,
        file,
        findings,
        newest,
    })
}

/// Each record has a limit, and it is better to hear of it before half of the file is written: an error with how many
/// bytes it has.
fn is_taken(event: &Event) -> Result<(), u64> {
    let bytes = codec::encode(event, Timestamp::EPOCH, true).len();
    if bytes < MAX_PAYLOAD_BYTES {
        Ok(())
    } else {
        Err(bytes as u64)
    }
}
