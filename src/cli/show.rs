//! `show`: one item.

use std::borrow::Cow;

use std::fmt::Write as _;

use anstyle::AnsiColor;
use serde_json::{Value, json};

use crate::pipeline::enrichment::plain;
use crate::pipeline::item::Return;
use crate::pipeline::lease::Standing;
use crate::pipeline::members::Members;
use crate::pipeline::ready::{self, Reason};
use crate::pipeline::time::human_duration;
use crate::pipeline::{
    ExtractionStatus, Item, ItemData, ItemId, PhaseState, Status, Timestamp, lookup,
};
use crate::position::Seq;
use crate::snapshot::enrichment;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::leases::LeaseFacts;
use super::moment::{AtArg, Look};
use super::receipts::count;
use super::render::{Format, Report, Style, escape, verbatim};
use super::table::{Align, Table};

pub(super) const NAME: &str = "show";

/// Show one item and its phases
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
    /// Print what is known about it, as one JSON object
    #[arg(long)]
    data: bool,
    /// Print who set each field of its data last, and when
    #[arg(long)]
    sources: bool,
    #[command(flatten)]
    at: AtArg,
}

struct ShowReport {
    look: Look,
    index: usize,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args {
        item,
        data,
        sources,
        at,
    } = args;
    let look = at.look(context)?;
    let index = lookup::resolve(look.state(), item.as_str())?;
    if context.print.format != Format::Text || !(data || sources) {
        context.print.report(&ShowReport { look, index });
        return Ok(exit::DONE);
    }
    let known = look.state().data_at(index);
    if data {
        // For programs as much as for people: the object alone, its numbers as they were written.
        match known {
            Some(known) => context.print.data(&enrichment::pretty(known.object())),
            None => context.print.line("{}"),
        }
    }
    if let (true, Some(known)) = (sources, known) {
        let text = sources_text(known, context.print.style);
        context.print.data(text.as_bytes());
    }
    Ok(exit::DONE)
}

fn sources_text(known: &ItemData, style: Style) -> String {
    let mut table = Table::new(&[
        ("FIELD", Align::Left),
        ("BY", Align::Left),
        ("CONFIDENCE", Align::Left),
        ("RECORD", Align::Right),
        ("TIME", Align::Left),
    ]);
    for (field, by) in known.sources() {
        table.row(&[
            field.to_string(),
            by.source.as_deref().unwrap_or_default().to_owned(),
            by.confidence.as_ref().map(plain).unwrap_or_default(),
            format!("@{}", by.seq),
            style.time(by.at),
        ]);
    }
    table.text("", style)
}

fn sources_json(known: &ItemData) -> Value {
    let sources = known.sources().into_iter().map(|(field, by)| {
        let confidence = by.confidence.as_ref().map(|it| verbatim(it.as_str()));
        let row = json!({
            "source": by.source, "confidence": confidence, "seq": by.seq,
            "at": by.at.to_offset_text(),
        });
        (field.to_string(), row)
    });
    Value::Object(sources.collect())
}

impl ShowReport {
    fn item(&self) -> Cow<'_, Item> {
        self.look.state().item_at(self.index)
    }

    fn reason(&self, phase: usize) -> Reason {
        ready::reason_known(
            &self.look.state().plan,
            &self.item(),
            phase,
            self.look.now(),
            self.look.known(),
        )
    }

    /// How a phase in progress stands with its limit; `None` for any other.
    fn lease(&self, index: usize) -> Option<LeaseFacts> {
        let limit_us = self.look.state().plan.phases()[index].limit_micros();
        let item = self.item();
        let phase = &item.phases[index];
        let standing = Standing::of(phase, limit_us, self.look.now(), self.look.known())?;
        Some(LeaseFacts::of(&standing, self.look.now()))
    }

    fn detail(&self, index: usize, phase: &PhaseState, style: Style) -> String {
        let reason = self.reason(index);
        let mut parts = Vec::new();
        if let Some(lease) = self.lease(index) {
            let elapsed = human_duration(lease.elapsed_us);
            let limit = human_duration(self.look.state().plan.phases()[index].limit_micros());
            parts.extend(phase.worker.as_ref().map(|worker| format!("by {worker}")));
            parts.extend(phase.token.map(|token| format!("token {token}")));
            parts.push(format!("{elapsed} of {limit}"));
            parts.extend(Some(escape(&lease.note())).filter(|note| !note.is_empty()));
        }
        match &reason {
            Reason::Waiting(needs) => {
                let needs: Vec<&str> = needs.iter().map(crate::pipeline::Phase::as_str).collect();
                parts.push(format!("waits for {}", needs.join(", ")));
            }
            Reason::BackingOff(due) => parts.push(format!("again from {}", style.time(*due))),
            Reason::Held => parts.push("held".to_owned()),
            Reason::Exhausted => parts.push("no attempts left".to_owned()),
            Reason::Ready => parts.push("ready".to_owned()),
            _ => {}
        }
        if let (Status::Pending, Some(back)) = (phase.status, &phase.returned) {
            parts.push(returned(back));
        }
        parts.extend(
            phase
                .error_message
                .as_ref()
                .map(|error| format!("error: {error}")),
        );
        parts.join(", ")
    }
}

