//! `list`: the items, or one phase of them, by status.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::pipeline::lease::Standing;
use crate::pipeline::listing::{self, Selection};
use crate::pipeline::status::ItemStatus;
use crate::pipeline::{Item, Phase, Status, Timestamp, lookup};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::leases::LeaseFacts;
use super::moment::{AtArg, Look};
use super::render::{Format, Report, Style, escape, rows};

pub(super) const NAME: &str = "list";

/// List items by status
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those with this status: pending, `in_progress`, completed, failed, blocked; with --phase also skipped
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// List this phase of the items; --status is then the phase's
    #[arg(long, value_name = "PHASE")]
    phase: Option<Phase>,
    /// Only those in progress that the next resume hands back: beyond their limit, or their owner is dead
    #[arg(long)]
    stuck: bool,
    #[command(flatten)]
    at: AtArg,
    /// Exact bytes, each field ended by NUL
    #[arg(short = '0')]
    nul: bool,
}

struct ListReport {
    look: Look,
    /// The phase that the list is about, by index.
    phase: Option<usize>,
    /// Items by index.
    picked: Vec<usize>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {
        status,
        phase,
        stuck,
        at,
        nul,
    } = args;
    let mut selection = Selection {
        stuck,
        ..Selection::default()
    };
    match (&status, &phase) {
        (None, _) => {}
        (Some(word), None) => selection.item_status = Some(item_status(word)?),
        (Some(word), Some(_)) => selection.phase_status = Some(phase_status(word)?),
    }
    let look = at.look(context)?;
    if let Some(phase) = &phase {
        selection.phase = Some(lookup::resolve_phase(look.state(), phase)?);
    }
    let picked = listing::select(look.state(), selection, look.now(), look.known());
    let report = ListReport {
        look,
        phase: selection.phase,
        picked,
    };
    if context.print.format == Format::Text {
        let lines = rows(report.picked.iter().map(|&index| report.row(index)), nul);
        context.print.data(&lines);
        if stuck {
            report.explain(context);
        }
    } else {
        context.print.report(&report);
    }
    Ok(exit::DONE)
}

fn item_status(word: &str) -> Result<ItemStatus, Failure> {
    ItemStatus::ALL
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| {
            let words = ItemStatus::ALL.map(ItemStatus::as_str).join(", ");
            let is_phase = Status::ALL.iter().any(|status| status.as_str() == word);
            let more = if is_phase {
                "; --phase asks for a phase's"
            } else {
                ""
            };
            Failure::usage(format!("{word:?} is no status of an item: {words}{more}"))
        })
}

fn phase_status(word: &str) -> Result<Status, Failure> {
    Status::ALL
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| {
            let words = Status::ALL.map(Status::as_str).join(", ");
            Failure::usage(format!("{word:?} is no status of a phase: {words}"))
        })
}

impl ListReport {
    fn item(&self, index: usize) -> Cow<'_, Item> {
        self.look.state().item_at(index)
    }

    fn row(&self, index: usize) -> Vec<&str> {
        let (item, state) = (self.item(index), self.look.state());
        let name = state.name_at(index);
        match self.phase {
            None => vec![name, item.status().as_str()],
            Some(phase) => {
                let planned = state.plan.phases()[phase].phase.as_str();
                vec![name, planned, item.phases[phase].status.as_str()]
            }
        }
    }

    /// The phases of an item that the next `resume` hands back, of the phase that the list is about if it is about one.
    fn stuck(&self, index: usize) -> Vec<(usize, LeaseFacts)> {
        let (plan, now) = (&self.look.state().plan, self.look.now());
        let item = self.item(index);
        let phases = item.phases.iter().enumerate();
        let phases = phases.filter(|(phase, _)| self.phase.is_none_or(|wanted| wanted == *phase));
        let standing = phases.filter_map(|(phase, state)| {
            let limit_us = plan.phases()[phase].limit_micros();
            let standing = Standing::of(state, limit_us, now, self.look.known())?;
            standing.cause()?;
            Some((phase, LeaseFacts::of(&standing, now)))
        });
        standing.collect()
    }

    /// Says on standard error, line by line, why each is listed and when it is handed back.
    fn explain(&self, context: &mut Context<'_>) {
        for &index in &self.picked {
            for (phase, lease) in self.stuck(index) {
                let phase = &self.look.state().plan.phases()[phase].phase;
                let (item, line) = (escape(self.look.state().name_at(index)), lease.line());
                context.print.aside(&format!("{phase} of {item}: {line}"));
            }
        }
    }

    fn element(&self, index: usize) -> Value {
        let (item, plan) = (self.item(index), &self.look.state().plan);
        let stuck = self.stuck(index).into_iter().map(|(phase, lease)| {
            let mut fields = lease.json();
            fields["phase"] = json!(plan.phases()[phase].phase);
            fields["token"] = json!(item.phases[phase].token);
            fields["worker"] = json!(item.phases[phase].worker);
            fields
        });
        let stuck: Vec<Value> = stuck.collect();
        let phases = plan.phases().iter().zip(&item.phases);
        let phases: serde_json::Map<String, Value> = phases
            .map(|(planned, phase)| (planned.phase.to_string(), json!(phase.status)))
            .collect();
        let mut element = json!({
            "item": item.name, "id": item.id(), "index": index,
            "status": item.status(), "held": item.hold.is_some(), "phases": phases, "stuck": stuck,
        });
        if let (Some(phase), Value::Object(fields)) = (self.phase, &mut element) {
            let state = &item.phases[phase];
            fields.insert("phase".into(), json!(plan.phases()[phase].phase));
            fields.insert("status".into(), json!(state.status));
            fields.insert(
                "started_at".into(),
                json!(state.started_at.map(Timestamp::to_offset_text)),
            );
            fields.insert("attempts".into(), json!(state.attempts));
            fields.insert("error".into(), json!(state.error_message));
        }
        element
    }
}

impl Report for ListReport {
    fn text(&self, _: &Style) -> String {
        String::new()
    }

    fn json(&self) -> Value {
        json!({
            "as_of_seq": self.look.state().last_seq,
            "total": self.look.state().items().len(),
            "items": self.picked.iter().map(|&index| self.element(index)).collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("items")
    }
}
