//! No false alarm: whatever the commands record makes sense to verify, and live writers look hurt at no moment.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use phaselog::pipeline::{Command, Report, ReportKind};
use phaselog::position::Seq;
use phaselog::store::CompactMode;
use phaselog::store::verify::{self, Extent, Verdict};
use phaselog::testing::{Rng, Seeded, SimDisk, interleave};
use phaselog::{Options, Ports, Store};

use super::{DIR, item, options, phase, small_store, verified};
use crate::support::Lab;

const DEEP: Extent = Extent {
    deep: true,
    head: None,
};

fn waiting() -> Options {
    Options {
        lock_wait: Duration::from_secs(10),
        ..options()
    }
}

/// One command that a worker may send, sensible or not.
fn any_command(rng: &mut Rng, last: Seq) -> Command {
    let (item, phase) = (item(rng.below(6)), phase(["p0", "p1"][rng.below(2)]));
    let token = rng
        .coin()
        .then(|| Seq::new(rng.below(usize::try_from(last.get()).unwrap() + 2) as u64));
    let report = |kind| {
        Command::Report(Report {
            item: item.clone(),
            phase: phase.clone(),
            token,
            kind,
            op: None,
            data: None,
            extraction: None,
        })
    };
    match rng.below(10) {
        0..4 => Command::Start {
            item,
            phase,
            worker: None,
            owner: None,
        },
        4 | 5 => report(ReportKind::Complete),
        6 => report(ReportKind::Fail {
            error: "no".to_owned(),
            permanent: rng.coin(),
        }),
        7 => [
            report(ReportKind::Release),
            report(ReportKind::Skip { reason: None }),
        ][rng.below(2)]
        .clone(),
        8 => Command::Retry {
            item,
            phase: rng.coin().then_some(phase),
            force: rng.coin(),
        },
        _ => [
            Command::Hold {
                item: item.clone(),
                reason: None,
            },
            Command::Unhold { item },
        ][rng.below(2)]
        .clone(),
    }
}

#[test]
fn whatever_is_recorded_makes_sense() {
    let mut records = 0;
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let disk = small_store();
        let ports = disk.ports_for("writer");
        let mut store = Store::open(ports, Path::new(DIR), waiting()).unwrap();
        for step in 0..80 {
            let last = store.state().last_seq;
            // What the rules refuse is refused; that is no concern here.
            let _ = store.submit(&any_command(&mut rng, last));
            if step % 20 == 19 {
                disk.clock().advance(40 * 60 * 1_000_000);
                let _ = store.resume(None).unwrap();
                let _ = store.compact(false).unwrap();
            }
        }
        let found = verified(&disk, &DEEP);
        assert_eq!(found.findings, [], "seed {seed}");
        assert_eq!(found.verdict, Verdict::Clean);
        records += found.records;
    }
    println!("{records} records of random work, no finding");
}

/// A writer that appends, rotates and compacts.
fn work(ports: &Ports, seed: u64) {
    let mut rng = Rng::new(seed);
    let options = Options {
        compact: CompactMode::Always,
        segment_bytes: 700,
        ..waiting()
    };
    let mut store = Store::open(ports.clone(), Path::new(DIR), options).unwrap();
    for _ in 0..4 {
        let last = store.state().last_seq;
        let _ = store.submit(&any_command(&mut rng, last));
        let _ = store.compact_if_due();
    }
}

#[test]
fn live_writers_look_hurt_at_no_moment() {
    static VERIFIED: AtomicU64 = AtomicU64::new(0);
    for seed in 0..400 {
        let disk: SimDisk = small_store();
        let verify = |ports: Ports| {
            for _ in 0..3 {
                let found = verify::verify(&ports, Path::new(DIR), &waiting(), &DEEP).unwrap();
                assert_eq!(found.findings, [], "seed {seed}");
                VERIFIED.fetch_add(1, Ordering::Relaxed);
            }
        };
        let _ = interleave(
            &disk,
            vec![
                ("a", Box::new(move |ports: Ports| work(&ports, seed))),
                (
                    "b",
                    Box::new(move |ports: Ports| work(&ports, seed + 1_000)),
                ),
                ("v", Box::new(verify)),
            ],
            Seeded::new(seed),
        );
        assert_eq!(verified(&disk, &DEEP).findings, [], "seed {seed}");
    }
    let times = VERIFIED.load(Ordering::Relaxed);
    println!("verified {times} times beside two writers, no finding");
}

/// Found by a reader: a line of a later segment that was copied behind a sealed end was damage for ever, and nothing to repair.
#[test]
fn what_stands_behind_a_sealed_end_is_damage_only_if_the_log_has_it_otherwise() {
    let lab = Lab::with_store().env("PHASELOG_SEGMENT_BYTES", "900");
    let add = |from: usize| {
        for n in from..from + 6 {
            lab.must(&["add", &format!("{n} Mockup Blvd")]);
        }
    };
    add(0);
    let wal = lab.path("data/wal");
    let segments = || {
        let all = std::fs::read_dir(&wal)
            .unwrap()
            .map(|it| it.unwrap().path());
        let mut all: Vec<_> = all
            .filter(|path| path.extension().is_some_and(|it| it == "wal"))
            .collect();
        all.sort();
        all
    };
    let first = &segments()[0];
    let (sealed, last) = (
        std::fs::read(first).unwrap(),
        std::fs::read(segments().last().unwrap()).unwrap(),
    );
    std::fs::write(first, [&sealed[..], &last].concat()).unwrap();
    let verified = lab.run(&["verify"]);
    assert_eq!(verified.exit, Some(3), "{}", verified.text());
    assert!(verified.stdout.contains("stand in the log as well"));
    assert_eq!(lab.run(&["repair"]).exit, Some(0));
    add(6);

    // The same record, and another one under its number.
    std::fs::write(first, &sealed).unwrap();
    let other = Lab::with_store().env("PHASELOG_SEGMENT_BYTES", "900");
    for n in 0..9 {
        other.must(&["add", &format!("{n} Example Plaza")]);
    }
    let theirs = std::fs::read_dir(other.path("data/wal")).unwrap();
    let theirs = theirs.map(|it| it.unwrap().path());
    let theirs = theirs.filter(|it| it.extension().is_some_and(|it| it == "wal"));
    let theirs = std::fs::read(theirs.max().unwrap()).unwrap();
    std::fs::write(first, [&sealed[..], &theirs].concat()).unwrap();
    let verified = lab.run(&["verify"]);
    assert_eq!(verified.exit, Some(7), "{}", verified.text());
    assert!(verified.stdout.contains("V-SEAL\t") || verified.stdout.contains("V-SEAL "));
}
