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

pub(super) fn create_dir_like(path: &Path, _: &[&Path]) -> io::Result<()> {
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

/// Nothing is known of the clock of files.
pub(super) const fn is_settled(_: &fs::Metadata) -> bool {
    false
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
