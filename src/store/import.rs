//! Takes state files into a store that exists: the progress of items and what lies beside it, as one group or not at all.
//!
//! ```text
//!   files -> is anything in them news? -> originals kept -> what are they compared with?
//!                                         (merge, beside; the data of no store is in memory meanwhile)
//!         -> [ lock -> catch up -> merge the progress -> on what that makes, what lies beside it ]   one group
//! ```
//!
//! What files are compared with may be as large as the store, so the two are never in memory together.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::pipeline::{Event, PipelineState};
use crate::ports::Ports;
use crate::position::Seq;
use crate::snapshot::{import, sha256};

use super::append::{self, Verdict};
use super::beside::{self, BesideResult, BesideTaken, Known};
use super::given::{BesideOriginal, MergeOptions, Original};
use super::merge::{self, MergedFile, Place, Stated};
use super::originals::{changed, keep, kept_at};
use super::{Options, Store, View};

/// Where files are taken in.
type Into<'a> = (&'a Ports, &'a Path, &'a Options);

impl Store {
    /// Takes files in by three-way merge; nothing is recorded of one that was taken over before, or that is a snapshot
    /// as it was written.
    ///
    /// # Errors
    /// As [`Store::open`]; [`crate::Error::NoSuchPlace`] if the root beside a file names a place that the log does not have.
    pub fn import_beside(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        originals: &[BesideOriginal],
        how: MergeOptions<'_>,
    ) -> Result<BesideTaken> {
        let files = Files::beside(originals, how);
        Ok(take((ports, dir, options), files)?.1)
    }

    /// What [`Store::import_beside`] would come to; nothing is written.
    ///
    /// # Errors
    /// As [`Store::import_beside`].
    pub fn would_import_beside(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        originals: &[BesideOriginal],
        how: MergeOptions<'_>,
    ) -> Result<BesideTaken> {
        let files = Files::beside(originals, how);
        Ok(preview((ports, dir, options), files)?.1)
    }
}

/// Takes a file with the progress of items in, and what lies beside it. It uses up the items and the bytes.
///
/// # Errors
/// As [`Store::import`]; nothing was recorded then.
pub(super) fn take_all(
    into: Into<'_>,
    original: &mut Original,
    how: MergeOptions<'_>,
) -> Result<(MergedFile, BesideTaken)> {
    with_beside(original, how, &|files| take(into, files))
}

/// What [`take_all`] would come to; nothing is written.
///
/// # Errors
/// As [`take_all`].
pub(super) fn preview_all(
    into: Into<'_>,
    original: &mut Original,
    how: MergeOptions<'_>,
) -> Result<(MergedFile, BesideTaken)> {
    with_beside(original, how, &|files| preview(into, files))
}

fn with_beside(
    original: &mut Original,
    how: MergeOptions<'_>,
    take: &dyn Fn(Files<'_>) -> Result<Outcome>,
) -> Result<(MergedFile, BesideTaken)> {
    let lent = std::mem::take(&mut original.beside);
    let stated = Stated::of(&original.bytes);
    let files = Files {
        root: Some(Given {
            original,
            stated,
            kept: None,
        }),
        beside: &lent,
        how,
    };
    let taken = take(files);
    original.beside = lent;
    let (merged, beside) = taken?;
    let merged = merged.expect("a file with the progress was given");
    Ok((merged, beside))
}

/// What became of the progress, if a file with it was given, and of what lies beside it.
type Outcome = (Option<MergedFile>, BesideTaken);

fn take(into: Into<'_>, mut files: Files<'_>) -> Result<Outcome> {
    let (ports, dir, options) = into;
    let mut store = Store::open_without_data(ports.clone(), dir, options.clone())?;
    let known = Known {
        log: store.writer.position().log.to_string(),
        imports: store.state.imports.clone(),
        compacted: store.snapshot.compacted,
    };
    let mut looked = files.look(into, known, &store.state);
    if looked.is_news() {
        files.keep_root(into, &looked)?;
        files.compare(into, &mut looked)?;
        files.keep_beside(into, &looked)?;
        if looked.needs_data() {
            drop(store);
            store = Store::open(ports.clone(), dir, options.clone())?;
        }
    }
    let done = append::transact_last(store, |state, _| {
        match files.decide((ports, Some(dir)), looked, state) {
            Ok(decided) if decided.events.is_empty() => Verdict::Answer(Ok(decided.told)),
            Ok(decided) => Verdict::Append(decided.events, Ok(decided.told)),
            Err(error) => Verdict::Answer(Err(error)),
        }
    })?;
    let records: Vec<Seq> = done.records.iter().map(|record| record.seq).collect();
    Ok(done.outcome?.of(&records))
}

fn preview(into: Into<'_>, mut files: Files<'_>) -> Result<Outcome> {
    let (ports, dir, options) = into;
    let view = View::open_without_data(ports, dir, options)?;
    let known = Known {
        log: view.log_id(),
        imports: view.state().imports.clone(),
        compacted: view.compacted(),
    };
    let mut state = view.into_state();
    let mut looked = files.look(into, known, &state);
    if looked.is_news() {
        files.give_up_bytes();
        files.compare(into, &mut looked)?;
        if looked.needs_data() {
            drop(state);
            state = View::open(ports, dir, options)?.into_state();
        }
    }
    let decided = files.decide((ports, None), looked, &mut state)?;
    // Where they would stand cannot be known; that there are some can.
    let records = vec![Seq::NONE; decided.events.len()];
    Ok(decided.told.of(&records))
}

/// What is to be taken in, and how.
struct Files<'f> {
    /// The progress of items.
    root: Option<Given<'f>>,
    /// What lies beside it.
    beside: &'f [BesideOriginal],
    how: MergeOptions<'f>,
}

