//! Takes an edited or another state file into a store that exists: three-way merge against what the file once said.
//!
//! ```text
//!   bytes -> which base?   a snapshot of this log: the state at its own `log.seq`, replayed, written, read as the file is
//!                          such a snapshot, of which an edit was taken over from there: the original of that edit
//!                          any other file: none; the log tells which phases somebody has worked on
//!         -> original kept -> [ lock -> catch up -> merge -> imported, edited, added … ]   one group
//! ```

mod touched;
mod made_of;

use std::path::Path;

use crate::error::Result;
use crate::pipeline::json::Extras;
use crate::pipeline::merge::{Base, FileItem, Judgement, Merge, Merged};
use crate::pipeline::same::same;
use crate::pipeline::state::ImportSource;
use crate::pipeline::{Event, ItemId, PipelineState, merge};
use crate::ports::{Disk, Ports};
use crate::position::Seq;
use crate::snapshot::import::{self, Finding, ImportedDocument, NewImport, Severity};
use crate::snapshot::work_items::{self};

use super::append::{self, Verdict};
use super::given::{MergeOptions, Original};
use super::lineage::last_from;
use super::originals::keep;
use super::{Options, Store, View};
use made_of::{Against, MadeOf, Place};
pub(super) use made_of::{Replay, past_at};

/// What taking a file into a store came to.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it says what was recorded and what a person should look at"]
pub struct MergedFile {
    /// The first and the last record; `None` if there is nothing to record.
    pub recorded: Option<(Seq, Seq)>,
    /// Where the file was taken over before, or the last record that the answer rests on.
    pub as_of: Seq,
    /// Items that are new.
    pub added: usize,
    /// Items of which something was recorded.
    pub changed: usize,
    /// Items of which nothing was.
    pub unchanged: usize,
    /// What was not as it should be, and what was decided.
    pub findings: Vec<Finding>,
    /// Items that are held still, though the reason for it is gone.
    pub still_held: Vec<ItemId>,
    /// Of a preview, what would be recorded.
    pub(super) would: Vec<Event>,
}

impl MergedFile {
    /// True if something was decided that a person should look at, now: a file that was taken over before was judged
    /// then.
    pub fn is_judged(&self) -> bool {
        let judged = |finding: &Finding| finding.severity == Severity::Judged;
        self.recorded.is_some() && self.findings.iter().any(judged)
    }
}

/// What a merge would come to; nothing is written.
///
/// # Errors
/// As [`Store::open`]; [`Error::OtherLog`] if the file names a place that this log does not have.
pub(super) fn preview(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    original: &Original,
    how: MergeOptions<'_>,
) -> Result<MergedFile> {
    let view = View::open(ports, dir, options)?;
    let (id, last) = (view.log_id(), view.last_seq());
    if let Some(seq) = nothing_new(&*ports.disk, view.state(), &id, original, how) {
        return Ok(unchanged(original, seq));
    }
    let mut state = view.into_state();
    // No field of it is compared here, and it may be most of the memory.
    state.forget_data();
    let place = Place {
        ports,
        dir,
        options,
        imports: &state.imports,
    };
    let against = place.against(&id, original, how)?;
    let merged = run(&against, original, how, &state);
    let would = records(&against, original, &merged, &state);
    let mut told = told(&against, original, merged);
    if !would.is_empty() {
        // Where they would stand cannot be known; that there are some can.
        told.recorded = Some((Seq::NONE, Seq::NONE));
    }
    told.as_of = last;
    told.would = would;
    Ok(told)
}

