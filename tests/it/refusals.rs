//! What the program says of errors that a healthy disk does not make: whole outputs, as text and as JSON.

use std::ffi::OsString;

use phaselog::cli;
use phaselog::testing::{CallKind, Errno, Failure, Fault, SimDisk};

use crate::look::golden;
use crate::support::{HOUSE, Lab, Output, shows};

/// Runs the program on a simulated disk, as an actor of its own.
pub(crate) fn on(disk: &SimDisk, actor: &str, args: &[&str]) -> Output {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = std::iter::once("phaselog")
        .chain(args.iter().copied())
        .map(OsString::from);
    let status = cli::run(words, &disk.ports_for(actor), &mut out, &mut err);
    Output {
        line: format!("phaselog {}", args.join(" ")),
        exit: Some(status.into()),
        stdout: String::from_utf8(out).unwrap(),
        stderr: String::from_utf8(err).unwrap(),
    }
}

/// A simulated disk with a store of one house and one phase.
fn disk() -> SimDisk {
    let disk = SimDisk::new();
    assert_eq!(
        on(&disk, "setup", &["-s", "data", "init", "--phase", "p", "a"]).exit,
        Some(0)
    );
    disk.settle();
    disk
}

const START: [&str; 5] = ["-s", "data", "start", "a", "p"];
const START_JSON: [&str; 6] = ["--json", "-s", "data", "start", "a", "p"];

#[test]
fn a_full_disk_records_nothing() {
    let full = || {
        let disk = disk();
        disk.fail(
            Fault::new(Failure::Error(Errno::Enospc))
                .on(CallKind::WriteAt)
                .at_path(".wal"),
        );
        disk
    };
    shows(
        "start__disk_full",
        &[on(&full(), "A", &START), on(&full(), "A", &START_JSON)],
    );
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_a_flag_that_stays_stops_everybody() {
    let failing = || {
        let disk = disk();
        disk.fail(
            Fault::new(Failure::Error(Errno::Eio))
                .by("A")
                .on(CallKind::Sync)
                .at_path(".wal"),
        );
        disk
    };
    let disk = failing();
    let unknown = [on(&disk, "A", &START), on(&failing(), "A", &START_JSON)];
    shows("start__sync_failed", &unknown);
    // The next writer would clear the flag, and cannot.
    let stuck = Fault::new(Failure::Error(Errno::Eio))
        .on(CallKind::Rename)
        .from_then_on();
    disk.fail(stuck);
    shows(
        "start__poisoned",
        &[on(&disk, "B", &START), on(&disk, "C", &START_JSON)],
    );
}

#[test]
fn a_network_file_system_is_refused() {
    let disk = disk();
    disk.set_network(Some("nfs"));
    shows(
        "start__network",
        &[on(&disk, "A", &START), on(&disk, "A", &START_JSON)],
    );
}

#[test]
fn a_tail_that_nobody_can_judge_stops_the_store() {
    let lab = golden();
    let path = lab.path("data/wal/00000000000000000022.wal");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"hello world\n");
    std::fs::write(&path, bytes).unwrap();
    shows("status__ambiguous_tail", &lab.both(&["status"]));
}

#[test]
fn a_snapshot_of_another_log_stops_the_store() {
    let lab = Lab::with_store();
    std::fs::copy(
        golden().path("data/work_items.json"),
        lab.path("data/work_items.json"),
    )
    .unwrap();
    shows("status__other_log", &lab.both(&["status"]));
}

#[test]
fn what_is_newer_larger_edited_or_not_there_is_named() {
    let lab = golden();
    lab.write(
        "newer.json",
        "{\"schema_version\":\"2.0\",\"work_items\":[]}",
    );
    lab.write("large.txt", &"x".repeat((16 << 20) + 1));
    let path = lab.path("data/work_items.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"completed\"", "\"pending\"", 1)).unwrap();
    let outputs = [
        lab.run(&["--json", "import", "newer.json"]),
        lab.run(&["--json", "compact"]),
        lab.run(&["--json", "replay", "--at", "@99"]),
        lab.run(&[
            "--json",
            "fail",
            HOUSE,
            "phase2_images",
            "--error",
            "@large.txt",
        ]),
    ];
    shows("errors__as_json", &outputs);
}