/// A file with the progress of items.
struct Given<'f> {
    original: &'f mut Original,
    stated: Stated,
    /// Where its original is kept by now.
    kept: Option<PathBuf>,
}

/// What is known of files before anything is decided.
struct Looked {
    known: Known,
    root: Root,
    beside: Beside,
}

/// What is known of a file with the progress of items.
enum Root {
    /// There is none.
    None,
    /// Nothing in it is news.
    Known(MergedFile),
    /// Something may be.
    News,
    /// The same, and it is known what it is compared with.
    Compared(Box<merge::Compared>),
}

/// What is known of the files beside.
enum Beside {
    /// Nothing in them is news.
    Known,
    /// Something may be.
    News,
    /// The same, and it is known what they are compared with.
    Compared(beside::Compared),
}

impl Looked {
    fn is_news(&self) -> bool {
        matches!(self.root, Root::News) || matches!(self.beside, Beside::News)
    }

    /// True if anything that is compared is data of items.
    const fn needs_data(&self) -> bool {
        !matches!(self.beside, Beside::Known)
    }
}

impl<'f> Files<'f> {
    const fn beside(beside: &'f [BesideOriginal], how: MergeOptions<'f>) -> Self {
        let root = None;
        Self { root, beside, how }
    }

    /// Looks whether anything is news to a store that stands so.
    fn look(&mut self, into: Into<'_>, known: Known, state: &PipelineState) -> Looked {
        let how = self.how;
        let root = match &self.root {
            None => Root::None,
            Some(root) => {
                let place = place(into, &known, &root.stated);
                match merge::known(&place, state, &known.log, root.original, how) {
                    None => Root::News,
                    Some(told) => Root::Known(told),
                }
            }
        };
        let beside = if known.is_news(into.0, into.1, self.beside, how) {
            Beside::News
        } else {
            Beside::Known
        };
        Looked {
            known,
            root,
            beside,
        }
    }

    /// Keeps the original of the progress, so that no record names one that is not there, and gives up its bytes.
    fn keep_root(&mut self, (ports, dir, _): Into<'_>, looked: &Looked) -> Result<()> {
        if let (Root::News, Some(root)) = (&looked.root, &mut self.root) {
            let (path, sha256) = (&root.original.path, &root.original.document.file.sha256);
            keep(ports, dir, path, sha256, &mut &*root.original.bytes)?;
            root.kept = Some(kept_at(dir, path, sha256));
        }
        self.give_up_bytes();
        Ok(())
    }

    fn give_up_bytes(&mut self) {
        if let Some(root) = &mut self.root {
            root.original.bytes = Vec::new();
        }
    }

