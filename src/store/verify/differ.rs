//! Where two states differ that should be one: the snapshot, and the fold of every record through its place.

use sha2::{Digest, Sha256};

use crate::pipeline::{Item, ItemData, PhaseState, PipelineState};
use crate::position::Seq;

use super::{Finding, Verdict};
use crate::snapshot::set::ROOT;

/// The data of a snapshot's items, each as its SHA-256: two states with data are not in memory together.
pub(super) struct DataMarks(Vec<Option<[u8; 32]>>);

impl DataMarks {
    /// Takes the data out of a state.
    pub(super) fn take(state: &mut PipelineState) -> Self {
        let marks = Self::of(state);
        state.forget_data();
        marks
    }

    fn of(state: &PipelineState) -> Self {
        let items = 0..state.items().len();
        Self(items.map(|index| state.data_at(index).map(mark)).collect())
    }

    /// The index of the first item of which a state has other data.
    fn first_other(&self, state: &PipelineState) -> Option<usize> {
        let mut marks = self.0.iter().enumerate();
        let other = marks.find(|(index, mark)| state.data_at(*index).map(self::mark) != **mark);
        other.map(|(index, _)| index)
    }
}

/// What an item's data is, and who set it.
fn mark(data: &ItemData) -> [u8; 32] {
    let mut hash = Sha256::new();
    let object = data.object().as_str();
    hash.update((object.len() as u64).to_le_bytes());
    hash.update(object);
    let by = serde_json::to_vec(&(data.origin(), data.later()));
    hash.update(by.expect("who set what is plain JSON"));
    hash.finalize().into()
}

/// The first difference, as a finding; `None` if there is none. The data of the snapshot was taken out of it before.
///
/// Where records through that place were given up (`lost`), the snapshot may know more than the log still does.
pub(super) fn compare(
    (snapshot, data): (&PipelineState, &DataMarks),
    replayed: &PipelineState,
    seq: Seq,
    lost: bool,
) -> Option<Finding> {
    let (item, what) = difference(snapshot, data, replayed)?;
    let (weight, why) = if lost {
        (
            Verdict::Warnings,
            "; records before were given up, and the snapshot still knows them",
        )
    } else {
        (Verdict::Damaged, "")
    };
    let finding = Finding::of_file("V-DEEP", weight, ROOT).saying(format!(
        "the snapshot is not what a replay through record {seq} gives: {what}{why}"
    ));
    Some(Finding {
        seq: Some(seq),
        items: item.into_iter().collect(),
        items_certain: true,
        ..finding
    })
}

/// The first field in which the states differ, with the item it belongs to.
fn difference(
    snapshot: &PipelineState,
    data: &DataMarks,
    replayed: &PipelineState,
) -> Option<(Option<String>, String)> {
    let other_data = data.first_other(replayed);
    // What is shared with it stays where it is.
    let mut bare = replayed.clone();
    bare.forget_data();
    let replayed = &bare;
    if snapshot == replayed && other_data.is_none() {
        return None;
    }
    let whole = |what: &str| Some((None, what.to_owned()));
    if snapshot.plan != replayed.plan {
        return whole("the plan");
    }
    let (ours, theirs) = (snapshot.items(), replayed.items());
    for (ours, theirs) in ours.clone().zip(theirs.clone()) {
        if let Some(what) = item_difference(&ours, &theirs, snapshot) {
            let item = theirs.name.to_string();
            return Some((Some(item.clone()), format!("{item:?}: {what}")));
        }
    }
    if let Some(item) = other_data.and_then(|index| replayed.name(index)) {
        return Some((Some(item.to_owned()), format!("{item:?}: data")));
    }
    if ours.len() != theirs.len() {
        return whole(&format!(
            "it has {} items, the log {}",
            ours.len(),
            theirs.len()
        ));
    }
    let fields = [
        ("the last record", snapshot.last_seq == replayed.last_seq),
        (
            "the time of the last change",
            snapshot.last_change_at == replayed.last_change_at,
        ),
        (
            "the count of rejected reports",
            snapshot.rejected == replayed.rejected,
        ),
        ("what was imported", snapshot.imports == replayed.imports),
        (
            "the session",
            snapshot.document.session == replayed.document.session,
        ),
        (
            "the session's start",
            snapshot.document.started_at == replayed.document.started_at,
        ),
        (
            "fields of the document",
            snapshot.document.extras == replayed.document.extras,
        ),
    ];
    let field = fields.iter().find(|(_, same)| !same);
    whole(field.map_or("what is derived from the items", |(field, _)| field))
}

