//! What is ready, in order, and why the rest is not.

use std::borrow::Cow;

use super::facts::{Facts, Place};
use super::item::{Item, PhaseState};
use super::lease::{Evidence, RecordsOnly, Standing};
use super::names::Phase;
use super::plan::{PhasePlan, Plan};
use super::status::Status;
use super::time::{Now, Timestamp};

/// Why a phase stands where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing stands in the way.
    Ready,
    /// Phases that it needs are not settled yet.
    Waiting(Vec<Phase>),
    /// A person holds the item.
    Held,
    /// It failed and may be tried again at that time.
    BackingOff(Timestamp),
    /// Somebody is at it, within the limit.
    InProgress,
    /// Somebody is or was at it, beyond the limit or provably dead: the next `resume` hands it back.
    Stuck,
    /// It failed, and the plan does not repeat by itself.
    Failed,
    /// It failed and has no attempts left.
    Exhausted,
    /// It is done.
    Completed,
    /// It will not be done.
    Skipped,
}

impl Reason {
    /// The word in output.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting(_) => "waiting",
            Self::Held => "held",
            Self::BackingOff(_) => "backing_off",
            Self::InProgress => "in_progress",
            Self::Stuck => "stuck",
            Self::Failed => "failed",
            Self::Exhausted => "exhausted",
            Self::Completed => "completed",
            Self::Skipped => "skipped",
        }
    }
}

/// The phases that must be settled before this one and are not.
pub fn unmet_needs(plan: &Plan, item: &Item, phase: &PhasePlan) -> Vec<Phase> {
    let unmet = |need: &&Phase| {
        let state = plan
            .index_of(need.as_str())
            .and_then(|index| item.phases.get(index));
        !state.is_some_and(|state| state.status.is_settled())
    };
    phase.needs.iter().filter(unmet).cloned().collect()
}

/// Why a phase stands where it stands, at this moment, as the records have it.
pub fn reason(plan: &Plan, item: &Item, phase: usize, now: &Now) -> Reason {
    reason_known(plan, item, phase, now, &RecordsOnly)
}

/// As [`reason`], also with what is known beyond the records.
pub fn reason_known(
    plan: &Plan,
    item: &Item,
    phase: usize,
    now: &Now,
    known: &dyn Evidence,
) -> Reason {
    let (planned, state) = (&plan.phases()[phase], &item.phases[phase]);
    match state.status {
        Status::Completed => Reason::Completed,
        Status::Skipped => Reason::Skipped,
        Status::InProgress => {
            match Standing::of(state, planned.limit_micros(), now, known).map(|one| one.cause()) {
                Some(Some(_)) => Reason::Stuck,
                _ => Reason::InProgress,
            }
        }
        Status::Failed if exhausted(planned, state) => Reason::Exhausted,
        Status::Failed if planned.max_attempts.is_none() => Reason::Failed,
        Status::Pending | Status::Failed => {
            let needs = unmet_needs(plan, item, planned);
            match state.due {
                _ if item.hold.is_some() => Reason::Held,
                _ if !needs.is_empty() => Reason::Waiting(needs),
                Some(due) if due > now.at => Reason::BackingOff(due),
                _ => Reason::Ready,
            }
        }
    }
}

/// True if nothing but time keeps a phase of an item from being started: it is [`Reason::Ready`] or
/// [`Reason::BackingOff`].
pub fn startable(plan: &Plan, item: &Item, phase: usize) -> bool {
    let (planned, state) = (&plan.phases()[phase], &item.phases[phase]);
    let open = match state.status {
        Status::Pending => true,
        Status::Failed => planned.max_attempts.is_some() && !exhausted(planned, state),
        Status::InProgress | Status::Completed | Status::Skipped => false,
    };
    open && item.hold.is_none() && unmet_needs(plan, item, planned).is_empty()
}

/// True if a failed phase has no attempts left.
pub fn exhausted(plan: &PhasePlan, state: &PhaseState) -> bool {
    let used_up = plan
        .max_attempts
        .is_some_and(|most| state.failures() >= most);
    state.status == Status::Failed && (state.permanent || used_up)
}

/// All phases that can be started now, in item order then plan order.
pub fn ready<'a>(facts: &'a dyn Facts, now: &'a Now) -> impl Iterator<Item = Place> + 'a {
    ready_of(facts, None, now.at)
}

/// As [`ready`], of one phase of the plan or of any.
pub fn ready_of(
    facts: &dyn Facts,
    phase: Option<usize>,
    now: Timestamp,
) -> impl Iterator<Item = Place> + '_ {
    let first = facts.first_ready(Place { item: 0, phase: 0 }, phase, now);
    std::iter::successors(first, move |last| {
        let from = Place {
            item: last.item,
            phase: last.phase + 1,
        };
        facts.first_ready(from, phase, now)
    })
}

