//! What a crash test does to itself and its own directory: a limit on files, a small disk.

use std::io;
use std::path::Path;

#[cfg(unix)]
pub(super) fn limit_file_size(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let limit = Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Fsize, limit).map_err(io::Error::from)
}

#[cfg(not(unix))]
pub(super) fn limit_file_size(_: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
pub(super) fn mount_small(dir: &Path, bytes: u64, resize: bool) -> io::Result<()> {
    use rustix::mount::{MountFlags, mount, mount_remount};

    let options = std::ffi::CString::new(format!("size={bytes},mode=700")).expect("no NUL in it");
    let done = if resize {
        mount_remount(dir, MountFlags::NODEV | MountFlags::NOSUID, &*options)
    } else {
        mount(
            "phaselog",
            dir,
            "tmpfs",
            MountFlags::NODEV | MountFlags::NOSUID,
            &*options,
        )
    };
    done.map_err(io::Error::from)
}

#[cfg(target_os = "linux")]
pub(super) fn unmount(dir: &Path) -> io::Result<()> {
    use rustix::mount::{UnmountFlags, unmount};

    unmount(dir, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mount_small(_: &Path, _: u64, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn unmount(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
