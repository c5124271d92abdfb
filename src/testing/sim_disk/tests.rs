//! The simulated disk against what real ones do: each test names the loss, the lock or the fault that it shows.

use std::io;
use std::io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Pending, SimDisk, Survivors};
use crate::ports::{Clock, Disk, File, LockKind};

pub(super) fn create(disk: &SimDisk, actor: &str, path: &str, bytes: &[u8]) -> Box<dyn File> {
    let file = disk
        .actor(actor)
        .create_new(Path::new(path))
        .expect("it is not there");
    file.write_full_at(0, bytes).expect("no fault is set");
    file
}

pub(super) fn sync_dir(disk: &SimDisk, path: &str) {
    disk.actor("A")
        .sync_dir(Path::new(path))
        .expect("no fault is set");
}

pub(super) fn rename(disk: &SimDisk, from: &str, to: &str) -> io::Result<()> {
    disk.actor("A").rename(Path::new(from), Path::new(to))
}

/// What each outcome of a power cut leaves of a file, without repeats, in order.
pub(super) fn outcomes_of(disk: &SimDisk, path: &str) -> Vec<Option<Vec<u8>>> {
    let mut found: Vec<_> = disk
        .crash_states(1 << 12)
        .map(|state| state.peek(path))
        .collect();
    found.sort();
    found.dedup();
    found
}

pub(super) fn nothing(disk: &SimDisk) -> SimDisk {
    disk.power_cut(&mut |_| false)
}

pub(super) fn everything(disk: &SimDisk) -> SimDisk {
    disk.power_cut(&mut |_| true)
}

#[test]
fn an_unsynced_name_can_vanish_though_the_file_was_synced() {
    let disk = SimDisk::new();
    create(&disk, "A", "a", b"hello").sync().unwrap();
    assert_eq!(disk.pending().len(), 1);
    assert_eq!(outcomes_of(&disk, "a"), [None, Some(b"hello".to_vec())]);
    sync_dir(&disk, "");
    assert_eq!(outcomes_of(&disk, "a"), [Some(b"hello".to_vec())]);
}

#[test]
fn a_synced_name_of_an_unsynced_file_leads_to_less_or_to_nuls() {
    let disk = SimDisk::new();
    create(&disk, "A", "a", b"hello");
    sync_dir(&disk, "/");
    let expected = [vec![], vec![0; 5], b"hello".to_vec()].map(Some);
    assert_eq!(outcomes_of(&disk, "a"), expected);
}

#[test]
fn sectors_survive_each_on_its_own() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"old");
    file.sync().unwrap();
    sync_dir(&disk, "");
    file.write_full_at(3, &[7; 1_021]).unwrap();
    // Two sectors and the size.
    let pending = disk.pending();
    let (file, len) = ("a".to_owned(), 1_024);
    let data = |offset| Pending::Data {
        file: file.clone(),
        offset,
    };
    assert_eq!(
        pending,
        [
            data(0),
            data(512),
            Pending::Size {
                file: file.clone(),
                len
            }
        ]
    );
    let only_second = |what: &Pending| !matches!(what, Pending::Data { offset: 0, .. });
    let left = disk
        .power_cut(&mut |what| only_second(what))
        .peek("a")
        .unwrap();
    assert_eq!(
        (&left[..4], &left[508..516]),
        (&b"old\0"[..], &[0, 0, 0, 0, 7, 7, 7, 7][..])
    );
    // The size was lost: what lies beyond it is too.
    let left = disk.power_cut(&mut |what| !matches!(what, Pending::Size { .. }));
    assert_eq!(left.peek("a").unwrap(), b"old");
    assert_eq!(outcomes_of(&disk, "a").len(), 5);
}

#[test]
fn an_older_version_of_a_sector_may_be_what_is_left() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"0");
    file.sync().unwrap();
    sync_dir(&disk, "");
    file.write_full_at(0, b"1").unwrap();
    file.write_full_at(0, b"2").unwrap();
    assert_eq!(
        outcomes_of(&disk, "a"),
        [b"0", b"1", b"2"].map(|bytes| Some(bytes.to_vec()))
    );
}

