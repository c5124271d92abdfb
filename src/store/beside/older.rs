//! Looks in the log for what in a file beside the root is older than what it is compared with: see
//! [`crate::pipeline::merge::doubts`]. In memory is what differs, and the data of the items that it is about.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::pipeline::enrichment::ItemData;
use crate::pipeline::merge::{Changed, Doubt, Evidence, Points, doubts};
use crate::pipeline::{Event, FieldPath, ItemId, Json, PipelineState};
use crate::position::Seq;
use crate::snapshot::enrichment::ADDRESS;
use crate::snapshot::import::Says;

use super::super::given::BesideOriginal;
use super::super::lineage::{last_from, original_of};
use super::super::replay;
use super::against::{Base, Had};
use super::finder::Finder;
use super::sayable::said_in;
use super::watch::Watched;

/// What in a file is perhaps no edit.
#[derive(Debug, Default)]
pub(super) struct Doubtful {
    /// By item; without a field its extraction.
    items: HashMap<ItemId, Vec<(Option<FieldPath>, Doubt)>>,
    /// The file as a whole is older than what it is compared with.
    pub(super) is_older: bool,
}

impl Doubtful {
    /// Why what the file has at a field of an item's data may be no edit.
    pub(super) fn field(&self, item: &ItemId, field: &FieldPath) -> Option<Doubt> {
        let mut fields = self.items.get(item)?.iter();
        let is_it = |it: &FieldPath| it.is_within(field) || field.is_within(it);
        fields.find_map(|(it, doubt)| it.as_ref().is_some_and(is_it).then_some(*doubt))
    }

    /// Why what the file says of an item's extraction may be no edit.
    pub(super) fn extraction(&self, item: &ItemId) -> Option<Doubt> {
        let mut fields = self.items.get(item)?.iter();
        fields.find_map(|(it, doubt)| it.is_none().then_some(*doubt))
    }
}

/// The records that set what a file has as the snapshot that it is compared with.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// Of items in which something differs.
    of: HashMap<ItemId, Vec<Seq>>,
    /// Of all others.
    elsewhere: Vec<Seq>,
    /// The records that brought what does not stand in the file.
    gone: Vec<Seq>,
}

impl Present {
    /// Of the data in a state that a file was compared with.
    pub(super) fn of_data(
        state: &PipelineState,
        data: &HashMap<ItemId, Option<Box<Changed>>>,
        original: &BesideOriginal,
    ) -> Self {
        let mut present = Self::default();
        if data.values().all(Option::is_none) {
            return present;
        }
        for item in &original.document.items {
            let index = state.index_of(item.name.as_str());
            let ours = index.and_then(|index| state.data_at(index));
            let Some(ours) = ours else { continue };
            let changed = data.get(&item.name).and_then(Option::as_deref);
            let leaves = changed.map(leaves).unwrap_or_default();
            let is_same = |field: &&FieldPath| {
                let mut leaves = leaves.iter();
                !leaves.any(|(leaf, _)| leaf.is_within(field) || field.is_within(leaf))
            };
            let later = ours.later().iter().flat_map(|(by, fields)| {
                let same = fields.iter().filter(is_same);
                same.map(|_| by.seq)
            });
            let mut all: Vec<Seq> = ours.origin().map(|by| by.seq).into_iter().collect();
            all.extend(later);
            if all.is_empty() {
                // Each field of it was edited; that it is there at all says since when the file has it.
                all.extend(brought(ours));
            }
            if leaves.is_empty() {
                present.elsewhere.extend(all);
            } else {
                present.of.insert(item.name.clone(), all);
            }
        }
        let there = original.document.items.iter().map(|item| &item.name);
        let there: HashSet<&ItemId> = there.collect();
        let gone = state.items().filter(|it| !there.contains(&it.name));
        present.gone = gone.filter_map(|it| brought(it.data.as_deref()?)).collect();
        present
    }
}

/// What differs in an object, without what tells which item it is about: that stands in files, and may not in the log.
fn leaves(changed: &Changed) -> Vec<(FieldPath, Option<Json>)> {
    let mut leaves = changed.leaves();
    leaves.retain(|(path, _)| path.as_str() != ADDRESS);
    leaves
}

/// The record that brought the first of the data of an item.
fn brought(data: &ItemData) -> Option<Seq> {
    let later = data.later().iter().map(|(by, _)| by.seq);
    data.origin()
        .map(|by| by.seq)
        .into_iter()
        .chain(later)
        .min()
}