fn returned(back: &Return) -> String {
    match back.cause {
        None => format!("released at @{}", back.seq),
        Some(cause) => {
            let (elapsed, limit) = (
                human_duration(back.elapsed_us),
                human_duration(back.limit_us),
            );
            format!(
                "handed back at @{} ({}, {elapsed} > {limit})",
                back.seq,
                cause.as_str()
            )
        }
    }
}

impl Report for ShowReport {
    fn text(&self, style: &Style) -> String {
        let item = self.item();
        let mut text = format!(
            "{}\n",
            style.paint(AnsiColor::BrightWhite, &escape(item.name.as_str()))
        );
        let _ = write!(
            text,
            "  id {}, index {}: {}",
            escape(&item.id()),
            self.index,
            item.status().as_str()
        );
        if let Some(hold) = &item.hold {
            let reason = hold
                .reason
                .as_deref()
                .map(|reason| format!(": {}", escape(reason)));
            let _ = write!(
                text,
                ", held since @{}{}",
                hold.seq,
                reason.unwrap_or_default()
            );
        }
        text.push('\n');
        let time =
            |at: Option<Timestamp>| at.map_or_else(|| "unknown".to_owned(), |at| style.time(at));
        let _ = writeln!(
            text,
            "  created {}, updated {}\n",
            time(item.created_at),
            time(item.last_updated)
        );
        if let Some(known) = &item.data {
            let fields = Members::of(known.object().as_str()).map_or(0, |members| members.len());
            let _ = writeln!(
                text,
                "  data: {} (--data, --sources)",
                count(fields, "field")
            );
        }
        if let Some(extraction) = &item.extraction {
            let status = extraction
                .status
                .map_or("unknown", ExtractionStatus::as_str);
            let _ = write!(
                text,
                "  extraction {status}, checked {}",
                time(extraction.last_checked)
            );
            if extraction.retry_count > 0 {
                let _ = write!(
                    text,
                    ", failed {}",
                    count(extraction.retry_count as usize, "time")
                );
            }
            text.push('\n');
        }
        if item.data.is_some() || item.extraction.is_some() {
            text.push('\n');
        }
        let mut table = Table::new(&[
            ("PHASE", Align::Left),
            ("STATUS", Align::Left),
            ("RECORD", Align::Right),
            ("TIME", Align::Left),
            ("ATTEMPTS", Align::Right),
            ("FAILED", Align::Right),
            ("", Align::Left),
        ]);
        for (index, (planned, phase)) in self
            .look
            .state()
            .plan
            .phases()
            .iter()
            .zip(&item.phases)
            .enumerate()
        {
            let at = phase.completed_at.or(phase.failed_at).or(phase.started_at);
            table.row(&[
                planned.phase.to_string(),
                phase.status.as_str().to_owned(),
                if phase.since == Seq::NONE {
                    String::new()
                } else {
                    format!("@{}", phase.since)
                },
                at.map(|at| style.time(at)).unwrap_or_default(),
                phase.attempts.to_string(),
                phase.retry_count.to_string(),
                self.detail(index, phase, *style),
            ]);
        }
        text + &table.text("  ", *style)
    }

    fn json(&self) -> Value {
        let (item, state) = (self.item(), self.look.state());
        let time = |at: Option<Timestamp>| at.map(Timestamp::to_offset_text);
        let phases = state.plan.phases().iter().zip(&item.phases).enumerate();
        let phases = phases.map(|(index, (planned, phase))| {
            let running = phase.status == Status::InProgress;
            let row = json!({
                "status": phase.status,
                "started_at": time(phase.started_at),
                "completed_at": time(phase.completed_at),
                "failed_at": time(phase.failed_at),
                "attempts": phase.attempts,
                "retry_count": phase.retry_count,
                "error_message": phase.error_message,
                "token": phase.token.filter(|_| running),
                "worker": phase.worker,
                "reason": self.reason(index).as_str(),
                "lease": self.lease(index).as_ref().map(LeaseFacts::json),
            });
            (planned.phase.to_string(), row)
        });
        json!({
            "as_of_seq": state.last_seq,
            "item": item.name, "id": item.id(), "index": self.index,
            "status": item.status(), "held": item.hold.is_some(),
            "created_at": time(item.created_at), "last_updated": time(item.last_updated),
            "phases": phases.collect::<serde_json::Map<_, _>>(),
            "data": item.data.as_ref().map(|data| verbatim(data.object().as_str())),
            "sources": item.data.as_deref().map(sources_json),
            "extraction": item.extraction.as_ref().map(|it| json!({
                "status": it.status, "last_checked": time(it.last_checked),
                "retry_count": it.retry_count, "seq": it.since,
            })),
        })
    }
}
