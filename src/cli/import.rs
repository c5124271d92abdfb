//! `import`: take over the state file of another program, and say everything that was not as it should be.

mod beside;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::Error;
use crate::pipeline::time::SnapshotTimes;
use crate::position::Seq;
use crate::snapshot::import::{self, Finding, ImportedDocument, Severity, Zone};
use crate::store::beside::{self as store_beside, BesideTaken};
use crate::store::create::{Created, Imported, Original};
use crate::store::merge::{MergeOptions, MergedFile};
use crate::store::{CompactMode, Store};

use beside::{Named, Told};

use super::context::Context;
use super::failure::Failure;
use super::receipts::count;
use super::render::{Report, Style, escape, to_value};
use super::{exit, values};

pub(super) const NAME: &str = "import";

/// The file of a DIR that is taken over.
const WORK_ITEMS: &str = "work_items.json";

/// Findings of one code that text prints.
const SHOWN_OF_A_CODE: usize = 10;

/// Take over the state file of another program, or what was changed in one of ours
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The state files, or the directory they lie in
    #[arg(value_name = "FILE|DIR", required = true)]
    paths: Vec<PathBuf>,
    /// Where times without an offset are taken to be: a zone such as America/Phoenix, local, or utc
    #[arg(long, value_name = "ZONE", default_value = "local", value_parser = zone)]
    assume_tz: Zone,
    /// Each phase needs the one before it
    #[arg(long)]
    linear: bool,
    /// Of a damaged file, take the whole items before the damage
    #[arg(long)]
    salvage: bool,
    /// Where a file that was changed and the log disagree, let the file count instead of the log
    #[arg(long, value_name = "SIDE")]
    prefer: Option<Side>,
    /// How snapshots write times from now on
    #[arg(long, value_name = "STYLE")]
    snapshot_times: Option<Times>,
    /// Say what would be taken over; write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Side {
    /// What stands in the file
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Times {
    /// In UTC, with their offset
    Utc,
    /// Local time without an offset, for scripts that compare with datetime.now()
    Naive,
}

fn zone(text: &str) -> Result<Zone, String> {
    match text.to_ascii_lowercase().as_str() {
        "local" => Ok(Zone::Local),
        "utc" => Ok(Zone::Utc),
        _ => text
            .parse()
            .map(Zone::Named)
            .map_err(|_| "not local, utc, or a zone such as America/Phoenix".to_owned()),
    }
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let now = context.ports.clock.now().at;
    let options = import::Options {
        zone: args.assume_tz,
        now,
        linear: args.linear,
        salvage: args.salvage,
    };
    let Named { work_items, beside } = beside::named(&args.paths, context, &options)?;
    let Some(path) = work_items else {
        return beside::run(&beside, args.dry_run, context);
    };
    let bytes = values::read_file(context, &path, import::MAX_FILE_BYTES)?;
    let mut document = read(&path, &bytes, &options, context)?;
    document.file.times = args.snapshot_times.map(|times| match times {
        Times::Utc => SnapshotTimes::Utc,
        Times::Naive => SnapshotTimes::Naive,
    });
    if document.plan.phases().is_empty() {
        return Err(nothing_in(path, &document));
    }
    let (more, files) = store_beside::onto(&document.events(), &beside);
    let original = Original {
        path: path.clone(),
        bytes,
        document,
        beside,
        more,
    };
    let dir = context.dir().to_owned();
    let how = MergeOptions {
        reading: &options,
        prefer_file: args.prefer == Some(Side::File),
    };
    let imported = if args.dry_run {
        Store::would_import(&context.ports, &dir, &context.options, &original, how)?
    } else {
        context.announce_write();
        Store::import(&context.ports, &dir, &context.options, &original, how)?
    };
    let taken = match &imported {
        Imported::Created(Created { first, last, .. }) => BesideTaken {
            recorded: Some((*first, *last)),
            files,
        },
        Imported::Merged(_) if original.beside.is_empty() => BesideTaken::default(),
        Imported::Merged(_) => {
            let (ports, options, beside) = (&context.ports, &context.options, &original.beside);
            if args.dry_run {
                Store::would_import_beside(ports, &dir, options, beside)?
            } else {
                Store::import_beside(ports, &dir, options, beside)?
            }
        }
    };
    let told = Told {
        originals: &original.beside,
        taken: &taken,
    };
    let leftovers = leftovers(context, &path)?;
    let findings = match &imported {
        Imported::Created(_) => &original.document.findings,
        Imported::Merged(merged) => &merged.findings,
    };
    let is_judged = |finding: &Finding| finding.severity == Severity::Judged;
    let judged = findings.iter().any(is_judged) || told.judged();
    let writes = taken.recorded.is_some()
        || !matches!(&imported, Imported::Merged(merged) if merged.recorded.is_none());
    let report = ImportReport {
        dry_run: args.dry_run,
        findings,
        imported: &imported,
        document: &original.document,
        beside: told,
        leftovers,
        store: dir.display().to_string(),
    };
    context.print.report(&report);
    if args.dry_run || !writes {
        return Ok(if judged && args.dry_run {
            exit::FINDINGS
        } else {
            exit::DONE
        });
    }
    let mut options = context.options.clone();
    if args.snapshot_times.is_some() && options.compact == CompactMode::Auto {
        // Whoever asks for it wants to read it so.
        options.compact = CompactMode::Always;
    }
    if let Ok(mut store) = Store::open(context.ports.clone(), &dir, options) {
        context.after_write(&mut store);
    }
    let shell = &context.print.shell;
    let (resume, status) = (shell.command("resume", &[]), shell.command("status", &[]));
    let hint = format!("{resume} lists what is ready; {status} shows where everything stands");
    context.print.hint(&hint);
    Ok(if judged { exit::FINDINGS } else { exit::DONE })
}

