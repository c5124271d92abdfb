//! Why a phase stands where it stands: the records behind it, the rule, and what moves it on.

use super::event::ResetCause;
use super::item::Item;
use super::lease::{Evidence, Standing};
use super::names::Phase;
use super::plan::Plan;
use super::ready::{self, Reason};
use super::status::Status;
use super::time::{Now, human_duration};
use crate::position::Seq;

/// The answer to "why".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The phase asked about.
    pub phase: Phase,
    /// Its status.
    pub status: Status,
    /// Why it stands there.
    pub reason: Reason,
    /// The records behind that.
    pub because: Vec<Because>,
    /// The rule, in a sentence.
    pub rule: String,
    /// What moves it on.
    pub next: Next,
}

/// A phase, or a hold of the item, and the record that made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// The phase; the one asked about where a hold is the cause.
    pub phase: Phase,
    /// Its status, or `held`.
    pub status: &'static str,
    /// The record; `None` if there never was one.
    pub seq: Option<Seq>,
}

/// What moves a phase on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start this phase.
    Start(Phase),
    /// Give this phase back, by hand.
    Release(Phase),
    /// Give this phase another chance.
    Retry(Phase),
    /// Put this finished phase back to pending.
    RetryByForce(Phase),
    /// Let the item be worked on again.
    Unhold,
    /// Hand back what is stuck.
    Resume,
    /// Nothing: look at what came of it.
    Show,
}

/// Says why the phase at that index of the plan stands where it stands.
pub fn why(plan: &Plan, item: &Item, phase: usize, now: &Now, known: &dyn Evidence) -> Why {
    let (planned, state) = (&plan.phases()[phase], &item.phases[phase]);
    let reason = ready::reason_known(plan, item, phase, now, known);
    let because = match &reason {
        Reason::Waiting(needs) => all_standing(plan, item, needs),
        Reason::Ready if !planned.needs.is_empty() => all_standing(plan, item, &planned.needs),
        Reason::Held => vec![Because {
            phase: planned.phase.clone(),
            status: "held",
            seq: item.hold.as_ref().map(|hold| hold.seq),
        }],
        _ => standing(plan, item, &planned.phase).into_iter().collect(),
    };
    Why {
        phase: planned.phase.clone(),
        status: state.status,
        rule: rule(plan, item, phase, &reason, now, known),
        next: next(plan, item, phase, &reason, now, known),
        because,
        reason,
    }
}

/// The phase to speak of where nobody named one: the one that makes the item what it is.
pub fn telling_phase(item: &Item) -> Option<usize> {
    let first = |status| item.phases.iter().position(|phase| phase.status == status);
    first(Status::Failed)
        .or_else(|| first(Status::InProgress))
        .or_else(|| first(Status::Pending))
        .or_else(|| item.phases.len().checked_sub(1))
}

fn all_standing(plan: &Plan, item: &Item, phases: &[Phase]) -> Vec<Because> {
    phases
        .iter()
        .filter_map(|phase| standing(plan, item, phase))
        .collect()
}

fn standing(plan: &Plan, item: &Item, phase: &Phase) -> Option<Because> {
    let state = item.phases.get(plan.index_of(phase.as_str())?)?;
    let seq = Some(state.since).filter(|&since| since != Seq::NONE);
    Some(Because {
        phase: phase.clone(),
        status: state.status.as_str(),
        seq,
    })
}