#[test]
fn a_file_sync_proves_what_others_wrote_before_it() {
    let disk = SimDisk::new();
    create(&disk, "A", "a", b"one");
    let reader = disk.actor("B").open_read(Path::new("a")).unwrap();
    disk.kill("A");
    reader.sync().unwrap();
    disk.actor("B").sync_dir(Path::new("")).unwrap();
    assert_eq!(nothing(&disk).peek("a").unwrap(), b"one");
}

#[test]
fn names_survive_in_any_order() {
    let disk = SimDisk::new();
    for name in ["a", "b"] {
        create(&disk, "A", name, b"").sync().unwrap();
    }
    let names = |disk: &SimDisk| -> Vec<String> {
        disk.files().into_iter().map(|(path, _)| path).collect()
    };
    let mut found: Vec<Vec<String>> = disk.crash_states(100).map(|state| names(&state)).collect();
    found.sort();
    assert_eq!(found, [vec![], vec!["a"], vec!["a", "b"], vec!["b"]]);
}

#[test]
fn a_rename_is_kept_or_lost_as_one() {
    let disk = SimDisk::new();
    disk.plant("new", b"new").unwrap();
    disk.plant("old", b"old").unwrap();
    rename(&disk, "new", "old").unwrap();
    assert_eq!(disk.pending().len(), 1);
    let lost = nothing(&disk);
    assert_eq!(
        (lost.peek("new").unwrap(), lost.peek("old").unwrap()),
        (b"new".into(), b"old".into())
    );
    let kept = everything(&disk);
    assert_eq!(
        (kept.peek("new"), kept.peek("old").unwrap()),
        (None, b"new".into())
    );
    sync_dir(&disk, "");
    assert_eq!(disk.pending(), []);
    assert_eq!(nothing(&disk).peek("old").unwrap(), b"new");
}

#[test]
fn a_rename_of_an_unsynced_file_can_leave_an_empty_one() {
    let disk = SimDisk::new();
    create(&disk, "A", "tmp", b"hello");
    rename(&disk, "tmp", "a").unwrap();
    sync_dir(&disk, "");
    assert_eq!(nothing(&disk).peek("a").unwrap(), b"");
}

#[test]
fn of_a_rename_between_directories_one_sync_settles_one_half() {
    let disk = SimDisk::new();
    disk.plant("x/a", b"a").unwrap();
    disk.plant_dir("y").unwrap();
    rename(&disk, "x/a", "y/a").unwrap();
    let before = |disk: &SimDisk| (disk.peek("x/a").is_some(), disk.peek("y/a").is_some());
    let found: Vec<_> = disk.crash_states(100).map(|state| before(&state)).collect();
    assert_eq!(found, [(true, false), (false, true)]);
    sync_dir(&disk, "x");
    let found: Vec<_> = disk.crash_states(100).map(|state| before(&state)).collect();
    assert_eq!(found, [(false, false), (false, true)]);
    sync_dir(&disk, "y");
    assert_eq!(before(&nothing(&disk)), (false, true));
}

#[test]
fn a_rename_between_two_links_of_one_file_does_nothing() {
    let disk = SimDisk::new();
    disk.plant("a", b"a").unwrap();
    let actor = disk.actor("A");
    actor.hard_link(Path::new("a"), Path::new("b")).unwrap();
    actor.rename(Path::new("a"), Path::new("b")).unwrap();
    assert_eq!(actor.list(Path::new("")).unwrap(), ["a", "b"]);
    let id = |path: &str| actor.metadata(Path::new(path)).unwrap().id;
    assert_eq!(id("a"), id("b"));
    // A byte written through one name shows through the other, and both lead to it after a cut too.
    let file = actor.open_write(Path::new("b")).unwrap();
    file.write_full_at(0, b"x").unwrap();
    assert_eq!(everything(&disk).peek("a").unwrap(), b"x");
}

#[test]
fn a_removed_file_can_come_back() {
    let disk = SimDisk::new();
    disk.plant("a", b"a").unwrap();
    disk.actor("A").remove_file(Path::new("a")).unwrap();
    assert_eq!(disk.peek("a"), None);
    assert_eq!(outcomes_of(&disk, "a"), [None, Some(b"a".to_vec())]);
    sync_dir(&disk, "");
    assert_eq!(outcomes_of(&disk, "a"), [None]);
}

