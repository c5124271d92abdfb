use proptest::prelude::*;

use super::*;
use crate::pipeline::edit::{Change, Edit};
use crate::pipeline::event::{ImportedPhase, Record};
use crate::pipeline::{Item, Json, PipelineState, Status, Timestamp};

const ITEMS: [&str; 3] = ["1 A St", "2 B St", "3 C St"];
const PHASES: [&str; 3] = ["p0", "p1", "p2"];
const STATUSES: [Status; 5] = Status::ALL;

fn item(index: usize) -> ItemId {
    ItemId::new(ITEMS[index]).unwrap()
}

fn phase(index: usize) -> Phase {
    Phase::new(PHASES[index]).unwrap()
}

fn at(seq: Seq) -> Timestamp {
    Timestamp::EPOCH.plus_micros(seq.get() * 60_000_000)
}

fn apply(state: &mut PipelineState, events: impl IntoIterator<Item = Event>) {
    for event in events {
        let seq = state.last_seq.next();
        state.apply(&Record {
            seq,
            at: at(seq),
            clock_given: true,
            event,
        });
    }
}

fn fresh_state() -> PipelineState {
    let phases = PHASES
        .iter()
        .map(|it| PhasePlan::named(Phase::new(it).unwrap()));
    let mut state = PipelineState::default();
    let planned = Event::Planned {
        phases: phases.collect(),
    };
    let added = (0..ITEMS.len()).map(|index| Event::Added {
        item: item(index),
        id: None,
        imported: None,
    });
    apply(&mut state, [planned].into_iter().chain(added));
    state
}

/// One thing that a worker does to a phase.
fn step((item_at, phase_at, what): (usize, usize, u8)) -> Event {
    let (item, phase) = (item(item_at), phase(phase_at));
    let (token, late, op) = (None, false, None);
    match what {
        0 => Event::Started {
            item,
            phase,
            worker: None,
            boot: None,
            owner: None,
        },
        1 => Edit {
            item,
            phase: Some(phase),
            change: Change {
                was: Some(Status::Pending),
                now: Some(Status::Completed),
                ..Change::default()
            },
        }
        .into(),
        2 => Event::Failed {
            item,
            phase,
            token,
            late,
            op,
            error: "e".into(),
            permanent: false,
            due: None,
        },
        3 => Event::Released { item, phase, token },
        _ => Event::Retried { item, phase },
    }
}

impl From<Edit> for Event {
    fn from(edit: Edit) -> Self {
        Self::Edited(Box::new(edit))
    }
}

type File = Vec<(ItemId, ImportedItem)>;

/// The items as a snapshot shows them and an import reads them.
fn file_of(state: &PipelineState) -> File {
    let items = (0..state.item_count()).map(|index| {
        let item = Facts::item(state, index).unwrap();
        let phases = state.plan.phases().iter().zip(&item.phases);
        let phases = phases.map(|(planned, phase)| {
            let failed = phase.status == Status::Failed;
            let shows_end = !failed && phase.status != Status::InProgress;
            ImportedPhase {
                status: phase.status,
                started_at: phase.started_at,
                completed_at: phase.completed_at.filter(|_| shows_end),
                failed_at: phase.failed_at.filter(|_| failed),
                stale_reset_at: phase.stale_reset_at,
                error_message: phase.error_message.as_deref().map(str::to_owned),
                attempts: phase.attempts,
                retry_count: phase.retry_count,
                extras: phase.extras.clone(),
                ..fields::fresh(&planned.phase)
            }
        });
        let state = ImportedItem {
            phases: phases.collect(),
            extras: item.extras.clone(),
            ..ImportedItem::default()
        };
        (item.name.clone(), state)
    });
    items.collect()
}

/// A file as it is kept.
type Packed = Vec<(ItemId, PackedImport)>;

fn packed(file: &File) -> Packed {
    let packed = |state| PackedImport::of(state, &mut Vec::new());
    let items = file
        .iter()
        .map(|(name, state)| (name.clone(), packed(state)));
    items.collect()
}

fn items(file: &Packed) -> Vec<FileItem<'_>> {
    let items = file.iter().map(|(name, state)| FileItem {
        name,
        id: None,
        state,
        held: None,
    });
    items.collect()
}

