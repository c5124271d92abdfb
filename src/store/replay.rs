//! The state as it stood at any record or time, folded from record 1.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::log::files;
use crate::log::frame::{self, Crc};
use crate::log::head::{Head, Sha256Hex};
use crate::log::header::{LogId, SegmentHeader};
use crate::log::reader::{Access, From, Witnesses};
use crate::pipeline::{Event, Now, PipelineState, Record, Timestamp};
use crate::ports::{Disk, File, Ports};
use crate::position::{SegmentId, Seq};
use crate::snapshot::set::{MAX_FILE_BYTES, ROOT};
use crate::snapshot::{LogPlace, TimeStyle, enrichment, extraction, work_items};

use super::{Options, dir, proof, recovery};

/// A place in the log, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// After this record.
    Seq(Seq),
    /// After the last record whose `at` is not later than this.
    Time(Timestamp),
}

/// The state as it was once, and where that was.
#[derive(Clone, Debug)]
pub struct Past {
    /// The state.
    pub state: PipelineState,
    /// When its last record was written.
    pub at: Timestamp,
    /// Which log it is of; `None` if the header says nothing that this version reads.
    pub log: Option<LogId>,
    /// The checksum of its last record.
    pub crc: Crc,
    /// The head of the log there.
    pub head: Sha256Hex,
}

impl Past {
    /// That moment, for rules that ask how late it is. No boot clock reaches back there.
    pub fn now(&self) -> Now {
        Now {
            at: self.at,
            given: true,
            boot: None,
        }
    }
}

impl Past {
    /// Writes `work_items.json` as a compaction at that moment would have written it.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn write_work_items(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.write_work_items_as(TimeStyle::of(self.state.document.times), out)
    }

    /// The same, with times in another style.
    ///
    /// # Errors
    /// What `out` returns.
    pub(super) fn write_work_items_as(
        &self,
        times: TimeStyle,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        let place = LogPlace {
            id: self.log.map(|log| log.to_string()).unwrap_or_default(),
            seq: self.state.last_seq,
            crc32: self.crc.value(),
            sha256: self.head.to_string(),
        };
        work_items::encode(&self.state, &place, &[], times, out).map(drop)
    }

    /// Writes every state file to a directory, which is made if it is not there; returns their paths. Replaces files
    /// that were written so before.
    ///
    /// # Errors
    /// [`Error::StoreExists`] if another program's file has such a name; [`Error::Usage`] if the directory is a store,
    /// or lies anywhere in `store`: what is replayed never touches one.
    pub fn write_files(&self, ports: &Ports, store: &Path, dir: &Path) -> Result<Vec<PathBuf>> {
        let disk = &*ports.disk;
        if is_within(disk, dir, store)? {
            let (dir, store) = (dir.display(), store.display());
            return Err(Error::Usage {
                message: format!("{dir} lies in the store {store}; a replay is written elsewhere"),
            });
        }
        match disk.create_dir(dir) {
            Ok(()) => disk
                .sync_dir(files::parent(dir))
                .map_err(Error::io("sync", files::parent(dir)))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", dir)(error)),
        }
        let wal = dir.join(dir::WAL);
        if disk.exists(&wal).map_err(Error::io("look at", &wal))? {
            let message = format!(
                "{} is a store; a replay is written elsewhere",
                dir.display()
            );
            return Err(Error::Usage { message });
        }
        let path = dir.join(ROOT);
        let has_root = disk.exists(&path).map_err(Error::io("look at", &path))?;
        if has_root {
            let there = disk
                .read(&path, MAX_FILE_BYTES)
                .map_err(Error::io("read", &path))?;
            if work_items::decode_names(&there).usable().is_none() {
                let what = "has a work_items.json of another program";
                return Err(Error::StoreExists {
                    dir: dir.to_owned(),
                    what,
                });
            }
        }
        let mut written = Vec::new();
        for (name, write) in self.files() {
            let path = dir.join(name);
            // Beside a root that was replayed they were too.
            if name != ROOT
                && !has_root
                && disk.exists(&path).map_err(Error::io("look at", &path))?
            {
                let what = "has a state file of another program";
                return Err(Error::StoreExists {
                    dir: dir.to_owned(),
                    what,
                });
            }
            written.push((path, write));
        }
        written
            .into_iter()
            .map(|(path, write)| self.write_file(ports, path, write))
            .collect()
    }

    /// The state files there would be, each with what writes it.
    fn files(&self) -> Vec<(&'static str, WriteFile)> {
        let mut files: Vec<(&'static str, WriteFile)> =
            vec![(ROOT, |past, out| past.write_work_items(out))];
        if self.state.enrichment.is_some() {
            files.push((enrichment::NAME, |past, out| {
                enrichment::encode(&past.state, out)
            }));
        }
        if self.state.extraction.is_some() {
            files.push((extraction::NAME, |past, out| {
                let times = TimeStyle::of(past.state.document.times);
                extraction::encode(&past.state, times, out)
            }));
        }
        files
    }

    fn write_file(&self, ports: &Ports, path: PathBuf, write: WriteFile) -> Result<PathBuf> {
        let disk = &*ports.disk;
        let dir = files::parent(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temp = dir.join(files::temp_name(&name, ports.process.random()));
        let written = disk.create_new(&temp).and_then(|file| {
            let at_end = AtEnd {
                file: &*file,
                bytes: 0,
            };
            let mut out = io::BufWriter::with_capacity(256 * 1024, at_end);
            write(self, &mut out)?;
            io::Write::flush(&mut out)?;
            file.sync()?;
            disk.rename(&temp, &path)?;
            disk.sync_dir(dir)
        });
        if let Err(error) = written {
            let _ = disk.remove_file(&temp);
            return Err(Error::io("write", path)(error));
        }
        Ok(path)
    }
}

/// Writes one of the state files.
type WriteFile = fn(&Past, &mut dyn io::Write) -> io::Result<()>;

/// A file, written on at its end.
struct AtEnd<'f> {
    file: &'f dyn File,
    bytes: u64,
}

