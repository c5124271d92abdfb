//! A state file that was taken over, or that a snapshot before had, and that somebody puts back in place of the snapshot that
//! came after it: that is an edit, and is told, compared and kept. What a crash leaves there is none.

use std::path::Path;

use phaselog::pipeline::Command;
use phaselog::pipeline::extraction::ExtractionStatus;
use phaselog::snapshot::set;
use phaselog::testing::oracles::{self, Claim};
use phaselog::testing::{Claims, Explored, Explorer, Kills, Seen, SimDisk};
use phaselog::{Store, View};
use serde_json::{Value, json};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};
use crate::workload::{DIR, Step, base, complete, hold, item, lay, options, price, work};

const ROOT: &str = "data/work_items.json";
const DATA: &str = "data/enrichment_data.json";
const EXTRACTION: &str = "data/extraction_state.json";

/// Two houses with data and an extraction each, and snapshots of that.
fn lab() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, _] = HOUSES;
    lab.must(&["init", "--phase", "list", a, b]);
    for house in [a, b] {
        lab.must(&["enrich", house, "--data", r#"{"price":1,"beds":2}"#]);
        lab.must(&["extract", house, "in_progress"]);
    }
    lab.must(&["compact"]);
    lab
}

fn bytes(lab: &Lab, file: &str) -> String {
    std::fs::read_to_string(lab.path(file)).unwrap()
}

fn edit(lab: &Lab, file: &str, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_str(&bytes(lab, file)).unwrap();
    change(&mut document);
    lab.write(file, &serde_json::to_string_pretty(&document).unwrap());
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
}

fn data(lab: &Lab, item: &str) -> Value {
    json_of(&lab.must(&["--json", "show", item, "--data"]))["data"].clone()
}

fn edited(lab: &Lab) -> Value {
    json_of(&lab.must(&["--json", "status"]))["snapshot"]["edited"].clone()
}

/// The files are edited and taken in; the log goes on, and is compacted. Gives what the data said when it was edited.
fn edited_and_compacted(lab: &Lab, from: &str) -> String {
    edit(lab, DATA, |data| {
        data[0]["price"] = json!(2);
        data[1]["beds"] = json!(3);
    });
    let old = bytes(lab, DATA);
    if from != "data" {
        lab.write(from, &old);
    }
    let told = lab.run(&["import", from]);
    assert!(matches!(told.exit, Some(0 | 3)), "{}", told.text());
    assert_eq!(edited(lab), json!([]), "what was taken in is no edit");
    lab.must(&["enrich", HOUSE, "price=9"]);
    lab.must(&["compact"]);
    old
}

#[test]
fn the_bytes_of_an_import_are_an_edit_once_a_snapshot_has_taken_their_place() {
    let lab = lab();
    let old = edited_and_compacted(&lab, "data");
    lab.write(DATA, &old);
    let doctor = lab.run(&["doctor"]);
    assert_eq!(doctor.exit, Some(3), "{}", doctor.text());
    let says = "enrichment_data.json\tit was put back in place of the snapshot";
    assert!(doctor.stdout.contains(says), "{}", doctor.text());
    let outputs = [
        lab.run(&["status"]),
        lab.run(&["compact"]),
        lab.run(&["import", "--dry-run", "data"]),
        lab.run(&["import", "data"]),
        lab.run(&["import", "data"]),
        lab.run(&["status"]),
        lab.run(&["compact"]),
        lab.run(&["import", "data"]),
    ];
    // What the log has moved since stays.
    assert_eq!(data(&lab, HOUSE), json!({"price": 9, "beds": 2}));
    assert_eq!(data(&lab, HOUSES[1]), json!({"price": 1, "beds": 3}));
    let exits: Vec<_> = outputs.iter().map(|it| it.exit.unwrap()).collect();
    assert_eq!(exits, [0, 5, 3, 3, 0, 0, 0, 0]);
    shows("import__put_back", &outputs);
    // And as often as somebody does it.
    lab.write(DATA, &old);
    assert_eq!(edited(&lab), json!(["enrichment_data.json"]));
    assert_eq!(lab.run(&["compact"]).exit, Some(5));
    let told = lab.run(&["import", DATA]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
}

#[test]
fn what_was_put_back_counts_where_it_is_asked_to() {
    let lab = lab();
    let old = edited_and_compacted(&lab, "data");
    lab.write(DATA, &old);
    let told = lab.run(&["import", "--prefer", "file", "data"]);
    assert!(matches!(told.exit, Some(0 | 3)), "{}", told.text());
    assert_eq!(data(&lab, HOUSE)["price"], 2);
    let again = lab.must(&["--json", "import", "--prefer", "file", "data"]);
    assert_eq!(json_of(&again)["seq"], Value::Null);
    lab.must(&["compact"]);
    assert_eq!(edited(&lab), json!([]));
}

#[test]
fn bytes_that_were_imported_from_another_place_are_no_other_case() {
    let lab = lab();
    let old = edited_and_compacted(&lab, "copy.json");
    lab.write(DATA, &old);
    assert_eq!(edited(&lab), json!(["enrichment_data.json"]));
    assert_eq!(lab.run(&["compact"]).exit, Some(5));
    // Of the copy itself nothing is news: nobody has put it anywhere.
    let copy = lab.must(&["--json", "import", "copy.json"]);
    assert_eq!(json_of(&copy)["seq"], Value::Null);
    let told = lab.run(&["import", DATA]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    assert_eq!(data(&lab, HOUSE)["price"], 9);
    lab.must(&["compact"]);
}

#[test]
fn what_the_snapshot_before_had_is_told_for_what_it_is() {
    for (file, name) in [
        (DATA, "enrichment_data.json"),
        (EXTRACTION, "extraction_state.json"),
    ] {
        let lab = lab();
        let old = bytes(&lab, file);
        lab.must(&["enrich", HOUSE, "price=9"]);
        lab.must(&["extract", HOUSE, "completed"]);
        lab.must(&["compact"]);
        assert_eq!(old, bytes(&lab, &format!("{file}.bak")));
        lab.write(file, &old);
        assert_eq!(edited(&lab), json!([name]));
        let warned = lab.must(&["status"]);
        assert!(
            warned.stderr.contains("what the snapshot before had"),
            "{}",
            warned.text()
        );
        assert_eq!(lab.run(&["compact"]).exit, Some(5));
        let told = lab.run(&["import", "data"]);
        assert_eq!(told.exit, Some(3), "{}", told.text());
        assert_eq!(data(&lab, HOUSE)["price"], 9);
        lab.must(&["compact"]);
        assert_eq!(edited(&lab), json!([]));
        // Or with a copy of it.
        lab.write(file, &old);
        lab.must(&["compact", "--discard-edits"]);
        assert_eq!(edited(&lab), json!([]));
    }
}

#[test]
fn so_is_the_root_that_was_taken_over() {
    // Of another program, and with an edit of ours.
    const OLD: &str =
        r#"{"work_items":[{"address":"100 N Example St","phases":{"list":{"status":"pending"}}}]}"#;
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    std::fs::create_dir(lab.path("data")).unwrap();
    lab.write(ROOT, OLD);
    lab.must(&["import", "data"]);
    lab.must(&["complete", "100 N Example St", "list"]);
    lab.must(&["compact"]);
    for _ in 0..2 {
        lab.write(ROOT, OLD);
        assert_eq!(edited(&lab), json!(["work_items.json"]));
        assert_eq!(lab.run(&["compact"]).exit, Some(5));
        let told = lab.run(&["import", "data"]);
        assert!(matches!(told.exit, Some(0 | 3)), "{}", told.text());
        lab.must(&["compact"]);
        let list = lab.must(&["list"]).stdout;
        assert_eq!(list, "100 N Example St\tcompleted\n");
    }

    edit(&lab, ROOT, |root| {
        root["work_items"][0]["phases"]["list"]["error_message"] = json!("odd");
        root["work_items"][0]["note"] = json!("by hand");
    });
    let old = bytes(&lab, ROOT);
    lab.run(&["import", "data"]);
    lab.must(&["compact"]);
    lab.write(ROOT, &old);
    assert_eq!(edited(&lab), json!(["work_items.json"]));
    assert_eq!(lab.run(&["compact"]).exit, Some(5));
    let told = lab.run(&["import", "data"]);
    assert!(matches!(told.exit, Some(0 | 3)), "{}", told.text());
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
}

/// It was once taken over, so its original is kept; but nobody who copies another store's file here means that nothing happens.
#[test]
fn so_is_the_root_of_another_log_that_was_taken_over() {
    let lab = lab();
    lab.must(&["-s", "other", "init", "--phase", "list", HOUSES[2]]);
    lab.must(&["-s", "other", "compact"]);
    let theirs = bytes(&lab, "other/work_items.json");
    lab.must(&["import", "other/work_items.json"]);
    lab.must(&["compact"]);
    lab.write(ROOT, &theirs);
    assert_eq!(edited(&lab), json!(["work_items.json"]));
    let refused = lab.run(&["compact"]);
    assert_eq!(refused.exit, Some(5), "{}", refused.text());
    assert_eq!(bytes(&lab, ROOT), theirs);
    lab.must(&["import", "data"]);
    lab.must(&["compact"]);
    assert_eq!(edited(&lab), json!([]));
}

#[test]
fn a_file_without_items_is_replaced_whatever_comes_later() {
    // It is taken over before there is any data, and its bytes may be those of another kind of file.
    for text in ["[]", "{}", " []\n"] {
        let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
        lab.must(&["init", "--phase", "list", HOUSE]);
        lab.write(DATA, text);
        lab.run(&["import", DATA]);
        lab.must(&["compact"]);
        lab.must(&["enrich", HOUSE, "price=1"]);
        lab.must(&["compact"]);
        assert_eq!(edited(&lab), json!([]));
    }
}

/// A store with snapshots of all three files, two sets of them.
fn store() -> SimDisk {
    let disk = base();
    let steps = [
        Step::Do(Command::Enrich {
            item: item("a"),
            patch: price(1),
        }),
        Step::Do(Command::Extract {
            item: item("a"),
            status: ExtractionStatus::InProgress,
        }),
        Step::Compact,
        hold("b"),
        Step::Compact,
    ];
    work(&disk.ports_for("setup"), &Claims::default(), &steps);
    disk.settle();
    disk
}

fn text(disk: &SimDisk, name: &str) -> String {
    String::from_utf8(disk.peek(format!("{DIR}/{name}")).unwrap()).unwrap()
}

/// The two files beside the root, each with something changed.
fn by_hand(disk: &SimDisk) -> [(&'static str, String); 2] {
    let edits = [
        ("enrichment_data.json", "1", "2"),
        (
            "extraction_state.json",
            "\"failed_properties\": [",
            "\"failed_properties\": [\"b\"",
        ),
    ];
    edits.map(|(name, from, to)| {
        let before = text(disk, name);
        let after = before.replacen(from, to, 1);
        assert_ne!(after, before, "{from} stands in {name}");
        (name, after)
    })
}

fn plant(disk: &SimDisk, dir: &str, files: &[(&'static str, String)]) {
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    lay(disk, dir, &files);
}

/// How many files the log says were taken over.
fn imported(disk: &SimDisk) -> usize {
    let lines = oracles::read_lines(&disk.ports_for("lister"), Path::new(DIR)).unwrap();
    let is_import = |line: &&oracles::Line| line.payload.contains(r#""event":"imported""#);
    lines.iter().filter(is_import).count()
}

/// Until the edit is in it is somebody's; from then on nobody is accused, whatever crashes, and the next compaction goes
/// through. At every instant a set is usable, and the state is that of the log.
fn nobody_is_accused(disk: &SimDisk, claims: &[Claim], before: usize) -> Result<(), String> {
    let (dir, options) = (Path::new(DIR), options());
    let lines = oracles::read_lines(&disk.ports_for("lister"), dir)?;
    oracles::o1_acknowledged_is_there(&lines, claims)?;
    let reader = disk.ports_for("reader");
    let view = View::open(&reader, dir, &options).map_err(|error| error.to_string())?;
    let is_in = imported(disk) > before;
    let alarm = claims.iter().find(|it| matches!(it, Claim::Alarm { .. }));
    if let Some(alarm) = alarm.filter(|_| is_in) {
        return Err(format!("{alarm:?}"));
    }
    if view.edited().is_empty() != is_in {
        return Err(format!("taken in: {is_in}, edited: {:?}", view.edited()));
    }
    oracles::o3_state_is_the_models(view.state(), &lines)?;
    let place = oracles::Place {
        ports: &reader,
        dir,
        options: &options,
    };
    oracles::o8_snapshot_and_tail_are_a_replay(place, &view)?;
    if is_in {
        let fork = disk.fork();
        let opened = Store::open(fork.ports_for("compactor"), dir, options);
        let compacted = opened.and_then(|mut store| store.compact(false));
        let _ = compacted.map_err(|error| format!("compact: {error}"))?;
        let loaded = set::load(&*fork.ports_for("looker").disk, dir);
        let findings = loaded.map_err(|error| error.to_string())?.findings;
        if !findings.is_empty() {
            return Err(format!("after compact: {findings:?}"));
        }
    }
    Ok(())
}

/// The first workload is killed at every call, the power goes; what it left is gone on with, killed at every call too, and the
/// power goes again.
fn crash_in_crash(base: &SimDisk, first: &[Step], second: &[Step]) -> Explored {
    let before = imported(base);
    let seen = Seen::default();
    let mut inner = Explored::default();
    let explorer = |disk: &SimDisk, actor: &str, steps: &[Step], outcomes| {
        let steps = steps.to_vec();
        Explorer::new(disk)
            .outcomes(outcomes)
            .max_violations(1)
            .stage(actor, Kills::AtEveryCall, move |ports, claims| {
                work(&ports, claims, &steps);
            })
    };
    let mut turn = 0;
    let mut outer = explorer(base, "A", first, 8).run(|disk, claims| {
        nobody_is_accused(disk, claims, before)?;
        turn += 1;
        // Some of them, in turn.
        if turn % 10 != 0 {
            return Ok(());
        }
        let found = explorer(disk, "B", second, 4)
            .seen(&seen)
            .run(|disk, more| {
                let all: Vec<Claim> = claims.iter().chain(more).cloned().collect();
                nobody_is_accused(disk, &all, before)
            });
        let wrong = found.violations.first().map(ToString::to_string);
        inner.add(found);
        wrong.map_or(Ok(()), Err)
    });
    outer.add(inner);
    outer
}

#[test]
fn no_crash_of_an_import_and_its_compactions_passes_for_an_edit() {
    let edited = || {
        let disk = store();
        plant(&disk, DIR, &by_hand(&disk));
        disk
    };
    // The same bytes, taken in from another place.
    let copied = || {
        let disk = edited();
        plant(&disk, "copy", &by_hand(&store()));
        disk
    };
    // What was taken in before a compaction is put back.
    let put_back = || {
        let (disk, files) = (edited(), by_hand(&store()));
        let steps = [Step::Import(DIR), complete("a"), Step::Compact];
        work(&disk.ports_for("setup 2"), &Claims::default(), &steps);
        disk.settle();
        plant(&disk, DIR, &files);
        disk
    };
    // What the snapshot before had is.
    let bak = || {
        let disk = store();
        let files =
            ["enrichment_data.json", "extraction_state.json"].map(|name| (name, text(&disk, name)));
        let steps = [
            Step::Do(Command::Enrich {
                item: item("a"),
                patch: price(5),
            }),
            Step::Compact,
        ];
        work(&disk.ports_for("setup 2"), &Claims::default(), &steps);
        disk.settle();
        plant(&disk, DIR, &files);
        disk
    };
    let then = [complete("b"), Step::Compact, hold("a"), Step::Compact];
    for (name, disk, import) in [
        ("edited", edited(), Step::Import(DIR)),
        ("edited, preferred", edited(), Step::Prefer(DIR)),
        ("from another place", copied(), Step::Import("copy")),
        ("put back", put_back(), Step::Import(DIR)),
        ("put back, preferred", put_back(), Step::Prefer(DIR)),
        ("the set before", bak(), Step::Import(DIR)),
    ] {
        let first = [import, Step::Compact, hold("b"), Step::Compact];
        let found = crash_in_crash(&disk, &first, &then);
        println!("{name}: {found}");
        found.assert_clean();
        assert!(found.distinct > 100, "{name}: {found}");
    }
}
