//! Threads on one store: what shares a write and a sync stands alone all the same, also when they fail.

use std::collections::BTreeSet;
use std::path::Path;

use phaselog::pipeline::{
    Command, ItemId, NewItem, Phase, PhasePlan, Plan, Rejection, Report, ReportKind, Status,
};
use phaselog::position::Seq;
use phaselog::testing::{CallKind, Errno, Failure, Fault, SimDisk};
use phaselog::{Error, Options, Ports, Receipt, Result, SharedStore, Store, View};

fn item(number: usize) -> ItemId {
    ItemId::new(&format!("{number} N Example St")).unwrap()
}

fn phase() -> Phase {
    Phase::new("p").unwrap()
}

fn start(number: usize) -> Command {
    Command::Start {
        item: item(number),
        phase: phase(),
        worker: None,
        owner: None,
    }
}

fn complete(number: usize, token: Option<Seq>) -> Command {
    Command::Report(Report::new(
        item(number),
        phase(),
        token,
        ReportKind::Complete,
    ))
}

fn init(ports: &Ports, dir: &Path, items: usize) {
    let plan = Plan::new(vec![PhasePlan::named(phase())]).unwrap();
    let items: Vec<NewItem> = (0..items)
        .map(|number| NewItem {
            name: item(number),
            id: None,
        })
        .collect();
    let _ = Store::init(ports, dir, &Options::default(), &plan, &items).unwrap();
}

fn shared(ports: &Ports, dir: &Path) -> SharedStore {
    SharedStore::new(Store::open(ports.clone(), dir, Options::default()).unwrap())
}

/// A simulated disk with a store of so many items, and that store shared by the threads of actor A.
fn simulated(items: usize) -> (SimDisk, SharedStore) {
    let disk = SimDisk::new();
    init(&disk.ports_for("setup"), Path::new("data"), items);
    disk.settle();
    let store = shared(&disk.ports_for("A"), Path::new("data"));
    (disk, store)
}

