//! A new store: empty, or out of the state files of another program. The rename of the first segment commits it.
//!
//! ```text
//!   wal/imported/<original>   kept first, so that the log never names an original that is not there
//!   wal/…0001.wal             header, plan, items in one file: all or nothing
//! ```

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::log::header::LogId;
use crate::log::mark::MARK;
use crate::log::{self, Group, writer::LogOptions};
use crate::pipeline::{Event, NewItem, Now, Plan, codec};
use crate::ports::{EntryKind, Ports};
use crate::position::Seq;
use crate::snapshot::set::ROOT;

use super::beside::{self, BesideResult, BesideTaken};
use super::dir::{self, WAL};
use super::given::{BesideOriginal, MergeOptions, Original};
use super::import;
use super::merge::MergedFile;
use super::originals::{keep, keep_beside};
use super::{Options, Store};

/// A store that was just made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says where the records are"]
pub struct Created {
    /// The first record: the header of the first segment.
    pub first: Seq,
    /// The last record.
    pub last: Seq,
    /// Items in it.
    pub items: usize,
}

/// What an import came to.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it says whether anything was recorded"]
pub enum Imported {
    /// A new store was made; and what the files beside came to.
    Created(Created, Vec<BesideResult>),
    /// The file, and those beside it, were compared with the store that is there.
    Merged(MergedFile, BesideTaken),
}

impl Store {
    /// Makes an empty store with a plan, and items if there are any. Durable when this returns, its name included.
    ///
    /// # Errors
    /// [`Error::StoreExists`] if there is one, or a `work_items.json` that was never imported.
    pub fn init(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        plan: &Plan,
        items: &[NewItem],
    ) -> Result<Created> {
        if ports
            .disk
            .exists(&dir.join(ROOT))
            .map_err(Error::io("look at", dir))?
            && !is_store(ports, dir, options)?
        {
            let what = "has a work_items.json that was never imported";
            return Err(Error::StoreExists {
                dir: dir::absolute(dir),
                what,
            });
        }
        let planned = Event::Planned {
            phases: plan.phases().to_vec(),
        };
        let added = items.iter().map(|new| Event::Added {
            item: new.name.clone(),
            id: new.id.clone(),
            imported: None,
        });
        let mut groups = vec![Events::new(1, [planned]), Events::new(items.len(), added)];
        groups.retain(|group| group.count > 0);
        prepare(ports, dir, options)?;
        let (first, last) = create(ports, dir, options, &ports.clock.now(), groups)?;
        let items = items.len();
        Ok(Created { first, last, items })
    }

    /// Takes over a state file and what lies beside it, all as one group: into a new store, or, by [`super::merge`] and
    /// [`super::beside`], into the one that is there. The originals are kept in `wal/imported/`. The items and the bytes
    /// are used up, so that they are not in memory twice.
    ///
    /// # Errors
    /// Nothing was recorded then, of any of the files. As [`Store::open`]; [`Error::NoSuchPlace`] if the file names a place that the store's log does not have.
    pub fn import(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        original: &mut Original,
        how: MergeOptions<'_>,
    ) -> Result<Imported> {
        if is_store_beside(ports, dir, options, original)? {
            let (merged, beside) = import::take_all((ports, dir, options), original, how)?;
            return Ok(Imported::Merged(merged, beside));
        }
        prepare(ports, dir, options)?;
        let file = &original.document.file;
        keep(
            ports,
            dir,
            &original.path,
            &file.sha256,
            &mut &*original.bytes,
        )?;
        keep_originals(ports, dir, &original.beside)?;
        original.bytes = Vec::new();
        let events = original.document.events();
        let (more, files) = take_beside((ports, dir), events, &mut original.beside)?;
        let items = original.document.items.len() + added(&more);
        // An item becomes an event when that is written: as such all of them would take several times the room.
        let (count, events) = original.document.take_events();
        let events = Events::new(count + more.len(), events.chain(more));
        let (first, last) = create(ports, dir, options, &ports.clock.now(), vec![events])?;
        Ok(Imported::Created(Created { first, last, items }, files))
    }

    /// What [`Store::import`] would come to; nothing is written. It uses up the items as that does.
    ///
    /// # Errors
    /// As [`Store::import`].
    pub fn would_import(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        original: &mut Original,
        how: MergeOptions<'_>,
    ) -> Result<Imported> {
        if is_store_beside(ports, dir, options, original)? {
            let (merged, beside) = import::preview_all((ports, dir, options), original, how)?;
            return Ok(Imported::Merged(merged, beside));
        }
        let items = original.document.items.len();
        original.bytes = Vec::new();
        let (count, events) = original.document.take_events();
        let (more, files) = beside::onto(ports, None, events, &original.beside)?;
        let created = Created {
            first: Seq::FIRST,
            last: Seq::FIRST.plus((count + more.len()) as u64),
            items,
        };
        Ok(Imported::Created(created, files))
    }
}

