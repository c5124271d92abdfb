//! `diff`: what changed between two moments.

use serde_json::{Value, json};

use crate::pipeline::Status;
use crate::pipeline::listing::{self, Change};
use crate::position::Seq;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::moment;
use super::render::{Format, Report, Style, rows};

pub(super) const NAME: &str = "diff";

/// Show which phases changed between two moments
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The earlier moment: a time, an age (`2h ago`), or @SEQ
    #[arg(value_name = "A", allow_hyphen_values = true)]
    before: String,
    /// The later moment
    #[arg(value_name = "B", allow_hyphen_values = true)]
    after: String,
}

struct DiffReport {
    from_seq: Seq,
    to_seq: Seq,
    changes: Vec<Change>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { before, after } = args;
    let before = moment::past(context, &before)?.state;
    let after = moment::past(context, &after)?.state;
    let changes = listing::changes(&before, &after);
    if context.print.format == Format::Text {
        let word = |status: Option<Status>| status.map_or("-", Status::as_str);
        let fields = changes.iter().map(|change| {
            vec![
                change.item.as_str(),
                change.phase.as_str(),
                word(change.from),
                word(change.to),
            ]
        });
        let lines = rows(fields, false);
        context.print.data(&lines);
    } else {
        let (from_seq, to_seq) = (before.last_seq, after.last_seq);
        context.print.report(&DiffReport {
            from_seq,
            to_seq,
            changes,
        });
    }
    Ok(exit::DONE)
}

impl Report for DiffReport {
    fn text(&self, _: &Style) -> String {
        String::new()
    }

    fn json(&self) -> Value {
        let changes = self.changes.iter().map(|change| {
            json!({"item": change.item, "phase": change.phase, "from": change.from, "to": change.to})
        });
        json!({
            "from_seq": self.from_seq,
            "to_seq": self.to_seq,
            "changes": changes.collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("changes")
    }
}
