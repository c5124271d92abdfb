//! `plan`: the plan in force, in the form that `init --plan` reads.

use serde_json::{Value, json};

use crate::pipeline::{PhasePlan, Plan};
use crate::position::Seq;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::moment::AtArg;
use super::render::{Report, Style};

pub(super) const NAME: &str = "plan";

/// Show the plan, in the form that `init --plan` reads
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    at: AtArg,
}

struct PlanReport {
    as_of_seq: Seq,
    plan: Plan,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let Args { at } = args;
    let look = at.look(context)?;
    let (as_of_seq, plan) = (look.state().last_seq, look.state().plan.clone());
    context.print.report(&PlanReport { as_of_seq, plan });
    Ok(exit::DONE)
}

fn element(phase: &PhasePlan) -> Value {
    json!({
        "phase": phase.phase, "needs": phase.needs,
        "timeout_minutes": phase.timeout_minutes,
        "max_attempts": phase.max_attempts,
        "backoff_seconds": phase.backoff_seconds,
    })
}

impl Report for PlanReport {
    fn text(&self, _: &Style) -> String {
        let rows: Vec<String> = self
            .plan
            .phases()
            .iter()
            .map(|phase| format!("  {}", element(phase)))
            .collect();
        format!("[\n{}\n]\n", rows.join(",\n"))
    }

    fn json(&self) -> Value {
        let rows = self.plan.phases().iter().map(element);
        json!({"as_of_seq": self.as_of_seq, "plan": rows.collect::<Vec<_>>()})
    }

    fn array(&self) -> Option<&'static str> {
        Some("plan")
    }
}
