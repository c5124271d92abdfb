//! `fail`: an attempt went wrong, and why.

use crate::pipeline::ReportKind;

use super::context::Context;
use super::data::FoundArgs;
use super::failure::Failure;
use super::receipts::submit_report_once;
use super::values::{self, OpArg, Target, TokenArg};

pub(super) const NAME: &str = "fail";

/// Say that an attempt failed, and why
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
    /// What went wrong: a text, @FILE, or - for standard input
    #[arg(long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    error: String,
    /// Trying again is no use
    #[arg(long)]
    permanent: bool,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let error = values::text(context, &args.error)?;
    let kind = ReportKind::Fail {
        error,
        permanent: args.permanent,
    };
    submit_report_once(context, args.target, &args.token, args.op, args.found, kind)
}
