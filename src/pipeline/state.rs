//! The state of a pipeline, and `apply`: the one function that changes it.
//!
//! ```text
//!               start            complete, fail, skip
//!   pending -----------> in_progress ------------> completed, failed, skipped
//!      ^  \_________________/    |                        |
//!      |    release, reset       |                        |
//!      +------------------ retry (completed, skipped: only with --force)
//! ```

mod facts;
mod learn;
mod edits;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::base::Base;
use super::edit::Edit;
use super::enrichment::ItemData;
use super::event::{Event, ImportedFile, ImportedItem, Record};
use super::extraction::ItemExtraction;
use super::item::{Hold, Item, Lease, PhaseState, Rare, Refusal, Return};
use super::json::{Extras, Json};
use super::names::{ItemId, Phase};
use super::op_ids::{OpIds, Operation};
use super::plan::{PhasePlan, Plan};
use super::replan;
use super::shelf::Shelf;
use super::status::Status;
use super::time::{SnapshotTimes, Timestamp};
use crate::faults::{self, Fault};
use crate::position::Seq;

pub use super::shelf::{Items, Packed};
pub use learn::Companion;

/// Everything that a fold over the log keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PipelineState {
    /// The plan in force.
    pub plan: Plan,
    shelf: Shelf,
    /// The last record folded.
    pub last_seq: Seq,
    /// The time of the newest record that changed an item.
    pub last_change_at: Option<Timestamp>,
    /// Reports that came too late.
    pub rejected: u64,
    /// The files that were taken over.
    pub imports: Vec<ImportSource>,
    /// What the imported document said about itself.
    pub document: Document,
    /// What the file of the items' data is, once there is any.
    pub enrichment: Option<Companion>,
    /// What the file of the items' extraction is, once there is any.
    pub extraction: Option<Companion>,
    /// The ids under which reports were made.
    pub op_ids: OpIds,
    /// The ids that the base has are in `op_ids`.
    operations_taken: bool,
}

/// A file that was taken over, as far as it matters later.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImportSource {
    /// The record.
    pub seq: Seq,
    /// Where it was.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, as 64 hex digits.
    pub sha256: String,
}

/// What stands in the snapshot beside plan and items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The `session` of the imported file.
    pub session: Option<Json>,
    /// When the store was made: the session's start where no file was imported.
    pub started_at: Option<Timestamp>,
    /// Fields of the document that we do not know.
    pub extras: Extras,
    /// How snapshots write times.
    pub times: SnapshotTimes,
}

impl PipelineState {
    /// A state out of a snapshot. Two items with one name cannot be told apart: the second is dropped.
    pub fn from_parts(plan: Plan, items: impl IntoIterator<Item = Item>) -> Self {
        let mut state = Self {
            plan,
            ..Self::default()
        };
        for item in items {
            state.push(item);
        }
        state
    }

    /// Adds an item out of a snapshot, unless one of its name is there: then false.
    pub fn push(&mut self, item: Item) -> bool {
        self.shelf.push(item)
    }

    /// A state with items that a state had, each of another name: they are not compared with each other again.
    pub fn from_distinct(plan: Plan, items: Vec<Packed>) -> Self {
        Self {
            plan,
            shelf: Shelf::of_distinct(items),
            ..Self::default()
        }
    }

    /// A state whose items stand on `base` until they are touched: it answers [`super::Facts`] and takes records as the whole
    /// does, at a cost that does not grow with the number of items. Nothing that comes of it counts unless
    /// [`PipelineState::is_sound`] says so afterwards.
    pub fn over(base: Arc<dyn Base>, plan: Plan) -> Self {
        Self {
            shelf: Shelf::over(base, plan.phases().len()),
            plan,
            ..Self::default()
        }
    }

    /// True as long as everything that it said and took counts: always, if all items are in memory.
    pub fn is_sound(&self) -> bool {
        self.shelf.is_sound()
    }

    /// The items over the base, by index, that were touched since; `None` if all items are in memory.
    pub fn touched(&self) -> Option<&BTreeMap<usize, Item>> {
        self.shelf.touched()
    }

    /// Puts the state, as it stands, on another base, which has every item as it is here.
    pub fn rebase(&mut self, base: Arc<dyn Base>) {
        self.shelf = Shelf::over(base, self.plan.phases().len());
        self.op_ids = OpIds::default();
        self.operations_taken = false;
    }

    /// The ids under which reports were made, wherever they stand.
    pub fn operations(&self) -> &OpIds {
        match self.shelf.operations() {
            Some(of_base) if !self.operations_taken => of_base,
            _ => &self.op_ids,
        }
    }

