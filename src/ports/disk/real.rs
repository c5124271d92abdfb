//! The disk of this machine: `std::fs`, with the flags that keep links and pipes out.
//!
//! No call here retries, buffers or cleans up: what the system said is what the caller hears.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the door through which everybody else opens files"
)]

use std::fs::{self, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Disk, EntryKind, File, FileId, LockKind, Metadata, RealDisk, Surroundings};

/// Whoever waits for a lock tries again after this part of the time it has waited so far: a writer holds the append lock for some
/// ten microseconds, a compaction or a stopped process for seconds.
const TRIES_AGAIN_AFTER: u32 = 16;

/// The longest wait between two tries for a lock.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

impl Disk for RealDisk {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn File>> {
        open_regular(OpenOptions::new().read(true), path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        open_regular(OpenOptions::new().read(true).write(true), path)
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        open_regular(os::no_wider_than(&mut options, parent(path)), path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        os::create_dir_like(path, parent(path))
    }

    fn create_dir_like(&self, path: &Path, like: &Path) -> io::Result<()> {
        os::create_dir_like(path, like)
    }

    fn is_world_writable(&self, dir: &Path) -> io::Result<bool> {
        os::is_world_writable(or_here(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(dir, &mut |name| names.push(name.to_owned()))?;
        names.sort_unstable();
        Ok(names)
    }

    fn each_name(&self, dir: &Path, take: &mut dyn FnMut(&str)) -> io::Result<()> {
        for entry in fs::read_dir(or_here(dir))? {
            if let Some(name) = entry?.file_name().to_str() {
                take(name);
            }
        }
        Ok(())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = fs::symlink_metadata(path)?;
        let kind = if found.is_file() {
            EntryKind::File
        } else if found.is_dir() {
            EntryKind::Dir
        } else if found.is_symlink() {
            EntryKind::Symlink
        } else {
            EntryKind::Other
        };
        Ok(Metadata {
            id: os::id(&found)?,
            kind,
            len: found.len(),
            changed: os::changed(&found),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        // std calls linkat without AT_SYMLINK_FOLLOW: a link to a symbolic link is that link.
        fs::hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        os::sync_dir(or_here(dir))
    }

    fn network_file_system(&self, path: &Path) -> io::Result<Option<&'static str>> {
        os::network_file_system(or_here(path))
    }

    fn surroundings(&self, path: &Path) -> io::Result<Surroundings> {
        os::surroundings(or_here(path))
    }
}

/// An open file of this machine.
struct RealFile {
    file: fs::File,
    /// Which file it is, asked for when it was opened: an open file stays what it is. `None` where the system cannot tell.
    id: Option<FileId>,
    /// A lock was taken and not given back.
    locked: AtomicBool,
}

impl Drop for RealFile {
    fn drop(&mut self) {
        // A child that another thread is just starting has this open file until its exec, and the lock with it:
        // closing alone would leave it locked for that long.
        if *self.locked.get_mut() {
            // There is nobody to tell, and closing follows.
            let _ = self.file.unlock();
        }
    }
}

impl File for RealFile {
    fn id(&self) -> io::Result<FileId> {
        self.id.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|found| found.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        os::read_at(&self.file, offset, into)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        os::write_at(&self.file, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn lock(&self, kind: LockKind, wait: Duration) -> io::Result<bool> {
        if self.try_lock(kind)? {
            return Ok(true);
        }
        let begin = Instant::now();
        loop {
            let waited = begin.elapsed();
            let left = wait.saturating_sub(waited);
            if left.is_zero() {
                return Ok(false);
            }
            let step = (waited / TRIES_AGAIN_AFTER).min(LONGEST_WAIT);
            std::thread::sleep(jittered(step).min(left));
            if self.try_lock(kind)? {
                return Ok(true);
            }
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()?;
        self.locked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl RealFile {
    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let tried = match kind {
            LockKind::Shared => self.file.try_lock_shared(),
            LockKind::Exclusive => self.file.try_lock(),
        };
        match tried {
            Ok(()) => {
                self.locked.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<Box<dyn File>> {
    let file = os::without_following(options).open(path)?;
    let found = file.metadata()?;
    let kind = found.file_type();
    if kind.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else if kind.is_file() {
        let (id, locked) = (os::id(&found).ok(), AtomicBool::new(false));
        Ok(Box::new(RealFile { file, id, locked }))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

/// The directory itself, or the current one for the empty path, which is the parent of `data`.
fn or_here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    }
}

/// The directory that a path is in.
fn parent(path: &Path) -> &Path {
    or_here(path.parent().unwrap_or(path))
}

/// Between half of a wait and the whole of it, so that waiters do not come back in step.
fn jittered(step: Duration) -> Duration {
    let random = RandomState::new().hash_one(step) >> 32;
    step / 2 + (step / 2).mul_f64(random as f64 / f64::from(u32::MAX))
}

#[cfg(unix)]
mod os {
    //! What Unix adds to `std::fs`.

    use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};

    use rustix::fs::OFlags;

    use super::{FileId, OpenOptions, Path, Surroundings, fs, io};

    /// Refuses a symbolic link, and does not wait for the other end of a pipe. std adds `O_CLOEXEC`.
    pub(super) fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed())
    }

    /// The rights that group and others have in a directory; all, if the system does not tell: then the umask decides.
    fn rights(dir: &Path) -> u32 {
        fs::metadata(dir).map_or(0o777, |found| found.mode() & 0o777)
    }

    pub(super) fn no_wider_than<'o>(
        options: &'o mut OpenOptions,
        dir: &Path,
    ) -> &'o mut OpenOptions {
        options.mode(rights(dir) & 0o666 | 0o600)
    }

    pub(super) fn create_dir_like(path: &Path, like: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.mode(rights(like) | 0o700).create(path)
    }

    pub(super) fn is_world_writable(dir: &Path) -> io::Result<bool> {
        const STICKY: u32 = 0o1000;
        let mode = fs::metadata(dir)?.mode();
        // In a sticky directory names can be added, but those of others stay.
        Ok(mode & 0o002 != 0 && mode & STICKY == 0)
    }

    #[expect(clippy::unnecessary_wraps, reason = "other systems cannot tell")]
    pub(super) fn id(found: &fs::Metadata) -> io::Result<FileId> {
        Ok(FileId {
            device: found.dev(),
            inode: found.ino(),
        })
    }

    pub(super) fn changed(found: &fs::Metadata) -> u64 {
        let nanos = found.ctime().wrapping_mul(1_000_000_000);
        nanos.wrapping_add(found.ctime_nsec()).cast_unsigned()
    }

    pub(super) fn read_at(file: &fs::File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        file.read_at(into, offset)
    }

    pub(super) fn write_at(file: &fs::File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        file.write_at(bytes, offset)
    }

    pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(OFlags::DIRECTORY.bits().cast_signed());
        options.open(dir)?.sync_all()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn network_file_system(path: &Path) -> io::Result<Option<&'static str>> {
        // The field's width differs between machines; every magic number fits 32 bits (statfs(2), linux/magic.h).
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "magic numbers have 32 bits"
        )]
        let magic = rustix::fs::statfs(path)?.f_type as u32;
        Ok(super::network_name(magic))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn surroundings(path: &Path) -> io::Result<Surroundings> {
        use std::os::unix::fs::MetadataExt;

        use rustix::fs::{StatVfsMountFlags, statvfs};

        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "magic numbers have 32 bits"
        )]
        let magic = rustix::fs::statfs(path)?.f_type as u32;
        let (found, of_mount) = (fs::metadata(path)?, statvfs(path)?);
        let kind = super::network_name(magic).or_else(|| super::local_name(magic));
        // Where there is no table of inodes there is no end of them.
        let has_inodes = of_mount.f_files > 0;
        Ok(Surroundings {
            device: found.dev(),
            kind: Some(kind.map_or_else(|| format!("0x{magic:x}"), str::to_owned)),
            network: super::network_name(magic).is_some(),
            volatile: matches!(kind, Some("tmpfs" | "ramfs")),
            read_only: of_mount.f_flag.contains(StatVfsMountFlags::RDONLY),
            free_bytes: Some(of_mount.f_bavail.saturating_mul(of_mount.f_frsize)),
            free_inodes: has_inodes.then_some(of_mount.f_favail),
            world_writable: found.mode() & 0o002 != 0,
        })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn surroundings(path: &Path) -> io::Result<Surroundings> {
        fs::metadata(path).map(|_| Surroundings::default())
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn network_file_system(path: &Path) -> io::Result<Option<&'static str>> {
        fs::metadata(path).map(|_| None)
    }
}

#[cfg(windows)]
mod os {
    //! What Windows has in place of it: no file ids, and names that are durable when the call returns.

    use std::os::windows::fs::{FileExt, OpenOptionsExt};

    use super::{FileId, OpenOptions, Path, Surroundings, fs, io};

    /// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a symbolic link itself, which is then no regular file.
    const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    pub(super) fn without_following(options: &mut OpenOptions) -> &mut OpenOptions {
        options.custom_flags(OPEN_REPARSE_POINT)
    }

    pub(super) fn no_wider_than<'o>(options: &'o mut OpenOptions, _: &Path) -> &'o mut OpenOptions {
        options
    }

    pub(super) fn create_dir_like(path: &Path, _: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    pub(super) fn is_world_writable(dir: &Path) -> io::Result<bool> {
        fs::metadata(dir).map(|_| false)
    }

    pub(super) fn id(_: &fs::Metadata) -> io::Result<FileId> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn changed(found: &fs::Metadata) -> u64 {
        use std::os::windows::fs::MetadataExt;
        found.last_write_time()
    }

    pub(super) fn read_at(file: &fs::File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        file.seek_read(into, offset)
    }

    pub(super) fn write_at(file: &fs::File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        file.seek_write(bytes, offset)
    }

    pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
        fs::metadata(dir).map(drop)
    }

    pub(super) fn network_file_system(path: &Path) -> io::Result<Option<&'static str>> {
        fs::metadata(path).map(|_| None)
    }

    pub(super) fn surroundings(path: &Path) -> io::Result<Surroundings> {
        fs::metadata(path).map(|_| Surroundings::default())
    }
}

/// The network file systems among Linux's magic numbers. Those that may be local or not (fuse, gfs2) are left out.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn network_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0000_6969 => "nfs",
        0x0000_517b => "smb",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x5346_414f | 0x6b41_4653 => "afs",
        0x00c3_6400 => "ceph",
        0x0102_1997 => "9p",
        0x0bd0_0bd0 => "lustre",
        _ => return None,
    })
}

