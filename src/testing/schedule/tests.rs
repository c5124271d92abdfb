//! Interleavings that are found, had again, and end.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::ports::{File, LockKind};

fn counter() -> SimDisk {
    let disk = SimDisk::new();
    disk.plant("count", &[0]).expect("the disk is empty");
    disk
}

/// Adds one to the count, with a lock around it or without.
fn add_one(ports: &Ports, locked: bool) {
    let file = ports
        .disk
        .open_write(Path::new("count"))
        .expect("it was planted");
    if locked {
        assert!(
            file.lock(LockKind::Exclusive, Duration::from_secs(1))
                .expect("no fault")
        );
    }
    let mut count = [0];
    file.read_full_at(0, &mut count).expect("no fault");
    file.write_full_at(0, &[count[0] + 1]).expect("no fault");
}

fn two_adders(disk: &SimDisk, locked: bool, schedule: impl Schedule + 'static) -> Run {
    let adder = || Box::new(move |ports: Ports| add_one(&ports, locked));
    interleave(disk, vec![("A", adder()), ("B", adder())], schedule)
}

#[test]
fn one_preemption_finds_the_lost_update_and_none_does_not() {
    let counts = |preemptions, locked| {
        let mut counts = Vec::new();
        let runs = each_schedule(preemptions, 1_000, |schedule| {
            let disk = counter();
            let run = two_adders(&disk, locked, schedule);
            assert!(run.preemptions() <= preemptions);
            counts.extend(disk.peek("count").unwrap_or_default());
            run
        });
        assert!(runs < 1_000 && runs == counts.len());
        counts.sort_unstable();
        counts.dedup();
        counts
    };
    assert_eq!(counts(0, false), [2]);
    assert_eq!(counts(1, false), [1, 2]);
    assert_eq!(counts(2, true), [2]);
}

#[test]
fn a_run_can_be_had_again_from_its_seed_and_from_its_list() {
    let run = |schedule: Box<dyn FnOnce(&SimDisk) -> Run>| {
        let disk = counter();
        let run = schedule(&disk);
        (disk.trace(), run)
    };
    let seeded = |seed| {
        run(Box::new(move |disk| {
            two_adders(disk, false, Seeded::new(seed))
        }))
    };
    let first = seeded(7);
    assert_eq!(seeded(7), first);
    let list = first.1.list();
    assert_eq!(
        run(Box::new(|disk| two_adders(disk, false, Listed::new(list)))),
        first
    );
    assert!((8..20).any(|seed| seeded(seed).0 != first.0));
}

#[test]
fn who_waits_for_a_lock_goes_on_when_its_holder_is_killed() {
    let disk = counter();
    disk.kill_at("A", 4);
    let work = |ports: Ports| {
        let file = ports.disk.open_write(Path::new("count"))?;
        let taken = file.lock(LockKind::Exclusive, Duration::from_secs(1))?;
        assert!(taken);
        file.sync()?;
        file.write_full_at(0, &[9])
    };
    let killed = move |ports: Ports| assert!(work(ports).is_err());
    let other = move |ports: Ports| assert!(work(ports).is_ok());
    // The one that is killed has the lock when the other asks for it.
    let schedule = |runnable: &[usize], _: Option<usize>| runnable[runnable.len() - 1];
    let prefix = Mutex::new(VecDeque::from([0, 0, 0]));
    let schedule = move |runnable: &[usize], running: Option<usize>| {
        let named = prefix.lock().expect("nobody panics with it").pop_front();
        named.unwrap_or_else(|| schedule(runnable, running))
    };
    interleave(
        &disk,
        vec![("A", Box::new(killed)), ("B", Box::new(other))],
        schedule,
    );
    assert_eq!(disk.peek("count").expect("it was planted"), [9]);
    assert!(
        disk.trace().contains("B   2  lock count: ok 0"),
        "{}",
        disk.trace()
    );
    assert!(
        disk.trace().contains("B   2  lock count: ok 1"),
        "{}",
        disk.trace()
    );
}

#[test]
fn when_all_wait_the_waits_are_over_one_by_one() {
    let disk = SimDisk::new();
    for name in ["x", "y"] {
        disk.plant(name, b"").expect("the disk is empty");
    }
    let both = |first: &'static str, second: &'static str| {
        move |ports: Ports| {
            let open = |name: &str| ports.disk.open_write(Path::new(name)).expect("planted");
            let take = |file: &dyn File| {
                file.lock(LockKind::Exclusive, Duration::from_secs(1))
                    .expect("no fault")
            };
            let (first, second) = (open(first), open(second));
            let _ = take(&*first) && take(&*second);
        }
    };
    let actors: Actors<'_> = vec![
        ("A", Box::new(both("x", "y"))),
        ("B", Box::new(both("y", "x"))),
    ];
    // A takes x, B takes y; then each asks for the other's.
    interleave(&disk, actors, Listed::new([0, 0, 0, 1, 1, 1, 1]));
    let takes = disk
        .trace()
        .lines()
        .filter(|line| line.contains(" lock "))
        .count();
    assert!(takes >= 4, "{}", disk.trace());
}

#[test]
fn a_panic_comes_out_when_all_others_have_ended() {
    let disk = counter();
    let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let bad = |ports: Ports| {
            let _ = ports.disk.list(Path::new(""));
            panic!("as asked");
        };
        let good = |ports: Ports| add_one(&ports, true);
        interleave(
            &disk,
            vec![("A", Box::new(bad)), ("B", Box::new(good))],
            Seeded::new(1),
        );
    }));
    assert_eq!(
        caught.expect_err("A panics").downcast_ref::<&str>(),
        Some(&"as asked")
    );
    assert_eq!(disk.peek("count").expect("it was planted"), [1]);
}
