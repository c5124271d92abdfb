//! `import`: take over the state file of another program, and say everything that was not as it should be.

mod too_large;
mod files;
mod findings;
mod beside;
mod report;
mod alone;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::log::files::temp_target;
use crate::log::group::AT_ONCE;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::time::SnapshotTimes;
use crate::snapshot::import::{self, Finding, ImportedDocument, Severity, Zone};
use crate::snapshot::set;
use crate::store::beside::BesideTaken;
use crate::store::create::{Created, Imported};
use crate::store::given::{MergeOptions, Original};
use crate::store::{CompactMode, Store};

use beside::Told;
use files::Asked;
use findings::SHOWN_OF_A_CODE;
use report::ImportReport;

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::receipts::count;
use super::render::escape;

pub(super) const NAME: &str = "import";

/// Take over the state file of another program, or what was changed in one of ours
#[derive(Debug, clap::Args)]
#[command(after_long_help = codes())]
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

/// What the codes of the findings mean, for the long help.
fn codes() -> String {
    let mut text = String::from(
        "Exit status 3 if something was judged: a choice was made that a person should look at. The rest are notes.\n\
         The codes of findings:\n",
    );
    for code in &import::CODES {
        let _ = writeln!(text, "  {:<20}{}", code.code, code.meaning);
    }
    text
}

fn zone(text: &str) -> Result<Zone, String> {
    match text.to_ascii_lowercase().as_str() {
        "local" => Ok(Zone::Local),
        "utc" => Ok(Zone::Utc),
        _ => Zone::named(text)
            .ok_or_else(|| "not local, utc, or a zone such as America/Phoenix".to_owned()),
    }
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let mut files = Vec::new();
    take_in(args, &mut files, context).map_err(|failure| match &failure.error {
        Error::TooLarge { what, .. } if what == AT_ONCE => {
            let hint = too_large::in_parts(&files, context);
            failure.with_hint(hint)
        }
        _ => failure,
    })
}

/// Which `files` were meant is known as soon as they are found.
fn take_in(args: Args, files: &mut Vec<PathBuf>, context: &mut Context<'_>) -> Result<u8, Failure> {
    let now = context.ports.clock.now().at;
    let options = import::Options {
        zone: args.assume_tz,
        now,
        linear: args.linear,
        salvage: args.salvage,
    };
    let asked = Asked {
        paths: &args.paths,
        options: &options,
    };
    let bar = context.bar("importing");
    let mut named = files::named(&asked, context)?;
    *files = named.paths();
    let how = MergeOptions {
        reading: &options,
        prefer_file: args.prefer == Some(Side::File),
    };
    let root = named.work_items.take();
    // They come first: as text they are the larger ones, and what stays of them is little.
    let beside = named.read_beside(&asked, context);
    let Some(path) = root else {
        let (mut beside, passed) = beside?;
        return alone::run(&mut beside, &passed, how, args.dry_run, bar, context);
    };
    let bytes = files::read(&path, context)?;
    let given = path.display().to_string();
    let mut document = import::read(&given, &bytes, &options).map_err(|error| {
        let kind = ImportedFile::WORK_ITEMS;
        files::damaged(error, (&path, &bytes), kind, &asked, context)
    })?;
    // What is wrong with the progress of items is told first.
    let (beside, passed) = beside?;
    document.file.times = args.snapshot_times.map(|times| match times {
        Times::Utc => SnapshotTimes::Utc,
        Times::Naive => SnapshotTimes::Naive,
    });
    if let Some(failure) = nothing_in(&path, &document) {
        return Err(failure);
    }
    let items = document.items.len();
    let mut original = Original {
        path: path.clone(),
        bytes,
        document,
        beside,
    };
    let dir = context.dir().to_owned();
    let (imported, taken) = take(&mut original, how, args.dry_run, context)?;
    drop(bar);
    let told = Told {
        originals: &original.beside,
        taken: &taken,
        passed: &passed,
    };
    let leftovers = leftovers(context, &path, &imported)?;
    let findings = match &imported {
        Imported::Created(..) => &original.document.findings,
        Imported::Merged(merged, _) => &merged.findings,
    };
    let is_judged = |finding: &Finding| finding.severity == Severity::Judged;
    let judged = match &imported {
        Imported::Created(..) => findings.iter().any(is_judged),
        Imported::Merged(merged, _) => merged.is_judged(),
    };
    let judged = judged || told.judged();
    let ending = if judged { exit::FINDINGS } else { exit::DONE };
    let writes = taken.recorded.is_some()
        || !matches!(&imported, Imported::Merged(merged, _) if merged.recorded.is_none());
    let report = ImportReport {
        dry_run: args.dry_run,
        findings,
        imported: &imported,
        items,
        document: &original.document,
        beside: told,
        leftovers,
        store: dir.display().to_string(),
    };
    context.print.report(&report);
    if args.dry_run || !writes {
        return Ok(ending);
    }
    let mut options = context.options.clone();
    if args.snapshot_times.is_some() && options.compact == CompactMode::Auto {
        // Whoever asks for it wants to read it so.
        options.compact = CompactMode::Always;
    }
    if let Ok(mut store) = Store::open(context.ports.clone(), &dir, options) {
        context.after_write(&mut store);
    }
    if original.document.plan.phases().is_empty() && matches!(imported, Imported::Created(..)) {
        context.print.hint(&alone::no_phases(context));
        return Ok(ending);
    }
    tell_held(&imported, context);
    let shell = &context.print.shell;
    let (resume, status) = (shell.command("resume", &[]), shell.command("status", &[]));
    let hint = format!("{resume} lists what is ready; {status} shows where everything stands");
    context.print.hint(&hint);
    Ok(ending)
}

