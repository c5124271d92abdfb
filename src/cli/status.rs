//! `status`: how far the pipeline is, what runs, and how long it will take.

mod stands;

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::AnsiColor;
use serde_json::{Value, json};

use crate::log::Sha256Hex;
use crate::pipeline::lease::Standing;
use crate::pipeline::overview::{Overview, overview};
use crate::pipeline::status::ItemStatus;
use crate::pipeline::time::human_duration;
use crate::pipeline::{PipelineState, Status, Timestamp};
use crate::position::Seq;
use crate::store::{View, Warning};

use stands::SnapshotFacts;

use super::context::Context;
use super::estimate;
use super::exit;
use super::failure::Failure;
use super::leases::LeaseFacts;
use super::log::nobody_reads;
use super::moment::{AtArg, Look};
use super::receipts::count;
use super::render::{Report, Style, escape};
use super::table::{Align, Table};

pub(super) const NAME: &str = "status";

/// How many phases in progress the text names.
const RUNNING_SHOWN: usize = 10;

/// The time between two looks of `--watch`.
const WATCH: Duration = Duration::from_secs(2);

/// How many cells the bar has.
const BAR: usize = 40;

/// Show how far everything is, what runs, and how long it will take
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    at: AtArg,
    /// Show it again every two seconds, until interrupted
    #[arg(long, conflicts_with = "at")]
    watch: bool,
}

/// What `status` prints.
struct StatusReport {
    store: String,
    as_of: Timestamp,
    look: Look,
    overview: Overview,
    /// As `overview.running`, in the same order.
    leases: Vec<LeaseFacts>,
    durable: Seq,
    /// Of the present only, and only if all of it could be shown.
    head: Option<Sha256Hex>,
    /// Of the present only.
    snapshot: Option<SnapshotFacts>,
    complete: bool,
    warnings: Vec<Warning>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { at, watch } = args;
    let look = at.look(context)?;
    let store = context.dir().display().to_string();
    let clears = watch && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let exposed = match &look {
        Look::Now(_) => View::exposed(&context.ports, context.dir()),
        Look::Then(..) => Vec::new(),
    };
    context.warn(&exposed);
    let mut next = report(store.clone(), look, &exposed, context)?;
    loop {
        if clears {
            // Home, then everything below: the terminal does not flicker as it would if it were cleared first.
            context.print.data(b"\x1b[H\x1b[J");
        }
        context.print.report(&next);
        context.print.flush();
        if !watch || nobody_reads(context) {
            return Ok(exit::DONE);
        }
        context.ports.clock.sleep(WATCH);
        if nobody_reads(context) {
            return Ok(exit::DONE);
        }
        let look = look_again(next.look, context)?;
        next = report(store.clone(), look, &exposed, context)?;
    }
}

fn report(
    store: String,
    look: Look,
    exposed: &[Warning],
    context: &Context<'_>,
) -> Result<StatusReport, Failure> {
    let overview = overview(look.state(), look.now(), look.known());
    let as_of = look.now().at;
    let leases = leases(&overview, &look);
    let (head, durable, snapshot, complete, warnings) = match &look {
        Look::Now(view) => (
            view.head()?,
            view.durable_seq(),
            Some(SnapshotFacts::of(view, context)),
            view.complete(),
            [view.warnings(), exposed].concat(),
        ),
        Look::Then(past, _) => (None, past.state.last_seq, None, true, Vec::new()),
    };
    Ok(StatusReport {
        store,
        as_of,
        look,
        overview,
        leases,
        durable,
        head,
        snapshot,
        complete,
        warnings,
    })
}

/// Looks once more: at what came since, or at everything if the files were written anew meanwhile.
fn look_again(look: Look, context: &Context<'_>) -> Result<Look, Failure> {
    let (ports, dir, options) = (&context.ports, context.dir(), &context.options);
    match look {
        Look::Now(mut view) if !view.snapshot_changed(ports, dir) => {
            view.look_again(ports, dir, options, &mut |_| {})?;
            Ok(Look::Now(view))
        }
        _ => Ok(Look::Now(Box::new(context.look_again()?))),
    }
}

fn leases(overview: &Overview, look: &Look) -> Vec<LeaseFacts> {
    let (plan, now) = (&look.state().plan, look.now());
    let running = overview.running.iter().map(|run| {
        let item = look.state().item_at(run.place.item);
        let phase = &item.phases[run.place.phase];
        let limit_us = plan.phases()[run.place.phase].limit_micros();
        let standing = Standing::of(phase, limit_us, now, look.known());
        LeaseFacts::of(&standing.expect("it is in progress"), now)
    });
    running.collect()
}

