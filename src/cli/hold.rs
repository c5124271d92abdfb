//! `hold`: keep an item from being worked on.

use crate::pipeline::{Command, ItemId};

use super::context::Context;
use super::failure::Failure;
use super::receipts::submit_command;

pub(super) const NAME: &str = "hold";

/// Keep an item from being worked on; reports on it still count
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    submit_command(
        context,
        &Command::Hold {
            item: args.item,
            reason: args.reason,
        },
    )
}