/// Takes the file in. The original is kept first, so that no record names one that is not there.
pub(super) fn take(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    original: &Original,
    how: MergeOptions<'_>,
) -> Result<MergedFile> {
    let mut store = Store::open(ports.clone(), dir, options.clone())?;
    let id = store.writer.position().log.to_string();
    if let Some(seq) = nothing_new(&*ports.disk, &store.state, &id, original, how) {
        append::settle(&mut store.writer)?;
        return Ok(unchanged(original, seq));
    }
    // No field of it is compared here, and it may be most of the memory. This store is gone when the file is taken in.
    store.state.forget_data();
    let place = Place {
        ports,
        dir,
        options,
        imports: &store.state.imports,
    };
    let against = place.against(&id, original, how)?;
    let sha256 = &original.document.file.sha256;
    keep(ports, dir, &original.path, sha256, &mut &*original.bytes)?;
    let known = store.state.imports.len();
    let done = append::transact(&mut store, |state, _| {
        // Another process may have taken it in meanwhile.
        let meanwhile = state.imports.iter().skip(known);
        let is_taken = meanwhile.map(|it| &it.sha256).any(|it| it == sha256);
        if is_taken && !how.prefer_file && !has_other_times(state, original) {
            return Verdict::Answer((None, state.last_seq));
        }
        let merged = run(&against, original, how, state);
        let events = records(&against, original, &merged, state);
        Verdict::Append(events, (Some(merged), state.last_seq))
    })?;
    let (recorded, (merged, as_of)) = (done.records, done.outcome);
    let Some(merged) = merged else {
        return Ok(unchanged(original, as_of));
    };
    let mut told = told(&against, original, merged);
    told.as_of = as_of;
    told.recorded = recorded
        .first()
        .zip(recorded.last())
        .map(|(first, last)| (first.seq, last.seq));
    Ok(told)
}

/// The record that has taken over these bytes, or the place of a snapshot that is as we wrote it. `None` also where an edit
/// was taken over from the same place since: these bytes undo it.
fn nothing_new(
    disk: &dyn Disk,
    state: &PipelineState,
    log: &str,
    original: &Original,
    how: MergeOptions<'_>,
) -> Option<Seq> {
    if has_other_times(state, original) {
        return None;
    }
    let file = &original.document.file;
    let last = last_from(disk, &state.imports, &file.path);
    let other = last.filter(|last| last.sha256 != file.sha256);
    if let Some(own) = work_items::decode_names(&original.bytes).usable()
        && own.place.id == log
    {
        let is_undone = other.is_some_and(|other| other.seq > own.place.seq);
        return (!is_undone).then_some(own.place.seq);
    }
    let before = before(&state.imports, original);
    // Asked to let the file count, the same bytes may come to something else.
    before.filter(|_| !how.prefer_file && other.is_none())
}

/// The record that has taken over these bytes first.
fn before(imports: &[ImportSource], original: &Original) -> Option<Seq> {
    let sha256 = &original.document.file.sha256;
    let mut imports = imports.iter();
    imports.find(|it| it.sha256 == *sha256).map(|it| it.seq)
}

/// True if snapshots are to write times otherwise from now on.
fn has_other_times(state: &PipelineState, original: &Original) -> bool {
    let wanted = original.document.file.times;
    wanted.is_some_and(|wanted| wanted != state.document.times)
}

fn unchanged(original: &Original, as_of: Seq) -> MergedFile {
    MergedFile {
        recorded: None,
        as_of,
        added: 0,
        changed: 0,
        unchanged: original.document.items.len(),
        // A snapshot is no file of another program: what would be odd there is as it should be here.
        findings: if work_items::stated_names(&original.bytes).is_some() {
            Vec::new()
        } else {
            original.document.findings.clone()
        },
        still_held: Vec::new(),
        would: Vec::new(),
    }
}

fn run(
    against: &Against,
    original: &Original,
    how: MergeOptions<'_>,
    ours: &PipelineState,
) -> Merged {
    let (file, document) = (file_name(original), &original.document);
    let has_base = against.base.is_some();
    let wanted = Merge {
        file: &file,
        theirs: items_of(document, has_base),
        phases: document.plan.phases(),
        base: against.base.as_ref().map(|made| Base {
            items: items_of(&made.document, has_base),
            phases: made.document.plan.phases(),
            state: &made.state,
            from: made.from,
            since: made
                .since
                .iter()
                .flat_map(|it| items_of(it, has_base))
                .collect(),
        }),
        touched: &|item, phase| {
            let place = (item.clone(), phase.cloned());
            against.touched.places.contains(&place)
        },
        by_file: &|seq| against.by_file.contains(&seq),
        through: against.touched.through,
        prefer_file: how.prefer_file,
    };
    merge::merge(&wanted, ours)
}

