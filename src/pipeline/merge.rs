//! Three-way merge: what was changed in a state file since it was written, brought into the log.
//!
//! ```text
//!   base    what the file was made from: the state at its own `log.seq`, read as the file is read; or, where an edit of
//!           that was taken over since from the same place, what that said
//!   theirs  what it says now
//!   ours    the state of the log by now
//!
//!   theirs = base            nothing was changed
//!   theirs = ours            both came to the same
//!   ours   = base            the change becomes a record
//!   all three differ         the log stays, and a person is told; with `prefer_file` the file counts
//! ```
//!
//! A file that does not say where in the log it was written has no base: it may only fill in what nobody has touched,
//! and moves nothing backwards; what it brought itself it may change, by what it said the time before (`last`). What is derived (an item's status, its `last_updated`, a summary) is not compared.

mod fields;
mod one;
mod fill;
mod last;
mod identity;
mod made_from;
mod data;
mod document;
mod extraction;
mod older;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use super::event::{Event, ImportedItem};
use super::facts::Facts;
use super::names::{ItemId, Phase};
use super::packed_import::PackedImport;
use super::plan::{PhasePlan, Plan};
use super::spelling::Roundings;
use crate::position::Seq;
use made_from::made_from;
use one::One;

pub use data::{Before, Changed, DataConflict, DataMerge, MergedData, at, is_same};
pub use data::{DataGone, Last};
pub use document::{DocumentMerge, MergedDocument};
pub use extraction::{
    ExtractionConflict, ExtractionGone, ExtractionMerge, MergedExtraction, says_the_same,
};
pub use last::{LastTime, SetBy, SetLast, fields_of};
pub use older::{Differing, Doubt, Doubts, Evidence, Points, doubts};

/// An item as a state file has it.
#[derive(Clone, Copy, Debug)]
pub struct FileItem<'a> {
    /// Its name.
    pub name: &'a ItemId,
    /// The id it brings with it.
    pub id: Option<&'a str>,
    /// What it brings with it.
    pub state: &'a PackedImport,
    /// Why it is to be held, if a word in it says so.
    pub held: Option<&'a str>,
}

/// The same, to be looked at.
struct OpenItem<'a> {
    name: &'a ItemId,
    id: Option<&'a str>,
    state: ImportedItem,
    held: Option<&'a str>,
}

impl<'a> FileItem<'a> {
    fn open(&self) -> OpenItem<'a> {
        let Self { name, id, held, .. } = *self;
        let state = self.state.open();
        OpenItem {
            name,
            id,
            state,
            held,
        }
    }
}

/// What the file was made from.
pub struct Base<'a> {
    /// Its items.
    pub items: Vec<FileItem<'a>>,
    /// The phases that it had, in order.
    pub phases: &'a [PhasePlan],
    /// The state that its snapshot showed.
    pub state: &'a dyn Facts,
    /// Where the items are from.
    pub from: MadeFrom,
    /// Where the file is to count: what an edit of it said that was taken over since. What is as in the snapshot again, and
    /// was not there, is an edit as well.
    pub since: Vec<FileItem<'a>>,
}

/// Which file somebody edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeFrom {
    /// The snapshot of the state, as it was written.
    Snapshot,
    /// An earlier edit of it, which this record took over and which lay there since.
    Version(Seq),
    /// Such an edit, or the snapshot before it: by now there is a newer one in its place. What whoever wrote the file had read
    /// shows where the two differ.
    Either(Seq),
}

/// How the reason of a hold begins that an item was given because one file knew it, and no other.
pub const KNOWN_ONLY_TO: &str = "known only to ";

/// What is decided of an item that a file holds, and that somebody has freed here.
pub const STAYS_FREE: &str = "it stays free";

