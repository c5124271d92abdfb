//! Sync removal: each sync of each operation is left out, one at a time, and some crash must show it; a sync that no
//! crash needs has its reason here, or is removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use phaselog::testing::{
    Call, CallKind, Claims, Errno, Explorer, Failure, Fault, Kills, Order, PortCall, SimDisk,
};

use crate::bench::{Bench, check, hooked};
use crate::table::Row;
use crate::workload::{Step, add, base, complete, hold, work};

/// Syncs that no crash of these workloads needs, and why they stay.
const REASONS: &[(&str, &str)] = &[
    (
        "writer, after remove_file of data/wal/poisoned: sync_dir of .",
        SAME_SITE,
    ),
    (
        "writer, after remove_file of data/wal/poisoned: sync_dir of data",
        SAME_SITE,
    ),
    (
        "writer, after remove_file of data/wal/poisoned: sync_dir of data/wal",
        SAME_SITE,
    ),
    (
        "writer, after rename of data/work_items.json.next: sync_dir of data",
        "the first set of all: there is none before it to be mixed with; a second compaction shows the same call",
    ),
    (
        "writer, after rename of the segment: sync_dir of data/wal/quarantine",
        "the file that was replaced is evidence; no state rests on it",
    ),
];

const SAME_SITE: &str =
    "one call site with the three before any write, which crashes show to be needed";

pub(crate) fn run(bench: &Bench) -> Vec<Row> {
    let mut needed: BTreeMap<String, bool> = BTreeMap::new();
    for (name, base, steps, after) in operations() {
        let disk = base.fork();
        work(&disk.ports_for("A"), &Claims::default(), &steps);
        for (at, site) in (1..).zip(sites(&disk, name)) {
            if needed.get(&site) == Some(&true) && !bench.is_long() {
                continue;
            }
            let shown = is_needed(bench, &base, &steps, &after, at);
            *needed.entry(site).or_default() |= shown;
        }
    }
    let reason = |site: &str| {
        let found = REASONS.iter().find(|(of, _)| *of == site);
        found.map(|(_, why)| *why)
    };
    let mut violations = Vec::new();
    let mut excused = 0;
    for (site, needed) in &needed {
        match (needed, reason(site)) {
            (true, None) => {}
            (false, Some(why)) => {
                excused += 1;
                println!("no crash needs {site}: {why}");
            }
            (true, Some(_)) => violations.push(format!("{site} is needed, and in the list")),
            (false, None) => violations.push(format!("no crash needs {site}")),
        }
    }
    vec![Row {
        layer: "sync removal",
        count: needed.len() as u64,
        unit: "syncs left out",
        target: 0,
        more: format!(
            "{} shown by a crash, {excused} kept for a reason",
            needed.values().filter(|needed| **needed).count()
        ),
        violations,
        long: bench.is_long(),
    }]
}