fn items_of(document: &ImportedDocument, has_base: bool) -> Vec<FileItem<'_>> {
    let items = document.items.iter();
    items.map(|item| file_item(item, has_base)).collect()
}

fn file_item(item: &NewImport, has_base: bool) -> FileItem<'_> {
    // In our own files the item's status is derived: only a phase's word can ask for a hold.
    let derived = |reason: &&str| has_base && reason.starts_with(import::HELD_BY_ITEM);
    FileItem {
        name: &item.name,
        id: item.id.as_deref(),
        state: &item.state,
        held: item.held.as_deref().filter(|reason| !derived(reason)),
    }
}

fn file_name(original: &Original) -> String {
    let name = original.path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What is to be recorded: the file, then what it brings. Nothing, if it brings nothing and was recorded before.
fn records(
    against: &Against,
    original: &Original,
    merged: &Merged,
    ours: &PipelineState,
) -> Vec<Event> {
    let file = &original.document.file;
    let known = before(&ours.imports, original).is_some() && !against.is_back
        || against.is_snapshot && merged.judged.is_empty();
    if known && merged.events.is_empty() && !has_other_times(ours, original) {
        return Vec::new();
    }
    let mut file = file.clone();
    let base = against.base.as_ref().map(|made| &made.document.file);
    // The document's own fields count where the file has others than it was written with, and nobody else changed them.
    let (then, now) = (
        base.and_then(|it| it.session.as_ref()),
        &ours.document.session,
    );
    let is_news = match (&file.session, then) {
        (Some(_), None) => now.is_none() && base.is_none(),
        (Some(session), Some(then)) => !same(session, then),
        (None, _) => false,
    };
    if !is_news {
        file.session = None;
    }
    let same = base.is_none_or(|base| base.extras == file.extras);
    if same && !(base.is_none() && ours.document.extras.is_empty()) {
        file.extras = Extras::default();
    }
    let imported = Event::Imported(Box::new(file));
    let (planned, rest): (Vec<Event>, Vec<Event>) = merged
        .events
        .iter()
        .cloned()
        .partition(|event| matches!(event, Event::Planned { .. }));
    planned.into_iter().chain([imported]).chain(rest).collect()
}

fn told(against: &Against, original: &Original, merged: Merged) -> MergedFile {
    let mut findings: Vec<Finding> = original.document.findings.clone();
    if let Some(MadeOf { document: base, .. }) = &against.base {
        // What the file said all along is no news; what is derived is not compared.
        let same = |one: &Finding, other: &Finding| {
            let key = |it: &Finding| (it.code, it.item.clone(), it.phase.clone(), it.found.clone());
            key(one) == key(other)
        };
        let derived = ["I-SUMMARY", "I-ITEM-STATUS", "I-OLDER", "I-INDEX"];
        findings.retain(|it| {
            let is_derived = it.severity == Severity::Note && derived.contains(&it.code);
            !is_derived && !base.findings.iter().any(|other| same(it, other))
        });
    }
    findings.extend(merged.judged.into_iter().map(finding));
    MergedFile {
        recorded: None,
        as_of: Seq::NONE,
        added: merged.added,
        changed: merged.changed,
        unchanged: merged.unchanged,
        findings,
        still_held: merged.still_held,
        would: Vec::new(),
    }
}

fn finding(judgement: Judgement) -> Finding {
    let severity = if judgement.judged {
        Severity::Judged
    } else {
        Severity::Note
    };
    Finding {
        code: judgement.code,
        severity,
        line: None,
        column: None,
        item: judgement.item,
        phase: judgement.phase,
        found: judgement.found,
        decided: judgement.decided,
        message: judgement.message,
    }
}
