//! A new plan for a pipeline that lives: which phase of it goes on from which of the old one.
//!
//! ```text
//!   {"phase":"a"}                       the old a, or a new phase
//!   {"phase":"b","from":["a"]}          the old a under a new name
//!   {"phase":"c","from":["a","b"]}      the old a and b in one: failed if either is, else pending if either is, else done
//!   (an old phase that no new one goes on from is dropped: it stays in the log and is in no state any more)
//! ```
//!
//! A phase that is in progress somewhere cannot be dropped, renamed or merged: its worker holds a token for it by name.

use super::command::{Decision, Unchanged};
use super::event::Event;
use super::facts::Facts;
use super::item::PhaseState;
use super::names::Phase;
use super::plan::{PhasePlan, Plan};
use super::rejection::Rejection;
use super::status::Status;

/// Decides on a new plan, whose phases are a plan when seen alone.
pub(super) fn decide(facts: &dyn Facts, phases: &[PhasePlan]) -> Result<Decision, Rejection> {
    let old = facts.plan();
    if phases == old.phases() {
        return Ok(Decision::Unchanged(Unchanged::Plan));
    }
    check_sources(old, phases)?;
    // In progress, and not under its own name in the new plan.
    let gone: Vec<usize> = (0..old.phases().len())
        .filter(|&index| {
            let name = &old.phases()[index].phase;
            !phases
                .iter()
                .any(|new| new.phase == *name && sources(new) == [name])
        })
        .collect();
    if let Some(place) = facts
        .in_progress()
        .find(|place| gone.contains(&place.phase))
        && let Some(item) = facts.item(place.item)
    {
        let state = &item.phases[place.phase];
        let phase = old.phases()[place.phase].phase.clone();
        return Err(Rejection::PlanInUse {
            change: words_of_change(phases, &phase),
            item: item.name.clone(),
            phase,
            since: state.since,
            worker: state.worker.as_deref().map(str::to_owned),
        });
    }
    Ok(Decision::Record(vec![Event::Planned {
        phases: phases.to_vec(),
    }]))
}

/// What a new plan does to a phase that is not in it under its own name, in words.
fn words_of_change(phases: &[PhasePlan], old: &Phase) -> String {
    let goes_on = phases.iter().find(|new| sources(new).contains(&old));
    match goes_on.map(|new| (&new.phase, sources(new))) {
        None => format!("drop {old}"),
        Some((new, from)) if from.len() == 1 => format!("rename {old} to {new}"),
        Some((new, from)) => {
            let from: Vec<&str> = from.into_iter().map(Phase::as_str).collect();
            format!("merge {} into {new}", from.join(" and "))
        }
    }
}

/// The limits that go away because the new plan does not repeat them, a line for each phase that loses some. A plan says
/// all there is: what it leaves out is not kept, whether the phase has a new name or its old one.
pub fn limits_left_out(old: &Plan, phases: &[PhasePlan]) -> Vec<String> {
    let mut lines = Vec::new();
    for new in phases {
        for before in sources(new)
            .into_iter()
            .filter_map(|name| old.get(name.as_str()))
        {
            let limits = [
                (
                    "timeout_minutes",
                    before.timeout_minutes,
                    new.timeout_minutes,
                ),
                ("max_attempts", before.max_attempts, new.max_attempts),
                (
                    "backoff_seconds",
                    before.backoff_seconds,
                    new.backoff_seconds,
                ),
            ];
            let gone: Vec<String> = limits
                .into_iter()
                .filter_map(|(name, was, is)| {
                    Some(format!("{name} {}", was.filter(|_| is.is_none())?))
                })
                .collect();
            if !gone.is_empty() {
                let (was, gone) = (&before.phase, gone.join(" and "));
                let now = if *was == new.phase {
                    "does not any more".to_owned()
                } else {
                    format!("{} does not", new.phase)
                };
                lines.push(format!(
                    "{was} had {gone}, {now}: the new plan does not say it"
                ));
            }
        }
    }
    lines
}

/// The phases of the old plan that a phase goes on from, if they are there.
fn sources(phase: &PhasePlan) -> Vec<&Phase> {
    if phase.from.is_empty() {
        vec![&phase.phase]
    } else {
        phase.from.iter().collect()
    }
}

/// Each source is a phase of the old plan, and of one new phase only.
fn check_sources(old: &Plan, phases: &[PhasePlan]) -> Result<(), Rejection> {
    let refuse = |message: String| Err(Rejection::PlanChange { message });
    let mut taken: Vec<&Phase> = Vec::new();
    for new in phases {
        let name = &new.phase;
        if !new.from.is_empty() && old.index_of(name.as_str()).is_some() && !new.from.contains(name)
        {
            return refuse(format!(
                "phase {name} is in the plan already: name it in its from, or it would be dropped"
            ));
        }
        for source in sources(new) {
            let known = old.index_of(source.as_str()).is_some();
            if !known && !new.from.is_empty() {
                return refuse(format!(
                    "phase {name}: there is no phase {source} to go on from"
                ));
            }
            if known && taken.contains(&source) {
                return refuse(format!("two phases go on from {source}"));
            }
            taken.push(source);
        }
    }
    Ok(())
}

/// The state of a phase that goes on from these.
pub(super) fn merged(mut sources: Vec<PhaseState>) -> PhaseState {
    if sources.len() == 1 {
        return sources.remove(0);
    }
    let rank = |state: &PhaseState| match state.status {
        Status::InProgress => 4,
        Status::Failed => 3,
        Status::Pending => 2,
        Status::Completed => 1,
        Status::Skipped => 0,
    };
    let (attempts, failures, forgiven) = sources.iter().fold((0, 0, 0), |sum, state| {
        (
            sum.0 + state.attempts,
            sum.1 + state.retry_count,
            sum.2 + state.forgiven,
        )
    });
    let newest = sources
        .into_iter()
        .max_by_key(|state| (rank(state), state.completed_at, state.since));
    let mut merged = newest.unwrap_or_default();
    merged.attempts = attempts;
    (merged.retry_count, merged.forgiven) = (failures, forgiven);
    merged.tidy();
    merged
}
