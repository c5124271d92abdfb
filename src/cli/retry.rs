//! `retry`: another chance for what failed.

use crate::pipeline::{Command, ItemId, Phase};

use super::context::Context;
use super::failure::Failure;
use super::receipts::submit_command;

pub(super) const NAME: &str = "retry";

/// Put a failed phase of an item back to pending, or all its failed phases
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
    /// The phase; every failed one if not given
    phase: Option<Phase>,
    /// Also if it is completed or skipped
    #[arg(long, requires = "phase")]
    force: bool,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { item, phase, force } = args;
    submit_command(context, &Command::Retry { item, phase, force })
}
