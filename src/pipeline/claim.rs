//! The next pieces of work, for whoever asks: the first that are ready, in item order then plan order.
//!
//! ```text
//!   ready -----------------> started, never given to two: decided under the lock
//!   none, but something runs, backs off, or another phase that is needed is ready -> E-NOTHING-READY
//!   none, and only a person can change that                                       -> E-DRAINED, with what is left
//! ```

use std::collections::BTreeSet;

use super::event::{Event, Owner};
use super::facts::{Facts, Place};
use super::lookup;
use super::names::{ItemId, Phase};
use super::plan::Plan;
use super::ready::{self, Reason};
use super::rejection::{Left, Rejection};
use super::status::Status;
use super::time::Now;

/// What somebody is ready to work on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Only this phase.
    pub phase: Option<Phase>,
    /// Who.
    pub worker: Option<String>,
    /// The process that does the work.
    pub owner: Option<Owner>,
    /// At most so many; 0 counts as 1.
    pub limit: usize,
    /// Not these: whoever asks gave them back a moment ago.
    pub except: Vec<(ItemId, Phase)>,
}

/// The starts that a claim comes to, given the resets that are recorded just before them.
///
/// # Errors
/// [`Rejection::UnknownPhase`], [`Rejection::NothingReady`], [`Rejection::Drained`].
pub fn claim(
    facts: &dyn Facts,
    wanted: &Claim,
    resets: &[Event],
    now: &Now,
) -> Result<Vec<Event>, Rejection> {
    let phase = match &wanted.phase {
        Some(phase) => Some(lookup::resolve_phase(facts, phase)?),
        None => None,
    };
    let returned: BTreeSet<Place> = resets
        .iter()
        .filter_map(|reset| place_of(facts, reset))
        .collect();
    let mut ready_again = returned
        .iter()
        .copied()
        .filter(|place| phase.is_none_or(|phase| place.phase == phase))
        .filter(|place| nothing_in_the_way(facts, *place))
        .peekable();
    let mut ready = ready::ready_of(facts, phase, now.at).peekable();
    let next = std::iter::from_fn(|| match (ready.peek(), ready_again.peek()) {
        (Some(one), Some(other)) if other < one => ready_again.next(),
        (None, _) => ready_again.next(),
        _ => ready.next(),
    });
    let except: Vec<Place> = wanted
        .except
        .iter()
        .filter_map(|(item, phase)| place_named(facts, item, phase))
        .collect();
    let started: Vec<Event> = next
        .filter(|place| !except.contains(place))
        .take(wanted.limit.max(1))
        .filter_map(|place| {
            Some(Event::Started {
                item: facts.item(place.item)?.name.clone(),
                phase: facts.plan().phases()[place.phase].phase.clone(),
                worker: wanted.worker.clone(),
                boot: now.boot.clone(),
                owner: wanted.owner.clone(),
            })
        })
        .collect();
    if started.is_empty() {
        return Err(nothing(facts, phase, &returned, now));
    }
    Ok(started)
}

fn place_of(facts: &dyn Facts, event: &Event) -> Option<Place> {
    place_named(facts, event.item()?, event.phase()?)
}

fn place_named(facts: &dyn Facts, item: &ItemId, phase: &Phase) -> Option<Place> {
    Some(Place {
        item: facts.find(item.as_str())?,
        phase: facts.plan().index_of(phase.as_str())?,
    })
}

/// True if a phase that goes back to pending can be started at once.
fn nothing_in_the_way(facts: &dyn Facts, place: Place) -> bool {
    let plan = facts.plan();
    facts.item(place.item).is_some_and(|item| {
        let planned = &plan.phases()[place.phase];
        item.hold.is_none() && ready::unmet_needs(plan, &item, planned).is_empty()
    })
}

/// Why there is nothing: wait, or ask a person.
fn nothing(
    facts: &dyn Facts,
    phase: Option<usize>,
    returned: &BTreeSet<Place>,
    now: &Now,
) -> Rejection {
    let that_matter = with_needs(facts.plan(), phase);
    let matters = |place: &Place| that_matter.contains(&place.phase);
    let running = facts
        .in_progress()
        .filter(|place| matters(place) && !returned.contains(place))
        .count();
    let mut startable = that_matter
        .iter()
        .filter(|phase| facts.any_startable(**phase));
    let goes_on = |place: &Place| matters(place) && nothing_in_the_way(facts, *place);
    if running > 0 || startable.next().is_some() || returned.iter().any(goes_on) {
        let due = that_matter
            .iter()
            .filter_map(|phase| facts.next_due(*phase))
            .min();
        return Rejection::NothingReady { running, due };
    }
    Rejection::Drained {
        left: left(facts, phase, returned, now),
    }
}

/// The phase and all that it needs, directly or through others; every phase if none is given.
fn with_needs(plan: &Plan, phase: Option<usize>) -> Vec<usize> {
    let Some(phase) = phase else {
        return (0..plan.phases().len()).collect();
    };
    let mut all = vec![phase];
    let mut at = 0;
    while let Some(&next) = all.get(at) {
        let needs = plan.phases()[next].needs.iter();
        for need in needs.filter_map(|need| plan.index_of(need.as_str())) {
            if !all.contains(&need) {
                all.push(need);
            }
        }
        at += 1;
    }
    all
}

fn left(facts: &dyn Facts, phase: Option<usize>, returned: &BTreeSet<Place>, now: &Now) -> Left {
    let mut left = Left::default();
    let is_wanted = |place: &Place| phase.is_none_or(|phase| place.phase == phase);
    for (place, reason) in ready::open_with_reasons(facts, now) {
        if !is_wanted(&place) {
            continue;
        }
        let failed = facts
            .item(place.item)
            .is_some_and(|item| item.phases[place.phase].status == Status::Failed);
        match reason {
            Reason::Held => left.held += 1,
            _ if failed => left.failed += 1,
            Reason::Waiting(_) => left.waiting += 1,
            _ => {}
        }
    }
    for place in returned.iter().filter(|place| is_wanted(place)) {
        match facts.item(place.item) {
            Some(item) if item.hold.is_some() => left.held += 1,
            _ => left.waiting += 1,
        }
    }
    left
}

#[cfg(test)]
mod tests;
