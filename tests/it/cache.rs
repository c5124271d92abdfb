//! `wal/cache` changes no answer: held against a recovery of everything, after kills between and within its writes, with any
//! bit of it flipped, cut, old, foreign, or not writable.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use phaselog::pipeline::claim::Claim as Wanted;
use phaselog::pipeline::enrichment::DataPatch;
use phaselog::pipeline::{Command, ItemId, NewItem, Phase, PhasePlan, Plan, Report, ReportKind};
use phaselog::position::Seq;
use phaselog::store::{Brief, CacheMode, Claimed};
use phaselog::testing::{
    CallKind, Claims, Errno, Explorer, Failure, Fault, Kills, Pending, SimDisk,
};
use phaselog::{Options, Ports, Receipt, Store, View};

use phaselog::testing::oracles::{self, Claim};

const DIR: &str = "data";
const CACHE: &str = "data/wal/cache";

fn options() -> Options {
    Options {
        segment_bytes: 900,
        compact: phaselog::store::CompactMode::Never,
        ..Options::default()
    }
}

fn without() -> Options {
    Options {
        cache: CacheMode::Never,
        ..options()
    }
}

fn item(name: &str) -> ItemId {
    ItemId::new(name).unwrap()
}

fn add(names: &[&str]) -> Command {
    let new = |name: &&str| NewItem {
        name: item(name),
        id: None,
    };
    Command::Add {
        items: names.iter().map(new).collect(),
    }
}

fn start(name: &str, phase: &str) -> Command {
    Command::Start {
        item: item(name),
        phase: Phase::new(phase).unwrap(),
        worker: Some("w".to_owned()),
        owner: None,
    }
}

fn report(name: &str, phase: &str, kind: ReportKind, op: Option<&str>) -> Command {
    let phase = Phase::new(phase).unwrap();
    Command::Report(Report {
        op: op.map(str::to_owned),
        ..Report::new(item(name), phase, None, kind)
    })
}

fn complete(name: &str, phase: &str) -> Command {
    report(name, phase, ReportKind::Complete, Some(name))
}

/// A store of three items, everything in it durable, without a cache.
fn base() -> SimDisk {
    let disk = SimDisk::new();
    let mut phases = vec![
        PhasePlan::named(Phase::new("p").unwrap()),
        PhasePlan::named(Phase::new("q").unwrap()),
    ];
    phases[0].max_attempts = Some(3);
    phases[0].backoff_seconds = Some(60);
    phases[1].needs = vec![Phase::new("p").unwrap()];
    let items = [("a", None), ("b", Some("77")), ("c", None)].map(|(name, id)| NewItem {
        name: item(name),
        id: id.map(str::to_owned),
    });
    let ports = disk.ports_for("setup");
    let plan = Plan::new(phases).unwrap();
    let _ = Store::init(&ports, Path::new(DIR), &options(), &plan, &items).unwrap();
    disk.settle();
    disk
}

fn brief(ports: &Ports, options: &Options) -> phaselog::Result<Brief> {
    Brief::open(ports.clone(), Path::new(DIR), options.clone())
}

/// What one command comes to, in words that hold on any disk.
fn outcome(ports: &Ports, options: &Options, step: &Step) -> Result<String, String> {
    let answer = || match step {
        Step::Do(command) => brief(ports, options)?
            .submit(command)
            .map(|receipt| format!("{receipt:?}")),
        Step::Claim => brief(ports, options)?
            .claim(&Wanted::default())
            .map(|claimed| format!("{claimed:?}")),
        Step::Compact => Store::open(ports.clone(), Path::new(DIR), options.clone())?
            .compact(false)
            .map(|compacted| format!("{compacted:?}")),
        Step::Beat(token) => brief(ports, options)?
            .heartbeat(Seq::new(*token), None)
            .map(|beat| format!("{beat:?}")),
    };
    answer().map_err(|error| format!("{error:?}"))
}

#[derive(Clone, Debug)]
enum Step {
    Do(Command),
    Claim,
    Compact,
    Beat(u64),
}