/// The local file systems that people meet, by the same numbers.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn local_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x0000_ef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0x0102_1994 => "tmpfs",
        0x8584_58f6 => "ramfs",
        0x794c_7630 => "overlayfs",
        0x6573_5546 => "fuse",
        0x0000_4d44 => "vfat",
        0x2011_bab0 => "exfat",
        0x7366_746e => "ntfs3",
        _ => return None,
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn temp() -> tempfile::TempDir {
        tempfile::tempdir().expect("the system has a temp directory")
    }

    #[test]
    fn bytes_written_read_back_through_another_open_file() {
        let dir = temp();
        let path = dir.path().join("a");
        let file = RealDisk.create_new(&path).unwrap();
        file.write_full_at(0, b"hello world").unwrap();
        file.sync().unwrap();
        RealDisk.sync_dir(dir.path()).unwrap();
        let disk: &dyn Disk = &RealDisk;
        assert_eq!(disk.read(&path, 11).unwrap(), b"hello world");
        assert_eq!(
            disk.read(&path, 10).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert_eq!(RealDisk.metadata(&path).unwrap().id, file.id().unwrap());
        assert_eq!(RealDisk.open_read(&path).unwrap().len().unwrap(), 11);
        assert!(
            RealDisk
                .open_read(&path)
                .unwrap()
                .write_at(0, b"x")
                .is_err()
        );
        RealDisk
            .open_write(&path)
            .unwrap()
            .write_full_at(6, b"there")
            .unwrap();
        assert_eq!(disk.read(&path, 11).unwrap(), b"hello there");
    }

    #[test]
    fn links_directories_and_pipes_are_refused() {
        let dir = temp();
        let (file, link, fifo) = (
            dir.path().join("file"),
            dir.path().join("link"),
            dir.path().join("fifo"),
        );
        RealDisk.create_new(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, 0o600.into(), 0).unwrap();
        let too_many_links = Some(rustix::io::Errno::LOOP.raw_os_error());
        for open in [RealDisk::open_read, RealDisk::open_write] {
            assert_eq!(
                open(&RealDisk, &link).err().unwrap().raw_os_error(),
                too_many_links
            );
            let dir_error = open(&RealDisk, dir.path()).err().unwrap();
            assert_eq!(dir_error.kind(), io::ErrorKind::IsADirectory);
            assert_eq!(
                open(&RealDisk, &fifo).err().unwrap().kind(),
                io::ErrorKind::InvalidInput
            );
        }
        for taken in [&file, &link] {
            let error = RealDisk.create_new(taken).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(RealDisk.metadata(&link).unwrap().kind, EntryKind::Symlink);
        assert_eq!(RealDisk.metadata(&fifo).unwrap().kind, EntryKind::Other);
        RealDisk
            .hard_link(&link, &dir.path().join("second"))
            .unwrap();
        let second = RealDisk.metadata(&dir.path().join("second")).unwrap();
        assert_eq!(second.kind, EntryKind::Symlink);
    }

    #[test]
    fn names_are_listed_sorted_and_renaming_between_two_links_does_nothing() {
        let dir = temp();
        let at = |name: &str| dir.path().join(name);
        for name in ["b", "a", "c"] {
            RealDisk.create_new(&at(name)).unwrap();
        }
        assert_eq!(RealDisk.list(dir.path()).unwrap(), ["a", "b", "c"]);
        RealDisk.rename(&at("c"), &at("a")).unwrap();
        RealDisk.hard_link(&at("a"), &at("d")).unwrap();
        RealDisk.rename(&at("a"), &at("d")).unwrap();
        RealDisk.remove_file(&at("b")).unwrap();
        assert_eq!(RealDisk.list(dir.path()).unwrap(), ["a", "d"]);
        let error = RealDisk.hard_link(&at("a"), &at("d")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(
            RealDisk.remove_file(&at("b")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        RealDisk.create_dir(&at("e")).unwrap();
        RealDisk.remove_dir(&at("e")).unwrap();
        assert_eq!(
            RealDisk.remove_dir(dir.path()).unwrap_err().kind(),
            io::ErrorKind::DirectoryNotEmpty
        );
        let disk: &dyn Disk = &RealDisk;
        assert!(disk.exists(&at("d")).unwrap() && !disk.exists(&at("b")).unwrap());
    }

    #[test]
    fn locks_exclude_and_go_with_the_open_file() {
        let dir = temp();
        let path = dir.path().join("lock");
        let first = RealDisk.create_new(&path).unwrap();
        let second = RealDisk.open_write(&path).unwrap();
        let now = Duration::ZERO;
        assert!(first.lock(LockKind::Shared, now).unwrap());
        assert!(second.lock(LockKind::Shared, now).unwrap());
        assert!(!first.lock(LockKind::Exclusive, now).unwrap());
        second.unlock().unwrap();
        assert!(first.lock(LockKind::Exclusive, now).unwrap());
        assert!(
            !second
                .lock(LockKind::Shared, Duration::from_millis(1))
                .unwrap()
        );
        drop(first);
        assert!(second.lock(LockKind::Exclusive, now).unwrap());
    }

    #[test]
    fn nothing_gets_more_rights_than_its_directory() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let dir = temp();
        let at = |name: &str| dir.path().join(name);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        RealDisk.create_dir(&at("open")).unwrap();
        for (rights, file, inner) in [(0o700, 0o600, 0o700), (0o750, 0o640, 0o750)] {
            let place = at(&format!("{rights:o}"));
            RealDisk.create_dir(&place).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(rights)).unwrap();
            RealDisk.create_new(&place.join("file")).unwrap();
            RealDisk.create_dir(&place.join("inner")).unwrap();
            let copy = at("open").join(format!("{rights:o}"));
            RealDisk.create_dir_like(&copy, &place).unwrap();
            // The umask may take away more.
            assert_eq!(mode(&place.join("file")) & !file, 0);
            assert_eq!(mode(&place.join("inner")) & !inner, 0);
            assert_eq!(mode(&copy) & !rights, 0);
            assert!(!RealDisk.is_world_writable(&place).unwrap());
        }
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(RealDisk.is_world_writable(&at("open")).unwrap());
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(!RealDisk.is_world_writable(&at("open")).unwrap());
    }

    #[test]
    fn a_lock_is_waited_for() {
        let dir = temp();
        let path = dir.path().join("lock");
        let holder = RealDisk.create_new(&path).unwrap();
        assert!(holder.lock(LockKind::Exclusive, Duration::ZERO).unwrap());
        let waiter = RealDisk.open_write(&path).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| waiter.lock(LockKind::Exclusive, Duration::from_mins(1)));
            drop(holder);
            assert!(waiting.join().unwrap().unwrap());
        });
    }

    #[test]
    fn jitter_stays_within_the_step() {
        for _ in 0..100 {
            let wait = jittered(LONGEST_WAIT);
            assert!(wait >= LONGEST_WAIT / 2 && wait <= LONGEST_WAIT, "{wait:?}");
        }
    }

    #[test]
    fn the_empty_path_is_the_current_directory() {
        RealDisk.sync_dir(Path::new("")).unwrap();
        assert!(!RealDisk.list(Path::new("")).unwrap().is_empty());
        assert!(RealDisk.network_file_system(Path::new("")).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_go_by_their_magic_number() {
        assert_eq!(network_name(0xff53_4d42), Some("cifs"));
        assert_eq!(
            (network_name(0xef53), network_name(0x5846_5342)),
            (None, None)
        );
    }
}