fn rule(
    plan: &Plan,
    item: &Item,
    phase: usize,
    reason: &Reason,
    now: &Now,
    known: &dyn Evidence,
) -> String {
    let (planned, state) = (&plan.phases()[phase], &item.phases[phase]);
    let limit = human_duration(planned.limit_micros());
    let standing = Standing::of(state, planned.limit_micros(), now, known);
    let elapsed = standing.as_ref().map_or(0, |one| one.elapsed().micros);
    let elapsed = human_duration(elapsed);
    let more = standing.as_ref().map(Standing::words).unwrap_or_default();
    let more = if more.is_empty() {
        more
    } else {
        format!("; {more}")
    };
    match reason {
        Reason::Ready if planned.needs.is_empty() => {
            "it needs no other phase and may start at any time".to_owned()
        }
        Reason::Ready => format!(
            "it needs {}, and all of that is completed or skipped",
            list(&planned.needs)
        ),
        Reason::Waiting(needs) => {
            format!(
                "it starts only when every phase it needs is completed or skipped; {} not yet",
                are(needs)
            )
        }
        Reason::Held => match item.hold.as_ref().and_then(|hold| hold.reason.as_deref()) {
            Some(why) => format!("nothing of a held item starts, and somebody holds it: {why}"),
            None => "nothing of a held item starts, and somebody holds it".to_owned(),
        },
        Reason::BackingOff(due) => format!(
            "after failure {} it is tried again by itself, not before {due}",
            state.failures()
        ),
        Reason::InProgress => {
            format!("its last sign of life was {elapsed} ago; the limit is {limit}{more}")
        }
        Reason::Stuck => {
            let cause = standing.as_ref().and_then(Standing::cause);
            let rule = match cause {
                Some(ResetCause::OwnerDead) => {
                    "the process that did the work is gone, so nobody goes on with it".to_owned()
                }
                Some(ResetCause::Reboot) => {
                    "the machine was started again, so whoever did the work is gone".to_owned()
                }
                _ => format!(
                    "its last sign of life was {elapsed} ago, more than the limit of {limit}"
                ),
            };
            format!("{rule}: the next resume hands it back{more}")
        }
        Reason::Failed => {
            "it failed, and the plan gives it no max_attempts: a person decides".to_owned()
        }
        Reason::Exhausted if state.permanent => {
            "it was reported as failed for good: trying again by itself is no use".to_owned()
        }
        Reason::Exhausted => {
            let most = planned.max_attempts.unwrap_or_default();
            format!(
                "it failed {} times, and the plan allows {most}",
                state.failures()
            )
        }
        Reason::Completed => {
            "it is done; completed phases are never started again by themselves".to_owned()
        }
        Reason::Skipped => {
            "it was skipped, which counts as settled for phases that need it".to_owned()
        }
    }
}

fn next(
    plan: &Plan,
    item: &Item,
    phase: usize,
    reason: &Reason,
    now: &Now,
    known: &dyn Evidence,
) -> Next {
    let name = || plan.phases()[phase].phase.clone();
    match reason {
        Reason::Ready => Next::Start(name()),
        // What moves the first of the needs on; a plan has no circles.
        Reason::Waiting(needs) => {
            let need = needs.first().and_then(|need| plan.index_of(need.as_str()));
            match need.filter(|&need| need < item.phases.len()) {
                Some(need) => {
                    let reason = ready::reason_known(plan, item, need, now, known);
                    next(plan, item, need, &reason, now, known)
                }
                None => Next::Show,
            }
        }
        Reason::Held => Next::Unhold,
        Reason::InProgress => Next::Release(name()),
        Reason::Stuck => Next::Resume,
        Reason::BackingOff(_) | Reason::Failed | Reason::Exhausted => Next::Retry(name()),
        Reason::Completed => Next::Show,
        Reason::Skipped => Next::RetryByForce(name()),
    }
}

fn list(phases: &[Phase]) -> String {
    match phases {
        [] => String::new(),
        [one] => one.to_string(),
        [before @ .., last] => {
            let before: Vec<&str> = before.iter().map(Phase::as_str).collect();
            format!("{} and {last}", before.join(", "))
        }
    }
}

