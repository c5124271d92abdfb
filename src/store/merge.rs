//! Takes an edited or another state file into a store that exists: three-way merge against what the file once said.
//!
//! ```text
//!   bytes -> which base?   a snapshot of this log: the state at its own `log.seq`, replayed, written, read as the file is
//!                          such a snapshot, of which an edit was taken over from there: the original of that edit
//!                          any other file: none; the log tells which phases somebody has worked on
//!         -> merge -> imported, edited, added …          on the state under the lock: see `import`
//! ```

mod touched;
mod made_of;
mod document;

use std::collections::HashSet;

use crate::error::Result;
use crate::pipeline::merge::{Base, FileItem, Judgement, LastTime, Merge, Merged, STAYS_FREE};
use crate::pipeline::state::ImportSource;
use crate::pipeline::{Event, ItemId, PipelineState, merge};
use crate::position::Seq;
use crate::snapshot::TimeStyle;
use crate::snapshot::import::{Finding, HELD, ImportedDocument, NewImport, Severity};
use crate::snapshot::work_items::{self, Names};

use super::given::{MergeOptions, Original};
use super::lineage::last_from;
use made_of::{Against, MadeOf};
pub(super) use made_of::{Place, Replay, past_at};

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
}

impl MergedFile {
    /// True if something was decided that a person should look at, now: a file that was taken over before was judged
    /// then.
    pub fn is_judged(&self) -> bool {
        let judged = |finding: &Finding| finding.severity == Severity::Judged;
        self.recorded.is_some() && self.findings.iter().any(judged)
    }
}

/// What a file says of the log that it is from: who knows it needs its bytes no more.
pub(super) struct Stated {
    /// Its place in a log and the set that it was of, if it says so: nothing vouches for it but that log.
    names: Option<Names>,
    /// The same, of a snapshot as we wrote it.
    own: Option<Names>,
    /// How its times were written before somebody edited it.
    style: TimeStyle,
}

impl Stated {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let names = work_items::stated_names(bytes);
        let ours = |_: &Names| work_items::decode_names(bytes).usable();
        let own = names.as_ref().and_then(ours);
        let style = match &names {
            Some(_) => work_items::stated_style(bytes),
            None => TimeStyle::Utc,
        };
        Self { names, own, style }
    }
}

/// What taking the file in comes to where nothing in it is news; `None` if something may be.
pub(super) fn known(
    place: &Place<'_>,
    state: &PipelineState,
    log: &str,
    original: &Original,
    how: MergeOptions<'_>,
) -> Option<MergedFile> {
    let seq = nothing_new(place, state, log, original, how)?;
    Some(unchanged(place, original, seq))
}

/// A file and what it is compared with.
pub(super) struct Compared {
    against: Against,
    /// How many imports were known when that was found.
    imports: usize,
    /// What it comes to if another process is faster.
    unchanged: MergedFile,
}

/// Finds what a file is compared with that brings news. It is no more than read.
///
/// # Errors
/// [`crate::Error::NoSuchPlace`] if it names a place that the log does not have; as [`super::replay::each`].
pub(super) fn compare(
    place: &Place<'_>,
    log: &str,
    original: &Original,
    how: MergeOptions<'_>,
) -> Result<Compared> {
    Ok(Compared {
        against: place.against(log, original, how)?,
        imports: place.imports.len(),
        unchanged: unchanged(place, original, Seq::NONE),
    })
}

impl Compared {
    /// What is to be recorded of the file on this state, and what that comes to.
    pub(super) fn decide(
        self,
        original: &Original,
        how: MergeOptions<'_>,
        state: &PipelineState,
    ) -> (Vec<Event>, MergedFile) {
        let against = self.against;
        // Another process may have taken it in meanwhile.
        let sha256 = &original.document.file.sha256;
        let meanwhile = state.imports.iter().skip(self.imports);
        let is_taken = meanwhile.map(|it| &it.sha256).any(|it| it == sha256);
        let (events, mut told) =
            if is_taken && !how.prefer_file && !has_other_times(state, original) {
                (Vec::new(), self.unchanged)
            } else {
                let mut merged = run(&against, original, how, state);
                let events = records(&against, original, how, &mut merged, state);
                let told = told(&against, original, merged, &events);
                (events, told)
            };
        told.as_of = state.last_seq;
        if events.is_empty() {
            keep_notes(&mut told.findings);
        }
        (events, told)
    }
}

