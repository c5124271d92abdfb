//! `skip`: a phase will not be done; what needs it may go on.

use crate::pipeline::ReportKind;

use super::context::Context;
use super::data::FoundArgs;
use super::failure::Failure;
use super::receipts::submit_report_once;
use super::values::{OpArg, Target, TokenArg};

pub(super) const NAME: &str = "skip";

/// Say that a phase will not be done
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    token: TokenArg,
    #[command(flatten)]
    op: OpArg,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    submit_report_once(
        context,
        args.target,
        &args.token,
        args.op,
        FoundArgs::default(),
        ReportKind::Skip {
            reason: args.reason,
        },
    )
}