type Operation = (&'static str, SimDisk, Vec<Step>, Vec<Step>);

/// Each operation: on what, what is done, and what others do after it.
fn operations() -> Vec<Operation> {
    let poisoned = || {
        let disk = base();
        disk.fail(
            Fault::new(Failure::Error(Errno::Eio))
                .by("X")
                .on(phaselog::testing::CallKind::Sync)
                .at_path(".wal"),
        );
        work(&disk.ports_for("X"), &Claims::default(), &[hold("b")]);
        disk.kill("X");
        disk.clear_faults();
        disk
    };
    // Somebody wrote and was killed before the sync; perhaps another was killed within a write behind it.
    let unsynced = |torn: bool| {
        let disk = base();
        let probe = disk.fork();
        work(&probe.ports_for("X"), &Claims::default(), &[hold("b")]);
        let calls = probe.calls_made();
        let of_x = |call: &&Call| &*call.actor == "X";
        let write = |call: &&Call| of_x(call) && call.kind == CallKind::WriteAt;
        let no = calls.iter().find(write).unwrap().no;
        let bytes = calls.iter().find(write).unwrap().range.unwrap().1;
        disk.kill_in_write("X", no, bytes);
        work(&disk.ports_for("X"), &Claims::default(), &[hold("b")]);
        if torn {
            disk.kill_in_write("Y", no, 40);
            work(&disk.ports_for("Y"), &Claims::default(), &[hold("a")]);
        }
        disk
    };
    // Somebody was killed when the new store had its name, and that was not yet durable.
    let half_made = || {
        let (disk, probe) = (SimDisk::new(), SimDisk::new());
        work(&probe.ports_for("X"), &Claims::default(), &[Step::Init]);
        let calls = probe.calls_made();
        let rename = calls
            .iter()
            .find(|call| call.kind == CallKind::Rename)
            .unwrap();
        disk.kill_at("X", rename.no + 1);
        work(&disk.ports_for("X"), &Claims::default(), &[Step::Init]);
        disk
    };
    // The same for a rotation.
    let half_rotated = || {
        let (disk, steps) = (base(), [Step::SmallSegments, hold("b")]);
        let probe = disk.fork();
        work(&probe.ports_for("X"), &Claims::default(), &steps);
        let calls = probe.calls_made();
        let mut renames = calls.iter().filter(|call| &*call.actor == "X");
        let rename = renames.find(|call| call.kind == CallKind::Rename).unwrap();
        disk.kill_at("X", rename.no + 1);
        work(&disk.ports_for("X"), &Claims::default(), &steps);
        disk
    };
    let others = || vec![complete("a"), Step::Look];
    vec![
        ("init", SimDisk::new(), vec![Step::Init], vec![Step::Look]),
        ("append", base(), vec![hold("b")], others()),
        ("group", base(), vec![add(&["c", "d"])], others()),
        (
            "rotate",
            base(),
            vec![Step::SmallSegments, hold("b")],
            others(),
        ),
        ("seal", unsynced(true), vec![hold("a")], others()),
        ("clear", poisoned(), vec![complete("a")], others()),
        ("answer", unsynced(false), vec![hold("b")], vec![]),
        ("look", unsynced(false), vec![Step::Look], vec![]),
        ("resume", unsynced(false), vec![Step::Resume], vec![]),
        ("half made", half_made(), vec![hold("a")], others()),
        ("look at half made", half_made(), vec![Step::Look], vec![]),
        ("half rotated", half_rotated(), vec![hold("a")], others()),
        (
            "look at half rotated",
            half_rotated(),
            vec![Step::Look],
            vec![],
        ),
        (
            "compact what is not synced",
            unsynced(false),
            vec![Step::Compact],
            others(),
        ),
        (
            "compact",
            base(),
            vec![Step::Compact],
            vec![complete("a"), Step::Compact],
        ),
        (
            "compact again",
            compacted(),
            vec![Step::Compact],
            vec![complete("a"), Step::Compact],
        ),
    ]
}

/// Two compactions lie behind it, and something after them.
fn compacted() -> SimDisk {
    let disk = base();
    work(
        &disk.ports_for("setup"),
        &Claims::default(),
        &[Step::Compact, hold("a"), Step::Compact, complete("b")],
    );
    disk.settle();
    disk
}

/// Each sync that A makes, as what it syncs and after what; who only looks makes syncs of its own.
fn sites(disk: &SimDisk, operation: &str) -> Vec<String> {
    let who = if operation.starts_with("look") {
        "reader"
    } else {
        "writer"
    };
    let (mut sites, mut after) = (Vec::new(), "before any write".to_owned());
    for call in disk.calls_made().iter().filter(|call| &*call.actor == "A") {
        if call.kind.syncs() {
            let what = class(&call.path);
            sites.push(format!("{who}, {after}: {} of {what}", call.kind.name()));
        } else if call.kind.writes() {
            let what = class(call.to.as_deref().unwrap_or(&call.path));
            after = format!("after {} of {what}", call.kind.name());
        }
    }
    sites
}

/// True if a crash shows that the n-th sync was left out.
fn is_needed(bench: &Bench, base: &SimDisk, steps: &[Step], after: &[Step], nth: u64) -> bool {
    let found = Explorer::new(base)
        .outcomes(bench.pick(64, 256))
        .max_violations(1)
        .stage("A", Kills::AtEveryCall, |ports, claims| {
            let count = Arc::new(AtomicU64::new(0));
            let hook = move |call: &PortCall| {
                if call.kind.syncs() && count.fetch_add(1, Ordering::Relaxed) + 1 == nth {
                    return Order::LeaveOut;
                }
                Order::Do
            };
            work(&hooked(&ports, hook), claims, steps);
        })
        .stage("B", Kills::AtEveryCall, |ports, claims| {
            work(&ports, claims, after);
        })
        .run(check);
    !found.violations.is_empty()
}

/// A path without its numbers and temp names.
fn class(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let temp = name.starts_with('.') && name.ends_with(".tmp");
    if temp && name.contains(".wal.") {
        "a segment's temp file".to_owned()
    } else if temp {
        "a snapshot's temp file".to_owned()
    } else if name.ends_with(".wal") {
        "the segment".to_owned()
    } else {
        path.to_owned()
    }
}