/// The state in one line, as `phaselog` alone and `status` show it.
pub(super) fn headline(store: &str, overview: &Overview) -> String {
    let counts = &overview.counts;
    let (done, total) = (counts.items[ItemStatus::Completed as usize], counts.total());
    let percent = counts.completion_percentage();
    format!(
        "{store}: {done} of {} completed ({percent:.1} %)",
        count(total, "item")
    )
}

impl Report for StatusReport {
    fn text(&self, style: &Style) -> String {
        let head = headline(&self.store, &self.overview);
        let (seq, at) = (self.state().last_seq, style.time(self.as_of));
        let mut text = format!("{head}, record @{seq}, {at}\n");
        text.push_str(&self.bar(*style));
        if !self.state().plan.phases().is_empty() {
            text.push('\n');
            text.push_str(&self.phases(*style));
        }
        if !self.overview.running.is_empty() {
            text.push('\n');
            text.push_str(&self.running(*style));
        }
        text.push('\n');
        text.push_str(&self.facts(*style));
        text
    }

    fn json(&self) -> Value {
        let Overview {
            counts,
            running,
            running_total,
            pace,
            eta_secs,
            ..
        } = &self.overview;
        let mut items = serde_json::Map::new();
        items.insert("total".into(), counts.total().into());
        for status in ItemStatus::ALL {
            items.insert(status.as_str().into(), counts.items[status as usize].into());
        }
        let phases =
            self.state()
                .plan
                .phases()
                .iter()
                .zip(&counts.phases)
                .map(|(planned, counts)| {
                    let mut row = serde_json::Map::new();
                    row.insert("phase".into(), json!(planned.phase));
                    for status in Status::ALL {
                        row.insert(
                            status.as_str().into(),
                            counts.by_status[status as usize].into(),
                        );
                    }
                    row.insert("ready".into(), counts.ready.into());
                    row.insert("waiting".into(), counts.waiting.into());
                    Value::from(row)
                });
        let in_progress = running.iter().zip(&self.leases).map(|(run, lease)| {
            let item = self.state().item_at(run.place.item);
            let (planned, phase) = (
                &self.state().plan.phases()[run.place.phase],
                &item.phases[run.place.phase],
            );
            let mut row = json!({
                "item": item.name, "phase": planned.phase, "token": phase.token,
                "worker": phase.worker,
                "started_at": phase.started_at.map(Timestamp::to_offset_text),
            });
            if let (Value::Object(row), Value::Object(lease)) = (&mut row, lease.json()) {
                row.extend(lease);
            }
            row
        });
        let per_hour = pace.map(|pace| (pace.per_hour * 10.0).round() / 10.0);
        let snapshot = self.snapshot.as_ref();
        json!({
            "store": self.store,
            "as_of": self.as_of.to_offset_text(),
            "as_of_seq": self.state().last_seq,
            "durable_seq": self.durable,
            "head": self.head,
            "items": items,
            "completion_percentage": counts.completion_percentage(),
            "phases": phases.collect::<Vec<_>>(),
            "in_progress": in_progress.collect::<Vec<_>>(),
            "in_progress_total": running_total,
            "stuck": counts.stuck, "held": counts.held, "exhausted": counts.exhausted,
            "rejected": self.state().rejected,
            "throughput_per_hour": per_hour, "eta_secs": eta_secs,
            "estimate": estimate::json(&self.overview, &self.state().plan),
            "snapshot": {
                "seq": snapshot.and_then(|facts| facts.files.seq()),
                "behind": snapshot.map(|facts| facts.behind),
                "edited": snapshot.map_or_else(Vec::new, SnapshotFacts::edited),
                "in_place": snapshot.map(|facts| facts.files.root.is_some()),
                "older_than": snapshot.and_then(|facts| facts.files.older_than),
            },
            "complete": self.complete,
            "warnings": self.warnings.iter()
                .map(|warning| json!({"code": warning.code, "message": warning.message}))
                .collect::<Vec<_>>(),
        })
    }
}

impl StatusReport {
    fn state(&self) -> &PipelineState {
        self.look.state()
    }

    fn bar(&self, style: Style) -> String {
        let counts = &self.overview.counts;
        let total = counts.total();
        let cells = |status: ItemStatus| {
            (counts.items[status as usize] * BAR)
                .checked_div(total)
                .unwrap_or(0)
        };
        let (done, failed) = (cells(ItemStatus::Completed), cells(ItemStatus::Failed));
        let mut bar = style.paint(AnsiColor::Green, &"█".repeat(done));
        bar += &style.paint(AnsiColor::Red, &"▒".repeat(failed));
        bar += &style.paint(AnsiColor::BrightBlack, &"░".repeat(BAR - done - failed));
        let words = ItemStatus::ALL.iter().filter_map(|&status| {
            let count = counts.items[status as usize];
            let text = format!("{count} {}", status.as_str().replace('_', " "));
            (count > 0 && status != ItemStatus::Completed).then_some(text)
        });
        let words: Vec<String> = words.collect();
        format!("  {bar}  {}\n", words.join(", ")).replace("  \n", "\n")
    }