    /// The operation ids, if they changed since the base; `None` too if all items are in memory.
    pub fn changed_operations(&self) -> Option<&OpIds> {
        self.operations_taken.then_some(&self.op_ids)
    }

    /// Loads the items that these events are about, so that their records can be taken in without asking the base.
    pub fn touch<'e>(&mut self, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            if let Some(item) = event.item() {
                self.shelf.touch(item);
            }
            if event.op().is_some() {
                self.take_operations();
            }
        }
    }

    /// All items, in their order.
    ///
    /// # Panics
    /// If not all items are in memory: [`PipelineState::over`] is for who asks for one.
    pub fn items(&self) -> Items<'_> {
        let all = self.shelf.all();
        all.expect("a state over a base is asked for one item at a time")
    }

    /// The items with anything that few have, a hold, an extraction, fields of other programs, or with phases that have any of
    /// [`super::item::Rare`]; in order, with their indexes.
    pub fn rare_items(&self) -> impl Iterator<Item = (usize, Cow<'_, Item>)> {
        self.shelf.rare()
    }

    /// The item at an index that this state gave.
    ///
    /// # Panics
    /// If there is none.
    pub fn item_at(&self, index: usize) -> Cow<'_, Item> {
        let item = self.shelf.item(index);
        item.expect("an index leads to the item that it was given for")
    }

    /// The name of the item at an index, without a look at the rest; `None` if there is none, or not all are in memory.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.shelf.name(index)
    }

    /// The name of the item at an index that this state gave, without a look at the rest.
    ///
    /// # Panics
    /// If there is none, or not all items are in memory.
    pub fn name_at(&self, index: usize) -> &str {
        let name = self.name(index);
        name.expect("an index leads to the item that it was given for")
    }

    /// The data of an item, if it has any, without a look at the rest: of a state that has all items in memory.
    pub fn data_at(&self, index: usize) -> Option<&ItemData> {
        self.shelf.data(index)
    }

    /// The data of each item that has any, in order, with the item's index.
    pub fn data(&self) -> impl Iterator<Item = (usize, &ItemData)> {
        let indexes = 0..self.shelf.len();
        indexes.filter_map(|index| Some((index, self.shelf.data(index)?)))
    }

    /// How the extraction of each item stands of which anything is known, by the item's name and in their order.
    pub fn extractions(&self) -> impl Iterator<Item = (&str, Box<ItemExtraction>)> {
        self.rare_items().filter_map(|(index, item)| {
            let extraction = item.into_owned().extraction?;
            Some((self.shelf.name(index)?, extraction))
        })
    }

    /// The item at an index, to be changed by who puts a snapshot together; `None` if there is none.
    pub fn item_at_mut(&mut self, index: usize) -> Option<&mut Item> {
        self.shelf.at_mut(index)
    }

    /// The index of an item.
    pub fn index_of(&self, item: &str) -> Option<usize> {
        self.shelf.index_of(item)
    }

    /// How a phase of an item stands, by their names; `None` if there is no such item, or no such phase in the plan.
    pub fn phase_named(&self, item: &str, phase: &str) -> Option<PhaseState> {
        let item = self.item_at(self.index_of(item)?);
        item.phases.get(self.plan.index_of(phase)?).cloned()
    }

    /// Brings the base's operation ids into memory before one is added.
    fn take_operations(&mut self) {
        if !self.operations_taken
            && let Some(operations) = self.shelf.operations()
        {
            self.op_ids = operations.clone();
            self.operations_taken = true;
        }
    }

    /// Takes one record into the state. Never fails on a verified log, and never asks today's limits.
    ///
    /// A record that names an item or a phase that is not there makes it: its origin was in a range that a repair
    /// gave up, and what follows that range stays valid.
    pub fn apply(&mut self, record: &Record) {
        let (seq, at) = (record.seq, record.at);
        self.last_seq = seq;
        if self.document.started_at.is_none() && matches!(record.event, Event::Segment) {
            self.document.started_at = Some(at);
        }
        match &record.event {
            Event::Segment | Event::Compacted { .. } | Event::Noted { .. } => return,
            Event::Planned { phases } => return self.replan(phases.clone()),
            Event::Imported(file) => return self.note_import(record, file),
            Event::Rejected {
                item,
                phase,
                token,
                of,
                ..
            } => {
                self.rejected += 1;
                // The status stands, and so do the times: nothing of the item changed.
                if let Some(token) = *token {
                    let of = of.as_str().into();
                    let refused = Refusal { seq, token, of };
                    self.phase_mut(item, phase).note_refusal(refused);
                }
                return;
            }
            Event::Added { item, id, imported } => {
                self.add(item, id.as_deref(), imported.as_deref(), record);
            }
            Event::Held { item, reason } => {
                let hold = Hold {
                    seq,
                    reason: reason.clone(),
                };
                self.item_mut(item).hold = Some(Box::new(hold));
            }
            Event::Unheld { item } => self.item_mut(item).hold = None,
            // Below, with what a `completed` record brings.
            Event::Enriched { .. } | Event::Extracted { .. } => {}
            Event::Edited(edit) => self.take_edit(edit, record),
            phase_event => {
                let (Some(item), Some(phase)) = (phase_event.item(), phase_event.phase()) else {
                    unreachable!("every event left is about a phase of an item");
                };
                change_phase(self.phase_mut(item, phase), record);
                if let Some(op) = record.event.op() {
                    let operation = Operation {
                        id: op.to_owned(),
                        event: record.event.kind().to_owned(),
                        item: item.clone(),
                        phase: phase.clone(),
                    };
                    self.take_operations();
                    self.op_ids.note(seq, operation);
                }
            }
        }
        if let Some(item) = record.event.item() {
            self.learn(item, record);
            let imported = matches!(
                &record.event,
                Event::Added {
                    imported: Some(_),
                    ..
                }
            );
            let changed = self.item_mut(item);
            if !(imported && changed.last_updated.is_some()) {
                changed.last_updated = Some(at);
            }
            self.last_change_at = Some(at);
            self.shelf.refresh(&self.plan, item);
        }
    }

    fn add(
        &mut self,
        name: &ItemId,
        id: Option<&str>,
        imported: Option<&ImportedItem>,
        record: &Record,
    ) {
        // `decide` adds no item twice; an `added` behind a lost range may find the item made by a later record.
        if self.index_of(name.as_str()).is_some() {
            // It may get another id, by which a base would not find it.
            self.shelf.give_up_part();
        }
        let item = self.item_mut(name);
        item.created_at = Some(record.at);
        item.id = id.map(Into::into);
        let Some(imported) = imported else { return };
        item.created_at = imported.created_at;
        item.last_updated = imported.last_updated;
        item.extras = imported.extras.clone();
        for phase in &imported.phases {
            let started_at = phase.started_at;
            let lease = (phase.status == Status::InProgress).then(|| {
                Box::new(Lease {
                    // Without a start time the limit counts from the import.
                    at: started_at.unwrap_or(record.at),
                    wall_only: true,
                    boot: None,
                    owner: None,
                    progress: None,
                })
            });
            *self.phase_mut(name, &phase.phase) = PhaseState {
                status: phase.status,
                attempts: phase.attempts,
                since: record.seq,
                started_at,
                completed_at: phase.completed_at,
                ..PhaseState::default()
            }
            .with(Rare {
                retry_count: phase.retry_count,
                failed_at: phase.failed_at,
                stale_reset_at: phase.stale_reset_at,
                error_message: phase.error_message.as_deref().map(Into::into),
                lease,
                imported_status: phase.imported_status.as_deref().map(Into::into),
                extras: phase.extras.clone(),
                ..Rare::default()
            });
        }
    }

    fn take_edit(&mut self, edit: &Edit, record: &Record) {
        let Some(phase) = &edit.phase else {
            return edit.put_into_item(self.item_mut(&edit.item));
        };
        let phase = self.phase_mut(&edit.item, phase);
        if let Some(report) = edit.as_report(record) {
            change_phase(phase, &report);
        }
        edit.put_into_phase(phase);
        phase.tidy();
    }

    /// Puts a new plan in force. Phases keep their state by name; those that the plan lost are forgotten here, not in the log.
    fn replan(&mut self, mut phases: Vec<PhasePlan>) {
        let names = |phase: &mut PhasePlan| match std::mem::take(&mut phase.from) {
            own if own.is_empty() => vec![phase.phase.clone()],
            from => from,
        };
        let sources: Vec<Vec<Phase>> = phases.iter_mut().map(names).collect();
        let plan = Plan::from_record(phases);
        let old = std::mem::replace(&mut self.plan, plan);
        let index_of = |name: &Phase| old.index_of(name.as_str());
        let from: Vec<Vec<usize>> = sources
            .iter()
            .map(|names| names.iter().filter_map(index_of).collect())
            .collect();
        self.shelf.change_all(|item| {
            let mut before = std::mem::take(&mut item.phases);
            let mut take = |from: &usize| std::mem::take(&mut before[*from]);
            item.phases = from
                .iter()
                .map(|from| match from.as_slice() {
                    [] => PhaseState::default(),
                    several => replan::merged(several.iter().map(&mut take).collect()),
                })
                .collect();
        });
    }

    fn note_import(&mut self, record: &Record, file: &ImportedFile) {
        let seq = record.seq;
        let (path, bytes, sha256) = (file.path.clone(), file.bytes, file.sha256.clone());
        self.imports.push(ImportSource {
            seq,
            path,
            bytes,
            sha256,
        });
        if let Some(times) = file.times {
            self.document.times = times;
        }
        if self.note_companion(record, file) {
            return;
        }
        if file.session.is_some() {
            self.document.session.clone_from(&file.session);
        }
        if !file.extras.is_empty() {
            self.document.extras = file.extras.clone();
        }
    }

    fn item_mut(&mut self, name: &ItemId) -> &mut Item {
        self.shelf.item_mut(name, self.plan.phases().len())
    }

    fn phase_mut(&mut self, item: &ItemId, phase: &Phase) -> &mut PhaseState {
        let index = if let Some(index) = self.plan.index_of(phase.as_str()) {
            index
        } else {
            let push = |item: &mut Item| item.phases.push(PhaseState::default());
            self.shelf.change_all(push);
            self.plan.push_unplanned(phase.clone())
        };
        let item = self.item_mut(item);
        if item.phases.len() <= index {
            // A part that is unsound already, for the plan grew.
            item.phases.resize_with(index + 1, PhaseState::default);
        }
        &mut item.phases[index]
    }
}

