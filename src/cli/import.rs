//! `import`: take over the state file of another program, and say everything that was not as it should be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::Error;
use crate::snapshot::import::{self, Finding, ImportedDocument, Severity, Zone};
use crate::store::Store;
use crate::store::create::{Created, Imported, Original};

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

/// Take over the state file of another program
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A work_items.json, or the directory it lies in
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Where times without an offset are taken to be: a zone such as America/Phoenix, local, or utc
    #[arg(long, value_name = "ZONE", default_value = "local", value_parser = zone)]
    assume_tz: Zone,
    /// Each phase needs the one before it
    #[arg(long)]
    linear: bool,
    /// Of a damaged file, take the whole items before the damage
    #[arg(long)]
    salvage: bool,
    /// Say what would be taken over; write nothing
    #[arg(long)]
    dry_run: bool,
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
    let path = file_of(&args.path, context)?;
    let bytes = values::read_file(context, &path, import::MAX_FILE_BYTES)?;
    let now = context.ports.clock.now().at;
    let options = import::Options {
        zone: args.assume_tz,
        now,
        linear: args.linear,
        salvage: args.salvage,
    };
    let document =
        import::read(&path.display().to_string(), &bytes, &options).map_err(|error| {
            let salvageable = matches!(error, Error::Parse { .. }) && !args.salvage;
            let failure = Failure::from(error);
            if salvageable {
                let given = args.path.display().to_string();
                let salvage = context.print.shell.command("import --salvage", &[&given]);
                failure.with_hint(format!(
                    "mend the file there, or take the whole items before it: {salvage}"
                ))
            } else {
                failure
            }
        })?;
    if document.plan.phases().is_empty() {
        let message = "there is no phase in it, so there is no pipeline to take over".to_owned();
        return Err(Failure::from(Error::Parse {
            path,
            line: 0,
            column: 0,
            message,
        })
        .with_hint("phaselog init --phase NAME … makes a new store"));
    }
    let original = Original {
        path: path.clone(),
        bytes,
        document,
    };
    let dir = context.dir().to_owned();
    let imported = if args.dry_run {
        Store::would_import(&context.ports, &dir, &context.options, &original)?
    } else {
        context.announce_write();
        Store::import(&context.ports, &dir, &context.options, &original)?
    };
    let leftovers = leftovers(context, &path)?;
    let judged = original
        .document
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Judged);
    let report = ImportReport {
        dry_run: args.dry_run,
        imported,
        document: &original.document,
        leftovers,
        store: dir.display().to_string(),
    };
    context.print.report(&report);
    if args.dry_run || matches!(imported, Imported::Unchanged { .. }) {
        return Ok(if judged && args.dry_run {
            exit::FINDINGS
        } else {
            exit::DONE
        });
    }
    if let Ok(mut store) = Store::open(context.ports.clone(), &dir, context.options.clone()) {
        context.after_write(&mut store);
    }
    let shell = &context.print.shell;
    let (resume, status) = (shell.command("resume", &[]), shell.command("status", &[]));
    let hint = format!("{resume} lists what is ready; {status} shows where everything stands");
    context.print.hint(&hint);
    Ok(if judged { exit::FINDINGS } else { exit::DONE })
}

/// The file to be taken over; of a directory the one known file in it.
fn file_of(path: &Path, context: &mut Context<'_>) -> Result<PathBuf, Failure> {
    // Through the last name too: people link to their data directories.
    match context.ports.disk.list(path) {
        Ok(names) => {
            for other in ["enrichment_data.json", "extraction_state.json"] {
                if names.iter().any(|name| name == other) {
                    let left = path.join(other);
                    context.print.warning(&format!(
                        "{} is left alone: this version takes over {WORK_ITEMS} only",
                        left.display()
                    ));
                }
            }
            if names.iter().any(|name| name == WORK_ITEMS) {
                return Ok(path.join(WORK_ITEMS));
            }
            Err(Error::Io {
                action: "find a work_items.json in",
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            }
            .into())
        }
        Err(_) => Ok(path.to_owned()),
    }
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
    let is_leftover = |name: &String| {
        let stale = name.ends_with(".tmp") || name.ends_with(".bak") || name.contains(".bak.");
        let marked = name.ends_with(".backup.json") || name.ends_with(".corrupted.json");
        Some(name) != ours.as_ref() && (stale || marked)
    };
    Ok(names
        .into_iter()
        .filter(is_leftover)
        .map(|name| dir.join(name).display().to_string())
        .collect())
}

struct ImportReport<'a> {
    dry_run: bool,
    imported: Imported,
    document: &'a ImportedDocument,
    leftovers: Vec<String>,
    store: String,
}

impl ImportReport<'_> {
    fn created(&self) -> Option<Created> {
        match self.imported {
            Imported::Created(created) => Some(created),
            Imported::Unchanged { .. } => None,
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
            Imported::Unchanged { seq } => {
                format!("unchanged: nothing in {} is new since {seq}", file.path)
            }
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
        let findings = &self.document.findings;
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
        let created = self.created();
        let some = |seq: crate::position::Seq| Some(seq).filter(|_| !self.dry_run);
        let items = document.items.len();
        let findings = document.findings.iter().map(|finding| {
            let mut row = serde_json::Map::new();
            if let Value::Object(fields) = to_value(finding) {
                for (key, value) in fields {
                    row.insert(key.clone(), value);
                    if key == "severity" {
                        row.insert("file".into(), json!(file.path));
                    }
                }
            }
            Value::Object(row)
        });
        let counted = |severity| {
            document
                .findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
        };
        json!({
            "dry_run": self.dry_run,
            "first_seq": created.and_then(|created| some(created.first)),
            "seq": created.and_then(|created| some(created.last)),
            "plan": document.plan.phases().iter().map(|plan| plan.phase.as_str()).collect::<Vec<_>>(),
            "items": {
                "added": if created.is_some() { items } else { 0 },
                "changed": 0,
                "unchanged": if created.is_some() { 0 } else { items },
            },
            "files": [{
                "path": file.path, "kind": file.kind, "shape": file.shape, "bytes": file.bytes,
                "sha256": file.sha256, "zone": file.zone,
                "newest": document.newest.map(crate::pipeline::Timestamp::to_offset_text),
                "result": if created.is_some() { "imported" } else { "unchanged" },
            }],
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
    format!(
        "  {severity} {} {place}: {}",
        finding.code,
        escape(&finding.message)
    )
}
