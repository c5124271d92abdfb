//! What Unix adds to `std::fs`.

use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::time::SystemTime;

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

pub(super) fn no_wider_than<'o>(options: &'o mut OpenOptions, dir: &Path) -> &'o mut OpenOptions {
    options.mode(rights(dir) & 0o666 | 0o600)
}

pub(super) fn create_dir_like(path: &Path, like: &[&Path]) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    let rights = like.iter().fold(0o777, |all, like| all & rights(like));
    builder.mode(rights | 0o700).create(path)
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

/// True if a change that is made from now on gets another time.
pub(super) fn is_settled(found: &fs::Metadata) -> bool {
    /// The clock of files moves on with the scheduler's, which ticks a hundred times a second at least; where times have no
    /// fraction it moves on by seconds.
    const TICKS: i128 = 100_000_000;
    const SECONDS: i128 = 2_000_000_000;
    let least = if found.ctime_nsec() == 0 {
        SECONDS
    } else {
        TICKS
    };
    let changed = i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // A time in the future comes again.
    now.is_ok_and(|now| i128::try_from(now.as_nanos()).is_ok_and(|now| now - changed > least))
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
    Ok(super::magic::network_name(magic))
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
    let kind = super::magic::network_name(magic).or_else(|| super::magic::local_name(magic));
    // Where there is no table of inodes there is no end of them.
    let has_inodes = of_mount.f_files > 0;
    Ok(Surroundings {
        device: found.dev(),
        kind: Some(kind.map_or_else(|| format!("0x{magic:x}"), str::to_owned)),
        network: super::magic::network_name(magic).is_some(),
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
