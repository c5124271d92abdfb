//! Faults, locks and kills on the simulated disk.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::tests::{create, everything, nothing, outcomes_of, rename, sync_dir};
use super::{CallKind, Errno, Failure, Fault, SimDisk};
use crate::ports::{Disk, File, LockKind};

#[test]
fn the_bytes_of_a_failed_sync_are_gone_though_later_syncs_say_ok() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"good");
    file.sync().unwrap();
    sync_dir(&disk, "");
    let other = disk.actor("B").open_read(Path::new("a")).unwrap();
    file.write_full_at(4, b" lost").unwrap();
    disk.fail(
        Fault::new(Failure::Error(Errno::Eio))
            .by("A")
            .on(CallKind::Sync),
    );
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
    // Told once for each file that was open: here, there, and to nobody who comes later.
    file.sync().unwrap();
    assert_eq!(other.sync().unwrap_err().raw_os_error(), Some(5));
    other.sync().unwrap();
    let later = disk.actor("C").open_read(Path::new("a")).unwrap();
    later.sync().unwrap();
    // The cache still shows it.
    assert_eq!(disk.peek("a").unwrap(), b"good lost");
    assert_eq!(everything(&disk).peek("a").unwrap(), b"good");
    // A later append to this inode is not safe either, whatever its sync says.
    file.write_full_at(9, b"!").unwrap();
    file.sync().unwrap();
    assert!(outcomes_of(&disk, "a").contains(&Some(b"good".to_vec())));
    // Another file is.
    create(&disk, "A", "b", b"fine").sync().unwrap();
    sync_dir(&disk, "");
    assert_eq!(nothing(&disk).peek("b").unwrap(), b"fine");
}

#[test]
fn a_sync_that_is_interrupted_loses_nothing() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"hello");
    sync_dir(&disk, "");
    disk.fail(Fault::new(Failure::Error(Errno::Eintr)).on(CallKind::Sync));
    assert_eq!(file.sync().unwrap_err().kind(), io::ErrorKind::Interrupted);
    assert_eq!(nothing(&disk).peek("a").unwrap(), b"");
    file.sync().unwrap();
    assert_eq!(nothing(&disk).peek("a").unwrap(), b"hello");
}

#[test]
fn names_of_a_failed_directory_sync_stay_in_doubt() {
    let disk = SimDisk::new();
    create(&disk, "A", "a", b"").sync().unwrap();
    disk.fail(Fault::new(Failure::Error(Errno::Eio)).on(CallKind::SyncDir));
    assert!(disk.actor("A").sync_dir(Path::new("")).is_err());
    sync_dir(&disk, "");
    create(&disk, "A", "b", b"").sync().unwrap();
    sync_dir(&disk, "");
    let left = nothing(&disk);
    assert_eq!((left.peek("a"), left.peek("b")), (None, Some(vec![])));
    // What is done to the name afterwards and synced is certain again.
    rename(&disk, "b", "a").unwrap();
    sync_dir(&disk, "");
    assert_eq!(disk.pending(), []);
    assert!(nothing(&disk).peek("a").is_some());
}

#[test]
fn an_ignored_sync_says_ok_and_proves_nothing() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"hello");
    disk.fail(Fault::new(Failure::Ignored).on(CallKind::Sync));
    disk.fail(
        Fault::new(Failure::Ignored)
            .on(CallKind::SyncDir)
            .from_then_on(),
    );
    file.sync().unwrap();
    sync_dir(&disk, "");
    sync_dir(&disk, "");
    assert_eq!(nothing(&disk).files(), []);
    assert_eq!(disk.pending().len(), 3);
    disk.clear_faults();
    sync_dir(&disk, "");
    assert_eq!(nothing(&disk).peek("a").unwrap(), b"");
    assert!(
        disk.trace().contains("A   3  sync a: said ok, did nothing"),
        "{}",
        disk.trace()
    );
}

#[test]
fn faults_strike_the_call_that_they_are_set_for() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "dir-less", b"");
    let full = Failure::Error(Errno::Enospc);
    disk.fail(
        Fault::new(full)
            .by("A")
            .on(CallKind::WriteAt)
            .at_path("less")
            .nth(2),
    );
    disk.fail(
        Fault::new(Failure::Short(3))
            .on(CallKind::WriteAt)
            .nth(4)
            .from_then_on(),
    );
    let written: Vec<_> = (0..5).map(|_| file.write_at(0, b"12345").ok()).collect();
    assert_eq!(written, [Some(5), None, Some(5), Some(3), Some(3)]);
    assert_eq!(file.len().unwrap(), 5);
    disk.clear_faults();
    disk.fail(Fault::new(full).by("B"));
    assert_eq!(file.write_at(0, b"12345").unwrap(), 5);
}

#[test]
fn flock_excludes_by_open_file() {
    let disk = SimDisk::new();
    disk.plant("lock", b"").unwrap();
    let open = |actor: &str| disk.actor(actor).open_write(Path::new("lock")).unwrap();
    let (first, second, third) = (open("A"), open("A"), open("B"));
    let take = |file: &dyn File, kind| file.lock(kind, Duration::from_secs(9)).unwrap();
    let (shared, exclusive) = (LockKind::Shared, LockKind::Exclusive);
    assert!(take(&*first, exclusive) && take(&*first, exclusive));
    assert!(!take(&*second, shared) && !take(&*third, exclusive));
    first.unlock().unwrap();
    assert!(take(&*second, shared) && take(&*third, shared));
    // Asking for more gives up what one had, even in vain.
    assert!(!take(&*second, exclusive));
    assert!(take(&*third, exclusive));
    drop(third);
    assert!(take(&*second, exclusive));
}

#[test]
fn a_kill_releases_locks_and_keeps_the_cache() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "lock", b"written");
    assert!(file.lock(LockKind::Exclusive, Duration::ZERO).unwrap());
    let other = disk.actor("B").open_write(Path::new("lock")).unwrap();
    assert!(!other.lock(LockKind::Exclusive, Duration::ZERO).unwrap());
    disk.kill_at("A", disk.calls("A") + 2);
    assert!(file.len().is_ok() && !disk.is_killed("A"));
    assert_eq!(
        file.write_at(0, b"never").unwrap_err().to_string(),
        "killed"
    );
    assert!(disk.is_killed("A"));
    assert!(other.lock(LockKind::Exclusive, Duration::ZERO).unwrap());
    assert!(file.len().is_err() && disk.actor("A").list(Path::new("")).is_err());
    assert_eq!(disk.peek("lock").unwrap(), b"written");
    assert_eq!(disk.calls("A"), 5);
}

#[test]
fn a_kill_in_a_write_leaves_its_first_bytes() {
    let disk = SimDisk::new();
    disk.kill_in_write("A", 2, 3);
    let file = disk.actor("A").create_new(Path::new("a")).unwrap();
    assert!(file.write_full_at(0, b"hello").is_err());
    assert_eq!(disk.peek("a").unwrap(), b"hel");
    let expected = "A   1  create_new a: ok\nA   2  write_at a 0+5: killed after 3 bytes";
    assert_eq!(disk.trace(), expected);
}