impl Store {
    /// Makes a store out of files beside `work_items.json` alone: with their items, held, and without a plan. It uses up
    /// the items.
    ///
    /// # Errors
    /// As [`Store::init`].
    pub fn begin_beside(
        ports: &Ports,
        dir: &Path,
        options: &Options,
        originals: &mut [BesideOriginal],
    ) -> Result<BesideTaken> {
        refuse_unimported(ports, dir)?;
        prepare(ports, dir, options)?;
        keep_originals(ports, dir, originals)?;
        let (events, files) = take_beside((ports, dir), [], originals)?;
        let events = Events::new(events.len(), events);
        let recorded = create(ports, dir, options, &ports.clock.now(), vec![events])?;
        let recorded = Some(recorded);
        Ok(BesideTaken { recorded, files })
    }

    /// What [`Store::begin_beside`] would come to; nothing is written.
    ///
    /// # Errors
    /// As [`Store::init`].
    pub fn would_begin_beside(
        ports: &Ports,
        dir: &Path,
        originals: &[BesideOriginal],
    ) -> Result<BesideTaken> {
        refuse_unimported(ports, dir)?;
        let (events, files) = beside::onto(ports, None, [], originals)?;
        let last = Seq::FIRST.plus(events.len() as u64);
        let recorded = Some((Seq::FIRST, last));
        Ok(BesideTaken { recorded, files })
    }
}

/// Refuses a directory, which is no store, with the progress of items in it that nobody has taken over.
fn refuse_unimported(ports: &Ports, dir: &Path) -> Result<()> {
    // One without a byte tells nothing.
    match ports.disk.metadata(&dir.join(ROOT)) {
        Ok(found) if found.len > 0 => Err(Error::StoreExists {
            dir: dir::absolute(dir),
            what: "has a work_items.json that was never imported",
        }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("look at", dir)(error)),
    }
}

/// What files add to a store that `events` make. Their originals are kept in `dir`, and are read there; their items are needed
/// no more once they are events.
fn take_beside(
    (ports, dir): (&Ports, &Path),
    events: impl IntoIterator<Item = Event>,
    originals: &mut [BesideOriginal],
) -> Result<(Vec<Event>, Vec<BesideResult>)> {
    let taken = beside::onto(ports, Some(dir), events, originals)?;
    for original in originals {
        original.document.items = Vec::new();
    }
    Ok(taken)
}

/// How many items events add.
fn added(events: &[Event]) -> usize {
    let is_added = |event: &&Event| matches!(event, Event::Added { .. });
    events.iter().filter(is_added).count()
}

fn keep_originals(ports: &Ports, dir: &Path, originals: &[BesideOriginal]) -> Result<()> {
    let mut originals = originals.iter();
    originals.try_for_each(|original| keep_beside(ports, dir, original))
}

fn is_store(ports: &Ports, dir: &Path, options: &Options) -> Result<bool> {
    match dir::check(ports, dir, options) {
        Ok(_) => Ok(true),
        Err(Error::NoStore { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// As [`is_store`], for who takes over `original`: a root without its log is imported, also where an import of that
/// root, cut short, left a `wal/` with nothing acknowledged in it.
fn is_store_beside(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    original: &Original,
) -> Result<bool> {
    let disk = &*ports.disk;
    match is_store(ports, dir, options) {
        Err(Error::Damaged(damage))
            if damage.segment.is_none()
                && !disk
                    .exists(&dir.join(WAL).join(MARK))
                    .map_err(Error::io("look at", dir))?
                && disk
                    .read(&dir.join(ROOT), original.bytes.len() as u64)
                    .is_ok_and(|root| root == original.bytes) =>
        {
            Ok(false)
        }
        found => found,
    }
}

/// What is recorded at once.
struct Events<'e> {
    count: usize,
    each: Box<dyn Iterator<Item = Event> + 'e>,
}

impl<'e> Events<'e> {
    fn new<I: IntoIterator<Item = Event, IntoIter: 'e>>(count: usize, each: I) -> Self {
        let each = Box::new(each.into_iter());
        Self { count, each }
    }
}

/// Makes the log; gives its first and its last record.
fn create(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    now: &Now,
    groups: Vec<Events<'_>>,
) -> Result<(Seq, Seq)> {
    let progress = &options.progress;
    progress.begin(groups.iter().map(|events| events.count as u64).sum());
    // An event is given up when its record is written.
    let groups = groups.into_iter().map(|events| Group {
        len: events.count,
        payloads: Box::new(events.each.map(|event| {
            progress.add(1);
            codec::encode(&event, now.at, now.given)
        })),
    });
    let log_options = LogOptions {
        segment_bytes: options.segment_bytes,
        lock_wait: options.lock_wait,
    };
    let id =
        LogId::new(u128::from(ports.process.random()) << 64 | u128::from(ports.process.random()));
    let groups = groups.collect();
    let writer = log::create(ports.clone(), dir, groups, now.at, id, log_options)?;
    Ok((Seq::FIRST, writer.position().last_seq()))
}

/// Makes the directories of a store where they are missing, on a disk that may be used.
fn prepare(ports: &Ports, dir: &Path, options: &Options) -> Result<()> {
    for path in [dir.to_owned(), dir.join(WAL)] {
        let is_link = || {
            let found = ports.disk.metadata(&path);
            found.is_ok_and(|found| found.kind == EntryKind::Symlink)
        };
        match ports.disk.create_dir(&path) {
            Ok(()) => {}
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists
                    && path == dir.join(WAL)
                    && is_link() =>
            {
                return Err(dir::linked(&*ports.disk, &path));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("make", path)(error)),
        }
    }
    dir::refuse_network(ports, dir, options)
}
