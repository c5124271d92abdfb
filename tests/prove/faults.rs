//! Seeded mistakes: each is put into the program, and every layer looks for it. One that no layer finds is a hole.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::Mutex;

use phaselog::Ports;
use phaselog::faults::{Fault, set};
use phaselog::testing::{CallKind, Order, PortCall};

use crate::bench::{Bench, Spoil, hooked};
use crate::table::Row;
use crate::{LAYERS, Layer};

/// A mistake, how it is made, and which layer is asked first.
#[derive(Clone, Copy)]
struct Mistake {
    name: &'static str,
    made: Made,
    first: &'static str,
}

#[derive(Clone, Copy)]
enum Made {
    /// By a switch in the program.
    Switch(Fault),
    /// In the doors of every actor: what becomes of a call, given whether the append lock is held.
    Door(fn(&PortCall, bool) -> Order),
}

/// A sync of the active segment.
fn is_segment_sync(call: &PortCall) -> bool {
    call.kind == CallKind::Sync && name(call).is_some_and(|it| it.ends_with(".wal"))
}

fn is_temp_sync(call: &PortCall, of: &str) -> bool {
    call.kind == CallKind::Sync
        && name(call).is_some_and(|it| it.ends_with(".tmp") && it.contains(of))
}

fn name(call: &PortCall) -> Option<&str> {
    call.path.file_name()?.to_str()
}

const fn left_out(if_so: bool) -> Order {
    if if_so { Order::LeaveOut } else { Order::Do }
}

const fn door(
    name: &'static str,
    first: &'static str,
    order: fn(&PortCall, bool) -> Order,
) -> Mistake {
    let made = Made::Door(order);
    Mistake { name, made, first }
}

const fn switch(name: &'static str, first: &'static str, fault: Fault) -> Mistake {
    let made = Made::Switch(fault);
    Mistake { name, made, first }
}

/// All of them. The first twenty are those that the plan names.
const MISTAKES: [Mistake; 37] = [
    door(
        "no sync before the acknowledgement",
        "sweep",
        |call, locked| left_out(is_segment_sync(call) && !locked),
    ),
    door("no directory sync", "sweep", |call, _| {
        left_out(call.kind == CallKind::SyncDir)
    }),
    door(
        "records before the segment's name is durable",
        "sweep",
        |call, locked| left_out(call.kind == CallKind::SyncDir && locked),
    ),
    switch("checksum not checked", "hurt", Fault::ChecksumNotChecked),
    door("snapshot renamed before its sync", "sweep", |call, _| {
        left_out(is_temp_sync(call, "work_items"))
    }),
    door("lock not taken", "actors", |call, _| {
        left_out(call.kind == CallKind::Lock && name(call) == Some("lock"))
    }),
    door("inode not compared under the lock", "actors", |call, _| {
        if call.kind == CallKind::Id {
            Order::AsNamed
        } else {
            Order::Do
        }
    }),
    switch(
        "writes behind a sealed tail",
        "actors",
        Fault::WritesBehindASeal,
    ),
    switch(
        "\"unchanged\" answered without a sync",
        "sweep",
        Fault::AnswersWithoutSync,
    ),
    switch(
        "durable claimed for what was read during the sync",
        "moments",
        Fault::ProvesWhatItDidNotRead,
    ),
    door(
        "no sync of the old segment at rotation",
        "sweep",
        |call, locked| left_out(is_segment_sync(call) && locked),
    ),
    switch("half a group applied", "sweep", Fault::HalfAGroupApplied),
    switch("token not compared", "properties", Fault::TokenNotCompared),
    switch(
        "reset decided outside the lock",
        "actors",
        Fault::ResetOutsideTheLock,
    ),
    switch("a failed sync retried", "actors", Fault::SyncRetried),
    switch(
        "flag checked only before the write",
        "moments",
        Fault::FlagCheckedOnlyBefore,
    ),
    switch(
        ".bak overwritten by a second compaction",
        "nested",
        Fault::BakOverwritten,
    ),
    switch("a mark that goes backwards", "actors", Fault::MarkGoesBack),
    switch(
        "a reader reads the log before the mark",
        "actors",
        Fault::LogReadBeforeMark,
    ),
    switch(
        "tokens missing from the snapshot",
        "properties",
        Fault::TokensNotInSnapshot,
    ),
    switch(
        "holds missing from the snapshot",
        "sweep",
        Fault::HoldsNotInSnapshot,
    ),
    switch(
        "op-ids missing from the snapshot",
        "properties",
        Fault::OpIdsNotInSnapshot,
    ),
    door("segment renamed before its sync", "sweep", |call, _| {
        left_out(is_temp_sync(call, ".wal."))
    }),
    switch(
        "flag taken down without replacing the file",
        "actors",
        Fault::ClearedWithoutReplacing,
    ),
    switch(
        "reading stops at the first bad record",
        "hurt",
        Fault::StopsAtTheFirstBadRecord,
    ),
    switch("mark not read", "hurt", Fault::MarkNotRead),
    switch(
        "sealed segment not held against its successor",
        "hurt",
        Fault::SealNotCompared,
    ),
    door(
        "set not durable before files are mixed",
        "nested",
        |call, _| left_out(call.kind == CallKind::SyncDir && call.path.ends_with("data")),
    ),
    switch(
        "a reader shows what is not durable",
        "sweep",
        Fault::ReaderDoesNotSync,
    ),
    switch(
        "mark raised before the sync",
        "sweep",
        Fault::MarkBeforeSync,
    ),
    switch(
        "a record attests what was not synced",
        "actors",
        Fault::AttestsTheUnsynced,
    ),
    switch(
        "a retry keeps the token",
        "properties",
        Fault::RetryKeepsTheToken,
    ),
    switch(
        "a short write taken for a whole one",
        "errors",
        Fault::ShortWriteIsWhole,
    ),
    switch(
        "a read error taken for the end",
        "actors",
        Fault::ReadErrorIsTheEnd,
    ),
    switch(
        "a torn tail written over",
        "sweep",
        Fault::TornTailWrittenOver,
    ),
    switch("a reader that writes", "sweep", Fault::ReaderWrites),
    switch(
        "each recovery leaves a record",
        "sweep",
        Fault::RecoveryLeavesARecord,
    ),
];