/// One of each, refused and unchanged ones too.
fn steps() -> Vec<Step> {
    let fail = ReportKind::Fail {
        error: "it\nbroke".to_owned(),
        permanent: false,
    };
    let mut steps: Vec<Step> = [
        start("a", "p"),
        complete("a", "p"),
        complete("a", "p"),
        start("a", "p"),
        add(&["d", "a", "e"]),
        Command::Hold {
            item: item("id:77"),
            reason: Some("asked".to_owned()),
        },
        start("b", "p"),
        start("c", "p"),
        report("c", "p", fail, None),
        start("nobody", "p"),
        Command::Unhold { item: item("b") },
    ]
    .into_iter()
    .map(Step::Do)
    .collect();
    steps.extend([
        Step::Claim,
        Step::Beat(17),
        Step::Beat(3),
        Step::Claim,
        Step::Compact,
    ]);
    steps.extend([
        Step::Do(Command::Enrich {
            item: item("c"),
            patch: DataPatch {
                patch: serde_json::from_str(r#"{"list_price":0.90,"b":[1e5]}"#).unwrap(),
                source: Some("a browser".to_owned()),
                confidence: None,
            },
        }),
        Step::Do(complete("a", "q")),
        Step::Do(add(&["f"])),
        Step::Claim,
        Step::Claim,
        Step::Claim,
        Step::Claim,
    ]);
    steps
}

/// What the cache says differently, if it counts.
#[expect(
    clippy::option_option,
    reason = "no cache, and nothing that differs, are two things"
)]
fn disagreement(disk: &SimDisk) -> Option<Option<String>> {
    let ports = disk.fork().ports_for("auditor");
    brief(&ports, &options()).unwrap().disagreement().unwrap()
}

/// The files of the log: what a command comes to in the end.
fn log_of(disk: &SimDisk) -> Vec<(String, Option<Vec<u8>>)> {
    let files = disk.files().into_iter();
    files.filter(|(name, _)| name.ends_with(".wal")).collect()
}

#[test]
fn every_answer_is_that_of_a_store_without_it() {
    let with = base();
    let never = with.fork();
    for (at, step) in steps().iter().enumerate() {
        let answers = [(&with, options()), (&never, without())]
            .map(|(disk, options)| outcome(&disk.ports_for("A"), &options, step));
        assert_eq!(answers[0], answers[1], "step {at}: {step:?}");
        assert_eq!(log_of(&with), log_of(&never), "step {at}: {step:?}");
        assert_eq!(disagreement(&with), Some(None), "step {at}: {step:?}");
        reads_alike(&with, &format!("step {at}: {step:?}"));
        for disk in [&with, &never] {
            disk.clock().advance(7_000_000);
        }
    }
    assert_eq!(never.peek(CACHE), None, "never is never");
}

/// A one-shot process after the other; each holds the cache it finds against a recovery.
fn work(ports: &Ports, claims: &Claims<Claim>, steps: &[Step]) {
    for step in steps {
        if let Ok(mut brief) = brief(ports, &options())
            && let Ok(Some(Some(what))) = brief.disagreement()
        {
            claims.push(Claim::Alarm {
                said: format!("the cache: {what}"),
            });
        }
        let Ok(mut store) = brief(ports, &options()) else {
            return;
        };
        let answer = match step {
            Step::Do(command) => store.submit(command),
            Step::Claim => store.claim(&Wanted::default()).and_then(|claimed| {
                let Claimed { resets, started } = claimed;
                let started = started?;
                Ok(Receipt::Recorded([resets, started].concat()))
            }),
            Step::Compact => store
                .compact_if_due()
                .map(|_| Receipt::Recorded(Vec::new())),
            Step::Beat(_) => return,
        };
        let seen = store.last_seq().get();
        match Claim::of_answer(&answer, seen) {
            Some(promised) => promised.into_iter().for_each(|claim| claims.push(claim)),
            None => return,
        }
    }
}

/// A store whose cache is there and lags by one record.
fn with_cache() -> SimDisk {
    let disk = base();
    for name in ["a", "b"] {
        outcome(
            &disk.ports_for("setup"),
            &options(),
            &Step::Do(start(name, "p")),
        )
        .unwrap();
    }
    disk.settle();
    assert_eq!(disagreement(&disk), Some(None));
    disk
}

