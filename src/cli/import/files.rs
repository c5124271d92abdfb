//! Which files an import means, and what kind each of them is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::log::frame::MAX_PAYLOAD;
use crate::pipeline::event::ImportedFile;
use crate::ports::FromStart;
use crate::snapshot::import::{self, Finding, Severity, Zone};
use crate::snapshot::set::ROOT;
use crate::snapshot::{enrichment, extraction};
use crate::store::given::BesideOriginal;

use super::super::context::Context;
use super::super::failure::Failure;
use super::super::values;
use super::too_large::{self, Text};

/// The directory by which a store is told.
pub(super) const WAL: &str = "wal";

/// The files that were named, by what they are.
#[derive(Default)]
pub(super) struct Named {
    /// The progress of items: read when it is needed, as the others are.
    pub(super) work_items: Option<PathBuf>,
    /// The files beside it.
    beside: Vec<Known>,
    /// The known files of a directory that have nothing in them, or are not there.
    passed: Vec<Passed>,
}

/// A file whose kind is known.
struct Known {
    path: PathBuf,
    bytes: u64,
    kind: &'static str,
}

/// A known file of a directory that was passed over.
pub(super) struct Passed {
    pub(super) path: String,
    pub(super) finding: Finding,
}

/// Finds out which files are meant, and what each of them is.
pub(super) fn named(asked: &Asked<'_>, context: &Context<'_>) -> Result<Named, Failure> {
    let mut named = Named::default();
    for path in asked.paths {
        // Through the last name too: people link to their data directories.
        if let Ok(there) = context.ports.disk.list(path) {
            named.take_dir(path, &there, context, asked)?;
        } else {
            let bytes = read(path, context)?;
            named.take(path.clone(), &bytes, context, asked)?;
        }
    }
    Ok(named)
}

/// The bytes of a file.
pub(super) fn read(path: &Path, context: &Context<'_>) -> Result<Vec<u8>, Failure> {
    values::read_file(context, path, import::MAX_FILE_BYTES).map_err(|failure| {
        let Error::TooLarge { .. } = failure.error else {
            return failure;
        };
        // Where one text alone is too large for a record, that is what is wrong.
        match long_text(path, context) {
            Ok(Some(Text {
                line,
                column,
                bytes,
            })) => Failure::from(Error::TooLargeAt {
                path: path.to_owned(),
                line: usize::try_from(line).unwrap_or(usize::MAX),
                column: usize::try_from(column).unwrap_or(usize::MAX),
                what: "a text".to_owned(),
                bytes,
                limit: MAX_PAYLOAD as u64,
            })
            .with_hint("look what it is: no record has room for it"),
            _ => failure,
        }
    })
}

fn long_text(path: &Path, context: &Context<'_>) -> std::io::Result<Option<Text>> {
    let file = context.ports.disk.open_read(path)?;
    too_large::longer_than(MAX_PAYLOAD as u64, &mut FromStart::new(&*file))
}