/// Submits these from a thread each, so that they are one batch: while the store is kept busy, one leads and holds only
/// `first`, and the others wait in line. The answers are in their order.
fn at_once(store: &SharedStore, first: &Command, others: &[Command]) -> Vec<Result<Receipt>> {
    std::thread::scope(|scope| {
        let threads = store.alone(|_| {
            let leader = scope.spawn(|| store.submit(first));
            // Its turn has begun, and it waits for the store.
            while store.turns() == 0 {
                std::thread::yield_now();
            }
            let mut threads = vec![leader];
            for (waiting, command) in others.iter().enumerate() {
                threads.push(scope.spawn(|| store.submit(command)));
                while store.waiting() <= waiting {
                    std::thread::yield_now();
                }
            }
            Ok(threads)
        });
        let threads = threads.unwrap();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// How often actor A synced a segment.
fn syncs(disk: &SimDisk) -> usize {
    let calls = disk.calls_made();
    let is_sync = |call: &&phaselog::testing::Call| {
        &*call.actor == "A" && call.kind == CallKind::Sync && call.path.ends_with(".wal")
    };
    calls.iter().filter(is_sync).count()
}

/// What the state of a thread-shared store says is what a new reader reads.
fn agrees(disk: &SimDisk, store: &SharedStore) {
    let view = View::open(
        &disk.ports_for("reader"),
        Path::new("data"),
        &Options::default(),
    )
    .unwrap();
    store
        .alone(|store| {
            assert_eq!(store.state(), view.state());
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_batch_is_one_sync_and_a_refused_command_harms_nobody() {
    let (disk, store) = simulated(8);
    let others = [
        start(1),
        start(2),
        start(1),
        complete(3, None),
        start(99),
        start(0),
    ];
    let answers = at_once(&store, &start(0), &others);
    let recorded = |answer: &Result<Receipt>| matches!(answer, Ok(Receipt::Recorded(_)));
    let which: Vec<bool> = answers.iter().map(recorded).collect();
    assert_eq!(which, [true, true, true, false, true, false, false]);
    for refused in [3, 6] {
        assert!(
            matches!(&answers[refused], Err(Error::Rejected(rejection)) if matches!(**rejection, Rejection::InProgress { .. })),
            "{:?}",
            answers[refused]
        );
    }
    assert!(
        matches!(&answers[5], Err(Error::Rejected(rejection)) if matches!(**rejection, Rejection::UnknownItem { .. }))
    );
    // The first went alone; the six others, refusals included, shared one.
    assert_eq!(store.turns(), 2);
    assert_eq!(syncs(&disk), 2);
    // No line says that more follows: each stands alone.
    let log = disk.peek("data/wal/00000000000000000001.wal").unwrap();
    let log = String::from_utf8(log).unwrap();
    assert_eq!(
        log.lines()
            .rev()
            .take(4)
            .filter(|line| line.contains("\"more\""))
            .count(),
        0
    );
    agrees(&disk, &store);
    // All of it survives.
    let left = disk.power_cut(&mut |_| false);
    let view = View::open(&left.ports_for("B"), Path::new("data"), &Options::default()).unwrap();
    let statuses: Vec<Status> = view
        .state()
        .items()
        .map(|item| item.phases[0].status)
        .collect();
    assert_eq!(
        statuses[..4],
        [
            Status::InProgress,
            Status::InProgress,
            Status::InProgress,
            Status::Completed
        ]
    );
}

#[test]
fn a_failed_sync_is_everybodys_and_nobody_is_acknowledged() {
    let (disk, store) = simulated(4);
    // The leader's own sync is fine; that of the batch behind it is not.
    disk.fail(
        Fault::new(Failure::Error(Errno::Eio))
            .by("A")
            .on(CallKind::Sync)
            .nth(2),
    );
    let answers = at_once(&store, &start(0), &[start(1), start(2), start(1)]);
    assert!(answers[0].is_ok());
    for (answer, own) in answers[1..].iter().zip([true, true, false]) {
        match answer {
            Err(Error::NotAcknowledged { seq, .. }) => assert_eq!(seq.is_some(), own),
            other => panic!("{other:?}"),
        }
    }
    assert!(disk.peek("data/wal/poisoned").is_some());
    // The next clears the flag. What was written is in the log by then, and nobody starts it twice.
    let again = store.submit(&start(1));
    assert!(matches!(again, Err(Error::Rejected(_))), "{again:?}");
    assert!(store.submit(&start(3)).is_ok());
    assert!(disk.peek("data/wal/poisoned").is_none());
    agrees(&disk, &store);
    // The flag's end may be lost with the power; then less is shown until a writer has cleared it again, and nothing is lost.
    let left = disk.power_cut(&mut |_| false);
    let (ports, dir) = (left.ports_for("B"), Path::new("data"));
    let mut store = Store::open(ports, dir, Options::default()).unwrap();
    let again = store.submit(&start(3));
    assert!(matches!(again, Err(Error::Rejected(_))), "{again:?}");
    assert_eq!(store.state().item_at(3).phases[0].attempts, 1);
}

#[test]
fn a_store_that_goes_on_after_a_failed_sync_knows_what_it_wrote() {
    let (disk, shared) = simulated(2);
    let mut store = shared.into_inner().unwrap();
    disk.fail(
        Fault::new(Failure::Error(Errno::Eio))
            .by("A")
            .on(CallKind::Sync),
    );
    let failed = store.submit(&start(0));
    assert!(
        matches!(failed, Err(Error::NotAcknowledged { .. })),
        "{failed:?}"
    );
    // The record is in the log. To start it again would be a second owner.
    let again = store.submit(&start(0));
    assert!(matches!(again, Err(Error::Rejected(_))), "{again:?}");
    assert!(store.submit(&start(1)).is_ok());
    agrees(&disk, &SharedStore::new(store));
}

#[test]
fn a_write_that_was_cut_leaves_nobody_with_a_wrong_answer() {
    // Cut within the first line, the second, the third, and not at all written.
    for bytes in [0, 60, 250, 400] {
        let (disk, store) = simulated(4);
        let segment = |fault: Fault| fault.by("A").on(CallKind::WriteAt).at_path(".wal");
        if bytes > 0 {
            disk.fail(segment(Fault::new(Failure::Short(bytes))).nth(2));
        }
        let nth = if bytes > 0 { 3 } else { 2 };
        disk.fail(segment(Fault::new(Failure::Error(Errno::Enospc))).nth(nth));
        let answers = at_once(&store, &start(0), &[start(1), start(2), start(3), start(1)]);
        assert!(answers[0].is_ok(), "{bytes}");
        for answer in &answers[1..] {
            // Not "nothing was changed": a whole line may have been written.
            assert!(
                matches!(answer, Err(Error::NotAcknowledged { .. })),
                "{bytes}: {answer:?}"
            );
        }
        // The next reads what there is, and seals what was cut.
        let mut tokens = BTreeSet::new();
        for number in 1..4 {
            match store.submit(&start(number)) {
                Ok(receipt) => assert!(tokens.insert(receipt.seq())),
                Err(Error::Rejected(_)) => assert!(number < 3, "{bytes}: the third line was cut"),
                Err(other) => panic!("{bytes}: {other}"),
            }
        }
        agrees(&disk, &store);
        let left = disk.power_cut(&mut |_| false);
        let view =
            View::open(&left.ports_for("B"), Path::new("data"), &Options::default()).unwrap();
        let attempts: Vec<u32> = view
            .state()
            .items()
            .map(|item| item.phases[0].attempts)
            .collect();
        assert_eq!(attempts, [1, 1, 1, 1], "{bytes}");
    }
}

#[test]
fn a_thread_that_panics_leaves_the_others_a_sound_store() {
    let (disk, store) = simulated(2);
    let panicked = std::thread::scope(|scope| {
        let thread = scope.spawn(|| store.alone(|_| -> Result<()> { panic!("made up") }));
        thread.join().is_err()
    });
    assert!(panicked);
    assert!(store.submit(&start(0)).is_ok());
    agrees(&disk, &store);
    let store = store.into_inner().unwrap();
    assert_eq!(store.state().item_at(0).phases[0].attempts, 1);
}

#[test]
fn eight_threads_on_a_real_disk_lose_nothing() {
    const EACH: usize = 25;
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("data");
    init(&Ports::real(), &dir, 8 * EACH);
    let store = shared(&Ports::real(), &dir);
    let seqs: Vec<Vec<Seq>> = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let mut seqs = Vec::new();
            for number in thread * EACH..(thread + 1) * EACH {
                let token = store.submit(&start(number)).unwrap().seq();
                seqs.extend(token);
                // Somebody else's item: a refusal among them.
                assert!(matches!(
                    store.submit(&start(number)),
                    Err(Error::Rejected(_))
                ));
                seqs.extend(store.submit(&complete(number, token)).unwrap().seq());
            }
            seqs
        };
        let threads: Vec<_> = (0..8)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(seqs.iter().all(|seqs| seqs.is_sorted()));
    let all: BTreeSet<Seq> = seqs.into_iter().flatten().collect();
    assert_eq!(all.len(), 2 * 8 * EACH);
    let view = View::open(&Ports::real(), &dir, &Options::default()).unwrap();
    assert!(
        view.state()
            .items()
            .all(|item| item.phases[0].status == Status::Completed)
    );
    assert!(all.iter().all(|seq| *seq <= view.durable_seq()));
}
