//! `unhold`: let an item be worked on again.

use crate::pipeline::{Command, ItemId};

use super::context::Context;
use super::failure::Failure;
use super::receipts::submit_command;

pub(super) const NAME: &str = "unhold";

/// Let a held item be worked on again
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    submit_command(context, &Command::Unhold { item: args.item })
}