impl io::Write for AtEnd<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.file.write_at(self.bytes, bytes)?;
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// True if a directory, there or still to be made, lies in `store` itself or below it, whatever path leads there.
///
/// Names say nothing here: of symbolic links, of `..`, and of relative paths. So the system itself is asked for the
/// directory above, and the one above that, and each is compared by what it is.
pub(super) fn is_within(disk: &dyn Disk, dir: &Path, store: &Path) -> Result<bool> {
    // Deeper than any path that the system takes.
    const DEPTH: usize = 4096;
    let look = |path: &Path| disk.metadata(path).map(|found| found.id);
    let store = store.join(".");
    let store = look(&store).map_err(Error::io("look at", &store))?;
    // What is still to be made lies where the nearest directory above it is.
    let mut there = dir;
    while !there.as_os_str().is_empty()
        && matches!(look(&there.join(".")), Err(error) if error.kind() == io::ErrorKind::NotFound)
    {
        there = files::parent(there);
    }
    let mut at = there.join(".");
    let mut below = None;
    for _ in 0..DEPTH {
        // What stands above cannot be asked, or there is no way to the directory at all.
        let Ok(here) = look(&at) else {
            return Ok(false);
        };
        if here == store {
            return Ok(true);
        }
        if below == Some(here) {
            break;
        }
        below = Some(here);
        at.push("..");
    }
    Ok(false)
}

/// The state after the record that `at` names, folded from record 1. Snapshots are not asked.
///
/// # Errors
/// [`Error::UnknownSeq`] beyond the log's end; damage if the log cannot be read so far.
pub fn past(ports: &Ports, dir: &Path, options: &Options, at: At) -> Result<Past> {
    let seq = seq_of(ports, dir, options, at)?;
    let mut past = fold(ports, dir, options, Some(seq), &|_| ())?;
    if let At::Time(time) = at {
        past.at = time;
    }
    Ok(past)
}

/// As [`past`], without the data of the items, for who asks for everything else: it may be most of the memory.
///
/// # Errors
/// As [`past`].
pub(super) fn past_without_data(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    seq: Seq,
) -> Result<Past> {
    fold(ports, dir, options, Some(seq), &Event::strip_data)
}

/// The state after the last record, folded from record 1.
///
/// # Errors
/// As [`past`].
pub fn present(ports: &Ports, dir: &Path, options: &Options) -> Result<Past> {
    fold(ports, dir, options, None, &|_| ())
}

/// The state after the record that `at` names.
///
/// # Errors
/// As [`past`].
pub fn state_at(ports: &Ports, dir: &Path, options: &Options, at: At) -> Result<PipelineState> {
    past(ports, dir, options, at).map(|past| past.state)
}

