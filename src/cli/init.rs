//! `init`: a new store.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::pipeline::{Phase, PhasePlan, Plan};
use crate::store::Store;

use super::context::Context;
use super::failure::Failure;
use super::items::{self, Items};
use super::receipts::{CreatedReport, count};
use super::{exit, values};

pub(super) const NAME: &str = "init";

/// Make a new store
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A phase of the plan, in order; `:needs=A+B` names the phases it waits for
    #[arg(long = "phase", value_name = "NAME[:needs=A+B]")]
    phases: Vec<String>,
    /// The plan as a JSON file, in the form that `plan` prints
    #[arg(long, value_name = "FILE", conflicts_with = "phases")]
    plan: Option<PathBuf>,
    /// Each phase needs the one before it
    #[arg(long)]
    linear: bool,
    #[command(flatten)]
    items: Items,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let plan = match &args.plan {
        Some(path) => read_plan(context, path, &KEYS)?,
        None => plan_of_flags(&args.phases)?,
    };
    let plan = if args.linear { plan.linear() } else { plan };
    let items = items::unique(args.items.read(context)?);
    context.announce_write();
    let dir = context.dir().to_owned();
    let created = Store::init(&context.ports, &dir, &context.options, &plan, &items)?;
    let words = format!(
        "a new store in {} with {} and {}",
        dir.display(),
        count(plan.phases().len(), "phase"),
        count(created.items, "item")
    );
    context.print.report(&CreatedReport {
        created,
        words,
        store: dir.display().to_string(),
    });
    if let Ok(mut store) = Store::open(context.ports.clone(), &dir, context.options.clone()) {
        context.after_write(&mut store);
    }
    let item = items.first().map_or("ITEM", |item| item.name.as_str());
    let phase = plan
        .phases()
        .first()
        .map_or("PHASE", |plan| plan.phase.as_str());
    let hint = context.print.shell.command("start", &[item, phase]);
    context.print.hint(&hint);
    Ok(exit::DONE)
}

fn plan_of_flags(flags: &[String]) -> Result<Plan, Failure> {
    if flags.is_empty() {
        return Err(Failure::usage(
            "a plan is needed: --phase NAME, once for each, or --plan FILE",
        ));
    }
    let phases: Result<Vec<PhasePlan>, Failure> =
        flags.iter().map(|flag| phase_of_flag(flag)).collect();
    Plan::new(phases?).map_err(|error| Failure::usage(error.to_string()))
}

fn phase_of_flag(flag: &str) -> Result<PhasePlan, Failure> {
    let name = |text: &str| Phase::new(text).map_err(|error| Failure::usage(error.to_string()));
    let (phase, needs) = match flag.split_once(':') {
        None => (flag, None),
        Some((phase, rest)) => match rest.strip_prefix("needs=") {
            Some(needs) => (phase, Some(needs)),
            None => {
                return Err(Failure::usage(format!(
                    "--phase {flag}: only :needs=A+B may follow the name"
                )));
            }
        },
    };
    let mut plan = PhasePlan::named(name(phase)?);
    for need in needs.into_iter().flat_map(|needs| needs.split('+')) {
        plan.needs.push(name(need)?);
    }
    Ok(plan)
}

/// The keys of a phase in a plan.
const KEYS: [&str; 5] = [
    "phase",
    "needs",
    "timeout_minutes",
    "max_attempts",
    "backoff_seconds",
];

/// Reads a plan from a file, or from standard input for `-`: a JSON array, or an object with it under `plan`. Its phases
/// have these keys and no others.
pub(super) fn read_plan(
    context: &Context<'_>,
    path: &Path,
    known: &[&str],
) -> Result<Plan, Failure> {
    let bytes = match path.to_str() {
        Some("-") => values::standard_input()?,
        _ => values::read_file(context, path, 1 << 20)?,
    };
    let text = values::utf8(path, bytes)?;
    let parse = |message: String| {
        Failure::from(Error::Parse {
            path: path.to_owned(),
            line: 0,
            column: 0,
            message,
        })
    };
    let json: Value =
        serde_json::from_str(&text).map_err(|error| values::parse_error(path, &error))?;
    let rows = match &json {
        Value::Object(fields) => fields.get("plan"),
        other => Some(other),
    };
    let Some(Value::Array(rows)) = rows else {
        return Err(parse(
            "a plan is an array of {\"phase\": NAME, \"needs\": […], …}".to_owned(),
        ));
    };
    for (row, number) in rows.iter().zip(1..) {
        let mut keys = row.as_object().into_iter().flat_map(|fields| fields.keys());
        if let Some(key) = keys.find(|key| !known.contains(&key.as_str())) {
            let known = known.join(", ");
            return Err(parse(format!(
                "phase {number}: {key:?} is not one of {known}"
            )));
        }
    }
    // From the text again: values that are wrong then have their line and column.
    let phases = if json.is_array() {
        serde_json::from_str(&text)
    } else {
        serde_json::from_str::<WithPlan>(&text).map(|document| document.plan)
    };
    let phases = phases.map_err(|error| values::parse_error(path, &error))?;
    Plan::new(phases).map_err(|error| parse(error.to_string()))
}

/// A document with a plan in it: what `plan --json` prints.
#[derive(serde::Deserialize)]
struct WithPlan {
    plan: Vec<PhasePlan>,
}