/// The record that has taken over these bytes, or the place of a snapshot that is as we wrote it. `None` also where an edit
/// was taken over from the same place since: these bytes undo it; and where the file was put back in place of a snapshot.
fn nothing_new(
    place: &Place<'_>,
    state: &PipelineState,
    log: &str,
    original: &Original,
    how: MergeOptions<'_>,
) -> Option<Seq> {
    if has_other_times(state, original) {
        return None;
    }
    let file = &original.document.file;
    let last = last_from(&*place.ports.disk, &state.imports, &file.path);
    let other = last.filter(|last| last.sha256 != file.sha256);
    if let Some(own) = &place.stated.own
        && own.place.id == log
    {
        let is_undone = other.is_some_and(|other| other.seq > own.place.seq);
        return (!is_undone).then_some(own.place.seq);
    }
    let before = before(&state.imports, original);
    // Asked to let the file count, the same bytes may come to something else.
    let is_put_back = place.is_put_back(original);
    before.filter(|_| !how.prefer_file && other.is_none() && !is_put_back)
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

/// Leaves of what is said of a file only notes: nothing of it is recorded, and what was judged was told when it was taken over.
pub(super) fn keep_notes(findings: &mut Vec<Finding>) {
    findings.retain(|finding| finding.severity != Severity::Judged);
}

fn unchanged(place: &Place<'_>, original: &Original, as_of: Seq) -> MergedFile {
    MergedFile {
        recorded: None,
        as_of,
        added: 0,
        changed: 0,
        unchanged: original.document.items.len(),
        // A snapshot is no file of another program: what would be odd there is as it should be here.
        findings: if place.stated.names.is_some() {
            Vec::new()
        } else {
            // What an item lacks in it stands here as it does by now.
            let mut findings = original.document.findings.clone();
            findings.retain(|it| it.code != "I-PHASE-SET" || it.item.is_none());
            keep_notes(&mut findings);
            findings
        },
        still_held: Vec::new(),
    }
}

fn run(
    against: &Against,
    original: &Original,
    how: MergeOptions<'_>,
    ours: &PipelineState,
) -> Merged {
    let (file, document) = (file_name(original), &original.document);
    let wanted = Merge {
        file: &file,
        theirs: items_of(document),
        phases: document.plan.phases(),
        base: against.base.as_ref().map(|made| Base {
            items: items_of(&made.document),
            phases: made.document.plan.phases(),
            state: &made.state,
            from: made.from,
            since: made.since.iter().flat_map(items_of).collect(),
        }),
        touched: &|item, phase| {
            let place = (item.clone(), phase.cloned());
            against.touched.places.contains(&place)
        },
        set_by: &|item, phase, key| {
            let is_file = |path: usize| against.same_paths.contains(&path);
            against.touched.set_by(item, phase, key, &is_file)
        },
        by_file: &|seq| against.by_file.contains(&seq),
        last: against.last.as_ref().map(|last| LastTime {
            items: last.items.iter().map(file_item).collect(),
            seq: last.seq,
            is_snapshot: last.is_snapshot,
            told: last.told,
        }),
        through: against.touched.through,
        prefer_file: how.prefer_file,
    };
    merge::merge(&wanted, ours)
}

fn items_of(document: &ImportedDocument) -> Vec<FileItem<'_>> {
    document.items.iter().map(file_item).collect()
}

fn file_item(item: &NewImport) -> FileItem<'_> {
    FileItem {
        name: &item.name,
        id: item.id.as_deref(),
        state: &item.state,
        held: item.held.as_deref(),
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
    how: MergeOptions<'_>,
    merged: &mut Merged,
    ours: &PipelineState,
) -> Vec<Event> {
    let (file, told) = document::record(against, original, how, ours);
    merged.judged.extend(told);
    let known = before(&ours.imports, original).is_some() && !against.is_back
        || against.is_snapshot && merged.judged.is_empty();
    let is_news = merged.is_news || file.session.is_some() || !file.extras.is_empty();
    if known && merged.events.is_empty() && !is_news && !has_other_times(ours, original) {
        return Vec::new();
    }
    let imported = Event::Imported(Box::new(file));
    let mut events = std::mem::take(&mut merged.events);
    // A new plan comes first, if there is one.
    let is_planned = |event: &Event| matches!(event, Event::Planned { .. });
    let at = usize::from(events.first().is_some_and(is_planned));
    events.insert(at, imported);
    events
}

fn told(against: &Against, original: &Original, merged: Merged, events: &[Event]) -> MergedFile {
    let mut findings: Vec<Finding> = original.document.findings.clone();
    if let Some(MadeOf {
        document: base,
        state,
        ..
    }) = &against.base
    {
        // What the file said all along is no news; what is derived is not compared.
        let same = |one: &Finding, other: &Finding| {
            let key = |it: &Finding| (it.code, it.item.clone(), it.phase.clone(), it.found.clone());
            key(one) == key(other)
        };
        let derived = ["I-SUMMARY", "I-ITEM-STATUS", "I-OLDER", "I-INDEX"];
        // The word that the snapshot had is what its phases came to then; nobody says anything with it.
        let is_as_then = |it: &Finding| {
            let index = it.item.as_deref().and_then(|item| state.index_of(item));
            let then = index.map(|index| state.item_at(index).status().as_str());
            it.code == "I-ITEM-STATUS" && it.decided != HELD && then == Some(&*it.found)
        };
        findings.retain(|it| {
            let is_note = it.severity == Severity::Note && derived.contains(&it.code);
            !is_note && !is_as_then(it) && !base.findings.iter().any(|other| same(it, other))
        });
    }
    // Phases that an item of ours lacks in the file stand here as they do.
    let added = events.iter().filter_map(|event| match event {
        Event::Added { item, .. } => Some(item.as_str()),
        _ => None,
    });
    let added: HashSet<&str> = added.collect();
    findings.retain(|it| {
        let item = it.item.as_deref().filter(|_| it.code == "I-PHASE-SET");
        item.is_none_or(|item| added.contains(item))
    });
    // Whoever stays free is not held, whatever the file by itself would come to.
    let free = merged.judged.iter().filter(|it| it.decided == STAYS_FREE);
    let free: HashSet<&str> = free.filter_map(|it| it.item.as_deref()).collect();
    findings
        .retain(|it| it.decided != HELD || !it.item.as_deref().is_some_and(|it| free.contains(it)));
    findings.extend(merged.judged.into_iter().map(finding));
    MergedFile {
        recorded: None,
        as_of: Seq::NONE,
        added: merged.added,
        changed: merged.changed,
        unchanged: merged.unchanged,
        findings,
        still_held: merged.still_held,
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