/// A merge that is wanted.
pub struct Merge<'a> {
    /// The file's name, for records and messages.
    pub file: &'a str,
    /// What it says now.
    pub theirs: Vec<FileItem<'a>>,
    /// The phases that it has, in order.
    pub phases: &'a [PhasePlan],
    /// What it said when it was written; `None` if it does not say where in the log that was.
    pub base: Option<Base<'a>>,
    /// Without a base: whether somebody has worked on that phase of an item. With `None`: whether somebody has held or freed
    /// the item; with a base, whether somebody has freed it since.
    pub touched: &'a dyn Fn(&ItemId, Option<&Phase>) -> bool,
    /// Without a base: which import has set that field last, of a phase of an item or (with `None`) of the item itself.
    pub set_by: &'a SetBy<'a>,
    /// With a base: whether this record took in what an edit of the file said, so that nobody else has moved what it
    /// changed.
    pub by_file: &'a dyn Fn(Seq) -> bool,
    /// Without a base: what the file said the time before, as far as that is known.
    pub last: Option<LastTime<'a>>,
    /// The record through which `touched` knows the log; what happened later is touched as well.
    pub through: Seq,
    /// Where all three differ the file counts.
    pub prefer_file: bool,
}

/// What a merge comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// What is to be recorded, in order; without the record of the file itself.
    pub events: Vec<Event>,
    /// What a person should know.
    pub judged: Vec<Judgement>,
    /// Items that are new.
    pub added: usize,
    /// Items of which something is recorded.
    pub changed: usize,
    /// Items of which nothing is.
    pub unchanged: usize,
    /// Items that were added held because no file with the progress of items knew them, and that are held still though this
    /// one does.
    pub still_held: Vec<ItemId>,
    /// Something stands apart that did not when the same bytes were taken over before: it is told on record.
    pub is_news: bool,
    /// Numbers in the file that a double could not hold.
    roundings: Roundings,
    /// What a file without a place in the log has otherwise, and no edit changes: by key how often, and the first.
    identities: BTreeMap<&'static str, (usize, String)>,
}

/// Something that was decided, or that nobody could decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// `I-EDIT-CONFLICT` and so on.
    pub code: &'static str,
    /// False for what is only worth knowing.
    pub judged: bool,
    /// The item.
    pub item: Option<String>,
    /// The phase.
    pub phase: Option<String>,
    /// What the file has.
    pub found: String,
    /// What counts.
    pub decided: String,
    /// Both in a sentence.
    pub message: String,
}

