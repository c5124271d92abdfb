//! A system that refuses: failed writes, failed syncs, short writes, a full disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::ports::{Disk, File, FileId, LockKind, Metadata, RealDisk};

/// What goes wrong next.
#[derive(Debug, Default)]
struct Faults {
    /// Syncs of files fail.
    sync: AtomicBool,
    /// Syncs of directories fail.
    sync_dir: AtomicBool,
    /// How many bytes are still taken; `usize::MAX` for all.
    room: AtomicUsize,
    /// Every call takes or gives at most 7 bytes, and is interrupted every other time.
    dribble: AtomicBool,
    /// How many files were synced.
    syncs: AtomicUsize,
    calls: AtomicUsize,
}

struct FaultyDisk(Arc<Faults>);

struct FaultyFile(Box<dyn File>, Arc<Faults>);

impl FaultyDisk {
    fn wrap(&self, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultyFile(file, self.0.clone()))
    }
}

impl Disk for FaultyDisk {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        RealDisk.open_read(path).map(|file| self.wrap(file))
    }
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        RealDisk.open_write(path).map(|file| self.wrap(file))
    }
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        RealDisk.create_new(path).map(|file| self.wrap(file))
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        RealDisk.metadata(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.hard_link(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.0.sync_dir.load(Ordering::SeqCst) {
            return Err(io::Error::other("EIO"));
        }
        RealDisk.sync_dir(dir)
    }
    fn network_file_system(&self, _: &Path) -> io::Result<Option<&'static str>> {
        Ok(None)
    }
}

impl FaultyFile {
    fn dribble(&self, len: usize) -> io::Result<usize> {
        if !self.1.dribble.load(Ordering::SeqCst) {
            return Ok(len);
        }
        if self
            .1
            .calls
            .fetch_add(1, Ordering::SeqCst)
            .is_multiple_of(2)
        {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(len.min(7))
    }
}

impl File for FaultyFile {
    fn id(&self) -> io::Result<FileId> {
        self.0.id()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let len = self.dribble(into.len())?;
        self.0.read_at(offset, &mut into[..len])
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let room = self.1.room.load(Ordering::SeqCst);
        let len = self.dribble(bytes.len())?.min(room);
        if len == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if room != usize::MAX {
            self.1.room.store(room - len, Ordering::SeqCst);
        }
        self.0.write_at(offset, &bytes[..len])
    }
    fn sync(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        if self.1.sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("EIO"));
        }
        self.0.sync()
    }
    fn lock(&self, kind: LockKind, wait: Duration) -> io::Result<bool> {
        self.0.lock(kind, wait)
    }
    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

fn faulty() -> (TempDir, Writer, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    faults.room.store(usize::MAX, Ordering::SeqCst);
    let ports = Ports {
        disk: Arc::new(FaultyDisk(faults.clone())),
        ..Ports::real()
    };
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data");
    let writer = create(
        ports,
        &path,
        vec![vec![event(1)].into()],
        at(),
        LogId::new(7),
        OPTIONS,
    )
    .unwrap();
    (dir, writer, faults)
}

#[test]
fn failed_sync_is_told_to_all_and_never_tried_again() {
    let (dir, mut writer, faults) = faulty();
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.append(&[event(2)]).unwrap();
    drop(locked);
    faults.sync.store(true, Ordering::SeqCst);
    let Err(Error::NotAcknowledged { seq, .. }) = writer.sync_and_prove() else {
        panic!("the sync failed")
    };
    assert_eq!(seq, Some(Seq::new(3)));
    assert_eq!(log(&dir).mark(), Seq::NONE);
    faults.sync.store(false, Ordering::SeqCst);
    let syncs = faults.syncs.load(Ordering::SeqCst);
    assert!(matches!(
        writer.sync_and_prove(),
        Err(Error::Poisoned { written: true, .. })
    ));
    assert_eq!(faults.syncs.load(Ordering::SeqCst), syncs);
    // The next writer, here the same one, puts the verified bytes into a new file.
    append(&mut writer, &[event(3)]);
    assert_eq!(
        fs::read_dir(wal(&dir).join("quarantine")).unwrap().count(),
        1
    );
    let (seen, _) = read_all(&log(&dir), Seq::new(4), false);
    assert_eq!(seqs(&seen), [1, 2, 3, 4]);
}

