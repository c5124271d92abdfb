//! Why a command is refused, in words and fields.

use super::event::Event;
use super::facts::Facts;
use super::names::{ItemId, Phase};
use super::status::Status;
use super::time::Timestamp;
use crate::position::Seq;

/// Open phases that nothing but a person can move, when nothing is left to claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Left {
    /// Failed, and not tried again by themselves.
    pub failed: usize,
    /// Of items that a person holds.
    pub held: usize,
    /// Waiting for one of the others.
    pub waiting: usize,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::default() {
            return f.write_str("everything is completed or skipped");
        }
        write!(
            f,
            "{} failed, {} held, {} waiting",
            self.failed, self.held, self.waiting
        )
    }
}

/// What is known of the right that a refused token gave. Not every token of the past is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostClaim {
    /// It held, and what took it away is known.
    Lost,
    /// It may have held once; it does not now.
    NotHeld,
    /// No record of that number exists yet.
    Never,
}

impl LostClaim {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "no longer holds",
            Self::NotHeld => "does not hold",
            Self::Never => "never held",
        }
    }
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// No such item.
    #[error("no item {item:?}")]
    UnknownItem {
        /// What was given.
        item: String,
        /// The names most like it.
        nearest: Vec<String>,
    },
    /// Several items have that id.
    #[error("{text} is the id of {} items", items.len())]
    AmbiguousItem {
        /// What was given.
        text: String,
        /// Who has it.
        items: Vec<ItemId>,
    },
    /// No such phase in the plan.
    #[error("no phase {phase}")]
    UnknownPhase {
        /// What was given.
        phase: Phase,
        /// The phases there are.
        known: Vec<Phase>,
    },
    /// The token does not hold the phase, or not any more.
    #[error("token {token} {} {phase} of {item}{why}", claim.as_str())]
    StaleToken {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// What was reported with.
        token: Seq,
        /// What is known of the token's right.
        claim: LostClaim,
        /// What happened since, as text that begins with `: `, or nothing.
        why: String,
        /// The record that took it away, where that is known.
        seq: Option<Seq>,
        /// Somebody else is at it now.
        taken: bool,
        /// The event that the report would have become.
        of: &'static str,
    },
    /// Somebody is at it.
    #[error("{phase} of {item} is in progress since {since}{}", worker.as_ref().map(|w| format!(" by {w}")).unwrap_or_default())]
    InProgress {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The record that began it.
        since: Seq,
        /// Who is at it.
        worker: Option<String>,
    },
    /// The transition table does not allow it.
    #[error("cannot {verb} {phase} of {item}: it is {}{}", status.as_str(), since_text(*since))]
    Transition {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// What was wanted.
        verb: &'static str,
        /// Where the phase stands.
        status: Status,
        /// The record that gave it that status; [`Seq::NONE`] if none ever did.
        since: Seq,
    },
    /// The phase is completed, and the report brings data that the item does not have.
    #[error("cannot complete {phase} of {item} with new data: it is completed{}", since_text(*since))]
    NewData {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The record that completed it; [`Seq::NONE`] if none did.
        since: Seq,
        /// The new data is an outcome of image extraction, not of the item's fields.
        extraction: bool,
    },
    /// The item's data would be nested deeper than anything that reads it can follow.
    #[error(
        "the data of {item} would be nested {levels} levels deep; at most {limit} can be read again"
    )]
    TooDeep {
        /// The item.
        item: ItemId,
        /// How deep, the object itself counted.
        levels: usize,
        /// How deep at most.
        limit: usize,
    },
    /// The data names another item than the one that it is about.
    #[error(
        "the data of {item} cannot have {given} as its full_address: that field tells readers which item the data is about"
    )]
    OtherAddress {
        /// The item.
        item: ItemId,
        /// What the field would be, as JSON.
        given: String,
    },
    /// Phases that this one needs are not settled.
    #[error("cannot start {phase} of {item}: it needs {}", join(unmet))]
    Needs {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// What it waits for.
        unmet: Vec<Phase>,
    },
    /// Nothing is ready now, but something that runs or backs off may still unlock work.
    #[error("nothing can be claimed now: {}", what_goes_on(*running, *due))]
    NothingReady {
        /// Phases in progress that may unlock some.
        running: usize,
        /// When the first of those that back off may be tried again.
        due: Option<Timestamp>,
    },
    /// Nothing can change without a person.
    #[error("nothing is left to claim: {left}")]
    Drained {
        /// What is left.
        left: Left,
    },
    /// The new plan would take a phase away from whoever is at it.
    #[error("cannot {change}: {phase} of {item} is in progress since {since}{}", worker.as_ref().map(|w| format!(" by {w}")).unwrap_or_default())]
    PlanInUse {
        /// What the new plan does to the phase, in words: `drop list`, `rename list to houses`.
        change: String,
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The record that began it.
        since: Seq,
        /// Who is at it.
        worker: Option<String>,
    },
    /// The plan cannot become that one.
    #[error("{message}")]
    PlanChange {
        /// Why not.
        message: String,
    },
    /// The id of the report belongs to another one.
    #[error("op-id {id} is that of record {seq}: {event} {phase} of {item}")]
    OtherOperation {
        /// The item of the other report.
        item: ItemId,
        /// Its phase.
        phase: Phase,
        /// The event that it became.
        event: String,
        /// The id.
        id: String,
        /// The record.
        seq: Seq,
    },
    /// The record granted no work.
    #[error("{token} is no token: {what}")]
    NotAToken {
        /// What was given.
        token: Seq,
        /// What stands there.
        what: String,
    },
    /// A person holds the item.
    #[error("cannot start {phase} of {item}: it is held since {since}{}", reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
    Held {
        /// The item.
        item: ItemId,
        /// The phase.
        phase: Phase,
        /// The record that holds it.
        since: Seq,
        /// Why.
        reason: Option<String>,
    },
}