/// The last record that can be replayed where this error stopped a replay; `None` if there is none, or the error is
/// another.
pub fn last_good(error: &Error) -> Option<Seq> {
    let stopped_at = match error {
        Error::Damaged(damage) | Error::AmbiguousTail(damage) => Some(damage.seq),
        // Behind a newer version's segment header nothing is read, not even what is before it.
        Error::NewerFormat { file, seq, .. } => seq.filter(|&seq| {
            file.file_name().and_then(|name| name.to_str())
                != Some(&SegmentId::starting_at(seq).file_name())
        }),
        _ => None,
    };
    stopped_at
        .map(Seq::before)
        .filter(|&last| last != Seq::NONE)
}

fn seq_of(ports: &Ports, dir: &Path, options: &Options, at: At) -> Result<Seq> {
    match at {
        At::Seq(seq) => Ok(seq),
        At::Time(time) => seq_at(ports, dir, options, time),
    }
}

/// The highest record whose `at` is not later than `time`. The clock may have gone back in between: seq is the order.
///
/// # Errors
/// [`Error::Usage`] if the log begins later; damage anywhere in the log, since any record might be the one.
pub fn seq_at(ports: &Ports, dir: &Path, options: &Options, time: Timestamp) -> Result<Seq> {
    let (mut found, mut begins) = (Seq::NONE, None);
    read_all(ports, dir, options, &mut |entry| {
        let record = recovery::decode(&entry)?;
        begins = begins.or(Some(record.at));
        if record.at <= time {
            found = record.seq;
        }
        Ok(())
    })?;
    match begins {
        Some(begins) if found == Seq::NONE => Err(Error::Usage {
            message: format!("{time} lies before the log, which begins at {begins}"),
        }),
        _ => Ok(found),
    }
}

/// The state after record `last`.
pub(super) fn fold_through(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    last: Seq,
) -> Result<PipelineState> {
    fold(ports, dir, options, Some(last), &|_| ()).map(|past| past.state)
}

/// Each event is changed by `change` before it is taken in.
fn fold(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    last: Option<Seq>,
    change: &dyn Fn(&mut Event),
) -> Result<Past> {
    let (mut state, mut at, mut log, mut crc) =
        (PipelineState::default(), Timestamp::EPOCH, None, Crc::NONE);
    let (mut head, mut line) = (Head::of_segment(None), Vec::new());
    let read = read_all(ports, dir, options, &mut |entry| {
        let frame = &entry.frame;
        if last.is_some_and(|last| frame.seq > last) {
            return Ok(());
        }
        let mut record = recovery::decode(&entry)?;
        change(&mut record.event);
        if matches!(record.event, Event::Segment)
            && let Ok(header) = SegmentHeader::parse(frame.payload)
        {
            log = Some(header.log);
            head = Head::of_segment(header.sha256);
        }
        line.clear();
        crc = frame::encode(
            &mut line,
            frame.previous,
            frame.seq,
            frame.durable,
            frame.payload,
        );
        head.update(&line);
        at = record.at;
        state.apply(&record);
        Ok(())
    });
    match read {
        // What lies behind the place that was asked for is no business of this answer.
        Err(Error::Damaged(_) | Error::AmbiguousTail(_) | Error::NewerFormat { .. })
            if last == Some(state.last_seq) => {}
        Err(error) => return Err(error),
        Ok(()) => {
            if let Some(seq) = last.filter(|&last| state.last_seq < last) {
                let last = state.last_seq;
                return Err(Error::UnknownSeq { seq, last });
            }
        }
    }
    Ok(Past {
        state,
        at,
        log,
        crc,
        head: head.value(),
    })
}

/// Walks the log from its first record.
///
/// # Errors
/// As [`past`].
pub(super) fn each(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    sink: &mut dyn FnMut(&Record),
) -> Result<()> {
    read_all(ports, dir, options, &mut |entry| {
        sink(&recovery::decode(&entry)?);
        Ok(())
    })
}

fn read_all(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    sink: &mut dyn FnMut(crate::log::reader::Entry<'_>) -> Result<()>,
) -> Result<()> {
    let log = dir::check(ports, dir, options)?;
    let witnesses = Witnesses {
        mark: log.mark(),
        snapshot: Seq::NONE,
    };
    // What is shown stays shown. Where that cannot be promised, a view of the present says so.
    let held = proof::hold(ports, &log)?;
    match log.read(From::FirstRecord, witnesses, Access::ReadOnly, false, sink) {
        Ok(mut end) => proof::prove(ports, &log, &mut end).map(drop),
        Err(error) => {
            proof::prove_held(ports, &log, &held, Seq::NONE)?;
            Err(error)
        }
    }
}