/// Puts a mistake into the doors; whether the append lock is held is known from its own calls.
fn spoil(order: fn(&PortCall, bool) -> Order) -> Spoil {
    Arc::new(move |ports: Ports| {
        let held = Mutex::new(false);
        hooked(&ports, move |call: &PortCall| {
            let mut held = held.lock().unwrap();
            if name(call) == Some("lock") {
                match call.kind {
                    CallKind::Lock => *held = true,
                    CallKind::Unlock => *held = false,
                    _ => {}
                }
            }
            order(call, *held)
        })
    })
}

/// Runs every mistake through the layers and prints who found it. In a short run the first layer that finds it is
/// enough; a long one asks them all.
pub(crate) fn run(bench: &Bench, only: &[&String]) -> ExitCode {
    // A search that panics is a finding; its words would drown the table.
    std::panic::set_hook(Box::new(|_| {}));
    let layers: Vec<Layer> = LAYERS
        .into_iter()
        .filter(|(name, _)| *name != "syncs")
        .collect();
    let names: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
    println!("{}", line("seeded mistake", &names));
    let mut missed = BTreeSet::new();
    let mut all = MISTAKES.to_vec();
    all.retain(|mistake| only.is_empty() || only.iter().any(|word| mistake.name.contains(*word)));
    for mistake in &all {
        let found = look_for(bench, mistake, &layers);
        println!("{}", line(mistake.name, &found));
        if !found.contains(&"caught") {
            missed.insert(mistake.name);
        }
    }
    println!(
        "{} mistakes, {} caught",
        all.len(),
        all.len() - missed.len()
    );
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("not caught: {missed:?}");
    ExitCode::FAILURE
}

fn line(first: &str, cells: &[&str]) -> String {
    let mut line = format!("{first:<52}");
    for cell in cells {
        let _ = write!(line, " {cell:>10}");
    }
    line
}

fn look_for(bench: &Bench, mistake: &Mistake, layers: &[Layer]) -> Vec<&'static str> {
    let order = match mistake.made {
        Made::Door(order) => Some(spoil(order)),
        Made::Switch(fault) => {
            set(Some(fault));
            None
        }
    };
    let mistaken = bench.with_mistake(order);
    let mut cells = vec!["-"; layers.len()];
    let mut places: Vec<usize> = (0..layers.len()).collect();
    places.sort_by_key(|&at| layers[at].0 != mistake.first);
    for at in places {
        if !bench.is_long() && cells.contains(&"caught") {
            break;
        }
        let run = || (layers[at].1)(&mistaken);
        let rows = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let caught = rows.map_or(true, |rows: Vec<Row>| {
            rows.iter().any(|row| !row.violations.is_empty())
        });
        cells[at] = if caught { "caught" } else { "passed" };
    }
    set(None);
    cells
}
