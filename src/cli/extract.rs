//! `extract`: how an item's image extraction stands.

use clap::ValueEnum;

use crate::pipeline::{Command, ExtractionStatus, ItemId};

use super::context::Context;
use super::failure::Failure;
use super::receipts::submit_command;

pub(super) const NAME: &str = "extract";

/// Say how the image extraction of an item stands
///
/// Each completed and failed is a look at the item: it is recorded with its time, also if it was so before, and each
/// failed counts one retry.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
    /// How it stands
    status: Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Done
    #[value(aliases = ["complete", "done"])]
    Completed,
    /// It went wrong
    Failed,
    /// Somebody is at it
    #[value(name = "in_progress", alias = "in-progress")]
    InProgress,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let status = match args.status {
        Word::Completed => ExtractionStatus::Completed,
        Word::Failed => ExtractionStatus::Failed,
        Word::InProgress => ExtractionStatus::InProgress,
    };
    submit_command(
        context,
        &Command::Extract {
            item: args.item,
            status,
        },
    )
}