#[test]
fn flag_stays_while_it_cannot_be_cleared() {
    let (dir, mut writer, faults) = faulty();
    poison::raise(&Ports::real(), &wal(&dir), SegmentId::FIRST, Seq::new(2)).unwrap();
    for fault in [&faults.sync, &faults.sync_dir] {
        fault.store(true, Ordering::SeqCst);
        let mut locked = writer.lock().unwrap();
        let error = locked.catch_up(&mut |_| Ok(())).unwrap_err();
        assert!(
            matches!(error, Error::Poisoned { written: false, .. }),
            "{error}"
        );
        assert!(matches!(
            locked.append(&[event(2)]),
            Err(Error::NotRecorded { .. })
        ));
        assert!(wal(&dir).join("poisoned").exists());
        fault.store(false, Ordering::SeqCst);
    }
    append(&mut writer, &[event(2)]);
    assert!(!wal(&dir).join("poisoned").exists());
}

#[test]
fn cut_write_is_not_recorded_and_the_next_writer_seals_it() {
    let (dir, mut writer, faults) = faulty();
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    faults.room.store(20, Ordering::SeqCst);
    assert!(matches!(
        locked.append(&[event(2)]),
        Err(Error::NotRecorded { .. })
    ));
    assert!(matches!(
        locked.append(&[event(2)]),
        Err(Error::NotRecorded { .. })
    ));
    drop(locked);
    faults.room.store(usize::MAX, Ordering::SeqCst);
    let appended = append(&mut writer, &[event(3)]);
    assert_eq!(appended.first, Seq::new(4));
    let (seen, end) = read_all(&log(&dir), Seq::new(4), false);
    assert_eq!(seqs(&seen), [1, 2, 3, 4]);
    assert_eq!(
        end.unwrap().position.segment,
        SegmentId::starting_at(Seq::new(3))
    );
}

#[test]
fn a_group_in_pieces_that_is_cut_short_is_none_of_it() {
    let (dir, mut writer, faults) = faulty();
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    // The first piece finds room, the second does not.
    faults.room.store(1_500_000, Ordering::SeqCst);
    let before = locked.position().clone();
    let refused = locked.append_pieces(vec![long_event(); 5].into());
    assert!(matches!(refused, Err(Error::NotRecorded { .. })));
    assert_eq!(*locked.position(), before);
    assert!(matches!(
        locked.append(&[event(2)]),
        Err(Error::NotRecorded { .. })
    ));
    drop(locked);
    let (seen, end) = read_all(&log(&dir), Seq::NONE, true);
    assert_eq!(seqs(&seen), [1, 2]);
    assert!(matches!(end.unwrap().tail, Tail::Torn { .. }));
    faults.room.store(usize::MAX, Ordering::SeqCst);
    let appended = append(&mut writer, &[event(3)]);
    assert_eq!(appended.first, Seq::new(4));
    let (seen, end) = read_all(&log(&dir), Seq::new(4), false);
    assert_eq!(seqs(&seen), [1, 2, 3, 4]);
    assert_eq!(end.unwrap().tail, Tail::Clean);
}

#[test]
fn full_segment_that_cannot_be_followed_grows() {
    let (dir, mut writer, faults) = faulty();
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked
        .append(&[format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20))])
        .unwrap();
    faults.room.store(100, Ordering::SeqCst);
    assert_eq!(locked.rotate_if_full(at()).unwrap(), None);
    drop(locked);
    faults.room.store(usize::MAX, Ordering::SeqCst);
    append(&mut writer, &[event(3)]);
    assert_eq!(log(&dir).segments().unwrap(), [SegmentId::FIRST]);
    for name in fs::read_dir(wal(&dir)).unwrap() {
        let name = name.unwrap().file_name();
        assert_eq!(files::temp_target(name.to_str().unwrap()), None);
    }
}

#[test]
fn short_and_interrupted_calls_change_nothing() {
    let (dir, mut writer, faults) = faulty();
    faults.dribble.store(true, Ordering::SeqCst);
    append(&mut writer, &[event(2), event(3)]);
    let mut locked = writer.lock().unwrap();
    locked.catch_up(&mut |_| Ok(())).unwrap();
    locked.rotate(at()).unwrap();
    drop(locked);
    append(&mut writer, &[event(4)]);
    let (seen, end) = read_all(&log(&dir), Seq::new(6), false);
    assert_eq!(seqs(&seen), [1, 2, 3, 4, 5, 6]);
    assert_eq!(end.unwrap().tail, Tail::Clean);
}
