//! Whether what somebody wants may happen: `decide`.
//!
//! The table of the design, row by row: the token is checked first, then the transition. Asks [`Facts`], changes nothing.

mod end;
mod learn;

pub use end::end_of_work;

use std::borrow::Cow;

use super::command::{Command, Decision, NewItem, Report, ReportKind, Unchanged};
use super::event::{Event, Owner};
use super::facts::Facts;
use super::item::{Item, PhaseState, Return};
use super::lease;
use super::lookup::resolve_phase;
use super::names::{ItemId, Phase};
use super::ready;
use super::rejection::{LostClaim, Rejection};
use super::status::Status;
use super::time::Now;
use super::{replan, retry};
use crate::faults::{self, Fault};
use crate::position::Seq;
use learn::{brought, enrich, extract};

/// Decides what a command comes to. Pure: whatever it is asked, the answer depends on `facts` and `now` alone.
///
/// # Errors
/// A [`Rejection`]; [`Rejection::to_be_recorded`] tells whether it leaves a record.
pub fn decide(facts: &dyn Facts, command: &Command, now: &Now) -> Result<Decision, Rejection> {
    let decision = choose(facts, command, now)?;
    if let Decision::Record(events) = &decision {
        events.iter().try_for_each(learn::can_be_kept)?;
    }
    Ok(decision)
}

fn choose(facts: &dyn Facts, command: &Command, now: &Now) -> Result<Decision, Rejection> {
    match command {
        Command::Add { items } => Ok(add(facts, items)),
        Command::Start {
            item,
            phase,
            worker,
            owner,
        } => start(
            &Target::find(facts, item, phase)?,
            worker.as_ref(),
            owner.as_ref(),
            now,
        ),
        Command::Report(report) => decide_report(
            &Target::find(facts, &report.item, &report.phase)?,
            report,
            now,
        ),
        Command::Retry {
            item,
            phase: Some(phase),
            force,
        } => retry_one(&Target::find(facts, item, phase)?, *force),
        Command::Retry {
            item, phase: None, ..
        } => retry_failed(facts, item),
        Command::RetryFailed { phase, cascade } => {
            retry::all_failed(facts, phase.as_ref(), *cascade)
        }
        Command::SetPlan { phases } => replan::decide(facts, phases),
        Command::Enrich { item, patch } => {
            let found = find(facts, item)?;
            enrich(&found, patch)
        }
        Command::Extract { item, status } => {
            let found = find(facts, item)?;
            extract(&found, *status)
        }
        Command::Hold { item, reason } => {
            let found = find(facts, item)?;
            let item = found.name.clone();
            match &found.hold {
                Some(hold) => unchanged_hold(item, Some(hold.seq)),
                None => record(Event::Held {
                    item,
                    reason: reason.clone(),
                }),
            }
        }
        Command::Unhold { item } => {
            let found = find(facts, item)?;
            let item = found.name.clone();
            match &found.hold {
                Some(_) => record(Event::Unheld { item }),
                None => unchanged_hold(item, None),
            }
        }
    }
}

/// A phase of an item, found.
struct Target<'a> {
    facts: &'a dyn Facts,
    item: Cow<'a, Item>,
    index: usize,
}

impl<'a> Target<'a> {
    fn find(facts: &'a dyn Facts, item: &ItemId, phase: &Phase) -> Result<Self, Rejection> {
        let item = find(facts, item)?;
        let index = resolve_phase(facts, phase)?;
        Ok(Self { facts, item, index })
    }

    fn state(&self) -> &PhaseState {
        &self.item.phases[self.index]
    }

    fn plan(&self) -> &super::plan::PhasePlan {
        &self.facts.plan().phases()[self.index]
    }

    /// Item and phase, for an event or a rejection.
    fn names(&self) -> (ItemId, Phase) {
        (self.item.name.clone(), self.plan().phase.clone())
    }

    fn unchanged(&self) -> Decision {
        let ((item, phase), state) = (self.names(), self.state());
        let (status, since) = (state.status, state.since);
        Decision::Unchanged(Unchanged::Phase {
            item,
            phase,
            status,
            since,
        })
    }

    fn illegal(&self, verb: &'static str) -> Rejection {
        let ((item, phase), state) = (self.names(), self.state());
        Rejection::Transition {
            item,
            phase,
            verb,
            status: state.status,
            since: state.since,
        }
    }
}

fn find<'a>(facts: &'a dyn Facts, item: &ItemId) -> Result<Cow<'a, Item>, Rejection> {
    let index = super::lookup::resolve(facts, item.as_str())?;
    Ok(facts.item(index).expect("an index that was just found"))
}

fn add(facts: &dyn Facts, items: &[NewItem]) -> Decision {
    let mut seen = std::collections::HashSet::new();
    let new = items
        .iter()
        .filter(|new| facts.find(new.name.as_str()).is_none() && seen.insert(&new.name))
        .map(|new| Event::Added {
            item: new.name.clone(),
            id: new.id.clone(),
            imported: None,
        });
    let events: Vec<Event> = new.collect();
    if events.is_empty() {
        Decision::Unchanged(Unchanged::Items {
            existing: items.len(),
        })
    } else {
        Decision::Record(events)
    }
}

