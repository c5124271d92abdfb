//! `why`: why a phase stands where it stands, and the next command.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use serde_json::{Value, json};

use crate::pipeline::lease::Standing;
use crate::pipeline::time::human_duration;
use crate::pipeline::typical::{self, Typical};
use crate::pipeline::why::{self, Next, Why};
use crate::pipeline::{ItemId, Phase, Status, lookup};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::Shell;
use super::leases::{LeaseFacts, typical_json};
use super::receipts::count;
use super::render::{Report, Style, escape};

pub(super) const NAME: &str = "why";

/// Say why a phase is where it is, and what moves it on
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    item: ItemId,
    /// The phase; without one, the phase that makes the item what it is
    #[arg(env = "PHASELOG_PHASE", hide_env_values = true)]
    phase: Option<Phase>,
}

struct WhyReport {
    item: ItemId,
    why: Why,
    /// How it stands with its limit, if it is in progress.
    lease: Option<LeaseFacts>,
    /// How long it takes, from those that were completed.
    typical: Option<Typical>,
    /// How long it has run, in microseconds.
    ran_us: u64,
    /// The command that moves the phase on.
    next: String,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { item, phase } = args;
    let view = context.view()?;
    let state = view.state();
    let item = state.item_at(lookup::resolve(state, item.as_str())?);
    let phase = match &phase {
        Some(phase) => lookup::resolve_phase(state, phase)?,
        None => why::telling_phase(&item)
            .ok_or_else(|| Failure::usage("the plan has no phases: there is nothing to tell"))?,
    };
    let why = why::why(&state.plan, &item, phase, view.now(), view.known());
    let limit_us = state.plan.phases()[phase].limit_micros();
    let standing = Standing::of(&item.phases[phase], limit_us, view.now(), view.known());
    let lease = standing.map(|standing| LeaseFacts::of(&standing, view.now()));
    let ran_us = typical::ran_us(&item.phases[phase], view.now().at);
    let typical = match why.status {
        Status::Pending | Status::InProgress => typical::typical(state, phase),
        _ => None,
    };
    let next = next(&why, item.name.as_str(), &context.print.shell);
    context.print.report(&WhyReport {
        item: item.name.clone(),
        why,
        lease,
        typical,
        ran_us,
        next,
    });
    Ok(exit::DONE)
}

/// The command that moves the phase on, as a shell takes it.
fn next(why: &Why, item: &str, shell: &Shell) -> String {
    match &why.next {
        Next::Start(phase) => shell.command("start", &[item, phase.as_str()]),
        Next::Release(phase) => shell.command("release", &[item, phase.as_str()]),
        Next::Retry(phase) => shell.command("retry", &[item, phase.as_str()]),
        Next::RetryByForce(phase) => shell.command("retry --force", &[item, phase.as_str()]),
        Next::Unhold => shell.command("unhold", &[item]),
        Next::Resume => shell.command("resume", &[]),
        Next::Show => shell.command("show", &[item]),
    }
}

impl Report for WhyReport {
    fn text(&self, style: &Style) -> String {
        let Why {
            phase,
            status,
            reason,
            because,
            rule,
            ..
        } = &self.why;
        let (item, status) = (escape(self.item.as_str()), status.as_str());
        let reason = style.paint(AnsiColor::Yellow, reason.as_str());
        let mut text = if *self.why.reason.as_str() == *status {
            format!("{phase} of {item} is {reason}\n")
        } else {
            format!("{phase} of {item} is {reason} ({status})\n")
        };
        for (index, cause) in because.iter().enumerate() {
            let label = if index == 0 { "because" } else { "" };
            let record = cause.seq.map_or_else(
                || "since the beginning".to_owned(),
                |seq| format!("since record @{seq}"),
            );
            let _ = writeln!(
                text,
                "  {label:<7}  {} is {} {record}",
                cause.phase, cause.status
            );
        }
        let _ = writeln!(text, "  rule     {}", escape(rule));
        if let Some(lease) = &self.lease {
            if let Some(progress) = &lease.progress {
                let _ = writeln!(text, "  says     {}", escape(progress));
            }
            if lease.cause.is_none() {
                let at = style.time(lease.handed_back_at);
                let _ = writeln!(text, "  until    {at}, unless it is heard of again");
            }
        }
        if let Some(typical) = self.typical {
            let ran = match self.ran_us {
                ran if ran > 0 && self.lease.is_some() => {
                    format!("has run {}; ", human_duration(ran))
                }
                _ => String::new(),
            };
            let _ = writeln!(
                text,
                "  usually  {ran}half take at most {}, nine of ten {}: from {}",
                human_duration(typical.median_us),
                human_duration(typical.p90_us),
                count(typical.completed, "completed attempt")
            );
        }
        let _ = writeln!(text, "  next     {}", self.next);
        text
    }

    fn json(&self) -> Value {
        let because = self.why.because.iter();
        let because = because
            .map(|cause| json!({"phase": cause.phase, "status": cause.status, "seq": cause.seq}));
        json!({
            "item": self.item,
            "phase": self.why.phase,
            "status": self.why.status,
            "reason": self.why.reason.as_str(),
            "because": because.collect::<Vec<_>>(),
            "rule": self.why.rule,
            "lease": self.lease.as_ref().map(LeaseFacts::json),
            "typical": self.typical.as_ref().map(typical_json),
            "next": self.next,
        })
    }
}