impl Named {
    /// The files that are to be read, that with the progress of items first.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let beside = self.beside.iter().map(|it| &it.path);
        self.work_items.iter().chain(beside).cloned().collect()
    }

    /// Takes the three known files of a directory, as far as they are there and something stands in them.
    fn take_dir(
        &mut self,
        dir: &Path,
        names: &[String],
        context: &Context<'_>,
        asked: &Asked<'_>,
    ) -> Result<(), Failure> {
        // A store writes only the files that it has something for.
        let is_store = names.iter().any(|name| name == WAL);
        let (mut taken, mut empty) = (false, None);
        for known in [ROOT, enrichment::NAME, extraction::NAME] {
            let path = dir.join(known);
            if !names.iter().any(|name| name == known) {
                if is_store {
                    continue;
                }
                self.pass(
                    &path,
                    "missing",
                    "it is not there; the others were looked at",
                );
                continue;
            }
            let bytes = read(&path, context)?;
            if bytes.trim_ascii().is_empty() {
                self.pass(&path, "empty", "nothing stands in it; it was passed over");
                empty.get_or_insert(path);
                continue;
            }
            taken = true;
            self.take(path, &bytes, context, asked)?;
        }
        match (taken, empty) {
            (true, _) => Ok(()),
            (false, Some(path)) => Err(Error::Parse {
                path,
                line: 1,
                column: 1,
                message: "the file is empty".to_owned(),
            }
            .into()),
            (false, None) => Err(Error::Io {
                action: "find a work_items.json in",
                path: dir.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            }
            .into()),
        }
    }

    fn pass(&mut self, path: &Path, found: &str, message: &str) {
        let finding = Finding {
            code: "I-EMPTY",
            severity: Severity::Note,
            line: None,
            column: None,
            item: None,
            phase: None,
            found: found.to_owned(),
            decided: "passed over".to_owned(),
            message: message.to_owned(),
        };
        let path = path.display().to_string();
        self.passed.push(Passed { path, finding });
    }

    fn take(
        &mut self,
        path: PathBuf,
        bytes: &[u8],
        context: &Context<'_>,
        asked: &Asked<'_>,
    ) -> Result<(), Failure> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = import::kind(&name, bytes);
        if kind == ImportedFile::WORK_ITEMS {
            if let Some(other) = &self.work_items {
                return Err(two_of_a_kind([other, &path], context, asked));
            }
            self.work_items = Some(path);
            return Ok(());
        }
        let bytes = bytes.len() as u64;
        self.beside.push(Known { path, bytes, kind });
        Ok(())
    }

    /// Reads the files beside, one after the other, so that only one of them is in memory as text.
    pub(super) fn read_beside(
        self,
        asked: &Asked<'_>,
        context: &Context<'_>,
    ) -> Result<(Vec<BesideOriginal>, Vec<Passed>), Failure> {
        let progress = &context.options.progress;
        progress.begin(self.beside.iter().map(|it| it.bytes).sum());
        let told = |bytes| progress.add(bytes);
        let read_one = |Known { path, kind, .. }: Known| {
            let bytes = read(&path, context)?;
            let given = path.display().to_string();
            let document = import::read_beside_told(&given, &bytes, kind, asked.options, &told)
                .map_err(|error| damaged(error, (&path, &bytes), kind, asked, context))?;
            Ok(BesideOriginal { path, document })
        };
        let all: Result<_, Failure> = self.beside.into_iter().map(read_one).collect();
        Ok((all?, self.passed))
    }
}

/// Why two files that both count as the progress of items are not taken: one of them may be nothing that is known.
fn two_of_a_kind(files: [&PathBuf; 2], context: &Context<'_>, asked: &Asked<'_>) -> Failure {
    for path in files {
        let bytes = match read(path, context) {
            Ok(bytes) => bytes,
            Err(failure) => return failure,
        };
        let given = path.display().to_string();
        if let Err(error) = import::read(&given, &bytes, asked.options) {
            let kind = ImportedFile::WORK_ITEMS;
            return damaged(error, (path, &bytes), kind, asked, context);
        }
    }
    let [one, other] = files.map(|path| path.display());
    Failure::usage(format!(
        "{one} and {other} are both files with the progress of items; one at a time"
    ))
}

/// A file that cannot be read, with what to do about it: what the command was, so that salvaging can be offered where it
/// helps.
pub(super) fn damaged(
    error: Error,
    (path, bytes): (&Path, &[u8]),
    kind: &str,
    asked: &Asked<'_>,
    context: &Context<'_>,
) -> Failure {
    let failure = Failure::from(error);
    if !asked.options.salvage && import::can_salvage(path, bytes, kind, asked.options) {
        let salvage = asked.again(context);
        return failure.with_hint(format!(
            "mend the file there, or take the whole items before it: {salvage}"
        ));
    }
    failure
}

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) options: &'a import::Options,
}

impl Asked<'_> {
    /// The same command with `--salvage`.
    fn again(&self, context: &Context<'_>) -> String {
        let mut verb = "import --salvage".to_owned();
        if self.options.linear {
            verb += " --linear";
        }
        if self.options.zone != Zone::Local {
            let _ = write!(verb, " --assume-tz {}", self.options.zone);
        }
        let paths: Vec<String> = self
            .paths
            .iter()
            .map(|it| it.display().to_string())
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        context.print.shell.command(&verb, &paths)
    }
}
