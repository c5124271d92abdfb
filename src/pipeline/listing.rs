//! Which items are listed, and what changed between two states.

use std::borrow::Cow;

use super::enrichment::{FieldChange, differences};
use super::extraction::ExtractionStatus;
use super::facts::Facts;
use super::item::Item;
use super::lease::Evidence;
use super::names::{ItemId, Phase};
use super::ready::{self, Reason};
use super::state::PipelineState;
use super::status::{ItemStatus, Status};
use super::time::Now;

/// What a list asks for. Everything given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The item's status.
    pub item_status: Option<ItemStatus>,
    /// The phase that the list is about, by its index in the plan.
    pub phase: Option<usize>,
    /// That phase's status.
    pub phase_status: Option<Status>,
    /// That phase, or any if none is given, is handed back by the next `resume`.
    pub stuck: bool,
}

/// The indexes of the items that a selection asks for, in order.
pub fn select(
    facts: &dyn Facts,
    selection: Selection,
    now: &Now,
    known: &dyn Evidence,
) -> Vec<usize> {
    let Selection {
        item_status,
        phase,
        phase_status,
        stuck,
    } = selection;
    let plan = facts.plan();
    let wanted = |&index: &usize| {
        let Some(item) = facts.item(index) else {
            return false;
        };
        let of_phase = |wanted| {
            phase
                .and_then(|phase| item.phases.get(phase))
                .is_some_and(|phase| phase.status == wanted)
        };
        let is_stuck = |phase: usize| {
            item.phases[phase].status == Status::InProgress
                && ready::reason_known(plan, &item, phase, now, known) == Reason::Stuck
        };
        item_status.is_none_or(|wanted| item.status() == wanted)
            && phase_status.is_none_or(of_phase)
            && (!stuck
                || match phase {
                    Some(phase) => is_stuck(phase),
                    None => (0..item.phases.len()).any(is_stuck),
                })
    };
    (0..facts.item_count()).filter(wanted).collect()
}

/// A phase that stands elsewhere than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The item.
    pub item: ItemId,
    /// The phase.
    pub phase: Phase,
    /// Its status before; `None` if there was no such phase of such an item.
    pub from: Option<Status>,
    /// Its status after.
    pub to: Option<Status>,
}

/// Every phase whose status differs, in the order of the later state; what is gone comes last.
pub fn changes(before: &PipelineState, after: &PipelineState) -> Vec<Change> {
    let mut all = Vec::new();
    for item in after.items() {
        let was = before
            .index_of(item.name.as_str())
            .map(|index| before.item_at(index));
        for (planned, phase) in after.plan.phases().iter().zip(&item.phases) {
            let name = planned.phase.as_str();
            let from = was
                .as_ref()
                .zip(before.plan.index_of(name))
                .and_then(|(was, index)| was.phases.get(index));
            let (from, to) = (from.map(|phase| phase.status), Some(phase.status));
            if from != to {
                all.push(Change {
                    item: item.name.clone(),
                    phase: planned.phase.clone(),
                    from,
                    to,
                });
            }
        }
    }
    for item in before.items() {
        for (planned, phase) in before.plan.phases().iter().zip(&item.phases) {
            let is_there = after.plan.index_of(planned.phase.as_str()).is_some()
                && after.index_of(item.name.as_str()).is_some();
            if !is_there {
                let from = Some(phase.status);
                all.push(Change {
                    item: item.name.clone(),
                    phase: planned.phase.clone(),
                    from,
                    to: None,
                });
            }
        }
    }
    all
}

/// Each field of the items' data that differs, in the order of the later state. An item that is gone is told by its
/// phases.
pub fn data_changes(before: &PipelineState, after: &PipelineState) -> Vec<(ItemId, FieldChange)> {
    let of_item = |item: Cow<'_, Item>| {
        let was = before
            .index_of(item.name.as_str())
            .and_then(|index| before.data_at(index));
        let name = item.name.clone();
        let changes = differences(was, item.data.as_deref()).into_iter();
        changes
            .map(move |change| (name.clone(), change))
            .collect::<Vec<_>>()
    };
    after.items().flat_map(of_item).collect()
}

/// An item whose extraction stands otherwise: how it stood, and how it stands.
pub type ExtractionMoved = (ItemId, Option<ExtractionStatus>, Option<ExtractionStatus>);

/// Each item whose extraction stands otherwise, in the order of the later state.
pub fn extraction_changes(before: &PipelineState, after: &PipelineState) -> Vec<ExtractionMoved> {
    let status = |item: &Item| item.extraction.as_ref().and_then(|it| it.status);
    let moved = after.items().map(|item| {
        let was = before
            .index_of(item.name.as_str())
            .map(|index| before.item_at(index));
        (
            item.name.clone(),
            was.as_deref().and_then(status),
            status(&item),
        )
    });
    moved.filter(|(_, from, to)| from != to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::lease::RecordsOnly;
    use crate::pipeline::{Item, Plan, Timestamp};

    fn state(plan: &str, items: &[(&str, &[Status])]) -> PipelineState {
        let plan = Plan::new(serde_json::from_str(plan).unwrap()).unwrap();
        let items = items.iter().map(|(name, phases)| {
            let mut item = Item::new(ItemId::new(name).unwrap(), phases.len());
            for (phase, status) in item.phases.iter_mut().zip(*phases) {
                phase.status = *status;
            }
            item
        });
        PipelineState::from_parts(plan, items)
    }

    #[test]
    fn changed_new_and_gone_phases_show() {
        use Status::{Completed, Failed, Pending};
        let before = state(
            r#"[{"phase":"a"},{"phase":"b"}]"#,
            &[("x", &[Pending, Failed])],
        );
        let after = state(
            r#"[{"phase":"c"},{"phase":"a"}]"#,
            &[("x", &[Pending, Completed]), ("y", &[Pending, Pending])],
        );
        let told: Vec<String> = changes(&before, &after)
            .iter()
            .map(|change| {
                let word = |status: Option<Status>| status.map_or("-", Status::as_str);
                format!(
                    "{} {} {} {}",
                    change.item,
                    change.phase,
                    word(change.from),
                    word(change.to)
                )
            })
            .collect();
        let wanted = [
            "x c - pending",
            "x a pending completed",
            "y c - pending",
            "y a - pending",
            "x b failed -",
        ];
        assert_eq!(told, wanted);
        assert!(changes(&after, &after).is_empty());
    }

    #[test]
    fn everything_asked_for_must_hold() {
        use Status::{Completed, Failed, Pending};
        let state = state(
            r#"[{"phase":"a"},{"phase":"b"}]"#,
            &[
                ("x", &[Completed, Failed]),
                ("y", &[Completed, Pending]),
                ("z", &[Pending, Pending]),
            ],
        );
        let now = Now {
            at: Timestamp::EPOCH,
            given: true,
            boot: None,
        };
        let pick = |selection| select(&state, selection, &now, &RecordsOnly);
        let all = Selection::default();
        assert_eq!(pick(all), [0, 1, 2]);
        assert_eq!(
            pick(Selection {
                item_status: Some(ItemStatus::Pending),
                ..all
            }),
            [1, 2]
        );
        assert_eq!(
            pick(Selection {
                phase: Some(0),
                phase_status: Some(Completed),
                ..all
            }),
            [0, 1]
        );
        assert!(pick(Selection { stuck: true, ..all }).is_empty());
    }
}
