//! `history`: every record that names an item.

use serde_json::{Value, json};

use crate::pipeline::time::human_duration;
use crate::pipeline::{ItemId, Phase, lookup};
use crate::store::history::{self, Story, Told};
use crate::store::records::Ground;

use super::context::Context;
use super::failure::Failure;
use super::moment::RangeArgs;
use super::render::{Report, Style};
use super::table::{Align, Table};
use super::told;

pub(super) const NAME: &str = "history";

/// Show everything that ever happened to an item
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
    /// Only records of this phase
    #[arg(long, value_name = "PHASE")]
    phase: Option<Phase>,
    #[command(flatten)]
    range: RangeArgs,
    /// The newest first
    #[arg(short, long)]
    reverse: bool,
}

struct HistoryReport {
    item: ItemId,
    id: String,
    story: Story,
    complete: bool,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {
        item,
        phase,
        range,
        reverse,
    } = args;
    let mut ground = Ground::open(&context.ports, context.dir(), &context.options)?;
    context.warn(&ground.warnings);
    let index = match lookup::resolve(ground.state(), item.as_str()) {
        Ok(index) => index,
        // It may be named where the log cannot be read.
        Err(rejection) => {
            return Err(ground
                .failure
                .take()
                .map_or_else(|| rejection.into(), Failure::from));
        }
    };
    let item = ground.state().item_at(index);
    let (item, id) = (item.name.clone(), item.id());
    let range = range.resolve(context, &ground)?;
    let phase = phase.as_ref();
    let story = history::history(
        &context.ports,
        context.dir(),
        &context.options,
        &ground,
        &item,
        phase,
        range,
    );
    let mut story = story?;
    if reverse {
        story.records.reverse();
    }
    let complete = ground.complete && story.unreadable.is_empty() && story.strange().is_none();
    let report = HistoryReport {
        item,
        id,
        story,
        complete,
    };
    context.print.report(&report);
    context.print.flush();
    let Story { unreadable, .. } = &report.story;
    Ok(told::finish(
        context,
        &ground,
        unreadable,
        report.story.strange(),
    ))
}

impl Report for HistoryReport {
    fn text(&self, style: &Style) -> String {
        let mut table = Table::new(&[
            ("SEQ", Align::Right),
            ("TIME", Align::Left),
            ("DELTA", Align::Right),
            ("EVENT", Align::Left),
            ("PHASE", Align::Left),
            ("DETAIL", Align::Left),
        ]);
        for told in &self.story.records {
            let delta = told.derived.since_previous_us;
            table.row(&[
                told.seq.to_string(),
                told::time(told, *style),
                delta.map_or_else(
                    || "-".to_owned(),
                    |micros| format!("+{}", human_duration(micros)),
                ),
                told.event.clone(),
                told.phase.clone().unwrap_or_else(|| "-".to_owned()),
                told.derived.words.clone(),
            ]);
        }
        table.bare("")
    }

    fn json(&self) -> Value {
        let unreadable = self.story.unreadable.iter();
        let unreadable = unreadable.map(|place| {
            json!({"file": place.file.display().to_string(), "byte": place.byte, "seq": place.seq})
        });
        json!({
            "item": self.item,
            "id": self.id,
            "complete": self.complete,
            "unreadable": unreadable.collect::<Vec<_>>(),
            "records": self.story.records.iter().map(element).collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("records")
    }
}

fn element(told: &Told) -> Value {
    let secs = |micros: Option<u64>| micros.map(|micros| micros as f64 / 1e6);
    let derived = &told.derived;
    let mut fields = told::element(told);
    fields.insert(
        "derived".into(),
        json!({
            "words": derived.words,
            "attempt": derived.attempt,
            "took_secs": secs(derived.took_us),
            "since_previous_secs": secs(derived.since_previous_us),
        }),
    );
    Value::Object(fields)
}
