//! The report on work that is over, made by whoever ran a command for it: the command may have reported by itself.

use super::{Target, decide_report};
use crate::pipeline::command::{Decision, Report, ReportKind};
use crate::pipeline::facts::Facts;
use crate::pipeline::rejection::Rejection;
use crate::pipeline::status::Status;
use crate::pipeline::time::Now;

/// As `decide` for that report, but what was reported under the same token before stands: the exit status of a command
/// that has said how its work ended says nothing more.
///
/// # Errors
/// As `decide`.
pub fn end_of_work(facts: &dyn Facts, report: &Report, now: &Now) -> Result<Decision, Rejection> {
    let target = Target::find(facts, &report.item, &report.phase)?;
    if was_said(&target, report) {
        return Ok(target.unchanged());
    }
    decide_report(&target, report, now)
}

/// True if it was said under the report's token how the work ended.
fn was_said(target: &Target<'_>, report: &Report) -> bool {
    let state = target.state();
    if report.token.is_none() || state.token != report.token {
        return false;
    }
    match state.status {
        Status::InProgress => false,
        // The same again may bring data, and then it is refused aloud.
        Status::Completed => report.kind != ReportKind::Complete,
        Status::Failed | Status::Skipped => true,
        // Released; after a reset nobody has said anything.
        Status::Pending => state
            .returned
            .as_deref()
            .is_some_and(|how| how.token == report.token && how.cause.is_none()),
    }
}
