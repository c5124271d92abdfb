//! `add`: new work.

use crate::pipeline::Command;

use super::context::Context;
use super::failure::Failure;
use super::items::Items;
use super::receipts::submit_items;

pub(super) const NAME: &str = "add";

/// Add items; those that are there already stay as they are
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    items: Items,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let items = args.items.read(context)?;
    if items.is_empty() {
        return Err(Failure::usage(
            "no items given: phaselog add ITEM…, or --items FILE",
        ));
    }
    let given = items.len();
    submit_items(context, &Command::Add { items }, given)
}