#[test]
fn one_may_be_killed_between_and_within_any_of_its_writes() {
    let first = vec![Step::Do(complete("a", "p"))];
    let second = vec![Step::Claim];
    let explored = Explorer::new(&with_cache())
        .outcomes(4)
        .stage("A", Kills::WithinWrites(170), move |ports, claims| {
            work(&ports, claims, &first);
        })
        .stage("B", Kills::AtEveryCall, move |ports, claims| {
            work(&ports, claims, &second);
        })
        .run(|disk, claims| oracles::after_power_cut(disk, Path::new(DIR), &options(), claims));
    println!("cache: {explored}");
    explored.assert_clean();
    assert!(explored.distinct > 200, "{explored}");
}

#[test]
fn making_it_may_be_killed_anywhere() {
    let (first, second) = (vec![Step::Claim], vec![Step::Claim, Step::Claim]);
    let explored = Explorer::new(&base())
        .outcomes(3)
        .stage("A", Kills::AtEveryCall, move |ports, claims| {
            work(&ports, claims, &first);
        })
        .stage("B", Kills::Never, move |ports, claims| {
            work(&ports, claims, &second);
        })
        .run(|disk, claims| oracles::after_power_cut(disk, Path::new(DIR), &options(), claims));
    println!("making a cache: {explored}");
    explored.assert_clean();
}

#[test]
fn a_compaction_that_takes_it_along_may_be_killed_anywhere() {
    let claims = Step::Claim;
    let explored = Explorer::new(&with_cache())
        .outcomes(1)
        .stage("A", Kills::AtEveryCall, |ports, claims| {
            if let Ok(mut store) = Store::open(ports, Path::new(DIR), options())
                && let Ok(compacted) = store.compact(false)
            {
                claims.push(Claim::compacted(&compacted));
            }
        })
        .stage("B", Kills::Never, move |ports, promised| {
            work(&ports, promised, std::slice::from_ref(&claims));
        })
        .run(|disk, claims| oracles::after_power_cut(disk, Path::new(DIR), &options(), claims));
    println!("compaction with a cache: {explored}");
    explored.assert_clean();
}

#[test]
fn two_at_once_and_a_compaction_interleaved_at_every_call() {
    let first = vec![Step::Do(complete("a", "p")), Step::Claim];
    let second = vec![Step::Compact, Step::Claim];
    // Nobody audits here: both write.
    let run = |ports: &Ports, claims: &Claims<Claim>, steps: &[Step]| {
        for step in steps {
            if let (Step::Claim, Ok(mut brief)) = (step, brief(ports, &options())) {
                if let Ok(claimed) = brief.claim(&Wanted::default()) {
                    let started = claimed.started.unwrap_or_default();
                    for record in &started {
                        claims.push(Claim::recorded(record));
                    }
                }
            } else {
                let _ = outcome(ports, &options(), step);
            }
        }
    };
    let explored = Explorer::new(&with_cache())
        .outcomes(2)
        .stage("A", Kills::Never, move |ports, claims| {
            run(&ports, claims, &first);
        })
        .stage("B", Kills::Never, move |ports, claims| {
            run(&ports, claims, &second);
        })
        .run_interleaved(1, 30, |disk, claims| {
            oracles::after_power_cut(disk, Path::new(DIR), &options(), claims)
        });
    println!("cache, interleaved: {explored}");
    explored.assert_clean();
}

/// What a reader shows, in words; and that it writes nothing.
fn shown(disk: &SimDisk, options: &Options) -> Result<String, String> {
    let before = disk.files();
    let view = View::open(&disk.ports_for("reader"), Path::new(DIR), options);
    let shown = view.map_err(|error| format!("{error:?}")).map(|view| {
        format!(
            "{:?} {:?} {:?} {:?} {} {} {:?} {:?} {:?}",
            view.state().items(),
            view.state().plan,
            view.state().op_ids,
            view.snapshot_seq(),
            view.replayed(),
            view.complete(),
            view.durable_seq(),
            view.warnings(),
            view.torn(),
        )
    });
    assert_eq!(disk.files(), before, "a reader writes nothing");
    shown
}

/// A reader shows the same with the cache as without.
#[track_caller]
fn reads_alike(disk: &SimDisk, what: &str) {
    let [with, plain] = [options(), without()].map(|options| shown(&disk.fork(), &options));
    assert_eq!(with, plain, "{what}");
}