/// Reads the file with the progress of items.
fn read(
    path: &Path,
    bytes: &[u8],
    options: &import::Options,
    context: &Context<'_>,
) -> Result<ImportedDocument, Failure> {
    import::read(&path.display().to_string(), bytes, options).map_err(|error| {
        let salvageable = matches!(error, Error::Parse { .. }) && !options.salvage;
        let failure = Failure::from(error);
        if salvageable {
            let given = path.display().to_string();
            let salvage = context.print.shell.command("import --salvage", &[&given]);
            failure.with_hint(format!(
                "mend the file there, or take the whole items before it: {salvage}"
            ))
        } else {
            failure
        }
    })
}

/// Why a document without a phase is not taken over: it is empty, or every item in it had to be left out.
fn nothing_in(path: PathBuf, document: &ImportedDocument) -> Failure {
    let left_out: Vec<&Finding> = document
        .findings
        .iter()
        .filter(|finding| matches!(finding.code, "I-ITEM" | "I-SALVAGED"))
        .collect();
    let Some(first) = left_out.first() else {
        let message = "there is no phase in it, so there is no pipeline to take over".to_owned();
        let error = Error::Parse {
            path,
            line: 0,
            column: 0,
            message,
        };
        return Failure::from(error).with_hint("phaselog init --phase NAME … makes a new store");
    };
    let place = |number: Option<u64>| usize::try_from(number.unwrap_or_default()).unwrap_or(0);
    let mut message = "no item of it can be taken over".to_owned();
    for finding in left_out.iter().take(SHOWN_OF_A_CODE) {
        let (code, says) = (finding.code, escape(&finding.message));
        let (line, column) = (place(finding.line), place(finding.column));
        let _ = write!(message, "; {code} line {line}, column {column}: {says}");
    }
    if left_out.len() > SHOWN_OF_A_CODE {
        let _ = write!(message, "; and {} more", left_out.len() - SHOWN_OF_A_CODE);
    }
    let error = Error::Parse {
        path,
        line: place(first.line),
        column: place(first.column),
        message,
    };
    Failure::from(error).with_hint("give each item an address, or an id, of at most 65536 bytes")
}

/// Files beside the imported one that an interrupted writer or a backup left: named, never read.
fn leftovers(context: &Context<'_>, path: &Path) -> Result<Vec<String>, Failure> {
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let names = context
        .ports
        .disk
        .list(dir)
        .map_err(Error::io("list", dir))?;
    let ours = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let is_leftover = |name: &String| Some(name) != ours.as_ref() && import::is_left_over(name);
    Ok(names
        .into_iter()
        .filter(is_leftover)
        .map(|name| dir.join(name).display().to_string())
        .collect())
}

struct ImportReport<'a> {
    dry_run: bool,
    imported: &'a Imported,
    findings: &'a [Finding],
    document: &'a ImportedDocument,
    beside: Told<'a>,
    leftovers: Vec<String>,
    store: String,
}

impl ImportReport<'_> {
    /// The first and the last record; `None` if there is nothing to record.
    fn recorded(&self) -> Option<(Seq, Seq)> {
        match self.imported {
            Imported::Created(Created { first, last, .. }) => Some((*first, *last)),
            Imported::Merged(merged) => merged.recorded,
        }
    }

    fn merged_words(&self, merged: &MergedFile) -> String {
        let file = &self.document.file;
        let (added, changed) = (count(merged.added, "new item"), merged.changed);
        let what = format!(
            "{} into {}: {added}, {changed} changed, {} as they were",
            file.path, self.store, merged.unchanged
        );
        match merged.recorded {
            None => {
                let seq = merged.as_of;
                format!("unchanged: nothing in {} is new since {seq}", file.path)
            }
            Some(_) if self.dry_run => format!("would merge {what}"),
            Some((first, last)) if first == last => format!("recorded {first}: merged {what}"),
            Some((first, last)) => format!("recorded {first}..{last}: merged {what}"),
        }
    }

    /// What became of the file and of its items: added, changed, unchanged.
    fn result(&self) -> (&'static str, [usize; 3]) {
        match self.imported {
            Imported::Created(_) => ("imported", [self.document.items.len(), 0, 0]),
            Imported::Merged(merged) => {
                let word = match merged.recorded {
                    Some(_) => "merged",
                    None => "unchanged",
                };
                (word, [merged.added, merged.changed, merged.unchanged])
            }
        }
    }

    fn headline(&self) -> String {
        let file = &self.document.file;
        let what = format!(
            "{} with {} from {} (shape {})",
            count(self.document.items.len(), "item"),
            count(self.document.plan.phases().len(), "phase"),
            file.path,
            file.shape
        );
        match self.imported {
            Imported::Merged(merged) => self.merged_words(merged),
            Imported::Created(_) if self.dry_run => {
                format!("would take over {what} into {}", self.store)
            }
            Imported::Created(created) => {
                format!(
                    "recorded {}..{}: imported {what} into {}",
                    created.first, created.last, self.store
                )
            }
        }
    }
}

