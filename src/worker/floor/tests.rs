//! The loop with programs that are not there, on a disk that is not there, by a clock that goes when told.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::pipeline::{ItemId, NewItem, Phase, PhasePlan, Plan, Status};
use crate::ports::{Clock as _, Program};
use crate::store::{CompactMode, View};
use crate::testing::{Act, CallKind, Errno, Failure, FakeCrew, Fault, Part, SimDisk};

const DIR: &str = "data";
const MINUTE: Duration = Duration::from_mins(1);
const DONE: Ending = Ending::Exited(0);

fn options() -> Options {
    Options {
        compact: CompactMode::Never,
        ..Options::default()
    }
}

fn item(name: &str) -> ItemId {
    ItemId::new(name).unwrap()
}

fn list() -> Phase {
    Phase::new("list").unwrap()
}

/// A store with these items and one phase, `list`.
fn disk(items: &[&str]) -> SimDisk {
    let disk = SimDisk::new();
    let items: Vec<NewItem> = items
        .iter()
        .map(|name| NewItem {
            name: item(name),
            id: None,
        })
        .collect();
    let plan = Plan::new(vec![PhasePlan::named(list())]).unwrap();
    let ports = disk.ports_for("init");
    let _ = Store::init(&ports, Path::new(DIR), &options(), &plan, &items).unwrap();
    disk
}

fn store(disk: &SimDisk, actor: &str) -> Store {
    Store::open(disk.ports_for(actor), Path::new(DIR), options()).unwrap()
}

fn order(all: bool, jobs: usize) -> Order {
    Order {
        words: vec!["visit".into(), "{item}".into()],
        phase: None,
        worker: Some("w1".to_owned()),
        owner: None,
        all,
        jobs,
        keep_stderr: 100,
        data_from_stdout: false,
    }
}

/// Everything that was seen, a line each.
#[derive(Default)]
struct Seen(Vec<String>);

impl Watcher for Seen {
    fn wrote(&mut self, stream: Stream, bytes: &[u8]) {
        if !bytes.is_empty() {
            let text = String::from_utf8_lossy(bytes);
            self.0.push(format!("{stream:?} {text}"));
        }
    }

    fn handed_back(&mut self, resets: &[Record]) {
        self.0.extend(resets.iter().map(|_| "reset".to_owned()));
    }

    fn started(&mut self, piece: &Piece) {
        self.0
            .push(format!("start {} {}", piece.item, piece.attempt));
    }