fn start(
    target: &Target<'_>,
    worker: Option<&String>,
    owner: Option<&Owner>,
    now: &Now,
) -> Result<Decision, Rejection> {
    let ((item, phase), state) = (target.names(), target.state());
    match state.status {
        Status::Pending | Status::Failed => {}
        Status::InProgress => {
            let worker = state.worker.as_deref().map(str::to_owned);
            return Err(Rejection::InProgress {
                item,
                phase,
                since: state.since,
                worker,
            });
        }
        Status::Completed | Status::Skipped => return Err(target.illegal("start")),
    }
    if let Some(hold) = &target.item.hold {
        return Err(Rejection::Held {
            item,
            phase,
            since: hold.seq,
            reason: hold.reason.clone(),
        });
    }
    let unmet = ready::unmet_needs(target.facts.plan(), &target.item, target.plan());
    if !unmet.is_empty() {
        return Err(Rejection::Needs { item, phase, unmet });
    }
    record(Event::Started {
        item,
        phase,
        worker: worker.cloned(),
        boot: now.boot.clone(),
        owner: owner.cloned(),
    })
}

fn decide_report(target: &Target<'_>, report: &Report, now: &Now) -> Result<Decision, Rejection> {
    if let Some(answer) = known_operation(target, report) {
        return answer;
    }
    check_token(target, report)?;
    let decision = decide_outcome(target, report, now)?;
    if report.kind == ReportKind::Complete {
        return Ok(decision);
    }
    // What was found out before it went wrong stands beside it: all of the group, or nothing.
    let item = || target.item.name.clone();
    let ends = matches!(decision, Decision::Record(_));
    let (data, extraction) = brought(target, report, ends);
    let data = data.map(|data| Event::Enriched { item: item(), data });
    let extraction = extraction.map(|extraction| Event::Extracted {
        item: item(),
        extraction,
    });
    let more = data.into_iter().chain(extraction);
    Ok(match decision {
        Decision::Record(mut events) => {
            events.extend(more);
            Decision::Record(events)
        }
        Decision::Unchanged(unchanged) => match more.collect::<Vec<_>>() {
            none if none.is_empty() => Decision::Unchanged(unchanged),
            events => Decision::Record(events),
        },
    })
}

/// What a report comes to, its data left aside unless it completes the phase.
fn decide_outcome(target: &Target<'_>, report: &Report, now: &Now) -> Result<Decision, Rejection> {
    let ((item, phase), state) = (target.names(), target.state());
    // The work was done and nobody has begun it again: doing it twice helps nobody.
    let handed_back = state
        .returned
        .as_deref()
        .is_some_and(|how| how.seq == state.since);
    let late = state.status == Status::Pending && handed_back && state.token.is_some();
    let token = report.token.or(state.token);
    let illegal = || Err(target.illegal(report.kind.verb()));
    match (&report.kind, state.status) {
        (ReportKind::Complete, Status::Completed) => {
            let (data, extraction) = brought(target, report, false);
            if data.is_none() && extraction.is_none() {
                return Ok(target.unchanged());
            }
            Err(Rejection::NewData {
                item,
                phase,
                since: state.since,
                extraction: data.is_none(),
            })
        }
        (ReportKind::Skip { .. }, Status::Skipped) => Ok(target.unchanged()),
        (ReportKind::Fail { error, permanent }, Status::Failed)
            if state.error_message.as_deref() == Some(error) && state.permanent == *permanent =>
        {
            Ok(target.unchanged())
        }
        (ReportKind::Release, Status::InProgress) => record(Event::Released { item, phase, token }),
        (ReportKind::Release, _) | (_, Status::Completed | Status::Skipped) => illegal(),
        (ReportKind::Complete, _) => {
            let (data, extraction) = brought(target, report, true);
            record(Event::Completed {
                item,
                phase,
                token,
                late,
                op: report.op.clone(),
                data,
                extraction,
            })
        }
        (ReportKind::Skip { reason }, _) => record(Event::Skipped {
            item,
            phase,
            token,
            late,
            op: report.op.clone(),
            reason: reason.clone(),
        }),
        (ReportKind::Fail { error, permanent }, _) => {
            let (error, permanent) = (error.clone(), *permanent);
            let due = if permanent {
                None
            } else {
                retry::due_after(
                    target.facts,
                    &target.item,
                    target.plan(),
                    state.failures(),
                    now,
                )
            };
            record(Event::Failed {
                item,
                phase,
                token,
                late,
                op: report.op.clone(),
                error,
                permanent,
                due,
            })
        }
    }
}