impl Report for ImportReport<'_> {
    fn text(&self, style: &Style) -> String {
        let mut text = self.headline() + "\n";
        let findings = self.findings;
        let mut of_code: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in findings {
            let seen = of_code.entry(finding.code).or_default();
            *seen += 1;
            if *seen <= SHOWN_OF_A_CODE {
                let _ = writeln!(
                    text,
                    "{}",
                    line_of(finding, &self.document.file.path, style)
                );
            }
        }
        for (code, seen) in of_code
            .into_iter()
            .filter(|(_, seen)| *seen > SHOWN_OF_A_CODE)
        {
            let _ = writeln!(
                text,
                "  {code}: and {} more (--json)",
                seen - SHOWN_OF_A_CODE
            );
        }
        text += &self.beside.text(style);
        for name in &self.leftovers {
            let _ = writeln!(
                text,
                "  note   I-LEFTOVER {name}: left where it is, not read"
            );
        }
        text
    }

    fn json(&self) -> Value {
        let (document, file) = (self.document, &self.document.file);
        let seqs = [self.recorded(), self.beside.taken.recorded];
        let seqs = seqs.into_iter().flatten().filter(|_| !self.dry_run);
        let recorded = seqs.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        let (result, [added, changed, unchanged]) = self.result();
        let findings = self.findings.iter();
        let findings = findings.map(|finding| finding_json(finding, &file.path));
        let findings = findings.chain(self.beside.findings_json());
        let [more, also_changed, same] = self.beside.items();
        let counted = |severity| {
            self.findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
                + self.beside.count(severity)
        };
        let own = json!({
            "path": file.path, "kind": file.kind, "shape": file.shape, "bytes": file.bytes,
            "sha256": file.sha256, "zone": file.zone,
            "newest": document.newest.map(crate::pipeline::Timestamp::to_offset_text),
            "result": result,
        });
        let files: Vec<Value> = std::iter::once(own)
            .chain(self.beside.files_json())
            .collect();
        json!({
            "dry_run": self.dry_run,
            "first_seq": recorded.map(|(first, _)| first),
            "seq": recorded.map(|(_, last)| last),
            "plan": document.plan.phases().iter().map(|plan| plan.phase.as_str()).collect::<Vec<_>>(),
            "items": {
                "added": added + more, "changed": changed + also_changed,
                "unchanged": unchanged + same,
            },
            "files": files,
            "leftovers": self.leftovers,
            "counts": {
                "note": counted(Severity::Note),
                "judged": counted(Severity::Judged),
                "refused": counted(Severity::Refused),
            },
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("findings")
    }
}

fn finding_json(finding: &Finding, path: &str) -> Value {
    let mut row = serde_json::Map::new();
    if let Value::Object(fields) = to_value(finding) {
        for (key, value) in fields {
            row.insert(key.clone(), value);
            if key == "severity" {
                row.insert("file".into(), json!(path));
            }
        }
    }
    Value::Object(row)
}

fn line_of(finding: &Finding, path: &str, style: &Style) -> String {
    let severity = match finding.severity {
        Severity::Note => "note  ".to_owned(),
        Severity::Judged => style.paint(anstyle::AnsiColor::Yellow, "judged"),
        Severity::Refused => style.paint(anstyle::AnsiColor::Red, "refused"),
    };
    let place = match (finding.line, finding.column) {
        (Some(line), Some(column)) => format!("{path}:{line}:{column}"),
        (Some(line), None) => format!("{path}:{line}"),
        _ => path.to_owned(),
    };
    // Without a line the item is the place.
    let about = match (&finding.item, &finding.phase, finding.line) {
        (Some(item), Some(phase), None) => format!("{} of {}: ", escape(phase), escape(item)),
        (Some(item), None, None) => format!("{}: ", escape(item)),
        _ => String::new(),
    };
    format!(
        "  {severity} {} {place}: {about}{}",
        finding.code,
        escape(&finding.message)
    )
}
