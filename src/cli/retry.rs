//! `retry`: another chance for what failed.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::pipeline::{Command, Decision, Event, ItemId, Phase, decide};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::receipts::submit_command;
use super::render::{Report, Style, rows};

pub(super) const NAME: &str = "retry";

/// Put a failed phase back to pending, or all failed phases of an item, or of all items
#[derive(Debug, clap::Args)]
// clap lets go of what an argument `requires` where that conflicts with another one that is there: so each of those says
// for itself what it does not go with. `retry ITEM PHASE --dry-run` once wrote.
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(
        env = "PHASELOG_ITEM",
        hide_env_values = true,
        required_unless_present = "status"
    )]
    item: Option<ItemId>,
    /// The phase; every failed one if not given
    phase: Option<Phase>,
    /// Also if it is completed or skipped
    #[arg(long, requires = "phase")]
    force: bool,
    /// Everything that failed, of all items
    #[arg(long, value_name = "STATUS", conflicts_with_all = ["phase", "force"])]
    status: Option<Failed>,
    /// Of this phase only
    #[arg(
        long = "phase",
        id = "only",
        value_name = "PHASE",
        requires = "status",
        conflicts_with = "phase"
    )]
    only: Option<Phase>,
    /// Also what was computed from it: every phase that needs it, directly or through others
    #[arg(long, requires = "status", conflicts_with = "phase")]
    cascade: bool,
    /// Say what would be put back; write nothing
    #[arg(long, requires = "status", conflicts_with = "phase")]
    dry_run: bool,
}

/// The one status that `--status` takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Failed {
    /// What failed
    Failed,
}

struct WouldRetry(Vec<Event>);

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    if args.status.is_some() {
        let from_environment = std::env::var("PHASELOG_ITEM").ok();
        if args
            .item
            .as_ref()
            .map(ItemId::as_str)
            .is_some_and(|item| Some(item) != from_environment.as_deref())
        {
            return Err(Failure::usage(
                "--status failed is about all items: name one, or give --status",
            ));
        }
        let (phase, cascade) = (args.only, args.cascade);
        let command = Command::RetryFailed { phase, cascade };
        if !args.dry_run {
            return submit_command(context, &command);
        }
        let view = context.view()?;
        let events = match decide(view.state(), &command, view.now())? {
            Decision::Record(events) => events,
            Decision::Unchanged(_) => Vec::new(),
        };
        context.print.report(&WouldRetry(events));
        return Ok(exit::DONE);
    }
    let Some(item) = args.item else {
        return Err(Failure::usage("an item is needed, or --status failed"));
    };
    let (phase, force) = (args.phase, args.force);
    submit_command(context, &Command::Retry { item, phase, force })
}

impl WouldRetry {
    fn places(&self) -> impl Iterator<Item = (&ItemId, &Phase)> {
        self.0
            .iter()
            .filter_map(|event| Some((event.item()?, event.phase()?)))
    }
}

impl Report for WouldRetry {
    fn text(&self, _: &Style) -> String {
        let places = self
            .places()
            .map(|(item, phase)| vec![item.as_str(), phase.as_str()]);
        String::from_utf8_lossy(&rows(places, false)).into_owned()
    }

    fn json(&self) -> Value {
        let places = self
            .places()
            .map(|(item, phase)| json!({"item": item, "phase": phase}));
        json!({"dry_run": true, "retries": places.collect::<Vec<_>>()})
    }

    fn array(&self) -> Option<&'static str> {
        Some("retries")
    }
}