#[test]
fn a_lost_directory_takes_its_synced_files_with_it() {
    let disk = SimDisk::new();
    disk.actor("A").create_dir(Path::new("d")).unwrap();
    create(&disk, "A", "d/a", b"a").sync().unwrap();
    sync_dir(&disk, "d");
    assert_eq!(nothing(&disk).files(), []);
    sync_dir(&disk, "");
    assert_eq!(nothing(&disk).peek("d/a").unwrap(), b"a");
}

#[test]
fn the_last_write_is_torn_at_every_byte() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"ab");
    file.sync().unwrap();
    sync_dir(&disk, "");
    file.write_full_at(2, b"cd").unwrap();
    let mut found: Vec<Vec<u8>> = disk
        .torn_last_write()
        .filter_map(|state| state.peek("a"))
        .collect();
    found.sort();
    found.dedup();
    let expected: [&[u8]; 5] = [b"ab", b"ab\0\0", b"abc", b"abc\0", b"abcd"];
    assert_eq!(found, expected);
    file.sync().unwrap();
    assert_eq!(disk.torn_last_write().count(), 0);
}

#[test]
fn a_power_cut_begins_another_boot_without_locks() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"a");
    file.lock(LockKind::Exclusive, Duration::ZERO).unwrap();
    file.sync().unwrap();
    sync_dir(&disk, "");
    let next = nothing(&disk);
    assert_eq!(next.pending(), []);
    let again = next.actor("A").open_write(Path::new("a")).unwrap();
    assert!(again.lock(LockKind::Exclusive, Duration::ZERO).unwrap());
    let boot = |disk: &SimDisk| disk.clock().now().boot.unwrap().boot;
    assert_ne!(boot(&disk), boot(&next));
    let random = |disk: &SimDisk| disk.ports_for("A").process.random();
    assert_ne!(random(&disk), random(&next));
    assert_eq!(random(&nothing(&disk)), random(&next));
}

#[test]
fn a_fork_shows_the_same_and_goes_its_own_way() {
    let disk = SimDisk::new();
    create(&disk, "A", "a", b"a");
    let fork = disk.fork();
    assert_eq!(
        (fork.digest(), fork.pending()),
        (disk.digest(), disk.pending())
    );
    assert_eq!(fork.fingerprint(), disk.fingerprint());
    fork.settle();
    assert_eq!(fork.digest(), disk.digest());
    assert_ne!(fork.fingerprint(), disk.fingerprint());
    assert_eq!(
        (nothing(&fork).peek("a"), nothing(&disk).peek("a")),
        (Some(b"a".to_vec()), None)
    );
    create(&fork, "A", "b", b"b");
    assert_ne!(fork.digest(), disk.digest());
}

#[test]
fn what_is_planted_is_durable_and_what_is_uprooted_stays_away() {
    let disk = SimDisk::new();
    let file = create(&disk, "A", "a", b"unsynced");
    disk.plant("x/y/z", b"planted").unwrap();
    disk.plant("a", b"rotten").unwrap();
    assert_eq!(file.len().unwrap(), 6);
    assert_eq!(nothing(&disk).peek("x/y/z").unwrap(), b"planted");
    assert_eq!(everything(&disk).peek("a").unwrap(), b"rotten");
    disk.uproot("a").unwrap();
    disk.uproot("x/y/z").unwrap();
    assert_eq!(
        everything(&disk).files(),
        [("x".into(), None), ("x/y".into(), None)]
    );
    assert!(disk.plant("x", b"").is_err() && disk.uproot("a").is_err());
}

#[test]
fn an_inode_number_comes_back_once_nothing_leads_to_it() {
    let disk = SimDisk::new();
    let actor = disk.actor("A");
    let first = create(&disk, "A", "a", b"");
    let id = first.id().unwrap();
    actor.remove_file(Path::new("a")).unwrap();
    sync_dir(&disk, "");
    assert_ne!(create(&disk, "A", "b", b"").id().unwrap(), id);
    drop(first);
    assert_eq!(create(&disk, "A", "c", b"").id().unwrap(), id);
}