/// What to do about items that came with one file alone and are held still.
fn tell_held(imported: &Imported, context: &mut Context<'_>) {
    if let Imported::Merged(merged, _) = imported
        && let Some(first) = merged.still_held.first()
    {
        let unhold = context.print.shell.command("unhold", &[first.as_str()]);
        let held = count(merged.still_held.len(), "item");
        let hint =
            format!("{held} held still that came with one file alone: {unhold} frees the first");
        context.print.hint(&hint);
    }
}

/// Takes the files over, or says what that would come to: what became of the progress, and of the files beside it.
fn take(
    original: &mut Original,
    how: MergeOptions<'_>,
    dry_run: bool,
    context: &mut Context<'_>,
) -> Result<(Imported, BesideTaken), Failure> {
    let dir = context.dir().to_owned();
    let imported = if dry_run {
        Store::would_import(&context.ports, &dir, &context.options, original, how)?
    } else {
        context.announce_write();
        Store::import(&context.ports, &dir, &context.options, original, how)?
    };
    let taken = match &imported {
        Imported::Created(Created { first, last, .. }, files) => BesideTaken {
            recorded: Some((*first, *last)),
            files: files.clone(),
        },
        Imported::Merged(_, taken) => taken.clone(),
    };
    Ok((imported, taken))
}

/// Why a document in which items stand is not taken over: every one of them had to be left out.
fn nothing_in(path: &Path, document: &ImportedDocument) -> Option<Failure> {
    let left_out: Vec<&Finding> = document
        .findings
        .iter()
        .filter(|finding| matches!(finding.code, "I-ITEM" | "I-SALVAGED"))
        .collect();
    let first = left_out.first()?;
    if !document.plan.phases().is_empty() {
        return None;
    }
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
        path: path.to_owned(),
        line: place(first.line),
        column: place(first.column),
        message,
    };
    let hint = "give each item an address, or an id, of at most 65536 bytes";
    Some(Failure::from(error).with_hint(hint))
}

/// Files beside the imported one that an interrupted writer or a backup left: named, never read. What a compaction leaves in
/// a store is in its place.
fn leftovers(
    context: &Context<'_>,
    path: &Path,
    imported: &Imported,
) -> Result<Vec<String>, Failure> {
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
    // A new store has compacted nothing yet.
    let is_store =
        matches!(imported, Imported::Merged(..)) && names.iter().any(|it| it == files::WAL);
    let is_own = |name: &str| is_store && (set::is_bak(name) || temp_target(name).is_some());
    let is_leftover =
        |name: &String| Some(name) != ours.as_ref() && import::is_left_over(name) && !is_own(name);
    Ok(names
        .into_iter()
        .filter(is_leftover)
        .map(|name| dir.join(name).display().to_string())
        .collect())
}
