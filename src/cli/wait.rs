//! `wait`: until everything is done, or nothing more will be.

use std::time::Duration;

use serde_json::{Value, json};

use crate::pipeline::ready::{Outlook, outlook};
use crate::pipeline::rejection::Left;
use crate::pipeline::{ItemId, lookup};
use crate::position::Seq;

use super::claim::duration;
use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::render::{Report, Style};

pub(super) const NAME: &str = "wait";

/// Wait until everything is completed or skipped, or nothing can change without a person
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Wait for this item only
    #[arg(long, value_name = "ITEM")]
    item: Option<ItemId>,
    /// So long at most
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<u64>,
}

/// How the wait ended.
struct Ended {
    as_of_seq: Seq,
    item: Option<ItemId>,
    outcome: &'static str,
    left: Left,
}

/// The shortest and the longest time between two looks.
const POLL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let patience = args.timeout.map(Duration::from_micros);
    let (mut waited, mut pause) = (Duration::ZERO, POLL.0);
    let mut view = context.view()?;
    loop {
        let state = view.state();
        let item = match &args.item {
            Some(item) => Some(lookup::resolve(state, item.as_str())?),
            None => None,
        };
        let left_to_wait = patience.map(|patience| patience.saturating_sub(waited));
        let (outcome, status, left) = match outlook(state, item, view.now()) {
            Outlook::Done => ("done", exit::DONE, Left::default()),
            Outlook::Stopped(left) => ("stopped", exit::FINDINGS, left),
            Outlook::GoesOn if left_to_wait == Some(Duration::ZERO) => {
                ("time_over", exit::NOT_NOW, Left::default())
            }
            Outlook::GoesOn => {
                let sleep = pause.min(left_to_wait.unwrap_or(Duration::MAX));
                context.ports.clock.sleep(sleep);
                waited += sleep;
                pause = (pause * 2).min(POLL.1);
                let (ports, options) = (&context.ports, &context.options);
                view.look_again(ports, context.dir(), options, &mut |_| {})?;
                continue;
            }
        };
        let item = item.map(|index| state.item_at(index).name.clone());
        let as_of_seq = state.last_seq;
        context.print.report(&Ended {
            as_of_seq,
            item,
            outcome,
            left,
        });
        return Ok(status);
    }
}

impl Report for Ended {
    fn text(&self, _: &Style) -> String {
        match self.outcome {
            "done" => "done: everything is completed or skipped\n".to_owned(),
            "stopped" => format!(
                "stopped: nothing more happens without a person: {}\n",
                self.left
            ),
            _ => "time over: there is more to do\n".to_owned(),
        }
    }

    fn json(&self) -> Value {
        json!({"as_of_seq": self.as_of_seq, "item": self.item, "outcome": self.outcome, "left": self.left})
    }
}