/// Puts this in place of the cache: a reader shows, and a command answers what it answers without one.
#[track_caller]
fn is_harmless(disk: &SimDisk, what: &str, put: impl Fn(&SimDisk)) {
    let steps = [
        Step::Do(complete("a", "p")),
        Step::Claim,
        Step::Do(start("nobody", "p")),
    ];
    for step in &steps {
        let (hurt, plain) = (disk.fork(), disk.fork());
        put(&hurt);
        reads_alike(&hurt, what);
        let answers = [(&hurt, options()), (&plain, without())]
            .map(|(disk, options)| outcome(&disk.ports_for("A"), &options, step));
        assert_eq!(answers[0], answers[1], "{what}, {step:?}");
        assert_eq!(log_of(&hurt), log_of(&plain), "{what}, {step:?}");
        hurt.clear_faults();
        assert!(
            matches!(disagreement(&hurt), None | Some(None)),
            "{what}, {step:?}"
        );
    }
}

#[test]
fn a_flipped_bit_is_never_a_wrong_answer() {
    let disk = with_cache();
    let whole = disk.peek(CACHE).unwrap();
    for at in 0..whole.len() {
        let mut hurt = whole.clone();
        hurt[at] ^= 1 << (at % 8);
        is_harmless(&disk, &format!("byte {at}"), |disk| {
            disk.plant(CACHE, &hurt).unwrap();
        });
    }
}

#[test]
fn a_cut_a_gap_and_garbage_are_never_a_wrong_answer() {
    let disk = with_cache();
    let whole = disk.peek(CACHE).unwrap();
    for len in (0..whole.len()).step_by(61) {
        is_harmless(&disk, &format!("cut at {len}"), |disk| {
            disk.plant(CACHE, &whole[..len]).unwrap();
        });
    }
    for block in 0..whole.len() / 512 {
        for byte in [0, 0xff] {
            let mut hurt = whole.clone();
            hurt[block * 512..][..512].fill(byte);
            is_harmless(&disk, &format!("block {block} of {byte}"), |disk| {
                disk.plant(CACHE, &hurt).unwrap();
            });
        }
    }
    is_harmless(&disk, "a text", |disk| {
        disk.plant(CACHE, b"hello\n").unwrap();
    });
}

#[test]
fn an_older_or_foreign_one_is_never_a_wrong_answer() {
    let disk = with_cache();
    let old = disk.peek(CACHE).unwrap();
    for step in steps() {
        let _ = outcome(&disk.ports_for("A"), &options(), &step);
        is_harmless(&disk, &format!("before {step:?}"), |disk| {
            disk.plant(CACHE, &old).unwrap();
        });
    }
    // Half of it older than the other: whoever copies over a file in place may be killed halfway.
    let new = disk.peek(CACHE).unwrap();
    for at in (512..old.len().min(new.len())).step_by(512) {
        let mixed = [&old[..at], &new[at..]].concat();
        is_harmless(&disk, &format!("old up to {at}"), |disk| {
            disk.plant(CACHE, &mixed).unwrap();
        });
    }
    let other = with_cache();
    outcome(
        &other.ports_for("other"),
        &options(),
        &Step::Do(add(&["z"])),
    )
    .unwrap();
    let foreign = other.peek(CACHE).unwrap();
    is_harmless(&disk, "another store's", |disk| {
        disk.plant(CACHE, &foreign).unwrap();
    });
}

#[test]
fn a_compaction_takes_it_along_and_makes_none_anew() {
    let disk = with_cache();
    let before = disk.calls_made().len();
    outcome(&disk.ports_for("A"), &options(), &Step::Compact).unwrap();
    let calls = disk.calls_made();
    let made = calls[before..]
        .iter()
        .filter(|call| call.kind == CallKind::CreateNew && call.path.contains("cache"));
    assert_eq!(made.count(), 0);
    assert_eq!(disagreement(&disk), Some(None));
}