    fn ended(&mut self, outcome: Outcome) {
        let answer = match &outcome.answer {
            Ok(Receipt::Recorded(records)) => records[0].event.kind().to_owned(),
            Ok(Receipt::Unchanged(_)) => "unchanged".to_owned(),
            Err(Error::Rejected(rejection)) => match **rejection {
                Rejection::StaleToken { .. } => "stale".to_owned(),
                ref other => other.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let verb = outcome.reported.verb();
        self.0
            .push(format!("{verb} {}: {answer}", outcome.piece.item));
    }

    fn noticed(&mut self, warning: &Warning) {
        self.0.push(warning.code.to_owned());
    }
}

/// Runs the order as "A" with these programs.
fn run(disk: &SimDisk, order: &Order, crew: &mut FakeCrew<'_>) -> (Stop, Vec<String>) {
    let ports = disk.ports_for("A");
    let mut seen = Seen::default();
    let stop = work(order, &ports, &options(), store(disk, "A"), crew, &mut seen);
    (stop.unwrap(), seen.0)
}

/// Runs one piece of work.
fn run_one(disk: &SimDisk, part: Part) -> (Stop, Vec<String>) {
    let mut part = Some(part);
    let script = |_: &Program| Ok(part.take().expect("it is started once"));
    run(
        disk,
        &order(false, 1),
        &mut FakeCrew::new(disk.clock(), script),
    )
}

/// The kinds of all records that name an item.
fn kinds(disk: &SimDisk) -> Vec<&'static str> {
    let kinds = [
        "started",
        "completed",
        "failed",
        "released",
        "reset",
        "retried",
        "renewed",
        "rejected",
    ];
    let log = disk.peek("data/wal/00000000000000000001.wal").unwrap();
    let log = String::from_utf8(log).unwrap();
    log.lines()
        .filter_map(|line| {
            let of = |kind: &&&str| line.contains(&format!("\"event\":\"{kind}\""));
            kinds.iter().find(of).copied()
        })
        .collect()
}

fn status(disk: &SimDisk, name: &str) -> Status {
    let view = View::open(&disk.ports_for("look"), Path::new(DIR), &options()).unwrap();
    let index = view.state().index_of(name).unwrap();
    view.state().item_at(index).phases[0].status
}

#[test]
fn long_work_lives_by_its_signs_and_the_log_does_not_grow() {
    let disk = disk(&["a"]);
    let mut part = Part::ends(MINUTE * 300, DONE);
    for minute in 1..300 {
        let other = disk.clone();
        let look = move || {
            let resumed = store(&other, "B").resume(None).unwrap();
            assert!(resumed.resets.is_empty(), "{:?}", resumed.resets);
        };
        part = part.with(MINUTE * minute, Act::Meanwhile(Box::new(look)));
    }
    let (stop, seen) = run_one(&disk, part);
    assert!(matches!(stop, Stop::One));
    assert_eq!(seen, ["start a 1", "complete a: completed"]);
    let renewed = kinds(&disk)
        .iter()
        .filter(|kind| **kind == "renewed")
        .count();
    // Every ten minutes at most.
    assert!((25..=30).contains(&renewed), "{renewed} records");
}

/// Somebody else's claim after everything in progress was handed back.
fn taken_by_b(disk: &SimDisk) -> Act {
    let disk = disk.clone();
    Act::Meanwhile(Box::new(move || {
        let mut b = store(&disk, "B");
        assert_eq!(b.resume(Some(0)).unwrap().resets.len(), 1);
        b.claim(&Claim::default()).unwrap().started.unwrap();
    }))
}

#[test]
fn work_that_somebody_else_took_is_given_up() {
    for deaf in [false, true] {
        let disk = disk(&["a"]);
        let part = Part::endless().with(MINUTE * 5, taken_by_b(&disk));
        let part = if deaf { part.deaf() } else { part };
        let mut part = Some(part);
        let mut crew = FakeCrew::new(disk.clock(), |_| Ok(part.take().unwrap()));
        let (_, seen) = run(&disk, &order(false, 1), &mut crew);
        assert_eq!(seen, ["start a 1", "release a: stale"]);
        let told: Vec<Signal> = crew.sent.iter().map(|(_, signal)| *signal).collect();
        let wanted: &[Signal] = if deaf {
            &[Signal::Terminate, Signal::Kill]
        } else {
            &[Signal::Terminate]
        };
        assert_eq!(told, wanted);
        let kinds = kinds(&disk);
        assert_eq!(kinds.last(), Some(&"rejected"));
        assert!(
            !kinds.contains(&"failed") && !kinds.contains(&"released"),
            "{kinds:?}"
        );
        assert_eq!(status(&disk, "a"), Status::InProgress);
    }
}

#[test]
fn work_that_was_handed_back_and_that_nobody_took_is_finished() {
    let disk = disk(&["a"]);
    let other = disk.clone();
    let reset = move || assert_eq!(store(&other, "B").resume(Some(0)).unwrap().resets.len(), 1);
    let part = Part::ends(MINUTE * 20, DONE).with(MINUTE * 5, Act::Meanwhile(Box::new(reset)));
    let (_, seen) = run_one(&disk, part);
    assert_eq!(seen, ["start a 1", "complete a: completed"]);
    let log = disk.peek("data/wal/00000000000000000001.wal").unwrap();
    assert!(String::from_utf8(log).unwrap().contains("\"late\":true"));
}

/// The command reports by itself, and goes on for a while.
fn reports(disk: &SimDisk, kind: ReportKind) -> Act {
    let disk = disk.clone();
    Act::Meanwhile(Box::new(move || {
        let mut own = store(&disk, "B");
        let token = own.state().item_at(0).phases[0].token;
        let report = Report::new(item("a"), list(), token, kind);
        let _ = own.submit(&Command::Report(report)).unwrap();
    }))
}

#[test]
fn a_command_that_reports_by_itself_is_not_contradicted_nor_disturbed() {
    let permanent = ReportKind::Fail {
        error: "no such house".to_owned(),
        permanent: true,
    };
    for (kind, status, ending) in [
        (permanent.clone(), Status::Failed, Ending::Exited(1)),
        (permanent, Status::Failed, DONE),
        (ReportKind::Complete, Status::Completed, Ending::Exited(1)),
        (ReportKind::Release, Status::Pending, DONE),
    ] {
        let disk = disk(&["a"]);
        let part = Part::ends(MINUTE * 20, ending).with(MINUTE * 5, reports(&disk, kind));
        let mut part = Some(part);
        let mut crew = FakeCrew::new(disk.clock(), |_| Ok(part.take().unwrap()));
        let (_, seen) = run(&disk, &order(false, 1), &mut crew);
        assert!(seen[1].ends_with(" a: unchanged"), "{seen:?}");
        assert_eq!(crew.sent, []);
        drop(crew);
        assert_eq!(self::status(&disk, "a"), status);
        assert_eq!(
            kinds(&disk)
                .iter()
                .filter(|kind| **kind == "failed")
                .count(),
            usize::from(status == Status::Failed)
        );
    }
}

/// From here on no write of "A" finds room, or every one does.
fn full(disk: &SimDisk, full: bool) -> Act {
    let disk = disk.clone();
    Act::Meanwhile(Box::new(move || {
        if full {
            let fault = Fault::new(Failure::Error(Errno::Enospc));
            disk.fail(fault.by("A").on(CallKind::WriteAt).from_then_on());
        } else {
            disk.clear_faults();
        }
    }))
}

#[test]
fn a_report_outlives_a_full_disk() {
    let disk = disk(&["a", "b"]);
    let first = Part::ends(MINUTE, DONE).with(Duration::from_secs(50), full(&disk, true));
    let second = Part::ends(MINUTE * 2, DONE).with(Duration::from_secs(65), full(&disk, false));
    let mut parts = vec![second, first];
    let mut crew = FakeCrew::new(disk.clock(), |_| Ok(parts.pop().unwrap()));
    let (stop, seen) = run(&disk, &order(true, 2), &mut crew);
    assert!(
        matches!(stop, Stop::Nothing(Rejection::Drained { .. })),
        "{stop:?}"
    );
    assert_eq!(
        seen,
        [
            "start a 1",
            "start b 1",
            // The other one's sign of life finds no room either.
            "W-HEARTBEAT",
            "complete a: completed",
            "complete b: completed"
        ]
    );
}

#[test]
fn a_report_that_cannot_be_made_is_named_in_the_end() {
    let disk = disk(&["a"]);
    let part = Part::ends(MINUTE, DONE).with(Duration::from_secs(50), full(&disk, true));
    let before = disk.clock().awake();
    let (stop, seen) = run_one(&disk, part);
    assert!(matches!(stop, Stop::One), "{stop:?}");
    assert!(seen[1].starts_with("complete a: not recorded"), "{seen:?}");
    // Three times the wait for a lock.
    let tried = disk.clock().awake().saturating_sub(before + MINUTE);
    assert!((30..35).contains(&tried.as_secs()), "{tried:?}");
    disk.clear_faults();
    assert_eq!(status(&disk, "a"), Status::InProgress);
}

#[test]
fn what_is_given_back_rests_longer_each_time() {
    let disk = disk(&["a", "b"]);
    let (starts, clock) = (Rc::new(RefCell::new(Vec::new())), disk.clock().clone());
    let script = |program: &Program| {
        let name = program.words[1].to_str().unwrap().to_owned();
        let mut starts = starts.borrow_mut();
        starts.push((name.clone(), clock.awake()));
        let times = starts.iter().filter(|(other, _)| *other == name).count();
        let ending = if name == "a" && times <= 3 {
            Ending::Exited(75)
        } else {
            DONE
        };
        Ok(Part::ends(Duration::ZERO, ending))
    };
    let (stop, seen) = run(
        &disk,
        &order(true, 1),
        &mut FakeCrew::new(disk.clock(), script),
    );
    assert!(matches!(stop, Stop::Nothing(Rejection::Drained { .. })));
    assert_eq!(
        seen[..4],
        [
            "start a 1",
            "release a: released",
            "start b 1",
            "complete b: completed"
        ]
    );
    let of_a: Vec<Duration> = starts
        .borrow()
        .iter()
        .filter_map(|(name, at)| (name == "a").then_some(*at))
        .collect();
    let pauses: Vec<u64> = of_a
        .windows(2)
        .map(|two| two[1].saturating_sub(two[0]).as_secs())
        .collect();
    assert_eq!(pauses.len(), 3);
    for (pause, least) in pauses.iter().zip([1, 2, 4]) {
        assert!((least..=least + 2).contains(pause), "{pauses:?}");
    }
}

#[test]
fn no_more_run_at_once_than_wanted() {
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for jobs in [1, 4, 32] {
        let disk = disk(&names);
        let script = |program: &Program| {
            let number: u32 = program.words[1].to_str().unwrap().parse().unwrap();
            Ok(Part::ends(MINUTE * (number % 3), DONE))
        };
        let mut crew = FakeCrew::new(disk.clock(), script);
        let (_, seen) = run(&disk, &order(true, jobs), &mut crew);
        assert_eq!((crew.most, seen.len()), (jobs.min(20), 40));
        drop(crew);
        for name in &names {
            assert_eq!(status(&disk, name), Status::Completed);
        }
    }
}

#[test]
fn told_to_end_it_gives_everything_back() {
    for deaf in [false, true] {
        let disk = disk(&["a", "b", "c"]);
        let script = |program: &Program| {
            let mut part = Part::endless();
            if program.words[1] == "a" {
                part = part.with(MINUTE, Act::Told(Signal::Interrupt));
                part = part.with(MINUTE * 2, Act::Told(Signal::Terminate));
            }
            Ok(if deaf { part.deaf() } else { part })
        };
        let mut crew = FakeCrew::new(disk.clock(), script);
        let (stop, seen) = run(&disk, &order(true, 2), &mut crew);
        assert!(matches!(stop, Stop::Told(_)), "{stop:?}");
        assert_eq!(
            seen,
            [
                "start a 1",
                "start b 1",
                "release a: released",
                "release b: released"
            ]
        );
        assert_eq!(crew.sent.len(), if deaf { 4 } else { 2 }, "{:?}", crew.sent);
        drop(crew);
        assert_eq!(status(&disk, "c"), Status::Pending);
    }
}

#[test]
fn what_cannot_be_started_is_given_back_and_ends_the_work() {
    let disk = disk(&["a", "b", "c"]);
    let script = |program: &Program| match program.words[1].to_str() {
        Some("a") => Ok(Part::ends(MINUTE, DONE)),
        _ => Err(std::io::ErrorKind::PermissionDenied.into()),
    };
    let mut crew = FakeCrew::new(disk.clock(), script);
    let (stop, seen) = run(&disk, &order(true, 3), &mut crew);
    assert!(matches!(stop, Stop::NoStart(_)), "{stop:?}");
    assert_eq!(
        seen,
        [
            "start a 1",
            "release b: released",
            "release c: released",
            "complete a: completed"
        ]
    );
    // Nothing is claimed for a command that is not there.
    let nosuch = Order {
        words: vec!["nosuch".into()],
        ..order(true, 3)
    };
    drop(crew);
    let disk = self::disk(&["a"]);
    let mut crew = FakeCrew::new(disk.clock(), |_| panic!("nothing is started"));
    assert!(matches!(run(&disk, &nosuch, &mut crew).0, Stop::NoStart(_)));
    assert_eq!(kinds(&disk), [""; 0]);
}
