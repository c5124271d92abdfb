//! `why`: why a phase stands where it stands, and the next command.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use serde_json::{Value, json};

use crate::pipeline::why::{self, Next, Why};
use crate::pipeline::{ItemId, Phase, lookup};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::Shell;
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
    /// The command that moves the phase on.
    next: String,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { item, phase } = args;
    let view = context.view()?;
    let state = view.state();
    let item = &state.items()[lookup::resolve(state, item.as_str())?];
    let phase = match &phase {
        Some(phase) => lookup::resolve_phase(state, phase)?,
        None => why::telling_phase(item)
            .ok_or_else(|| Failure::usage("the plan has no phases: there is nothing to tell"))?,
    };
    let why = why::why(&state.plan, item, phase, view.now());
    let next = next(&why, item.name.as_str(), &context.print.shell);
    context.print.report(&WhyReport {
        item: item.name.clone(),
        why,
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
            "next": self.next,
        })
    }
}