#[test]
fn a_reader_does_not_read_what_the_cache_has() {
    let compacted = with_cache();
    for step in [Step::Compact, Step::Do(start("c", "p"))] {
        outcome(&compacted.ports_for("setup"), &options(), &step).unwrap();
    }
    assert_eq!(disagreement(&compacted), Some(None));
    let answers = [options(), without()].map(|options| {
        let disk = compacted.fork();
        let fault = Fault::new(Failure::Error(Errno::Eio))
            .by("reader")
            .on(CallKind::ReadAt)
            .at_path("/work_items.json");
        disk.fail(fault.from_then_on());
        shown(&disk, &options)
    });
    assert_eq!(answers[0], shown(&compacted, &without()));
    assert!(answers[1].is_err(), "{:?}", answers[1]);
}

/// Whatever a reader meets beside somebody who writes, it shows a state that there was: the one before a record, or behind it.
#[test]
fn a_reader_beside_a_writer_shows_what_there_was() {
    let writes = vec![
        Step::Do(complete("a", "p")),
        Step::Do(add(&["g"])),
        Step::Claim,
    ];
    let states = Arc::new(Mutex::new(Vec::new()));
    let disk = with_cache();
    let known = Arc::clone(&states);
    let look = move |ports: &Ports| {
        let view = View::open(ports, Path::new(DIR), &options()).unwrap();
        let said = format!("{:?}", view.state().items());
        known.lock().unwrap().push((view.last_seq(), said));
    };
    let explored = Explorer::new(&disk)
        .outcomes(1)
        .stage("A", Kills::Never, move |ports, _| {
            for step in &writes {
                let _ = outcome(&ports, &options(), step);
            }
        })
        .stage("B", Kills::Never, move |ports, _| {
            look(&ports);
            look(&ports);
        })
        .run_interleaved(1, 40, |_, _: &[Claim]| Ok(()));
    println!("a reader beside a writer: {explored}");
    explored.assert_clean();
    let states = states.lock().unwrap();
    assert!(states.len() > 20);
    // Times differ from run to run; that something of two records is mixed would show in the same items at the same record.
    let mut by_seq: BTreeMap<Seq, &str> = BTreeMap::new();
    for (seq, said) in &*states {
        let first = by_seq.entry(*seq).or_insert(said);
        assert_eq!(first, said, "at record {seq}");
    }
    assert!(by_seq.len() > 1);
}

#[test]
fn one_of_another_boot_counts_if_all_of_it_is_there() {
    let disk = with_cache();
    let rebooted = disk.power_cut(&mut |_| true);
    let before = rebooted.calls_made().len();
    assert_eq!(disagreement(&rebooted), Some(None));
    // The first command takes it over; from then on it is one of this boot.
    outcome(&rebooted.ports_for("A"), &options(), &Step::Claim).unwrap();
    assert_eq!(disagreement(&rebooted), Some(None));
    let calls = rebooted.calls_made();
    let made = |call: &&phaselog::testing::Call| {
        call.kind == CallKind::CreateNew && call.path.contains("cache")
    };
    assert_eq!(calls[before..].iter().filter(made).count(), 0);

    outcome(&disk.ports_for("A"), &options(), &Step::Claim).unwrap();
    let none = disk.power_cut(&mut |_| false);
    assert_eq!(disagreement(&none), Some(None), "as it was a change ago");
    let blocks: Vec<Pending> = disk.pending();
    let blocks = blocks
        .iter()
        .filter(|it| matches!(it, Pending::Data { file, .. } if file == CACHE));
    let mut told = 0;
    for lost in blocks {
        let cut = disk.power_cut(&mut |it| it != lost);
        match disagreement(&cut) {
            None => told += 1,
            Some(said) => assert_eq!(said, None, "{lost:?}"),
        }
    }
    assert!(told > 5, "{told}");
}

/// True if the cache counts; what it says is then what the log says, and the next command does the same with it and without.
fn says_what_the_log_says(disk: &SimDisk, options: &Options) -> Result<bool, String> {
    let ports = disk.fork().ports_for("auditor");
    let said = brief(&ports, options).and_then(|mut brief| brief.disagreement());
    let counts = match said.map_err(|error| format!("{error:?}"))? {
        None => false,
        Some(None) => true,
        Some(Some(said)) => return Err(format!("the cache disagrees: {said}")),
    };
    let without = Options {
        cache: CacheMode::Never,
        ..options.clone()
    };
    let after = [options, &without].map(|options| {
        let disk = disk.fork();
        let answer = outcome(&disk.ports_for("next"), options, &Step::Claim);
        (answer, log_of(&disk))
    });
    if after[0] == after[1] {
        Ok(counts)
    } else {
        let [(with, _), (without, _)] = after;
        Err(format!("with the cache: {with:?}; without: {without:?}"))
    }
}