fn item_difference(ours: &Item, theirs: &Item, state: &PipelineState) -> Option<String> {
    let field = [
        ("name", ours.name == theirs.name),
        ("id", ours.id == theirs.id),
        ("created_at", ours.created_at == theirs.created_at),
        ("last_updated", ours.last_updated == theirs.last_updated),
        ("hold", ours.hold == theirs.hold),
        ("other fields", ours.extras == theirs.extras),
        ("number of phases", ours.phases.len() == theirs.phases.len()),
    ];
    if let Some((field, _)) = field.iter().find(|(_, same)| !same) {
        return Some((*field).to_owned());
    }
    let mut phases = ours
        .phases
        .iter()
        .zip(&theirs.phases)
        .zip(state.plan.phases());
    phases.find_map(|((ours, theirs), plan)| {
        phase_difference(ours, theirs).map(|field| format!("{} of {}", field, plan.phase))
    })
}

fn phase_difference(ours: &PhaseState, theirs: &PhaseState) -> Option<&'static str> {
    if ours == theirs {
        return None;
    }
    let fields = [
        ("status", ours.status == theirs.status),
        ("attempts", ours.attempts == theirs.attempts),
        ("retry_count", ours.retry_count == theirs.retry_count),
        ("forgiven", ours.forgiven == theirs.forgiven),
        ("since", ours.since == theirs.since),
        ("token", ours.token == theirs.token),
        ("started_at", ours.started_at == theirs.started_at),
        ("completed_at", ours.completed_at == theirs.completed_at),
        ("failed_at", ours.failed_at == theirs.failed_at),
        (
            "stale_reset_at",
            ours.stale_reset_at == theirs.stale_reset_at,
        ),
        ("due", ours.due == theirs.due),
        ("permanent", ours.permanent == theirs.permanent),
        ("worker", ours.worker == theirs.worker),
        ("error_message", ours.error_message == theirs.error_message),
        ("lease", ours.lease == theirs.lease),
        ("returned", ours.returned == theirs.returned),
        (
            "imported_status",
            ours.imported_status == theirs.imported_status,
        ),
    ];
    let field = fields.iter().find(|(_, same)| !same);
    Some(field.map_or("other fields", |(field, _)| field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Event, ItemId, Phase, PhasePlan, Record, Timestamp};

    fn folded(events: Vec<Event>) -> PipelineState {
        let mut state = PipelineState::default();
        for (seq, event) in (1..).zip(events) {
            let (seq, at) = (Seq::new(seq), Timestamp::EPOCH);
            state.apply(&Record {
                seq,
                at,
                clock_given: false,
                event,
            });
        }
        state
    }

    #[test]
    fn the_first_field_that_differs_is_named() {
        let (item, phase) = (ItemId::new("a").unwrap(), Phase::new("p").unwrap());
        let plan = Event::Planned {
            phases: vec![PhasePlan::named(phase.clone())],
        };
        let added = Event::Added {
            item: item.clone(),
            id: None,
            imported: None,
        };
        let started = |worker: &str| Event::Started {
            item: item.clone(),
            phase: phase.clone(),
            worker: Some(worker.to_owned()),
            boot: None,
            owner: None,
        };
        let base = folded(vec![plan.clone(), added.clone(), started("w1")]);
        let other = folded(vec![plan.clone(), added.clone(), started("w2")]);
        let compare = |snapshot: &PipelineState, replayed: &PipelineState, seq, lost| {
            let mut snapshot = snapshot.clone();
            let data = DataMarks::take(&mut snapshot);
            compare((&snapshot, &data), replayed, seq, lost)
        };
        assert_eq!(compare(&base, &base.clone(), Seq::new(3), false), None);
        let finding = compare(&base, &other, Seq::new(3), false).unwrap();
        assert!(
            finding.message.contains("\"a\": worker of p"),
            "{}",
            finding.message
        );
        assert_eq!(
            (finding.weight, finding.items),
            (Verdict::Damaged, vec!["a".to_owned()])
        );
        let fewer = folded(vec![plan.clone()]);
        let finding = compare(&base, &fewer, Seq::new(3), true).unwrap();
        assert_eq!(finding.weight, Verdict::Warnings);
        assert!(
            finding.message.contains("1 items, the log 0"),
            "{}",
            finding.message
        );
        let held = folded(vec![
            plan.clone(),
            added.clone(),
            Event::Held {
                item: item.clone(),
                reason: None,
            },
        ]);
        let finding = compare(&held, &base, Seq::new(3), false).unwrap();
        assert!(
            finding.message.contains("\"a\": last_updated") || finding.message.contains("hold")
        );
        let with = |object: &str, source: &str| {
            let text = format!(r#"{{"source":"{source}","object":{object}}}"#);
            let data = Box::new(serde_json::from_str(&text).unwrap());
            let item = item.clone();
            folded(vec![
                plan.clone(),
                added.clone(),
                Event::Enriched { item, data },
            ])
        };
        let had = with(r#"{"a":1}"#, "x");
        assert_eq!(compare(&had, &had.clone(), Seq::new(3), false), None);
        for other in [with(r#"{"a":2}"#, "x"), with(r#"{"a":1}"#, "y")] {
            let finding = compare(&had, &other, Seq::new(3), false).unwrap();
            assert!(
                finding.message.contains("\"a\": data"),
                "{}",
                finding.message
            );
        }
    }
}