impl Rejection {
    /// The item that the refusal is about.
    pub fn item(&self) -> Option<&str> {
        match self {
            Self::UnknownItem { item, .. } => Some(item),
            Self::AmbiguousItem { .. }
            | Self::UnknownPhase { .. }
            | Self::NothingReady { .. }
            | Self::Drained { .. }
            | Self::NotAToken { .. }
            | Self::PlanChange { .. } => None,
            Self::StaleToken { item, .. }
            | Self::InProgress { item, .. }
            | Self::PlanInUse { item, .. }
            | Self::Transition { item, .. }
            | Self::NewData { item, .. }
            | Self::TooDeep { item, .. }
            | Self::OtherAddress { item, .. }
            | Self::Needs { item, .. }
            | Self::OtherOperation { item, .. }
            | Self::Held { item, .. } => Some(item.as_str()),
        }
    }

    /// The phase that the refusal is about.
    pub const fn phase(&self) -> Option<&Phase> {
        match self {
            Self::UnknownItem { .. }
            | Self::AmbiguousItem { .. }
            | Self::NothingReady { .. }
            | Self::Drained { .. }
            | Self::NotAToken { .. }
            | Self::TooDeep { .. }
            | Self::OtherAddress { .. }
            | Self::PlanChange { .. } => None,
            Self::UnknownPhase { phase, .. }
            | Self::StaleToken { phase, .. }
            | Self::InProgress { phase, .. }
            | Self::PlanInUse { phase, .. }
            | Self::Transition { phase, .. }
            | Self::NewData { phase, .. }
            | Self::Needs { phase, .. }
            | Self::OtherOperation { phase, .. }
            | Self::Held { phase, .. } => Some(phase),
        }
    }

    /// True if the same without its data would have been taken.
    pub const fn is_about_data(&self) -> bool {
        matches!(self, Self::TooDeep { .. } | Self::OtherAddress { .. })
    }

    /// The event that keeps this refusal for the audit: a late or stale report, if the same one is not on record already.
    /// Other refusals leave no record.
    pub fn to_be_recorded(&self, facts: &dyn Facts) -> Option<Event> {
        let Self::StaleToken {
            item,
            phase,
            token,
            of,
            ..
        } = self
        else {
            return None;
        };
        // A worker that hangs and says so every minute is told each time, and written down once.
        let index = facts.plan().index_of(phase.as_str())?;
        let known = facts.find(item.as_str()).and_then(|at| facts.item(at));
        if known?.phases[index]
            .refusal(*token, of, facts.last_seq())
            .is_some()
        {
            return None;
        }
        Some(Event::Rejected {
            item: item.clone(),
            phase: phase.clone(),
            token: Some(*token),
            of: (*of).to_owned(),
            code: "E-STALE-TOKEN".to_owned(),
        })
    }
}

/// What may still unlock work.
fn what_goes_on(running: usize, due: Option<Timestamp>) -> String {
    let running = (running > 0).then(|| format!("{running} in progress"));
    let due = due.map(|due| format!("the next may be tried again at {due}"));
    let both: Vec<String> = running.into_iter().chain(due).collect();
    if both.is_empty() {
        return "what it needs is to be done first".to_owned();
    }
    both.join(", ")
}

fn since_text(since: Seq) -> String {
    if since == Seq::NONE {
        String::new()
    } else {
        format!(" since {since}")
    }
}

fn join(phases: &[Phase]) -> String {
    phases
        .iter()
        .map(Phase::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
