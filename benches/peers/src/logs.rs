//! Large logs, written without a single sync: they are only there to be read.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phaselog::log::{Access, From, Log, LogOptions, Witnesses, Writer};
use phaselog::pipeline::{BootInstant, Event, Timestamp, codec};
use phaselog::ports::{Disk, File, FileId, LockKind, Metadata, RealDisk};
use phaselog::position::Seq;
use phaselog::{Ports, Store};

use crate::job::{self, PHASES};
use crate::measure::Failed;

/// The real disk, but for the syncs while it is told so.
struct Unsynced(RealDisk, Syncs);

struct UnsyncedFile(Box<dyn File>, Syncs);

/// Turns the syncs of a disk on and off.
#[derive(Clone, Default)]
pub struct Syncs(Arc<AtomicBool>);

impl Syncs {
    /// From now on syncs are done, or not.
    pub fn turn(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    fn on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The ports of this machine without the syncs.
fn unsynced() -> Ports {
    switched(&Syncs::default())
}

/// The ports of this machine with syncs while they are turned on.
pub fn switched(syncs: &Syncs) -> Ports {
    Ports {
        disk: Arc::new(Unsynced(RealDisk, syncs.clone())),
        ..Ports::real()
    }
}

impl Disk for Unsynced {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(UnsyncedFile(
            self.0.open_read(path)?,
            self.1.clone(),
        )))
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(UnsyncedFile(
            self.0.open_write(path)?,
            self.1.clone(),
        )))
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(UnsyncedFile(
            self.0.create_new(path)?,
            self.1.clone(),
        )))
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.0.metadata(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.hard_link(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.1.on() {
            return self.0.sync_dir(path);
        }
        Ok(())
    }
    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        self.0.network_file_system(path)
    }
}

impl File for UnsyncedFile {
    fn id(&self) -> io::Result<FileId> {
        self.0.id()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        if self.1.on() {
            return self.0.sync();
        }
        Ok(())
    }
    fn lock(&self, kind: LockKind, wait: Duration) -> io::Result<bool> {
        self.0.lock(kind, wait)
    }
    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

/// Records as workers leave them, without end: each phase of each item is started and completed; when all are done they
/// are retried, and done again.
struct Records {
    items: usize,
    done: usize,
    token: Option<Seq>,
    at: i64,
}

impl Records {
    /// The payload of the record that will have this seq.
    fn at(&mut self, seq: Seq) -> Option<String> {
        // Two records an attempt in the first lap, three from then on.
        let first_lap = 2 * self.items * PHASES.len();
        let (attempt, part) = match self.done.checked_sub(first_lap) {
            None => (self.done / 2, 1 + self.done % 2),
            Some(later) => (later / 3, later % 3),
        };
        let item = job::item(attempt % self.items);
        let phase = job::phase(attempt / self.items % PHASES.len());
        let event = match part {
            0 => Event::Retried { item, phase },
            1 => {
                self.token = Some(seq);
                Event::Started {
                    item,
                    phase,
                    worker: Some(format!("w{}", attempt % 8)),
                    boot: Some(BootInstant {
                        boot: "9bb0c6f4-5a0e-4d4e-a0f0-3c6b8c7a1d2e".to_owned(),
                        micros: 1_000_000 + self.done as u64,
                        asleep_us: 0,
                    }),
                    owner: None,
                }
            }
            _ => Event::Completed {
                item,
                phase,
                token: self.token,
                late: false,
                op: None,
                data: None,
                extraction: None,
            },
        };
        self.done += 1;
        self.at += 137;
        let at = Timestamp::from_micros(self.at)?;
        Some(codec::encode(&event, at, false))
    }
}

/// Makes a store of `items` items whose log has `records` records more, each on its own; returns the log's bytes.
pub fn large(dir: &Path, items: usize, records: usize) -> Result<u64, Failed> {
    job::store(dir, items)?;
    let ports = unsynced();
    let log = Log::new(ports.clone(), dir);
    let witnesses = Witnesses::default();
    let end = log.read(
        From::FirstRecord,
        witnesses,
        Access::ReadWrite,
        false,
        &mut |_| Ok(()),
    )?;
    let mut writer = Writer::new(log, end, witnesses, LogOptions::default());
    let at = Timestamp::from_micros(1_795_000_000_000_000).ok_or("no time")?;
    let mut locked = writer.lock()?;
    locked.catch_up(&mut |_| Ok(()))?;
    let (done, token) = (0, None);
    let mut payloads = Records {
        items,
        done,
        token,
        at: at.micros(),
    };
    for _ in 0..records {
        let payload = payloads.at(locked.position().next).ok_or("no time")?;
        locked.append(&[payload])?;
        locked.rotate_if_full(at)?;
    }
    drop(locked);
    writer.sync_and_prove()?;
    let mut bytes = 0;
    for segment in job::segments(dir)? {
        bytes += std::fs::metadata(segment)?.len();
    }
    Ok(bytes)
}

/// Writes the snapshots of a store, without syncs.
pub fn compact(dir: &Path) -> Result<(), Failed> {
    let mut store = Store::open(unsynced(), dir, job::options())?;
    let _ = store.compact(false)?;
    Ok(())
}
