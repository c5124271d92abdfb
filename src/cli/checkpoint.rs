//! `checkpoint`: the low-level form, one verb for every status. What the old scripts' helper becomes.

use clap::ValueEnum;

use crate::pipeline::{Command, Facts, ReportKind, Status, lookup};

use super::context::Context;
use super::data::FoundArgs;
use super::failure::Failure;
use super::receipts::{submit_command, submit_report, submit_report_once, submit_start};
use super::values::{self, OpArg, Target, TokenArg};

pub(super) const NAME: &str = "checkpoint";

/// Set the status of a phase
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    /// The status to set
    status: Word,
    #[command(flatten)]
    token: TokenArg,
    /// What went wrong, with `failed`: a text, @FILE, or - for standard input
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    error: Option<String>,
    #[command(flatten)]
    found: FoundArgs,
}

/// The words for a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Released, or retried: whichever fits
    Pending,
    /// Started
    #[value(name = "in_progress", alias = "in-progress")]
    InProgress,
    /// Done
    #[value(aliases = ["complete", "done"])]
    Completed,
    /// Went wrong
    Failed,
    /// Will not be done
    Skipped,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {
        target,
        status,
        token,
        error,
        found,
    } = args;
    if error.is_some() && status != Word::Failed {
        return Err(Failure::usage("--error goes with the status failed"));
    }
    if found.is_given() && matches!(status, Word::Pending | Word::InProgress) {
        return Err(Failure::usage(
            "--enrich and --extraction go with a report: completed, failed or skipped; on their own they are said with enrich and extract",
        ));
    }
    let op = OpArg::default();
    if token.is_given() && status == Word::InProgress {
        return Err(Failure::usage(
            "--token goes with a report; a start takes none, it gives one",
        ));
    }
    match status {
        Word::InProgress => {
            let Target { item, phase } = target;
            submit_start(
                context,
                &Command::Start {
                    item,
                    phase,
                    worker: None,
                    owner: None,
                },
            )
        }
        Word::Completed => {
            submit_report_once(context, target, &token, op, found, ReportKind::Complete)
        }
        Word::Skipped => {
            let kind = ReportKind::Skip { reason: None };
            submit_report_once(context, target, &token, op, found, kind)
        }
        Word::Failed => {
            let error = match error {
                Some(given) => values::text(context, &given)?,
                None => "no error was given".to_owned(),
            };
            let kind = ReportKind::Fail {
                error,
                permanent: false,
            };
            submit_report_once(context, target, &token, op, found, kind)
        }
        Word::Pending => {
            if is_in_progress(context, &target)? {
                return submit_report(context, target, &token, ReportKind::Release);
            }
            let Target { item, phase } = target;
            submit_command(
                context,
                &Command::Retry {
                    item,
                    phase: Some(phase),
                    force: false,
                },
            )
        }
    }
}

/// Which of the two verbs fits. The rules decide anew under the lock; at worst the answer is a refusal.
fn is_in_progress(context: &mut Context<'_>, target: &Target) -> Result<bool, Failure> {
    let view = context.view()?;
    let state = view.state();
    let item = values::find_item(state, target.item.as_str())?;
    let phase = lookup::resolve_phase(state as &dyn Facts, &target.phase)?;
    Ok(item.phases[phase].status == Status::InProgress)
}
