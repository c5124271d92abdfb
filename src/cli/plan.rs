//! `plan`: the plan in force, in the form that `init --plan` reads; `plan set`: another one.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::pipeline::{PhasePlan, Plan};
use crate::position::Seq;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::init::read_plan;
use super::moment::AtArg;
use super::receipts::submit_plan;
use super::render::{Report, Style};

pub(super) const NAME: &str = "plan";

/// Show the plan, in the form that `init --plan` reads, or put another in force
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    at: AtArg,
    #[command(subcommand)]
    command: Option<Change>,
}

/// What can be done to the plan.
#[derive(Debug, clap::Subcommand)]
enum Change {
    /// Put another plan in force: add, rename, merge or drop phases, change what they need and their limits
    ///
    /// A phase goes on with the state of the phase of that name; with `"from": ["old"]` it goes on from another (a rename), with
    /// `"from": ["a", "b"]` from several (a merge). A phase that no other goes on from is dropped. None that is in progress
    /// somewhere can be dropped, renamed or merged. The plan says all there is: a limit that it leaves out is not kept, and
    /// a warning names it.
    Set {
        /// The plan, in the form that `plan` prints; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

struct PlanReport {
    as_of_seq: Seq,
    plan: Plan,
}

/// The keys of a phase in a new plan.
const KEYS: [&str; 6] = [
    "phase",
    "needs",
    "timeout_minutes",
    "max_attempts",
    "backoff_seconds",
    "from",
];

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    if let Some(Change::Set { file }) = &args.command {
        let plan = read_plan(context, file, &KEYS)?;
        return submit_plan(context, plan.phases().to_vec());
    }
    let Args { at, .. } = args;
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
