//! Takes state files into a store that exists: the progress of items and what lies beside it, as one group or not at all.
//!
//! ```text
//!   files -> is anything in them news? -> what are they compared with?   (merge, beside; no store is open meanwhile)
//!         -> originals kept
//!         -> [ lock -> catch up -> merge the progress -> on what that makes, what lies beside it ]   one group
//! ```
//!
//! What files are compared with may be as large as the store, so the two are never in memory together.

use std::path::Path;

use crate::error::{Error, Result};
use crate::pipeline::{Event, PipelineState};
use crate::ports::Ports;
use crate::position::Seq;
use crate::snapshot::{import, sha256};

use super::append::{self, Verdict};
use super::beside::{self, BesideResult, BesideTaken, Known};
use super::given::{BesideOriginal, MergeOptions, Original};
use super::merge::{self, MergedFile, Place};
use super::originals::{changed, keep};
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
    let files = Files {
        root: Some(original),
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
    let open = || Store::open(ports.clone(), dir, options.clone());
    let mut store = open()?;
    let known = Known {
        log: store.writer.position().log.to_string(),
        imports: store.state.imports.clone(),
        compacted: store.snapshot.compacted,
    };
    let mut looked = files.look(into, known, &store.state);
    if looked.is_news() {
        let store_without_data = looked.forget_data(&mut store.state).then_some(store);
        files.compare(into, &mut looked)?;
        files.keep(into, &looked)?;
        store = store_without_data.map_or_else(open, Ok)?;
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
    let view = View::open(ports, dir, options)?;
    let known = Known {
        log: view.log_id(),
        imports: view.state().imports.clone(),
        compacted: view.compacted(),
    };
    let mut state = view.into_state();
    let mut looked = files.look(into, known, &state);
    if looked.is_news() {
        let state_without_data = looked.forget_data(&mut state).then_some(state);
        files.compare(into, &mut looked)?;
        let again = || View::open(ports, dir, options).map(View::into_state);
        state = state_without_data.map_or_else(again, Ok)?;
    }
    let decided = files.decide((ports, None), looked, &mut state)?;
    // Where they would stand cannot be known; that there are some can.
    let records = vec![Seq::NONE; decided.events.len()];
    Ok(decided.told.of(&records))
}

/// What is to be taken in, and how.
struct Files<'f> {
    /// The progress of items.
    root: Option<&'f mut Original>,
    /// What lies beside it.
    beside: &'f [BesideOriginal],
    how: MergeOptions<'f>,
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

    /// Forgets the data in a state, if no file is compared with it. That may be most of the memory.
    fn forget_data(&self, state: &mut PipelineState) -> bool {
        let forgets = matches!(self.beside, Beside::Known);
        if forgets {
            state.forget_data();
        }
        forgets
    }
}

impl<'f> Files<'f> {
    const fn beside(beside: &'f [BesideOriginal], how: MergeOptions<'f>) -> Self {
        let root = None;
        Self { root, beside, how }
    }

    /// Looks whether anything is news to a store that stands so.
    fn look(&mut self, into: Into<'_>, known: Known, state: &PipelineState) -> Looked {
        let (how, place) = (self.how, place(into, &known));
        let root = match &mut self.root {
            None => Root::None,
            Some(root) => match merge::known(&place, state, &known.log, root, how) {
                None => Root::News,
                Some(told) => Root::Known(told),
            },
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

    /// Finds what the files are compared with. They are no more than read.
    fn compare(&mut self, into: Into<'_>, looked: &mut Looked) -> Result<()> {
        let (known, how) = (&looked.known, self.how);
        let is_news = matches!(looked.root, Root::News);
        let are_both = is_news && matches!(looked.beside, Beside::News);
        if let Some(root) = self.root.as_mut().filter(|_| are_both || !is_news) {
            // What the others are compared with may be most of the memory.
            use_up(root);
        }
        let beside = matches!(looked.beside, Beside::News)
            .then(|| beside::find(into, self.beside, how, known));
        if let Some(root) = self.root.as_mut().filter(|_| are_both) {
            read_again(into.0, root, how)?;
        }
        if let (Root::News, Some(root)) = (&looked.root, &self.root) {
            // What is wrong with this one is told first: the others lie beside it.
            let compared = merge::compare(&place(into, known), &known.log, root, how)?;
            looked.root = Root::Compared(Box::new(compared));
        }
        if let Some(beside) = beside.transpose()? {
            looked.beside = Beside::Compared(beside);
        }
        Ok(())
    }

    /// Keeps the originals, so that no record names one that is not there.
    fn keep(&mut self, (ports, dir, _): Into<'_>, looked: &Looked) -> Result<()> {
        if let (Root::Compared(_), Some(root)) = (&looked.root, &mut self.root) {
            let sha256 = &root.document.file.sha256;
            keep(ports, dir, &root.path, sha256, &mut &*root.bytes)?;
            root.bytes = Vec::new();
        }
        if let Beside::Compared(against) = &looked.beside {
            beside::keep_news(ports, dir, self.beside, against, &looked.known)?;
        }
        Ok(())
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
                let (events, told) = compared.decide(root, how, state);
                use_up(root);
                (events, Some(told))
            }
            _ => (Vec::new(), None),
        };
        let of_root = events.len();
        beside::fold(state, &events);
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

fn place<'p>((ports, dir, options): Into<'p>, known: &'p Known) -> Place<'p> {
    Place {
        ports,
        dir,
        options,
        imports: &known.imports,
        compacted: known.compacted,
    }
}

/// Gives up what a file says of items, which was compared and is needed no more.
fn use_up(root: &mut Original) {
    root.bytes = Vec::new();
    root.document.items = Vec::new();
}

/// Reads again what a file says of items, which was given up.
fn read_again(ports: &Ports, root: &mut Original, how: MergeOptions<'_>) -> Result<()> {
    let file = &root.document.file;
    let bytes = ports.disk.read(&root.path, file.bytes);
    let bytes = bytes.map_err(Error::io("read", &root.path))?;
    if sha256(&bytes) != file.sha256 {
        return Err(changed(&root.path));
    }
    root.document.items = import::read(&file.path, &bytes, how.reading)?.items;
    root.bytes = bytes;
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
