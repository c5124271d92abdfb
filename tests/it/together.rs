//! An import of several files into a store is one group: after a crash all of them are in, or none, and where the disk is
//! full nothing is half imported.

use std::path::Path;

use phaselog::testing::oracles::{self, Claim};
use phaselog::testing::{
    CallKind, Claims, Errno, Explored, Explorer, Failure, Fault, Kills, Outcome, SimDisk,
};

use crate::refusals::on;
use crate::support::Output;
use crate::workload::{DIR, OLD, OLD_FILES, Step, base, complete, hold, lay, options, work};

/// What was done to the files of a store, from outside.
const EDITS: [(&str, &str, &str); 3] = [
    (
        "work_items.json",
        r#""status": "pending""#,
        r#""status": "completed""#,
    ),
    ("enrichment_data.json", "650000", "639000"),
    (
        "extraction_state.json",
        r#""completed_properties": ["#,
        "\"completed_properties\": [\n    \"b\",",
    ),
];

/// A store with snapshots of all three files, and another program's files beside it.
fn store() -> SimDisk {
    let disk = base();
    let steps = [
        Step::Start("a", "p"),
        Step::Complete("a", "p"),
        Step::Compact,
    ];
    work(&disk.ports_for("setup"), &Claims::default(), &steps);
    lay(&disk, OLD, &OLD_FILES);
    disk.settle();
    disk
}

/// The same, whose own files were edited by hand.
fn edited() -> SimDisk {
    let disk = store();
    for (name, from, to) in EDITS {
        let path = format!("{DIR}/{name}");
        let text = String::from_utf8(disk.peek(&path).unwrap()).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} stands in {name}");
        disk.plant(&path, changed.as_bytes()).unwrap();
    }
    disk
}

/// How many files the log says were taken over.
fn imported(disk: &SimDisk) -> usize {
    let lines = oracles::read_lines(&disk.ports_for("lister"), Path::new(DIR)).unwrap();
    let is_import = |line: &&oracles::Line| line.payload.contains(r#""event":"imported""#);
    lines.iter().filter(is_import).count()
}

fn all_or_none(disk: &SimDisk) -> Result<(), String> {
    match imported(disk) {
        0 | 3 => Ok(()),
        some => Err(format!("{some} of 3 files are in")),
    }
}

fn explore(
    base: &SimDisk,
    stages: &[(&'static str, Kills, Vec<Step>)],
    check: impl Fn(&SimDisk, &[Claim]) -> Result<(), String>,
) -> Explored {
    let mut explorer = Explorer::new(base).outcomes(64);
    for (actor, kills, steps) in stages.iter().cloned() {
        explorer = explorer.stage(actor, kills, move |ports, claims| {
            work(&ports, claims, &steps);
        });
    }
    let found = explorer.run(|disk, claims| {
        all_or_none(disk)?;
        check(disk, claims)
    });
    println!("import: {found}");
    found.assert_clean();
    found
}

#[test]
fn files_of_another_program_are_all_in_or_none() {
    // Killed at every call and within each write; another goes on and imports them too; then the power goes.
    let stages = [
        ("A", Kills::WithinWrites(200), vec![Step::Import(OLD)]),
        ("B", Kills::Never, vec![hold("b"), Step::Import(OLD)]),
    ];
    let found = explore(&store(), &stages, |disk, claims| {
        oracles::after_power_cut(disk, Path::new(DIR), &options(), claims)
    });
    assert!(found.distinct > 200, "{found}");
}

#[test]
fn edits_of_three_files_are_all_in_or_none() {
    let stages = [("A", Kills::WithinWrites(300), vec![Step::Import(DIR)])];
    explore(&edited(), &stages, |disk, claims| {
        let lines = oracles::read_lines(&disk.ports_for("lister"), Path::new(DIR))?;
        oracles::o1_acknowledged_is_there(&lines, claims)?;
        // There is somebody's edit for as long as it is not in.
        let reader = disk.ports_for("reader");
        let view = phaselog::View::open(&reader, Path::new(DIR), &options())
            .map_err(|error| error.to_string())?;
        if view.edited().is_empty() != (imported(disk) == 3) {
            return Err(format!("edited: {:?}", view.edited()));
        }
        Ok(())
    });
}

#[test]
fn an_edit_is_merged_with_what_others_do_meanwhile() {
    // The group is decided under the lock, on what another process wrote before it.
    let found = Explorer::new(&store())
        .outcomes(2)
        .stage("A", Kills::AtEveryCall, |ports, claims| {
            work(&ports, claims, &[Step::Import(OLD)]);
        })
        .stage("B", Kills::Never, |ports, claims| {
            let steps = [complete("b"), Step::Import(OLD)];
            work(&ports, claims, &steps);
        })
        .run_interleaved(1, 1, |disk, claims| {
            all_or_none(disk)?;
            oracles::after_power_cut(disk, Path::new(DIR), &options(), claims)
        });
    println!("import beside another: {found}");
    found.assert_clean();
}

/// What the program says of an import whose `nth` call of a kind finds the disk full, once or from then on; `None` if it makes
/// fewer.
fn full_at(kind: CallKind, nth: u64, lasts: bool) -> Option<(SimDisk, Output)> {
    let disk = store();
    let mut fault = Fault::new(Failure::Error(Errno::Enospc))
        .by("A")
        .on(kind)
        .nth(nth);
    fault.from_then_on = lasts;
    disk.fail(fault);
    let told = on(&disk, "A", &["-s", DIR, "import", OLD]);
    let calls = disk.calls_made();
    let mut calls = calls.iter().filter(|call| &*call.actor == "A");
    let is_hit = calls
        .any(|call| matches!(&call.outcome, Outcome::Failed(why) if why.contains("No space left")));
    disk.clear_faults();
    is_hit.then_some((disk, told))
}

#[test]
fn a_full_disk_leaves_nothing_half_imported_and_says_so() {
    let (mut none, mut all) = (0, 0);
    for kind in [CallKind::WriteAt, CallKind::CreateNew] {
        for lasts in [false, true] {
            for nth in 1..200 {
                let Some((disk, told)) = full_at(kind, nth, lasts) else {
                    assert!(nth > 1, "{kind:?}");
                    break;
                };
                all_or_none(&disk).unwrap_or_else(|wrong| panic!("{wrong}: {}", told.text()));
                // What it says is so.
                match (imported(&disk), told.exit) {
                    (3, Some(0)) => all += 1,
                    (0, Some(13)) => {
                        let says = "nothing was changed";
                        assert!(told.stderr.contains(says), "{}", told.text());
                        none += 1;
                    }
                    // An original could not be kept.
                    (0, Some(1)) => none += 1,
                    other => panic!("{kind:?} {nth}: {other:?}: {}", told.text()),
                }
                // Once there is room it goes in.
                let again = on(&disk, "B", &["-s", DIR, "import", OLD]);
                assert_eq!(again.exit, Some(0), "{}", again.text());
                assert_eq!(imported(&disk), 3, "{}", again.text());
            }
        }
    }
    assert!(none > 5 && all > 0, "{none} {all}");
}
