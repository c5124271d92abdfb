//! How long it will take, and what that rests on, as `status` shows it.

use serde_json::{Value, json};

use crate::pipeline::Plan;
use crate::pipeline::estimate::PhaseWork;
use crate::pipeline::overview::Overview;
use crate::pipeline::time::{MICROS_PER_SEC, human_duration};

use super::leases::typical_json;
use super::receipts::count;

/// What the estimate rests on, as a word.
fn rests_on(overview: &Overview) -> &'static str {
    match (&overview.estimate.times, overview.eta_secs) {
        _ if overview.remaining == 0 => "nothing",
        (Some(_), _) => "durations",
        (None, Some(_)) => "pace",
        (None, None) => "nothing",
    }
}

/// The keys of the estimate.
pub(super) fn json(overview: &Overview, plan: &Plan) -> Value {
    let secs = |micros: u64| micros.div_ceil(MICROS_PER_SEC);
    let (times, estimate) = (overview.estimate.times, &overview.estimate);
    let goes_on = times.filter(|_| !overview.idle);
    let phases = plan.phases().iter().zip(&estimate.phases);
    let phases = phases.map(|(planned, work)| {
        json!({
            "phase": planned.phase,
            "remaining": work.remaining,
            "typical": work.typical.as_ref().map(typical_json),
        })
    });
    json!({
        "rests_on": rests_on(overview),
        "parallel": estimate.parallel,
        "work_secs": times.map(|times| secs(times.work_us)),
        "eta_secs": overview.eta_secs,
        "eta_p90_secs": goes_on.map(|times| secs(times.p90_us)),
        "phases": phases.collect::<Vec<_>>(),
    })
}

/// The lines for people: what is left, and what the estimate rests on.
pub(super) fn lines(overview: &Overview, plan: &Plan) -> Vec<(&'static str, String)> {
    let left = count(overview.remaining, "phase");
    let parallel = overview.estimate.parallel;
    if overview.remaining == 0 {
        let nothing = "nothing that can be done without a person".to_owned();
        return vec![("left", nothing)];
    }
    let Some(times) = overview.estimate.times else {
        let pace = overview.eta_secs.map(|secs| {
            let secs = human_duration(secs.saturating_mul(MICROS_PER_SEC));
            format!(", about {secs} at that pace")
        });
        let mut lines = vec![("left", left + &pace.unwrap_or_default())];
        let unknown = overview.estimate.phases.iter().zip(plan.phases());
        let unknown = unknown.filter(|(work, _)| work.remaining > 0 && work.typical.is_none());
        let unknown: Vec<&str> = unknown.map(|(_, plan)| plan.phase.as_str()).collect();
        if overview.eta_secs.is_some() {
            lines.push((
                "rests on",
                format!(
                    "the pace alone: no attempt of {} was completed yet",
                    unknown.join(", ")
                ),
            ));
        }
        return lines;
    };
    let work = human_duration(times.work_us);
    let about = if overview.idle {
        format!("{left}, about {work} of work; nobody is at it")
    } else {
        let (median, p90) = (
            human_duration(times.median_us),
            human_duration(times.p90_us),
        );
        format!(
            "{left}, about {median} with {parallel} at a time ({p90} if each is as slow as its slowest tenth)"
        )
    };
    let mut told: Vec<String> = Vec::new();
    for (work, planned) in overview.estimate.phases.iter().zip(plan.phases()) {
        let Some((completed, took)) = history(work) else {
            continue;
        };
        let completed = match told.len() {
            0 => count(completed, "completed attempt"),
            _ => completed.to_string(),
        };
        told.push(format!("{completed} of {} {took}", planned.phase));
    }
    vec![("left", about), ("rests on", told.join(", "))]
}

/// How many attempts the estimate of a phase rests on, and how long they took; `None` where nothing is left of it.
fn history(work: &PhaseWork) -> Option<(usize, String)> {
    let typical = work.typical.filter(|_| work.remaining > 0)?;
    let (median, p90) = (
        human_duration(typical.median_us),
        human_duration(typical.p90_us),
    );
    Some((
        typical.completed,
        format!("(half within {median}, nine of ten within {p90})"),
    ))
}