/// Does something by a writer that is killed right before it syncs what it wrote.
fn dies_before_its_sync(disk: &SimDisk, options: &Options, actor: &str, step: &Step) {
    let rehearsal = disk.fork();
    outcome(&rehearsal.ports_for(actor), options, step).unwrap();
    let calls = rehearsal.calls_made();
    let is_sync = |call: &&phaselog::testing::Call| {
        *call.actor == *actor && call.kind == CallKind::Sync && call.path.ends_with(".wal")
    };
    let sync = calls.iter().find(is_sync).expect("it syncs");
    disk.kill_at(actor, sync.no);
    outcome(&disk.ports_for(actor), options, step).unwrap_err();
    assert!(disk.is_killed(actor));
}

/// Three writers die before they sync; each but the first takes into the cache what the one before had written. Then the power cut
/// takes one record and leaves the next: nobody had acknowledged either, so the log ends before the first of them, whatever the
/// cache says.
#[test]
fn what_it_took_in_and_a_power_cut_took_away_is_not_shown() {
    let disk = with_cache();
    // Each record has sectors of its own, in one segment.
    let options = Options {
        segment_bytes: 1 << 20,
        ..options()
    };
    for (actor, name) in [("A", "d"), ("B", "e"), ("C", "f")] {
        let long = name.repeat(1_500);
        dies_before_its_sync(&disk, &options, actor, &Step::Do(add(&[&long])));
    }
    let pending = disk.pending();
    let records = pending
        .iter()
        .filter(|it| matches!(it, Pending::Data { file, .. } if file.ends_with(".wal")));
    assert!(records.count() > 2, "{pending:?}");
    let (mut counted, mut not) = (0, 0);
    for one in &pending {
        for other in &pending {
            let cut = disk.power_cut(&mut |it| it != one && it != other);
            let lost = format!("{one:?}, {other:?}");
            let held = oracles::after_power_cut(&cut, Path::new(DIR), &options, &[]);
            held.unwrap_or_else(|said| panic!("{lost}: {said}"));
            // As it is, and after somebody has recovered everything, written, and noted that in the cache.
            let sealed = cut.fork();
            let whole = Store::open(sealed.ports_for("whole"), Path::new(DIR), options.clone());
            let _ = whole.unwrap().submit(&add(&["g"])).unwrap();
            for disk in [cut, sealed] {
                match says_what_the_log_says(&disk, &options) {
                    Ok(true) => counted += 1,
                    Ok(false) => not += 1,
                    Err(said) => panic!("{lost}: {said}"),
                }
            }
        }
    }
    assert!(counted > 5 && not > 5, "{counted} times, {not} times not");
}