fn are(phases: &[Phase]) -> String {
    let verb = if phases.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", list(phases))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::item::{Hold, Lease};
    use crate::pipeline::lease::RecordsOnly;
    use crate::pipeline::{ItemId, Timestamp};

    const MINUTE: i64 = 60_000_000;

    fn plan() -> Plan {
        let text = r#"[{"phase":"a"},{"phase":"b","needs":["a"],"max_attempts":3},{"phase":"c","needs":["a","b"]}]"#;
        Plan::new(serde_json::from_str(text).unwrap()).unwrap()
    }

    fn item() -> Item {
        Item::new(ItemId::new("x").unwrap(), 3)
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_micros(minute * MINUTE).unwrap()
    }

    fn now(minute: i64) -> Now {
        Now {
            at: at(minute),
            given: true,
            boot: None,
        }
    }

    fn phase(name: &str) -> Phase {
        Phase::new(name).unwrap()
    }

    #[test]
    fn a_waiting_phase_names_what_it_waits_for_and_what_moves_that_on() {
        let mut item = item();
        (item.phases[0].status, item.phases[0].since) = (Status::Failed, Seq::new(7));
        let why = why(&plan(), &item, 2, &now(0), &RecordsOnly);
        assert_eq!(why.reason.as_str(), "waiting");
        assert_eq!(
            why.because,
            [
                Because {
                    phase: phase("a"),
                    status: "failed",
                    seq: Some(Seq::new(7))
                },
                Because {
                    phase: phase("b"),
                    status: "pending",
                    seq: None
                },
            ]
        );
        assert_eq!(
            why.rule,
            "it starts only when every phase it needs is completed or skipped; a and b are not yet"
        );
        assert_eq!(why.next, Next::Retry(phase("a")));
    }

    #[test]
    fn every_reason_has_its_rule() {
        let of = |change: &dyn Fn(&mut Item), index| {
            let mut item = item();
            change(&mut item);
            let why = why(&plan(), &item, index, &now(40), &RecordsOnly);
            (why.reason.as_str(), why.rule, why.next)
        };
        let ready = of(&|_| {}, 0);
        assert_eq!(
            ready,
            (
                "ready",
                "it needs no other phase and may start at any time".into(),
                Next::Start(phase("a"))
            )
        );
        let held = of(
            &|item| {
                item.hold = Some(Box::new(Hold {
                    seq: Seq::new(4),
                    reason: Some("owner called".into()),
                }));
            },
            0,
        );
        assert_eq!(
            held.1,
            "nothing of a held item starts, and somebody holds it: owner called"
        );
        let started = |minute: i64| {
            move |item: &mut Item| {
                item.phases[0].status = Status::InProgress;
                let lease = Lease {
                    at: at(minute),
                    wall_only: true,
                    boot: None,
                    owner: None,
                    progress: None,
                };
                item.phases[0].lease = Some(Box::new(lease));
            }
        };
        assert_eq!(
            of(&started(20), 0).1,
            "its last sign of life was 20m ago; the limit is 30m"
        );
        assert_eq!(of(&started(9), 0), (
            "stuck",
            "its last sign of life was 31m ago, more than the limit of 30m: the next resume hands it back".into(),
            Next::Resume,
        ));
        let failed = |times| {
            move |item: &mut Item| {
                item.phases[0].status = Status::Completed;
                (item.phases[1].status, item.phases[1].retry_count) = (Status::Failed, times);
                item.phases[1].due = Some(at(50));
            }
        };
        assert_eq!(
            of(&failed(1), 1).1,
            "after failure 1 it is tried again by itself, not before 1970-01-01T00:50:00.000000Z"
        );
        let exhausted = of(&failed(3), 1);
        assert_eq!(
            (exhausted.0, &*exhausted.1),
            ("exhausted", "it failed 3 times, and the plan allows 3")
        );
    }

    #[test]
    fn the_phase_that_makes_the_item_what_it_is() {
        let mut item = item();
        assert_eq!(telling_phase(&item), Some(0));
        item.phases[0].status = Status::Completed;
        item.phases[2].status = Status::Failed;
        assert_eq!(telling_phase(&item), Some(2));
        item.phases
            .iter_mut()
            .for_each(|phase| phase.status = Status::Skipped);
        assert_eq!(telling_phase(&item), Some(2));
    }
}