fn merged(base: &PipelineState, theirs: &File, ours: &PipelineState, prefer_file: bool) -> Merged {
    let (before, theirs) = (packed(&file_of(base)), packed(theirs));
    let wanted = Merge {
        file: "w.json",
        theirs: items(&theirs),
        phases: base.plan.phases(),
        base: Some(Base {
            items: items(&before),
            phases: base.plan.phases(),
            state: base,
            from: MadeFrom::Snapshot,
            since: Vec::new(),
        }),
        touched: &|_, _| false,
        set_by: &|_, _, _| None,
        by_file: &|_| false,
        last: None,
        through: Seq::NONE,
        prefer_file,
    };
    merge(&wanted, ours)
}

/// A merge of a file that does not say when it was written.
fn filled_in(
    theirs: &File,
    ours: &PipelineState,
    touched: &[(usize, usize)],
    prefer: bool,
) -> Merged {
    let is_touched = |name: &ItemId, at: Option<&Phase>| {
        let is = |(item_at, phase_at): &(usize, usize)| {
            item(*item_at) == *name && at == Some(&phase(*phase_at))
        };
        touched.iter().any(is)
    };
    let theirs = packed(theirs);
    let wanted = Merge {
        file: "w.json",
        theirs: items(&theirs),
        phases: ours.plan.phases(),
        base: None,
        touched: &is_touched,
        set_by: &|_, _, _| None,
        by_file: &|_| false,
        last: None,
        through: ours.last_seq,
        prefer_file: prefer,
    };
    merge(&wanted, ours)
}

