//! O8, O11: what snapshots must hold, at every instant.

use super::{Claim, Place, Verdict};
use crate::log::reader::Log;
use crate::pipeline::{Command, Now, Report, ReportKind, Timestamp, decide};
use crate::position::Seq;
use crate::snapshot::set::{FindingKind, load_of};
use crate::store::replay::{self, At};
use crate::{PipelineState, View};

/// O8: snapshots plus tail equal a replay from record 1, in everything that the state keeps: tokens, holds, backoff,
/// op-ids, not just what the JSON shows people.
///
/// # Errors
/// Both states.
pub fn o8_snapshot_and_tail_are_a_replay(place: Place<'_>, view: &View) -> Verdict {
    let at = At::Seq(view.last_seq());
    let replayed = replay::state_at(place.ports, place.dir, place.options, at)
        .map_err(|error| format!("O8 replay: {error}"))?;
    if replayed != *view.state() {
        let state = view.state();
        return Err(format!("O8: {state:?}\nbut a replay gives {replayed:?}"));
    }
    // Only then a snapshot had a part in it.
    if view.snapshot_seq().is_some() {
        o8_the_same_is_allowed(view.state(), &replayed, view.now())?;
    }
    Ok(())
}

/// O8, the other half: both states allow and refuse the same. Each phase of each item is started and reported on, with
/// the right token, a wrong one, none, and an op-id that was used; each item is held and let go.
///
/// # Errors
/// The first command that they decide differently.
pub fn o8_the_same_is_allowed(one: &PipelineState, other: &PipelineState, now: &Now) -> Verdict {
    let late = Now {
        at: Timestamp::from_micros(now.at.micros() + 86_400_000_000).unwrap_or(now.at),
        ..now.clone()
    };
    for command in probes(one) {
        for now in [now, &late] {
            let (first, second) = (decide(one, &command, now), decide(other, &command, now));
            if first != second {
                return Err(format!(
                    "O8: {command:?}\none says {first:?}\nthe other {second:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Commands whose answers show what a state keeps.
fn probes(state: &PipelineState) -> Vec<Command> {
    let op = state.op_ids.iter().last().map(|(_, op)| op.id.clone());
    let mut probes = Vec::new();
    for item in state.items() {
        let name = &item.name;
        for (phase, plan) in item.phases.iter().zip(state.plan.phases()) {
            probes.push(Command::Start {
                item: name.clone(),
                phase: plan.phase.clone(),
                worker: None,
                owner: None,
            });
            let wrong = Some(Seq::new(phase.token.map_or(1, Seq::get) + 1));
            for (token, op) in [
                (phase.token, None),
                (wrong, None),
                (None, None),
                (None, op.clone()),
            ] {
                let (item, phase) = (name.clone(), plan.phase.clone());
                let kind = ReportKind::Complete;
                probes.push(Command::Report(Report {
                    op,
                    ..Report::new(item, phase, token, kind)
                }));
            }
        }
        let (held, unheld) = (name.clone(), name.clone());
        probes.push(Command::Hold {
            item: held,
            reason: None,
        });
        probes.push(Command::Unhold { item: unheld });
    }
    probes
}

/// O11: once snapshots were promised, one set is usable without history that covers at least as much; and no crash
/// passes for somebody's edit.
///
/// # Errors
/// What is there instead.
pub fn o11_one_set_is_usable(place: Place<'_>, claims: &[Claim]) -> Verdict {
    let log = Log::new(place.ports.clone(), place.dir);
    let own = log.id().ok().flatten().map(|id| id.to_string());
    let loaded = load_of(&*place.ports.disk, place.dir, own.as_deref())
        .map_err(|error| format!("O11: {error}"))?;
    let accuses = |kind: &FindingKind| {
        matches!(
            kind,
            FindingKind::Edited { .. }
                | FindingKind::PutBack
                | FindingKind::Unparsable
                | FindingKind::Unnamed
                | FindingKind::Foreign
                | FindingKind::OtherLog
        )
    };
    if let Some(finding) = loaded
        .findings
        .iter()
        .find(|finding| accuses(&finding.kind))
    {
        return Err(format!("O11: nobody did this: {finding:?}"));
    }
    let promised = claims.iter().filter_map(|claim| match claim {
        Claim::Compacted { covers } => Some(*covers),
        _ => None,
    });
    let Some(promised) = promised.max() else {
        return Ok(());
    };
    let found = loaded.snapshot.map(|set| set.place.seq.get());
    if found.is_none_or(|covers| covers < promised) {
        return Err(format!(
            "O11: snapshots through {promised} were promised; there are {found:?}: {:?}",
            loaded.findings
        ));
    }
    Ok(())
}
