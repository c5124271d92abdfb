//! Every crash of small workloads on a disk that loses what was not synced: killed before every call and within
//! every write, another actor goes on, then the power is cut, in every way it can be.

use std::path::Path;

use phaselog::pipeline::{Command, ReportKind};
use phaselog::position::Seq;
use phaselog::testing::oracles::{self, Claim};
use phaselog::testing::{
    CallKind, Claims, Errno, Explored, Explorer, Failure, Fault, Kills, Order, PortCall, Proxy,
    SimDisk, interleave,
};
use phaselog::{Ports, Store};

use crate::workload::{DIR, Step, add, base, complete, hold, options, report, start, work};

/// Runs one search, prints what it went through, and fails with the first violation.
fn explore(
    name: &str,
    base: &SimDisk,
    stages: &[(&'static str, Kills, Vec<Step>)],
    outcomes: usize,
) -> Explored {
    let mut explorer = Explorer::new(base).outcomes(outcomes).torn(2);
    for (actor, kills, steps) in stages.iter().cloned() {
        explorer = explorer.stage(actor, kills, move |ports, claims| {
            work(&ports, claims, &steps);
        });
    }
    let found = explorer
        .run(|disk, claims| oracles::after_power_cut(disk, Path::new(DIR), &options(), claims));
    println!("{name}: {found}");
    found.assert_clean();
    found
}

#[test]
fn an_answer_that_rests_on_a_dead_actors_record_waits_for_its_own_sync() {
    // A writes `completed` and is killed, B is told "unchanged", the power fails: it must still be there.
    let stages = [
        ("A", Kills::WithinWrites(64), vec![complete("a")]),
        ("B", Kills::AtEveryCall, vec![complete("a"), Step::Look]),
    ];
    let explored = explore("unchanged", &base(), &stages, 256);
    assert!(explored.distinct > 300, "{explored}");
}

#[test]
fn a_group_is_whole_or_absent() {
    let stages = [
        (
            "A",
            Kills::WithinWrites(16),
            vec![add(&["c", "d", "e", "f"])],
        ),
        ("B", Kills::AtEveryCall, vec![add(&["d", "g"]), Step::Look]),
    ];
    explore("group", &base(), &stages, 64);
}

#[test]
fn rotations_lose_nothing_and_nothing_is_written_behind_a_sealed_tail() {
    let fill = |name: &'static str| {
        vec![
            Step::Start(name, "p"),
            Step::Complete(name, "p"),
            Step::Start(name, "q"),
            Step::Complete(name, "q"),
        ]
    };
    let stages = [
        ("A", Kills::WithinWrites(100), fill("a")),
        ("B", Kills::AtEveryCall, fill("b")),
    ];
    explore("rotation", &base(), &stages, 24);
}

#[test]
fn resume_may_be_killed_anywhere_and_runs_again() {
    let disk = base();
    let ports = disk.ports_for("worker");
    let mut store = Store::open(ports, Path::new(DIR), options()).unwrap();
    for name in ["a", "b"] {
        let _ = store.submit(&start(name, "p")).unwrap();
    }
    disk.settle();
    disk.clock().advance(31 * 60 * 1_000_000);
    let stages = [
        ("A", Kills::WithinWrites(50), vec![Step::Resume]),
        ("B", Kills::AtEveryCall, vec![Step::Resume, complete("a")]),
    ];
    explore("resume", &disk, &stages, 64);
}

#[test]
fn compaction_may_be_killed_anywhere_and_changes_no_answer() {
    let stages = [
        (
            "A",
            Kills::AtEveryCall,
            vec![Step::Start("a", "p"), Step::Compact],
        ),
        ("B", Kills::AtEveryCall, vec![complete("a"), Step::Compact]),
    ];
    explore("compaction", &base(), &stages, 6);
}

#[test]
fn three_actors_one_after_the_other_lose_nothing() {
    let stages = [
        ("A", Kills::WithinWrites(100), vec![Step::Start("a", "p")]),
        (
            "B",
            Kills::AtEveryCall,
            vec![Step::SmallSegments, hold("b")],
        ),
        (
            "C",
            Kills::AtEveryCall,
            vec![Step::Late, Step::Resume, Step::Complete("a", "p")],
        ),
    ];
    explore("three actors", &base(), &stages, 4);
}

#[test]
fn init_makes_a_store_or_none() {
    let init = |ports, claims: &Claims<Claim>| work(&ports, claims, &[Step::Init]);
    let found = Explorer::new(&SimDisk::new())
        .torn(2)
        .outcomes(64)
        .stage("A", Kills::WithinWrites(100), init)
        .stage("B", Kills::AtEveryCall, init)
        .run(made_or_not);
    println!("init: {found}");
    found.assert_clean();
}

/// Nothing was promised and there is no store, or there is one and it is whole.
fn made_or_not(disk: &SimDisk, claims: &[Claim]) -> Result<(), String> {
    let opened = phaselog::View::open(&disk.ports_for("first look"), Path::new(DIR), &options());
    match opened {
        Err(phaselog::Error::NoStore { .. }) if claims.is_empty() => Ok(()),
        _ => oracles::after_power_cut(disk, Path::new(DIR), &options(), claims),
    }
}

#[test]
fn two_at_once_interleaved_at_every_call() {
    let base = base();
    let steps = |name: &'static str| vec![Step::Start(name, "p"), Step::Complete(name, "p")];
    let (first, second) = (steps("a"), steps("b"));
    let explored = Explorer::new(&base)
        .outcomes(4)
        .stage("A", Kills::AtEveryCall, move |ports, claims| {
            work(&ports, claims, &first);
        })
        .stage("B", Kills::Never, move |ports, claims| {
            work(&ports, claims, &second);
        })
        .run_interleaved(1, 60, |disk, claims| {
            oracles::after_power_cut(disk, Path::new(DIR), &options(), claims)
        });
    println!("interleaved: {explored}");
    explored.assert_clean();
}

#[test]
fn a_store_opens_when_segments_follow_the_one_behind_its_snapshot() {
    // Found by the crash states of a compaction: the snapshot was held against every later segment too.
    let disk = base();
    let claims = Claims::default();
    let ports = disk.ports_for("A");
    let mut steps = vec![Step::Compact];
    for name in ["a", "b"] {
        steps.extend([
            Step::Start(name, "p"),
            Step::Complete(name, "p"),
            Step::Start(name, "q"),
        ]);
    }
    work(&ports, &claims, &steps);
    let segments = disk
        .files()
        .iter()
        .filter(|(name, _)| name.ends_with(".wal"))
        .count();
    assert!(segments > 3, "{segments} segments");
    oracles::after_power_cut(&disk, Path::new(DIR), &options(), &claims.all()).unwrap();
}

#[test]
fn a_lock_that_is_taken_away_during_a_write_acknowledges_nothing() {
    // While A writes, somebody removes the lock: A cannot know who else writes there by now.
    let disk = base();
    let hand = disk.clone();
    let ports = Proxy::before(&disk.ports_for("A"), move |call: &PortCall| {
        if call.kind == CallKind::WriteAt && call.path.extension().is_some_and(|it| it == "wal") {
            // The second time there is none.
            let _ = hand.uproot("data/wal/lock");
        }
        Order::Do
    });
    let mut first = Store::open(ports, Path::new(DIR), options()).unwrap();
    let lost = first.submit(&start("a", "p")).unwrap_err();
    assert!(matches!(lost, phaselog::Error::LockLost { .. }), "{lost}");
    // What it wrote is found by whoever comes next, itself included; a token is given out once.
    let mut second = Store::open(disk.ports_for("B"), Path::new(DIR), options()).unwrap();
    let answer = second.submit(&start("b", "p")).unwrap();
    assert_eq!(answer.seq(), Some(Seq::new(6)), "5 is A's");
    assert!(first.submit(&start("a", "p")).is_err(), "it is in progress");
    let claims = Claim::of_answer(&Ok(answer), 6).unwrap();
    oracles::after_power_cut(&disk, Path::new(DIR), &options(), &claims).unwrap();
}

#[test]
fn a_failed_sync_stops_the_line_for_all_until_the_file_is_replaced() {
    // A holds the file whose sync fails, B had it open before, C opens it later: the kernel tells each open file once
    // at most, and the cache still shows what is lost.
    let disk = base();
    let claims = Claims::default();
    let mut first = Store::open(disk.ports_for("A"), Path::new(DIR), options()).unwrap();
    let mut second = Store::open(disk.ports_for("B"), Path::new(DIR), options()).unwrap();
    disk.fail(
        Fault::new(Failure::Error(Errno::Eio))
            .by("A")
            .on(CallKind::Sync)
            .at_path(".wal"),
    );
    let refused = first.submit(&start("a", "p")).unwrap_err();
    assert!(
        matches!(refused, phaselog::Error::NotAcknowledged { .. }),
        "{refused}"
    );
    assert!(disk.peek("data/wal/poisoned").is_some(), "the flag is up");

    // The next writer replaces the file before it goes on; the old one is kept.
    let submit = |store: &mut Store, command: &Command| {
        let answer = store.submit(command);
        let promised = Claim::of_answer(&answer, store.state().last_seq.get());
        for claim in promised.unwrap_or_default() {
            claims.push(claim);
        }
        answer.is_ok()
    };
    assert!(submit(&mut second, &start("b", "p")));
    assert!(
        disk.peek("data/wal/poisoned").is_none(),
        "the flag is cleared"
    );
    let kept = disk
        .files()
        .into_iter()
        .filter(|(name, _)| name.contains("quarantine/"))
        .count();
    assert!(kept > 0, "the old file is kept");
    work(&disk.ports_for("C"), &claims, &[complete("b"), Step::Look]);
    submit(&mut first, &report("b", "p", None, ReportKind::Complete));
    assert!(claims.all().len() >= 4, "{:?}", claims.all());

    for state in disk.crash_states(64) {
        oracles::after_power_cut(&state, Path::new(DIR), &options(), &claims.all()).unwrap();
    }
}

#[test]
fn a_rotation_attests_nothing_while_the_flag_is_up() {
    // Found by three actors and a failed sync: A's sync fails. Before A has raised the flag B opens the file, sees no
    // flag, and writes what fills the segment; then the flag goes up. B's sync for the rotation says OK, for it opened
    // the file later. The new segment's header would now attest A's record, which is lost: B would acknowledge nothing,
    // and the store would still be damaged after the power cut. So the flag is looked at before the header is written.
    let (disk, claims) = (base(), Claims::default());
    disk.fail(
        Fault::new(Failure::Error(Errno::Eio))
            .by("A")
            .on(CallKind::Sync)
            .at_path(".wal"),
    );
    let watched = disk.clone();
    let b_between_the_failure_and_the_flag = move |_: &[usize], _: Option<usize>| {
        let calls = watched.calls_made();
        let did = |actor: &str, kind, end: &str| {
            let found = |call: &&phaselog::testing::Call| {
                &*call.actor == actor && call.kind == kind && call.path.ends_with(end)
            };
            calls.iter().any(|call| found(&call))
        };
        let failed = did("A", CallKind::Sync, ".wal");
        let wrote = did("B", CallKind::WriteAt, ".wal");
        usize::from(failed && (!wrote || did("A", CallKind::CreateNew, "poisoned")))
    };
    let actor = |name: &'static str, steps: Vec<Step>| {
        let claims = claims.clone();
        let run = move |ports| work(&ports, &claims, &steps);
        (name, Box::new(run) as Box<dyn FnOnce(Ports) + Send>)
    };
    let actors = vec![actor("A", vec![hold("a")]), actor("B", vec![complete("b")])];
    interleave(&disk, actors, b_between_the_failure_and_the_flag);
    assert!(disk.peek("data/wal/poisoned").is_some(), "{}", disk.trace());
    assert_eq!(claims.all(), [], "nobody acknowledges anything");
    for state in disk.crash_states(64) {
        oracles::after_power_cut(&state, Path::new(DIR), &options(), &[]).unwrap();
    }
}
