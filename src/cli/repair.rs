//! `repair`: the plan, item by item; with `--apply`, done.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::{DamageKind, Error};
use crate::ports::EntryKind;
use crate::position::Seq;
use crate::store::repair::{self, Occasion, RESTORED_JUMP, RepairPlan, Repaired, SeqRange};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::Shell;
use super::receipts::count;
use super::render::{Report, Style, escape};

pub(super) const NAME: &str = "repair";

/// Show what can be done about damage, item by item, and do it with --apply
///
/// Without --apply nothing is written. A single flipped bit is put right without a loss; giving up acknowledged
/// records needs exactly their range typed. Originals are kept in wal/quarantine/.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory was restored from a backup: go on at a seq that no worker can hold a token of
    #[arg(long)]
    restored: bool,
    /// Do it
    #[arg(long)]
    apply: bool,
    /// Give up exactly these records, as the plan prints them
    #[arg(long, value_name = "A..B", requires = "apply", value_delimiter = ',')]
    accept_loss: Vec<SeqRange>,
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let occasion = if args.restored {
        Occasion::Restored
    } else {
        Occasion::Hurt
    };
    let (ports, options) = (context.ports.clone(), context.options.clone());
    let dir = context.dir().to_owned();
    if !args.apply {
        let plan = repair::plan(&ports, &dir, &options, occasion)
            .map_err(|error| no_plan(error, context))?;
        let status = if plan.next.is_none() {
            exit::DONE
        } else {
            exit::FINDINGS
        };
        let hint = hint(&plan, args.restored, &context.print.shell);
        context.print.report(&RepairReport { plan, done: None });
        if status == exit::FINDINGS {
            context.print.hint(&hint);
        }
        return Ok(status);
    }
    context.announce_write();
    let done = repair::apply(&ports, &dir, &options, occasion, &args.accept_loss);
    match done.map_err(|error| no_plan(error, context))? {
        Repaired::Nothing => {
            context.print.report(&RepairReport {
                plan: RepairPlan::nothing(),
                done: None,
            });
            Ok(exit::DONE)
        }
        Repaired::NotAccepted(plan) => {
            let hint = hint(&plan, args.restored, &context.print.shell);
            let needed = ranges(&plan.lost);
            context.print.report(&RepairReport { plan, done: None });
            let message = match &*needed {
                "" => "no record would be lost, so no loss can be accepted".to_owned(),
                _ => format!("records {needed} would be lost, and exactly they must be accepted"),
            };
            context
                .print
                .warning(&format!("{message}; nothing was changed"));
            context.print.hint(&hint);
            Ok(exit::DAMAGED)
        }
        Repaired::Done { plan, noted, kept } => {
            let lossless = plan.lost.is_empty();
            let kept = kept.iter().map(|path| path.display().to_string()).collect();
            context.print.report(&RepairReport {
                plan,
                done: Some((noted, kept)),
            });
            Ok(if lossless { exit::DONE } else { exit::FINDINGS })
        }
    }
}

/// `verify` says what is wrong and names `repair`: whoever comes from there is not sent back. Nor is anybody told to move
/// away what may hold records.
fn no_plan(error: Error, context: &Context<'_>) -> Failure {
    let (Error::Damaged(damage) | Error::AmbiguousTail(damage)) = &error else {
        return error.into();
    };
    let file = damage.file.display().to_string();
    let file = super::hints::quote(&file);
    let backup = "there is no plan for this: put";
    let hint = match &damage.kind {
        _ if damage.segment.is_none() => {
            let dir = context.dir();
            let root = context.ports.disk.exists(&dir.join("work_items.json"));
            let again = if root.unwrap_or(false) {
                let shell = Shell {
                    store: Some("NEW".to_owned()),
                };
                let import = shell.command("import", &[&dir.display().to_string()]);
                format!(
                    "; if there is none, {import} begins another store with what the JSON files have"
                )
            } else {
                String::new()
            };
            format!("{backup} the segments back from a backup{again}")
        }
        DamageKind::NoFile if is_link(context, &damage.file) => format!(
            "{file} is a link: put the file it leads to in its place, for that may be the segment"
        ),
        DamageKind::NoFile => format!(
            "{backup} {file} back from a backup; if there is none, move away what stands there, which is no file, and repair again"
        ),
        _ => format!("{backup} {file} back from a backup; nothing was changed"),
    };
    Failure::from(error).with_hint(hint)
}

