//! `release`: the phase goes back to pending, undone.

use crate::pipeline::ReportKind;

use super::context::Context;
use super::failure::Failure;
use super::receipts::submit_report;
use super::values::{Target, TokenArg};

pub(super) const NAME: &str = "release";

/// Give a phase in progress back undone
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    token: TokenArg,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    submit_report(context, args.target, &args.token, ReportKind::Release)
}