/// One thing that a person does to a phase in a file.
#[derive(Clone, Debug)]
enum Hand {
    Status(Status),
    Field(&'static str, u8),
    Remove(&'static str),
}

fn by_hand(file: &mut File, place: (usize, usize), hand: &Hand) {
    let phase = &mut file[place.0].1.phases[place.1];
    let number = |number: u8| serde_json::from_str::<Json>(&number.to_string()).unwrap();
    match hand {
        Hand::Status(status) => {
            phase.status = *status;
            if *status == Status::Failed {
                phase.error_message = Some("by hand".into());
            }
        }
        Hand::Field(key, value) => phase.extras.set("status", key, number(*value)),
        Hand::Remove(key) => phase.extras.remove(key),
    }
}

/// What can be seen of a state, without the places of its records.
fn seen(state: &PipelineState) -> Vec<(Status, Option<String>, String, u32)> {
    let items = (0..state.item_count()).flat_map(|index| {
        let item = Facts::item(state, index).unwrap().into_owned();
        item.phases.into_iter()
    });
    let seen = items.map(|phase| {
        let extras = serde_json::to_string(&phase.extras).unwrap();
        let error = phase.error_message.as_deref().map(str::to_owned);
        (phase.status, error, extras, phase.retry_count)
    });
    seen.collect()
}

fn any_place() -> impl Strategy<Value = (usize, usize)> {
    (0..ITEMS.len(), 0..PHASES.len())
}

fn any_steps() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    let step = (any_place(), 0_u8..5).prop_map(|((item, phase), what)| (item, phase, what));
    prop::collection::vec(step, 0..12)
}

fn any_hands() -> impl Strategy<Value = Vec<((usize, usize), Hand)>> {
    let hand = prop_oneof![
        prop::sample::select(STATUSES.to_vec()).prop_map(Hand::Status),
        (prop::sample::select(vec!["a", "b"]), 0_u8..3)
            .prop_map(|(key, value)| Hand::Field(key, value)),
        prop::sample::select(vec!["a", "b"]).prop_map(Hand::Remove),
    ];
    prop::collection::vec((any_place(), hand), 0..6)
}

fn worked_on(mut state: PipelineState, steps: &[(usize, usize, u8)]) -> PipelineState {
    apply(&mut state, steps.iter().copied().map(step));
    state
}

fn edited(base: &PipelineState, hands: &[((usize, usize), Hand)]) -> File {
    let mut file = file_of(base);
    for (place, hand) in hands {
        by_hand(&mut file, *place, hand);
    }
    file
}

proptest! {
    #[test]
    fn what_was_not_edited_gives_nothing(before in any_steps(), after in any_steps(), prefer: bool) {
        let base = worked_on(fresh_state(), &before);
        let ours = worked_on(base.clone(), &after);
        let merged = merged(&base, &file_of(&base), &ours, prefer);
        prop_assert_eq!((merged.events, merged.judged, merged.unchanged), (vec![], vec![], ITEMS.len()));
    }

    #[test]
    fn edits_and_records_that_do_not_touch_commute(before in any_steps(), after in any_steps(), hands in any_hands()) {
        let base = worked_on(fresh_state(), &before);
        let after: Vec<_> = after
            .into_iter()
            .filter(|(item, phase, _)| hands.iter().all(|(place, _)| *place != (*item, *phase)))
            .collect();
        let file = edited(&base, &hands);

        let mut log_first = worked_on(base.clone(), &after);
        let late = merged(&base, &file, &log_first, false);
        prop_assert_eq!(&late.judged, &vec![]);
        apply(&mut log_first, late.events);

        let mut file_first = base.clone();
        apply(&mut file_first, merged(&base, &file, &base, false).events);
        let file_first = worked_on(file_first, &after);
        prop_assert_eq!(seen(&log_first), seen(&file_first));
        // And what was done by hand is there.
        for (place, phase) in file.iter().zip(0..).flat_map(|((_, it), item)| {
            it.phases.iter().enumerate().map(move |(index, phase)| ((item, index), phase))
        }) {
            if hands.iter().any(|(hand, _)| *hand == place) {
                let item: &Item = &Facts::item(&log_first, place.0).unwrap();
                prop_assert_eq!(item.phases[place.1].status, phase.status);
                prop_assert!(phase.extras.iter().all(|it| item.phases[place.1].extras.get(&it.key) == Some(&it.value)));
            }
        }
    }

    #[test]
    fn merging_twice_gives_nothing_the_second_time(before in any_steps(), after in any_steps(), hands in any_hands(), prefer: bool) {
        let base = worked_on(fresh_state(), &before);
        let mut ours = worked_on(base.clone(), &after);
        let file = edited(&base, &hands);
        let first = merged(&base, &file, &ours, prefer);
        if prefer {
            prop_assert_eq!(&first.judged, &vec![]);
        }
        apply(&mut ours, first.events);
        let again = merged(&base, &file, &ours, prefer);
        prop_assert_eq!(again.events, vec![]);
        // Where the log stayed it stays, and that is said again.
        prop_assert_eq!(again.judged, first.judged);
    }

    #[test]
    fn another_file_counts_or_is_told_and_twice_is_once(before in any_steps(), hands in any_hands()) {
        let mut ours = worked_on(fresh_state(), &before);
        let touched: Vec<_> = before.iter().map(|(item, phase, _)| (*item, *phase)).collect();
        let file = edited(&ours, &hands);
        let told = filled_in(&file, &ours, &touched, false);
        // Whatever differs from what is there is recorded, or a finding of its phase.
        let mut after = ours.clone();
        apply(&mut after, told.events.clone());
        for (at, (name, theirs)) in file.iter().enumerate() {
            for (index, theirs) in theirs.phases.iter().enumerate() {
                let item: &Item = &Facts::item(&after, at).unwrap();
                let now = &item.phases[index];
                let is_same = now.status == theirs.status
                    && theirs.extras.iter().all(|it| now.extras.get(&it.key) == Some(&it.value));
                let of_phase = |it: &&Judgement| {
                    it.judged && it.item.as_deref() == Some(name.as_str()) && it.phase.as_deref() == Some(PHASES[index])
                };
                let findings = told.judged.iter().filter(of_phase).count();
                prop_assert!(is_same || findings == 1, "{theirs:?} {now:?} {findings}");
            }
        }
        let again = filled_in(&file, &after, &touched, false);
        prop_assert_eq!(&again.events, &vec![]);
        // Asked to, the file counts, and nothing is left to tell.
        let counts = filled_in(&file, &ours, &touched, true);
        prop_assert_eq!(&counts.judged, &vec![]);
        apply(&mut ours, counts.events);
        let again = filled_in(&file, &ours, &touched, true);
        prop_assert_eq!((again.events, again.judged), (vec![], vec![]));
        for (at, (_, theirs)) in file.iter().enumerate() {
            for (index, theirs) in theirs.phases.iter().enumerate() {
                let item: &Item = &Facts::item(&ours, at).unwrap();
                prop_assert_eq!(item.phases[index].status, theirs.status);
            }
        }
    }
}
