//! `heartbeat`: the work of a token goes on.

use serde_json::{Value, json};

use crate::pipeline::Timestamp;
use crate::pipeline::time::human_duration;
use crate::position::Seq;
use crate::store::Beat;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::render::{Report, Style, escape};

pub(super) const NAME: &str = "heartbeat";

/// Say that the work of a token goes on
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token that `start` or `claim` printed
    #[arg(env = "PHASELOG_TOKEN", hide_env_values = true)]
    token: u64,
    /// How far the work is
    #[arg(long, value_name = "TEXT")]
    progress: Option<String>,
}

struct BeatReport {
    token: Seq,
    beat: Beat,
    valid_until: Timestamp,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let token = Seq::new(args.token);
    let mut store = context.brief()?;
    let beat = store.heartbeat(token, args.progress.as_deref());
    let beat = match beat {
        Ok(beat) => beat,
        Err(error) => {
            context.warn(&store.take_warnings());
            return Err(error.into());
        }
    };
    let valid_until = context.ports.clock.now().at.plus_micros(beat.limit_us);
    let recorded = beat.record.is_some();
    context.print.report(&BeatReport {
        token,
        beat,
        valid_until,
    });
    if recorded {
        context.after_brief_write(&mut store);
    }
    Ok(exit::DONE)
}

impl Report for BeatReport {
    fn text(&self, _: &Style) -> String {
        let Beat {
            item,
            phase,
            record,
            limit_us,
        } = &self.beat;
        let (item, limit) = (escape(item.as_str()), human_duration(*limit_us));
        match record {
            Some(record) => format!(
                "recorded {}: renewed {phase} of {item} for {limit}\n",
                record.seq
            ),
            None => format!("noted: renewed {phase} of {item} for {limit}\n"),
        }
    }

    fn json(&self) -> Value {
        let Beat {
            item,
            phase,
            record,
            ..
        } = &self.beat;
        json!({
            "recorded": record.is_some(), "seq": record.as_ref().map(|record| record.seq),
            "event": "renewed", "item": item, "phase": phase, "token": self.token, "late": false,
            "valid_until": self.valid_until.to_offset_text(),
        })
    }
}
