//! The real disk, as far as a test may ask the one it runs on.

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
        RealDisk.create_dir_like(&copy, &[&place]).unwrap();
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