/// Compares the three and says what is to be recorded. Pure, and the same question has the same answer.
pub fn merge<'a>(wanted: &Merge<'a>, ours: &dyn Facts) -> Merged {
    let mut merged = Merged::default();
    let plan = extended_plan(wanted, ours, &mut merged);
    let by_name = |items: &[FileItem<'a>]| -> HashMap<&str, FileItem<'a>> {
        let items = items.iter();
        items.map(|item| (item.name.as_str(), *item)).collect()
    };
    let items = |base: &Base<'a>| by_name(&base.items);
    let base = wanted.base.as_ref().map(items).unwrap_or_default();
    let since = wanted.base.as_ref().map(|base| by_name(&base.since));
    let since = since.unwrap_or_default();
    let last = wanted.last.as_ref().map(|last| by_name(&last.items));
    let last = last.unwrap_or_default();
    let from = wanted
        .base
        .as_ref()
        .map(|known| made_from(known, &base, &wanted.theirs));
    let mut seen = 0;
    for theirs in &wanted.theirs {
        let base = base.get(theirs.name.as_str());
        seen += usize::from(base.is_some());
        let found = ours.find(theirs.name.as_str());
        let Some(item) = found.and_then(|index| ours.item(index)) else {
            add(theirs, &mut merged);
            continue;
        };
        let before = merged.events.len();
        let (base, theirs) = (base.map(FileItem::open), theirs.open());
        let [since, last] =
            [&since, &last].map(|items| items.get(theirs.name.as_str()).map(FileItem::open));
        let mut one = One {
            wanted,
            plan: &plan,
            from: from.unwrap_or(MadeFrom::Snapshot),
            ours: item,
            theirs: &theirs,
            base: base.as_ref(),
            since: since.as_ref(),
            last: last.as_ref(),
            merged: &mut merged,
        };
        one.merge();
        if merged.events.len() > before {
            merged.changed += 1;
        } else {
            merged.unchanged += 1;
        }
    }
    if seen < base.len() || wanted.last.is_some() {
        report_gone(wanted, ours, &mut merged);
    }
    sum_up(wanted, &mut merged);
    merged
}

/// One note for all items where each would say the same.
fn sum_up(wanted: &Merge<'_>, merged: &mut Merged) {
    let note = |found: String, decided: &str, message: String| Judgement {
        code: "I-FIELD",
        judged: false,
        item: None,
        phase: None,
        found,
        decided: decided.to_owned(),
        message,
    };
    if let Some(message) = merged.roundings.words(wanted.file) {
        let found = merged.roundings.count.to_string();
        merged.judged.push(note(found, "all digits stay", message));
    }
    for (key, (items, first)) in std::mem::take(&mut merged.identities) {
        let message = format!(
            "{key} of items is another in {}: {items}, the first is {first}; no import changes that",
            wanted.file
        );
        merged
            .judged
            .push(note(items.to_string(), "ours stay", message));
    }
}

/// The plan with the phases that are new in the file; a `planned` record if there are any.
fn extended_plan(wanted: &Merge<'_>, ours: &dyn Facts, merged: &mut Merged) -> Plan {
    let plan = ours.plan();
    let before = wanted.base.as_ref().map(|base| base.state.plan());
    let is_new = |phase: &&PhasePlan| {
        let name = phase.phase.as_str();
        let known = |plan: &Plan| plan.index_of(name).is_some();
        !known(plan) && !before.is_some_and(known)
    };
    if let Some(base) = &wanted.base {
        report_plan(wanted, base, merged);
    }
    let new: Vec<PhasePlan> = wanted.phases.iter().filter(is_new).cloned().collect();
    if new.is_empty() {
        return plan.clone();
    }
    for phase in &new {
        let name = phase.phase.as_str();
        merged.judged.push(Judgement {
            code: "I-PHASE-SET",
            judged: false,
            item: None,
            phase: Some(name.to_owned()),
            found: name.to_owned(),
            decided: "added to the plan".to_owned(),
            message: format!("{name} is not in the plan; it is added to it as the last phase"),
        });
    }
    let all: Vec<PhasePlan> = plan.phases().iter().cloned().chain(new).collect();
    merged.events.push(Event::Planned {
        phases: all.clone(),
    });
    Plan::from_record(all)
}

/// Says that the plan in the file is not the one that was written there: a plan is changed by a command.
fn report_plan(wanted: &Merge<'_>, base: &Base<'_>, merged: &mut Merged) {
    let before = base.state.plan();
    let is_known = |it: &&PhasePlan| before.index_of(it.phase.as_str()).is_some();
    let known = || wanted.phases.iter().filter(is_known);
    // What an earlier edit of the file had otherwise was told then.
    if known().eq(before.phases()) || known().eq(base.phases.iter().filter(is_known)) {
        return;
    }
    merged.judged.push(Judgement {
        code: "I-PHASE-SET",
        judged: true,
        item: None,
        phase: None,
        found: "another plan".to_owned(),
        decided: "left out".to_owned(),
        message: format!(
            "the plan in {} was changed; `plan set` changes the plan, the file does not",
            wanted.file
        ),
    });
}

fn add(theirs: &FileItem<'_>, merged: &mut Merged) {
    merged.added += 1;
    merged.events.push(Event::Added {
        item: theirs.name.clone(),
        id: theirs.id.map(str::to_owned),
        imported: Some(Box::new(theirs.state.open())),
    });
    if let Some(reason) = theirs.held {
        merged.events.push(Event::Held {
            item: theirs.name.clone(),
            reason: Some(reason.to_owned()),
        });
    }
}

/// Items that were taken out of the file: nothing is ever deleted for that.
fn report_gone(wanted: &Merge<'_>, ours: &dyn Facts, merged: &mut Merged) {
    let there: std::collections::HashSet<&str> =
        wanted.theirs.iter().map(|it| it.name.as_str()).collect();
    let of_base = wanted.base.iter().flat_map(|base| &base.items);
    let known = wanted.last.iter().flat_map(|last| &last.items);
    let known = known.map(|item| item.name);
    let known = known.filter(|name| ours.find(name.as_str()).is_some());
    for name in of_base.map(|item| item.name).chain(known) {
        if there.contains(name.as_str()) {
            continue;
        }
        merged.judged.push(Judgement {
            code: "I-ONLY-IN",
            judged: true,
            item: Some(name.to_string()),
            phase: None,
            found: "not in the file any more".to_owned(),
            decided: "it stays".to_owned(),
            message: format!(
                "the item was taken out of {}; nothing is deleted for that, `hold` keeps it from being worked on",
                wanted.file
            ),
        });
    }
}
