//! `complete`: the phase is done.

use crate::pipeline::ReportKind;

use super::context::Context;
use super::data::FoundArgs;
use super::failure::Failure;
use super::receipts::submit_report_once;
use super::values::{OpArg, Target, TokenArg};

pub(super) const NAME: &str = "complete";

/// Say that a phase is done
///
/// What was found out (--enrich) and how the image extraction ended (--extraction) are in the same record: the phase is
/// done and its data is there, or neither.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    token: TokenArg,
    #[command(flatten)]
    op: OpArg,
    #[command(flatten)]
    found: FoundArgs,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    submit_report_once(
        context,
        args.target,
        &args.token,
        args.op,
        args.found,
        ReportKind::Complete,
    )
}