/// Looks what in a file is older than its base, which stands at `place`. `known` are places of snapshots that the log may not
/// name.
///
/// # Errors
/// As [`replay::each`]; the system's refusal to read an original.
pub(super) fn look(
    finder: &Finder<'_>,
    base: &Base,
    mut present: Present,
    (place, known): (Seq, Vec<Seq>),
    original: &BesideOriginal,
) -> Result<Doubtful> {
    let gone = std::mem::take(&mut present.gone);
    let (mut watched, elsewhere) = watch(base, present, original);
    if watched.is_empty() {
        return Ok(Doubtful::default());
    }
    let (mut snapshots, shape) = (known, &*original.document.file.shape);
    replay::each(finder.ports, finder.dir, finder.options, &mut |record| {
        if let Event::Compacted { covers } = &record.event {
            snapshots.push(*covers);
        }
        if record.seq <= place
            && let Some(watched) = record.event.item().and_then(|item| watched.get_mut(item))
        {
            watched.take(record, shape);
        }
    })?;
    let version = mark_version(finder, base, place, original, &mut watched)?;
    let points = Points::new(snapshots, version, place);
    Ok(judge(&points, watched, &gone, elsewhere))
}

/// What the file has otherwise than its base, by item; and the records that set what it has as that, of the other items.
fn watch(
    base: &Base,
    mut present: Present,
    original: &BesideOriginal,
) -> (HashMap<ItemId, Watched>, Vec<Seq>) {
    let (document, mut watched) = (&original.document, HashMap::new());
    let shape = &*document.file.shape;
    for item in &document.items {
        let (name, mut one) = (&item.name, Watched::default());
        match &item.says {
            Says::Data(_) => {
                let Had::Other(changed) = base.data(name) else {
                    continue;
                };
                let leaves = leaves(changed);
                if leaves.is_empty() {
                    continue;
                }
                for (path, theirs) in leaves {
                    one.watch_data(path, theirs);
                }
                one.present = present.of.remove(name).unwrap_or_default();
            }
            Says::Extraction(theirs) => {
                let theirs = said_in(shape, theirs);
                let before = base.extraction(name).map(|it| said_in(shape, it));
                if before == Some(theirs) {
                    let then = base.item(name);
                    let since = then.as_ref().and_then(|item| item.extraction.as_ref());
                    present.elsewhere.extend(since.map(|it| it.since));
                    continue;
                }
                one.watch_extraction(theirs);
            }
        }
        watched.insert(name.clone(), one);
    }
    (watched, present.elsewhere)
}

/// Marks what an edit of the file had too that was taken over before the snapshot was written: the log may have left it out.
/// Gives that edit's record.
fn mark_version(
    finder: &Finder<'_>,
    base: &Base,
    place: Seq,
    original: &BesideOriginal,
    watched: &mut HashMap<ItemId, Watched>,
) -> Result<Option<Seq>> {
    let file = &original.document.file;
    let before = finder.imports.partition_point(|it| it.seq <= place);
    let before = &finder.imports[..before];
    // What was put back is that very edit, wherever it was taken over from.
    let put_back = base.put_back;
    let itself = before.iter().find(|it| Some(it.seq) == put_back);
    let last = itself.or_else(|| last_from(&*finder.ports.disk, before, &file.path));
    let Some(last) = last else {
        return Ok(None);
    };
    let Some(bytes) = original_of(finder.ports, finder.dir, last)? else {
        return Ok(None);
    };
    let read = finder.read_version(last, &bytes, file);
    let Some(document) = read else {
        return Ok(None);
    };
    for item in &document.items {
        let Some(one) = watched.get_mut(&item.name) else {
            continue;
        };
        match &item.says {
            Says::Data(span) => {
                let end = span.at + span.len as u64;
                let range = usize::try_from(span.at).ok().zip(usize::try_from(end).ok());
                let text = range.and_then(|(at, end)| bytes.get(at..end));
                let object: Option<Json> = text.and_then(|text| span.json(text));
                if let Some(object) = object {
                    one.mark_data(&object);
                }
            }
            Says::Extraction(said) => one.mark_extraction(said_in(&file.shape, said)),
        }
    }
    Ok(Some(last.seq))
}

fn judge(
    points: &Points,
    watched: HashMap<ItemId, Watched>,
    gone: &[Seq],
    elsewhere: Vec<Seq>,
) -> Doubtful {
    // An object of data may be older than the file that it stands in; lists of extractions are read and written as a whole.
    let is_data = watched.values().any(Watched::is_data);
    let (mut names, mut parts) = (Vec::new(), Vec::new());
    for (item, watched) in watched {
        let (paths, evidence) = watched.into_evidence();
        names.push((item, paths));
        parts.push(evidence);
    }
    parts.push(Evidence {
        differing: Vec::new(),
        present: elsewhere,
        gone: gone.to_vec(),
    });
    let found = doubts(points, &parts, is_data);
    let items = names.into_iter().zip(found.parts);
    let items = items.filter_map(|((item, paths), doubts)| {
        let doubts = paths.into_iter().zip(doubts);
        let doubts: Vec<_> = doubts.filter_map(|(path, it)| Some((path, it?))).collect();
        (!doubts.is_empty()).then_some((item, doubts))
    });
    Doubtful {
        items: items.collect(),
        is_older: found.is_older,
    }
}