    fn phases(&self, style: Style) -> String {
        let mut table = Table::new(&[
            ("PHASE", Align::Left),
            ("PENDING", Align::Right),
            ("IN PROGRESS", Align::Right),
            ("COMPLETED", Align::Right),
            ("FAILED", Align::Right),
            ("SKIPPED", Align::Right),
            ("READY", Align::Right),
            ("WAITING", Align::Right),
        ]);
        for (planned, counts) in self
            .state()
            .plan
            .phases()
            .iter()
            .zip(&self.overview.counts.phases)
        {
            let mut row = vec![planned.phase.to_string()];
            row.extend(counts.by_status.iter().map(ToString::to_string));
            row.extend([counts.ready.to_string(), counts.waiting.to_string()]);
            table.row(&row);
        }
        table.text("  ", style)
    }

    fn running(&self, style: Style) -> String {
        let mut table = Table::new(&[
            ("IN PROGRESS", Align::Left),
            ("PHASE", Align::Left),
            ("WORKER", Align::Left),
            ("TOKEN", Align::Right),
            ("SINCE", Align::Left),
            ("SILENT", Align::Right),
            ("LIMIT", Align::Right),
            ("", Align::Left),
        ]);
        let running = self.overview.running.iter().zip(&self.leases);
        for (run, lease) in running.take(RUNNING_SHOWN) {
            let item = self.state().item_at(run.place.item);
            let (planned, phase) = (
                &self.state().plan.phases()[run.place.phase],
                &item.phases[run.place.phase],
            );
            table.row(&[
                item.name.to_string(),
                planned.phase.to_string(),
                phase.worker.as_deref().unwrap_or_default().to_owned(),
                phase
                    .token
                    .map(|token| token.to_string())
                    .unwrap_or_default(),
                phase
                    .started_at
                    .or(run.last_sign_at)
                    .map(|at| style.time(at))
                    .unwrap_or_default(),
                human_duration(run.elapsed_us),
                human_duration(planned.limit_micros()),
                escape(&lease.note()),
            ]);
        }
        let mut text = table.text("  ", style).replace(
            "  STUCK",
            &format!("  {}", style.paint(AnsiColor::Red, "STUCK")),
        );
        let more = self.overview.running_total.saturating_sub(RUNNING_SHOWN);
        if more > 0 {
            let _ = writeln!(text, "  … and {more} more");
        }
        text
    }

    fn facts(&self, style: Style) -> String {
        let Overview { counts, pace, .. } = &self.overview;
        let mut lines: Vec<(&str, String)> = Vec::new();
        let mut attention = Vec::new();
        if counts.stuck > 0 {
            attention.push(format!(
                "{} stuck (phaselog resume hands them back)",
                counts.stuck
            ));
        }
        if counts.held > 0 {
            attention.push(format!("{} held", counts.held));
        }
        if counts.exhausted > 0 {
            attention.push(format!("{} without attempts left", counts.exhausted));
        }
        if self.state().rejected > 0 {
            attention.push(format!(
                "{} refused as too late",
                count(
                    usize::try_from(self.state().rejected).unwrap_or(usize::MAX),
                    "report"
                )
            ));
        }
        if !attention.is_empty() {
            lines.push(("attention", attention.join(", ")));
        }
        if let Some(pace) = pace {
            let (last, span) = (style.time(pace.last), human_duration(pace.span_us));
            lines.push((
                "pace",
                format!(
                    "{:.1} phases an hour ({} in {span}), until {last}",
                    pace.per_hour, pace.completed
                ),
            ));
        }
        if counts.items[ItemStatus::Completed as usize] < counts.total() {
            lines.extend(estimate::lines(&self.overview, &self.state().plan));
        }
        lines.push(("durable", format!("through record @{}", self.durable)));
        if let Some(head) = self.head {
            lines.push(("log head", format!("{head} at @{}", self.state().last_seq)));
        }
        if let Some(facts) = &self.snapshot {
            let files = facts.words();
            lines.push(("files", files));
            if !facts.files.edited.is_empty() {
                lines.push(("edited", escape(&facts.edited().join(", "))));
            }
        }
        lines.iter().fold(String::new(), |mut all, (name, text)| {
            let _ = writeln!(all, "  {name:<9}  {text}");
            all
        })
    }
}