fn is_link(context: &Context<'_>, file: &Path) -> bool {
    let found = context.ports.disk.metadata(&context.dir().join(file));
    found.is_ok_and(|found| found.kind == EntryKind::Symlink)
}

fn ranges(lost: &[SeqRange]) -> String {
    lost.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

/// How many records are in these ranges.
fn lost_records(lost: &[SeqRange]) -> u64 {
    let each = lost.iter().map(|range| range.to.get() - range.from.get());
    each.fold(0, |sum, more| sum.saturating_add(more.saturating_add(1)))
}

fn hint(plan: &RepairPlan, restored: bool, shell: &Shell) -> String {
    let mut command = shell.command("repair", &[]);
    if restored {
        command.push_str(" --restored");
    }
    command.push_str(" --apply");
    if !plan.lost.is_empty() {
        let _ = write!(command, " --accept-loss {}", ranges(&plan.lost));
    }
    format!("{command} does this")
}

/// The plan; with the record that tells of it and the files that were kept, if it was done.
struct RepairReport {
    plan: RepairPlan,
    done: Option<(Seq, Vec<String>)>,
}

impl Report for RepairReport {
    fn text(&self, _: &Style) -> String {
        let plan = &self.plan;
        let Some(next) = plan.next else {
            return "nothing to do: the log can be read to its end\n".to_owned();
        };
        let mut text = String::new();
        for step in &plan.steps {
            let _ = writeln!(
                text,
                "{} byte {}: {}",
                escape(&step.file),
                step.byte,
                escape(&step.message)
            );
        }
        for touched in &plan.items {
            let lost = touched.lost.join(", ");
            let then: Vec<&str> = touched
                .then
                .iter()
                .map(String::as_str)
                .filter(|then| !then.is_empty())
                .collect();
            let _ = write!(text, "  {}: lost: {}", escape(&touched.item), escape(&lost));
            if !then.is_empty() {
                let _ = write!(text, "; {}", escape(&then.join(", ")));
            }
            text.push('\n');
        }
        for beyond in &plan.beyond_items {
            let _ = writeln!(text, "  {}", escape(beyond));
        }
        if plan.items_unknown {
            text.push_str("  some of what is lost left no bytes that name items: whatever shows as open afterwards may have been done\n");
        }
        match &self.done {
            None => {
                let _ = writeln!(text, "the log would go on in wal/{next}");
            }
            Some((noted, kept)) => {
                for path in kept {
                    let _ = writeln!(text, "kept {}", escape(path));
                }
                let lost = match lost_records(&plan.lost) {
                    // Hardly any of so many was ever written.
                    RESTORED_JUMP.. => format!("records {}", ranges(&plan.lost)),
                    lost => count(usize::try_from(lost).unwrap_or(usize::MAX), "record"),
                };
                let _ = writeln!(
                    text,
                    "recorded {noted}: repaired, {lost} given up; the log goes on in wal/{next}"
                );
            }
        }
        text
    }

    fn json(&self) -> Value {
        let plan = &self.plan;
        let steps = plan.steps.iter().map(|step| {
            json!({
                "do": step.kind.as_str(),
                "file": step.file,
                "byte": step.byte,
                "bytes": step.bytes,
                "first_seq": step.seqs.map(|seqs| seqs.from),
                "seq": step.seqs.map(|seqs| seqs.to),
                "message": step.message,
            })
        });
        let items = plan.items.iter().map(
            |touched| json!({"item": touched.item, "lost": touched.lost, "then": touched.then}),
        );
        let lost = plan
            .lost
            .iter()
            .map(|range| json!({"first_seq": range.from, "seq": range.to}));
        json!({
            "recorded": self.done.is_some(),
            "seq": self.done.as_ref().map(|(noted, _)| noted),
            "steps": steps.collect::<Vec<_>>(),
            "lost": lost.collect::<Vec<_>>(),
            "items": items.collect::<Vec<_>>(),
            "beyond_items": plan.beyond_items,
            "items_unknown": plan.items_unknown,
            "next": plan.next.map(|next| format!("wal/{next}")),
            "kept": self.done.as_ref().map(|(_, kept)| kept),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("steps")
    }
}