    /// Finds what the files are compared with. They are no more than read.
    fn compare(&mut self, into: Into<'_>, looked: &mut Looked) -> Result<()> {
        let (known, how) = (&looked.known, self.how);
        let is_news = matches!(looked.root, Root::News);
        let are_both = is_news && matches!(looked.beside, Beside::News);
        if let Some(root) = self.root.as_mut().filter(|_| are_both || !is_news) {
            // What the others are compared with may be most of the memory.
            use_up(root.original);
        }
        let beside = matches!(looked.beside, Beside::News)
            .then(|| beside::find(into, self.beside, how, known));
        if let Some(root) = self.root.as_mut().filter(|_| are_both) {
            read_again(into.0, root, how)?;
        }
        if let (Root::News, Some(root)) = (&looked.root, &self.root) {
            // What is wrong with this one is told first: the others lie beside it.
            let place = place(into, known, &root.stated);
            let compared = merge::compare(&place, &known.log, root.original, how)?;
            looked.root = Root::Compared(Box::new(compared));
        }
        if let Some(beside) = beside.transpose()? {
            looked.beside = Beside::Compared(beside);
        }
        Ok(())
    }

    /// Keeps the originals of the files beside.
    fn keep_beside(&mut self, (ports, dir, _): Into<'_>, looked: &Looked) -> Result<()> {
        match &looked.beside {
            Beside::Compared(against) => {
                beside::keep_news(ports, dir, self.beside, against, &looked.known)
            }
            Beside::Known | Beside::News => Ok(()),
        }
    }

    /// What is to be recorded of all of them, which are read where they are `kept`, or where they lie. The state is that
    /// without them, and takes in what is decided first.
    fn decide(
        self,
        (ports, kept): (&Ports, Option<&Path>),
        looked: Looked,
        state: &mut PipelineState,
    ) -> Result<Decided> {
        let how = self.how;
        let (mut events, merged) = match (looked.root, self.root) {
            (Root::Known(told), _) => (Vec::new(), Some(told)),
            (Root::Compared(compared), Some(root)) => {
                let (events, told) = compared.decide(root.original, how, state);
                use_up(root.original);
                (events, Some(told))
            }
            _ => (Vec::new(), None),
        };
        let of_root = events.len();
        beside::fold(state, events.iter().cloned());
        let against = match looked.beside {
            Beside::Compared(against) => against,
            Beside::Known | Beside::News => beside::nothing_of(self.beside),
        };
        let from = (ports, kept);
        let (more, files) = beside::take(from, state, self.beside, &against, how.prefer_file)?;
        events.extend(more);
        Ok(Decided {
            events,
            told: Told {
                merged,
                of_root,
                files,
            },
        })
    }
}

fn place<'p>((ports, dir, options): Into<'p>, known: &'p Known, stated: &'p Stated) -> Place<'p> {
    Place {
        ports,
        dir,
        options,
        stated,
        imports: &known.imports,
        compacted: known.compacted,
    }
}

/// Gives up what a file says of items, which was compared and is needed no more.
fn use_up(root: &mut Original) {
    root.bytes = Vec::new();
    root.document.items = Vec::new();
}

/// Reads again what a file says of items, which was given up: where its original is kept, or where it lies.
fn read_again(ports: &Ports, root: &mut Given<'_>, how: MergeOptions<'_>) -> Result<()> {
    let (original, file) = (&*root.original, &root.original.document.file);
    let path = root.kept.as_ref().unwrap_or(&original.path);
    let bytes = ports.disk.read(path, file.bytes);
    let bytes = bytes.map_err(Error::io("read", path))?;
    if sha256(&bytes) != file.sha256 {
        return Err(changed(path));
    }
    root.original.document.items = import::read(&file.path, &bytes, how.reading)?.items;
    Ok(())
}

/// What is to be recorded of files, and what will be told of that.
struct Decided {
    events: Vec<Event>,
    told: Told,
}

/// What is told of files, without where their records stand.
struct Told {
    merged: Option<MergedFile>,
    /// How many of the records are those of the progress: the first.
    of_root: usize,
    files: Vec<BesideResult>,
}

impl Told {
    /// The same, of files whose records are these.
    fn of(self, records: &[Seq]) -> Outcome {
        let (own, beside) = records.split_at(self.of_root.min(records.len()));
        let span = |seqs: &[Seq]| seqs.first().copied().zip(seqs.last().copied());
        let mut merged = self.merged;
        if let Some(merged) = &mut merged {
            merged.recorded = span(own);
        }
        let taken = BesideTaken {
            recorded: span(beside),
            files: self.files,
        };
        (merged, taken)
    }
}
