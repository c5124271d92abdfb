//! `enrich`: change what is known about an item.

use crate::pipeline::{Command, ItemId};

use super::context::Context;
use super::data::{self, SourceArgs};
use super::failure::Failure;
use super::receipts::submit_command;

pub(super) const NAME: &str = "enrich";

/// Set fields of an item's data, or take them away
///
/// A field in an object is set as lot.sqft=7405; a key with a dot in it stands in quotes: '"a.b"=1'. The value null
/// takes the field away. An object goes into the object that is there (RFC 7396, JSON merge patch).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
    /// A field with its new value, as JSON
    #[arg(
        value_name = "FIELD=JSON",
        required_unless_present = "data",
        conflicts_with = "data"
    )]
    fields: Vec<String>,
    /// All of it as one JSON object, a merge patch: a text, @FILE, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let patch = match &args.data {
        Some(given) => data::object(context, "--data", given)?,
        None => data::fields(&args.fields)?,
    };
    submit_command(
        context,
        &Command::Enrich {
            item: args.item,
            patch: args.source.patch(patch),
        },
    )
}