/// All pending and failed phases with what they wait for, in item order then plan order.
pub fn open_with_reasons<'a>(
    facts: &'a dyn Facts,
    now: &'a Now,
) -> impl Iterator<Item = (Place, Reason)> + 'a {
    // One after the other are of one item.
    let mut known: Option<(usize, Cow<'_, Item>)> = None;
    facts.open_phases().filter_map(move |place| {
        let of_it = known.take().filter(|(index, _)| *index == place.item);
        let of_it = of_it.or_else(|| Some((place.item, facts.item(place.item)?)));
        let (_, item) = known.insert(of_it?);
        Some((place, reason(facts.plan(), item, place.phase, now)))
    })
}

/// Whether the work comes to an end, and to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Every phase is completed or skipped.
    Done,
    /// Something runs, is ready or backs off.
    GoesOn,
    /// Nothing can change without a person.
    Stopped(super::rejection::Left),
}

/// What is to be expected of one item, or of all.
pub fn outlook(facts: &dyn Facts, item: Option<usize>, now: &Now) -> Outlook {
    let (mut left, mut open) = (super::rejection::Left::default(), false);
    let indexes = item.map_or(0..facts.item_count(), |item| item..item + 1);
    for inside in indexes.filter_map(|index| facts.item(index)) {
        for phase in 0..inside.phases.len() {
            match reason(facts.plan(), &inside, phase, now) {
                Reason::Completed | Reason::Skipped => continue,
                Reason::Ready | Reason::BackingOff(_) | Reason::InProgress | Reason::Stuck => {
                    return Outlook::GoesOn;
                }
                Reason::Held if inside.phases[phase].status == Status::Pending => left.held += 1,
                Reason::Waiting(_) if inside.phases[phase].status == Status::Pending => {
                    left.waiting += 1;
                }
                Reason::Held | Reason::Waiting(_) | Reason::Failed | Reason::Exhausted => {
                    left.failed += 1;
                }
            }
            open = true;
        }
    }
    if open {
        Outlook::Stopped(left)
    } else {
        Outlook::Done
    }
}

/// How many items and phases stand where. Everything that a summary says is counted from this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items by status, in the order of [`super::status::ItemStatus::ALL`].
    pub items: [usize; 5],
    /// Phases by plan index, then by status in the order of [`Status::ALL`].
    pub phases: Vec<PhaseCounts>,
    /// Items that a person holds, whatever their status.
    pub held: usize,
    /// Failed phases without attempts left.
    pub exhausted: usize,
    /// Phases in progress that the next `resume` hands back.
    pub stuck: usize,
}

/// How many items stand where in one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseCounts {
    /// By status, in the order of [`Status::ALL`].
    pub by_status: [usize; 5],
    /// Can be started now.
    pub ready: usize,
    /// Waits for other phases.
    pub waiting: usize,
}

impl Counts {
    /// All items.
    pub fn total(&self) -> usize {
        self.items.iter().sum()
    }

    /// Completed items of all items, in percent with one decimal; 0 if there are none.
    pub fn completion_percentage(&self) -> f64 {
        match self.total() {
            0 => 0.0,
            total => (self.items[2] as f64 * 1000.0 / total as f64).round() / 10.0,
        }
    }

    /// Takes in one item, as it stands at this moment, and gives the reasons of its phases to `each`.
    pub fn take(
        &mut self,
        plan: &Plan,
        item: &Item,
        now: &Now,
        known: &dyn Evidence,
        each: &mut dyn FnMut(usize, &Reason),
    ) {
        self.phases
            .resize_with(plan.phases().len(), PhaseCounts::default);
        self.items[item.status() as usize] += 1;
        self.held += usize::from(item.hold.is_some());
        for (index, phase) in item.phases.iter().enumerate() {
            let of_phase = &mut self.phases[index];
            of_phase.by_status[phase.status as usize] += 1;
            let reason = reason_known(plan, item, index, now, known);
            match reason {
                Reason::Ready => of_phase.ready += 1,
                Reason::Waiting(_) => of_phase.waiting += 1,
                Reason::Stuck => self.stuck += 1,
                Reason::Exhausted => self.exhausted += 1,
                _ => {}
            }
            each(index, &reason);
        }
    }
}

/// Counts everything at this moment.
pub fn counts(facts: &dyn Facts, now: &Now) -> Counts {
    let plan = facts.plan();
    let mut counts = Counts {
        phases: vec![PhaseCounts::default(); plan.phases().len()],
        ..Counts::default()
    };
    for item in (0..facts.item_count()).filter_map(|index| facts.item(index)) {
        counts.take(plan, &item, now, &RecordsOnly, &mut |_, _| {});
    }
    counts
}