/// What each event does to its phase, and no room for what it no longer has.
fn change_phase(phase: &mut PhaseState, record: &Record) {
    take_phase(phase, record);
    phase.tidy();
}

/// What each event does to its phase.
fn take_phase(phase: &mut PhaseState, record: &Record) {
    let (seq, at) = (record.seq, record.at);
    match &record.event {
        Event::Started {
            worker,
            boot,
            owner,
            ..
        } => {
            phase.attempts += 1;
            (phase.started_at, phase.completed_at, phase.failed_at) = (Some(at), None, None);
            phase.token = Some(seq);
            enter(phase, Status::InProgress, seq);
            phase.worker = worker.as_deref().map(Into::into);
            phase.lease = Some(Box::new(Lease {
                at,
                wall_only: record.clock_given,
                boot: boot.clone(),
                owner: owner.clone(),
                progress: None,
            }));
        }
        Event::Completed { .. } => {
            (phase.completed_at, phase.failed_at) = (Some(at), None);
            phase.error_message = None;
            enter(phase, Status::Completed, seq);
        }
        Event::Failed {
            error,
            permanent,
            due,
            ..
        } => {
            phase.retry_count += 1;
            phase.failed_at = Some(at);
            phase.error_message = Some(error.as_str().into());
            enter(phase, Status::Failed, seq);
            (phase.permanent, phase.due) = (*permanent, *due);
        }
        Event::Skipped { .. } => enter(phase, Status::Skipped, seq),
        Event::Released { .. } => {
            give_back(
                phase,
                Return {
                    seq,
                    token: phase.token,
                    cause: None,
                    elapsed_us: 0,
                    limit_us: 0,
                },
            );
        }
        Event::Reset {
            cause,
            elapsed_us,
            limit_us,
            ..
        } => {
            phase.stale_reset_at = Some(at);
            let (elapsed_us, limit_us) = (*elapsed_us, *limit_us);
            give_back(
                phase,
                Return {
                    seq,
                    token: phase.token,
                    cause: Some(*cause),
                    elapsed_us,
                    limit_us,
                },
            );
        }
        Event::Retried { .. } => {
            (phase.started_at, phase.completed_at, phase.failed_at) = (None, None, None);
            if !faults::on(Fault::RetryKeepsTheToken) {
                phase.token = None;
            }
            phase.returned = None;
            phase.forgiven = phase.retry_count;
            enter(phase, Status::Pending, seq);
        }
        Event::Renewed { boot, progress, .. } => {
            if let Some(lease) = &mut phase.lease {
                (lease.at, lease.boot) = (at, boot.clone());
                if let Some(text) = progress {
                    lease.progress = Some(text.as_str().into());
                }
                lease.wall_only = record.clock_given;
            }
        }
        _ => {}
    }
}

/// What every change of status has in common: whatever belonged to the status before is over.
fn enter(phase: &mut PhaseState, status: Status, seq: Seq) {
    (phase.status, phase.since) = (status, seq);
    if let Some(rare) = phase.rare_mut() {
        (rare.worker, rare.lease) = (None, None);
        (rare.permanent, rare.due) = (false, None);
        rare.imported_status = None;
    }
}

fn give_back(phase: &mut PhaseState, how: Return) {
    phase.started_at = None;
    enter(phase, Status::Pending, how.seq);
    phase.returned = Some(Box::new(how));
}
