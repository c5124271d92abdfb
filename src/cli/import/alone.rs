//! An import without a file with the progress of items: data, or extractions, alone.

use serde_json::{Value, json};

use crate::error::Error;
use crate::position::Seq;
use crate::snapshot::import::Severity;
use crate::store::Store;
use crate::store::beside::BesideTaken;
use crate::store::given::{BesideOriginal, MergeOptions};

use super::super::bar::Bar;
use super::super::context::Context;
use super::super::exit;
use super::super::failure::Failure;
use super::super::receipts::count;
use super::super::render::{Report, Style};
use super::beside::Told;
use super::files::Passed;
use super::report::span;

/// Takes files in, into the store that is there or a new one.
pub(super) fn run(
    originals: &mut [BesideOriginal],
    passed: &[Passed],
    how: MergeOptions<'_>,
    dry_run: bool,
    bar: Bar,
    context: &mut Context<'_>,
) -> Result<u8, Failure> {
    let dir = context.dir().to_owned();
    let (taken, is_new) = take(originals, how, dry_run, context)?;
    drop(bar);
    let report = Alone {
        dry_run,
        is_new,
        store: dir.display().to_string(),
        told: Told {
            originals,
            taken: &taken,
            passed,
        },
    };
    let ending = if report.told.judged() {
        exit::FINDINGS
    } else {
        exit::DONE
    };
    context.print.report(&report);
    if taken.recorded.is_none() || dry_run {
        return Ok(ending);
    }
    if let Ok(mut store) = Store::open(context.ports.clone(), &dir, context.options.clone()) {
        context.after_write(&mut store);
    }
    if is_new {
        context.print.hint(&no_phases(context));
    }
    Ok(ending)
}

/// What to do with a store whose plan is empty.
pub(super) fn no_phases(context: &Context<'_>) -> String {
    let plan = context.print.shell.command("plan set FILE", &[]);
    format!("no phases were named, so nothing can be done yet: {plan} gives the store a plan")
}

/// What taking them in comes to, and whether the store is new.
fn take(
    originals: &mut [BesideOriginal],
    how: MergeOptions<'_>,
    dry_run: bool,
    context: &mut Context<'_>,
) -> Result<(BesideTaken, bool), Failure> {
    let dir = context.dir().to_owned();
    if !dry_run {
        context.announce_write();
    }
    let (ports, options) = (&context.ports, &context.options);
    let taken = if dry_run {
        Store::would_import_beside(ports, &dir, options, originals, how)
    } else {
        Store::import_beside(ports, &dir, options, originals, how)
    };
    match taken {
        Err(Error::NoStore { .. }) if dry_run => {
            Ok((Store::would_begin_beside(ports, &dir, originals)?, true))
        }
        Err(Error::NoStore { .. }) => {
            Ok((Store::begin_beside(ports, &dir, options, originals)?, true))
        }
        taken => Ok((taken?, false)),
    }
}

/// An import without a file with the progress of items.
struct Alone<'a> {
    dry_run: bool,
    is_new: bool,
    store: String,
    told: Told<'a>,
}

impl Report for Alone<'_> {
    fn text(&self, style: &Style) -> String {
        let files = count(self.told.originals.len(), "file");
        let new = if self.is_new {
            format!(", the beginning of a new store in {}", self.store)
        } else {
            String::new()
        };
        let headline = match self.told.taken.recorded {
            None => format!("unchanged: nothing in {files} is new"),
            Some(_) if self.dry_run => format!("would take in {files}{new}"),
            Some((first, last)) => format!("recorded {}: took in {files}{new}", span(first, last)),
        };
        headline + "\n" + &self.told.text(style)
    }

    fn json(&self) -> Value {
        let recorded = self.told.taken.recorded.filter(|_| !self.dry_run);
        let [added, changed, unchanged] = self.told.items();
        json!({
            "dry_run": self.dry_run,
            "first_seq": recorded.map(|(first, _): (Seq, Seq)| first),
            "seq": recorded.map(|(_, last)| last),
            "plan": [],
            "items": {"added": added, "changed": changed, "unchanged": unchanged},
            "files": self.told.files_json().collect::<Vec<_>>(),
            "leftovers": [],
            "counts": {
                "note": self.told.count(Severity::Note),
                "judged": self.told.count(Severity::Judged),
                "refused": self.told.count(Severity::Refused),
            },
            "findings": self.told.findings_json().collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("findings")
    }
}