#[test]
fn wrong_calls_get_the_errors_that_the_system_gives() {
    let disk = SimDisk::new();
    disk.plant("d/a", b"a").unwrap();
    disk.plant("b", b"b").unwrap();
    let actor = disk.actor("A");
    let at = Path::new;
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(actor.open_read(at("x")).map(drop)), NotFound);
    assert_eq!(kind(actor.open_read(at("x/y")).map(drop)), NotFound);
    assert_eq!(kind(actor.open_write(at("d")).map(drop)), IsADirectory);
    assert_eq!(kind(actor.create_new(at("b/x")).map(drop)), NotADirectory);
    assert_eq!(kind(actor.create_new(at("d/a")).map(drop)), AlreadyExists);
    assert_eq!(kind(actor.create_dir(at("b"))), AlreadyExists);
    assert_eq!(kind(actor.list(at("b")).map(drop)), NotADirectory);
    assert_eq!(kind(actor.metadata(at("/d/x")).map(drop)), NotFound);
    assert_eq!(kind(actor.rename(at("b"), at("d"))), IsADirectory);
    assert_eq!(kind(actor.rename(at("d"), at("b"))), NotADirectory);
    assert_eq!(kind(actor.hard_link(at("b"), at("d/a"))), AlreadyExists);
    assert_eq!(kind(actor.hard_link(at("d"), at("e"))), PermissionDenied);
    assert_eq!(kind(actor.remove_file(at("d"))), IsADirectory);
    assert_eq!(kind(actor.sync_dir(at("b"))), NotADirectory);
    let reader = actor.open_read(at("b")).unwrap();
    assert_eq!(
        reader.write_at(0, b"x").unwrap_err().raw_os_error(),
        Some(9)
    );
    let writer = actor.open_write(at("b")).unwrap();
    assert_eq!(
        writer.write_at(u64::MAX, b"x").unwrap_err().kind(),
        io::ErrorKind::FileTooLarge
    );
    assert_eq!(writer.read_at(u64::MAX, &mut [0]).unwrap(), 0);
    assert_eq!(disk.pending(), []);
    disk.set_network(Some("nfs"));
    assert_eq!(actor.network_file_system(at("b")).unwrap(), Some("nfs"));
}

#[test]
fn the_watcher_sees_each_moment_before_a_call() {
    let disk = SimDisk::new();
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let into = Arc::clone(&seen);
    disk.watch(move |fork| into.lock().unwrap().push(fork.pending().len()));
    create(&disk, "A", "a", b"a").sync().unwrap();
    disk.unwatch();
    sync_dir(&disk, "");
    // Before creating, before writing, and before the sync: a name, a sector, a size.
    assert_eq!(*seen.lock().unwrap(), [0, 1, 3]);
}

#[test]
fn an_outcome_that_is_kept_as_text_gives_the_same_disk() {
    let disk = SimDisk::new();
    create(&disk, "A", "a", &[1; 1_000]);
    create(&disk, "A", "b", &[2; 10]);
    let mut all = disk.outcomes(1_000);
    all.extend(disk.torn_outcomes(100));
    assert!(all.len() > 200);
    for outcome in all {
        let read: Survivors = outcome.to_string().parse().unwrap();
        assert_eq!(disk.cut(&read).digest(), disk.cut(&outcome).digest());
    }
}

#[test]
fn a_torn_write_takes_along_what_stood_in_its_sector() {
    // Found as a false alarm: A wrote 4 bytes and died, B wrote 4 behind them, and the power cut kept B's bytes and
    // not A's, though both lay in one sector of the cache.
    let disk = SimDisk::new();
    disk.plant("log", b"0000").unwrap();
    let write = |actor: &str, at, bytes: &[u8]| {
        let file = disk.actor(actor).open_write(Path::new("log")).unwrap();
        file.write_full_at(at, bytes).unwrap();
    };
    write("A", 4, b"AAAA");
    write("B", 8, b"BBBB");
    let torn = disk.torn_last_write().filter_map(|cut| cut.peek("log"));
    let with_b = torn
        .filter(|bytes| bytes.contains(&b'B'))
        .collect::<Vec<_>>();
    assert!(!with_b.is_empty());
    assert!(
        with_b.iter().all(|bytes| bytes.starts_with(b"0000AAAA")),
        "{with_b:?}"
    );
}