/// Of a cache nothing is synced: a power cut leaves any of its blocks as they were some changes ago, and of the log it may take a
/// record that nobody had acknowledged and leave the next one.
#[test]
fn after_a_power_cut_one_counts_only_if_it_says_what_the_log_says() {
    let (counted, not) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let steps = [
        Step::Do(complete("a", "p")),
        Step::Do(add(&["d", "e"])),
        Step::Claim,
        Step::Compact,
        Step::Claim,
    ];
    let explored = Explorer::new(&with_cache())
        .outcomes(8)
        .stage("A", Kills::AtEveryCall, move |ports, claims| {
            work(&ports, claims, &steps);
        })
        .stage("B", Kills::Never, |ports, claims| {
            work(&ports, claims, &[Step::Claim]);
        })
        .run(|disk, claims| {
            oracles::after_power_cut(disk, Path::new(DIR), &options(), claims)?;
            let did = if says_what_the_log_says(disk, &options())? {
                &counted
            } else {
                &not
            };
            did.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
    let (counted, not) = (counted.into_inner(), not.into_inner());
    println!("a cache after a power cut: {explored}; it counted {counted} times, {not} times not");
    explored.assert_clean();
    assert!(counted > 20 && not > 20, "{counted} times, {not} times not");
}

#[test]
fn where_it_cannot_be_read_or_written_the_store_works_without() {
    let disk = with_cache();
    is_harmless(&disk, "a directory", |disk| {
        disk.uproot(CACHE).unwrap();
        disk.plant_dir(CACHE).unwrap();
    });
    for kind in [
        CallKind::OpenWrite,
        CallKind::WriteAt,
        CallKind::ReadAt,
        CallKind::Metadata,
    ] {
        for errno in [Errno::Eio, Errno::Enospc] {
            for nth in 1..12 {
                for lasting in [false, true] {
                    let fault = Fault::new(Failure::Error(errno))
                        .by("A")
                        .on(kind)
                        .at_path("/cache")
                        .nth(nth);
                    let fault = if lasting { fault.from_then_on() } else { fault };
                    is_harmless(&disk, &format!("{fault:?}"), |disk| {
                        disk.fail(fault.clone());
                    });
                }
            }
        }
    }
}

#[test]
fn a_changed_snapshot_is_noticed_without_reading_it() {
    let disk = with_cache();
    let ports = disk.ports_for("A");
    outcome(&ports, &options(), &Step::Compact).unwrap();
    assert_eq!(
        disagreement(&disk),
        Some(None),
        "a compaction leaves a cache"
    );
    let text = disk.peek("data/work_items.json").unwrap();
    let edited = String::from_utf8(text)
        .unwrap()
        .replace("\"in_progress\"", "\"completed\"");
    disk.plant("data/work_items.json", edited.as_bytes())
        .unwrap();
    let mut brief = brief(&ports, &options()).unwrap();
    let _ = brief.submit(&complete("a", "p")).unwrap();
    let warnings = brief.take_warnings();
    assert!(
        warnings.iter().any(|warning| warning.code == "W-EDITED"),
        "{warnings:?}"
    );
}

#[test]
fn who_edits_a_record_that_was_verified_is_found_out() {
    let disk = with_cache();
    let segment = "data/wal/00000000000000000001.wal";
    let whole = disk.peek(segment).unwrap();
    for at in [100, whole.len() - 300] {
        let hurt = disk.fork();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        hurt.plant(segment, &bytes).unwrap();
        let plain = hurt.fork();
        let answers = [(&hurt, options()), (&plain, without())]
            .map(|(disk, options)| outcome(&disk.ports_for("A"), &options, &Step::Claim));
        assert_eq!(answers[0], answers[1], "byte {at}");
        assert!(
            answers[0]
                .as_ref()
                .is_err_and(|error| error.starts_with("Damaged"))
        );
    }
}

#[test]
fn a_whole_store_that_writes_leaves_it_of_use() {
    let disk = with_cache();
    let ports = disk.ports_for("A");
    let mut store = Store::open(ports.clone(), Path::new(DIR), options()).unwrap();
    let _ = store.submit(&complete("a", "p")).unwrap();
    assert_eq!(disagreement(&disk), Some(None));
    // What is written without it is told from what was tampered with by nobody.
    let mut plain = Store::open(ports, Path::new(DIR), without()).unwrap();
    let _ = plain.submit(&complete("b", "p")).unwrap();
    assert_eq!(disagreement(&disk), None);
}

#[test]
fn the_log_is_held_against_it() {
    // Behind the cache's end everything is read and verified; a record that is gone there is missed.
    let disk = with_cache();
    let segment = "data/wal/00000000000000000001.wal";
    let whole = disk.peek(segment).unwrap();
    let mark = disk.peek("data/wal/mark").unwrap();
    for cut in [whole.len() - 1, whole.len() - 200, 700] {
        let hurt = disk.fork();
        hurt.plant(segment, &whole[..cut]).unwrap();
        hurt.plant("data/wal/mark", &mark).unwrap();
        let plain = hurt.fork();
        let answers = [(&hurt, options()), (&plain, without())]
            .map(|(disk, options)| outcome(&disk.ports_for("A"), &options, &Step::Claim));
        assert_eq!(answers[0], answers[1], "cut at {cut}");
        assert!(answers[0].is_err(), "cut at {cut}: {answers:?}");
    }
}
