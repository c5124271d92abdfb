//! Another chance: for one phase, for what failed of an item, for all that failed; and how long a failure waits for it.

use super::command::{Decision, Unchanged};
use super::event::Event;
use super::facts::Facts;
use super::item::Item;
use super::lookup;
use super::names::Phase;
use super::plan::{PhasePlan, Plan};
use super::rejection::Rejection;
use super::status::Status;
use super::time::{MICROS_PER_SEC, Now, Timestamp};

/// Puts back every failed phase, or those of one phase of the plan; with `cascade` also what was computed from them: every
/// settled or failed phase of the same item that needs one of them, directly or through others. What is in progress
/// stays in progress.
pub(super) fn all_failed(
    facts: &dyn Facts,
    phase: Option<&Phase>,
    cascade: bool,
) -> Result<Decision, Rejection> {
    let phase = match phase {
        Some(phase) => Some(lookup::resolve_phase(facts, phase)?),
        None => None,
    };
    let plan = facts.plan();
    let mut events = Vec::new();
    let mut last = None;
    for place in facts.open_phases() {
        // All of an item at once, so that each phase of it is put back once and in the order of the plan.
        if last.replace(place.item) == Some(place.item) {
            continue;
        }
        if let Some(item) = facts.item(place.item) {
            let again = again(plan, &item, phase, cascade);
            events.extend(again.into_iter().map(|phase| Event::Retried {
                item: item.name.clone(),
                phase: plan.phases()[phase].phase.clone(),
            }));
        }
    }
    if events.is_empty() {
        return Ok(Decision::Unchanged(Unchanged::NoFailure));
    }
    Ok(Decision::Record(events))
}

/// The phases of an item that are put back, by index.
fn again(plan: &Plan, item: &Item, phase: Option<usize>, cascade: bool) -> Vec<usize> {
    let failed = |index: usize| {
        item.phases[index].status == Status::Failed && phase.is_none_or(|phase| phase == index)
    };
    let mut chosen: Vec<bool> = (0..item.phases.len()).map(failed).collect();
    let mut grows = cascade;
    while grows {
        grows = false;
        for (index, planned) in plan.phases().iter().enumerate() {
            let needs = planned
                .needs
                .iter()
                .filter_map(|need| plan.index_of(need.as_str()));
            let computed = needs.into_iter().any(|need| chosen[need]);
            if computed && !chosen[index] {
                chosen[index] = true;
                grows = true;
            }
        }
    }
    let done = |index: &usize| {
        let status = item.phases[*index].status;
        chosen[*index] && !matches!(status, Status::Pending | Status::InProgress)
    };
    (0..item.phases.len()).filter(done).collect()
}

/// When a failure may be tried again: the plan's backoff, doubled with each failure before, and up to a quarter more, so
/// that what failed together is not tried again together. The chance comes from the item and the place in the log: the
/// same question has the same answer.
pub(super) fn due_after(
    facts: &dyn Facts,
    item: &Item,
    plan: &PhasePlan,
    failures: u32,
    now: &Now,
) -> Option<Timestamp> {
    let left = plan.max_attempts.is_some_and(|most| failures + 1 < most);
    let backoff = plan.backoff_seconds.filter(|&secs| secs > 0 && left)?;
    let doubled = u64::from(backoff).saturating_mul(1 << failures.min(20));
    let micros = doubled.saturating_mul(MICROS_PER_SEC);
    let chance = chance(item.name.as_str(), facts.last_seq().get());
    Some(
        now.at
            .plus_micros(micros.saturating_add(micros / 4 / 1_024 * chance)),
    )
}

/// 0 to 1,023, from FNV-1a over both.
fn chance(item: &str, seq: u64) -> u64 {
    let bytes = item.bytes().chain(seq.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 32) % 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_spread_and_repeats() {
        let drawn: Vec<u64> = (0..4_096)
            .map(|seq| chance("100 N Example St", seq))
            .collect();
        assert!(drawn.iter().all(|&one| one < 1_024));
        let low = drawn.iter().filter(|&&one| one < 512).count();
        assert!((1_800..2_300).contains(&low), "{low}");
        assert_eq!(drawn[7], chance("100 N Example St", 7));
    }
}