/// The answer to a report that was made before under the same id. It comes before the check of the token: what was
/// applied stays applied, whoever has the work by now.
fn known_operation(target: &Target<'_>, report: &Report) -> Option<Result<Decision, Rejection>> {
    let (seq, before) = target.facts.operation(report.op.as_deref()?)?;
    let (item, phase) = target.names();
    let same =
        before.item == item && before.phase == phase && before.event == report.kind.event_kind();
    let (event, id) = (before.event.clone(), before.id.clone());
    Some(if same {
        Ok(Decision::Unchanged(Unchanged::Operation {
            item,
            phase,
            event,
            id,
            seq,
        }))
    } else {
        let (item, phase) = (before.item.clone(), before.phase.clone());
        Err(Rejection::OtherOperation {
            item,
            phase,
            event,
            id,
            seq,
        })
    })
}

/// Why a token of that phase no longer holds, as a report with it would be told; `of` is what it would have become.
///
/// # Errors
/// If the item or the phase is gone.
pub fn stale(
    facts: &dyn Facts,
    item: &ItemId,
    phase: &Phase,
    token: Seq,
    of: &'static str,
) -> Result<Rejection, Rejection> {
    let target = Target::find(facts, item, phase)?;
    Ok(target.stale(token, of))
}

/// A token holds while it is that of the last start. It is checked before the transition.
fn check_token(target: &Target<'_>, report: &Report) -> Result<(), Rejection> {
    let state = target.state();
    let compared = !faults::on(Fault::TokenNotCompared);
    match report
        .token
        .filter(|&token| compared && state.token != Some(token))
    {
        Some(token) => Err(target.stale(token, report.kind.event_kind())),
        None => Ok(()),
    }
}

impl Target<'_> {
    /// Why the token does not hold, or not any more.
    fn stale(&self, token: Seq, of: &'static str) -> Rejection {
        let (target, state) = (self, self.state());
        let (item, phase) = target.names();
        let returned = state
            .returned
            .as_deref()
            .filter(|how| how.token == Some(token));
        let claim = match returned {
            _ if token > target.facts.last_seq() => LostClaim::Never,
            Some(_) => LostClaim::Lost,
            None => LostClaim::NotHeld,
        };
        let mut since = Vec::new();
        if let Some(Return {
            seq,
            cause,
            elapsed_us,
            limit_us,
            ..
        }) = returned
        {
            since.push(match cause {
                Some(cause) => {
                    let why = lease::words_of_reset(*cause, *elapsed_us, *limit_us);
                    format!("reset at {seq} ({why})")
                }
                None => format!("released at {seq}"),
            });
        }
        let by = state
            .worker
            .as_deref()
            .map(|worker| format!(" by {worker}"))
            .unwrap_or_default();
        match state.token {
            // Given back, and nobody has begun it again: a report would count, a sign of life does not.
            Some(current) if current == token => {}
            _ if claim == LostClaim::Never => {}
            Some(current) if claim == LostClaim::Lost => {
                since.push(format!("started again as {current}{by}"));
            }
            Some(current) => since.push(format!("the last start is {current}{by}")),
            None if state.attempts > 0 => since.push(format!("retried at {}", state.since)),
            None => {}
        }
        let why = if since.is_empty() {
            String::new()
        } else {
            format!(": {}", since.join(", "))
        };
        let seq = (claim == LostClaim::Lost).then(|| state.token.unwrap_or(state.since));
        Rejection::StaleToken {
            item,
            phase,
            token,
            claim,
            why,
            seq,
            taken: state.status == Status::InProgress,
            of,
        }
    }
}

fn retry_one(target: &Target<'_>, force: bool) -> Result<Decision, Rejection> {
    let (item, phase) = target.names();
    match target.state().status {
        Status::Pending => Ok(target.unchanged()),
        Status::Failed => record(Event::Retried { item, phase }),
        Status::Completed | Status::Skipped if force => record(Event::Retried { item, phase }),
        Status::InProgress | Status::Completed | Status::Skipped => Err(target.illegal("retry")),
    }
}

fn retry_failed(facts: &dyn Facts, item: &ItemId) -> Result<Decision, Rejection> {
    let found = find(facts, item)?;
    let item = &found.name;
    let failed = facts.plan().phases().iter().zip(&found.phases);
    let events: Vec<Event> = failed
        .filter(|(_, state)| state.status == Status::Failed)
        .map(|(plan, _)| Event::Retried {
            item: item.clone(),
            phase: plan.phase.clone(),
        })
        .collect();
    if events.is_empty() {
        return Ok(Decision::Unchanged(Unchanged::NothingFailed {
            item: item.clone(),
        }));
    }
    Ok(Decision::Record(events))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the last word of each decision that records"
)]
fn record(event: Event) -> Result<Decision, Rejection> {
    Ok(Decision::Record(vec![event]))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the last word of a decision, as `record` is"
)]
fn unchanged_hold(item: ItemId, since: Option<Seq>) -> Result<Decision, Rejection> {
    Ok(Decision::Unchanged(Unchanged::Hold { item, since }))
}

#[cfg(test)]
mod tests;
