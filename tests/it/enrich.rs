//! Data and image extraction of items: one record with the phase, three files that go together, and what people see.

use std::path::Path;

use phaselog::pipeline::{Command, DataPatch, ExtractionStatus, Report, ReportKind, Status};
use phaselog::testing::oracles;
use phaselog::testing::{Explorer, Kills, SimDisk};
use phaselog::{Options, Store, View};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};
use crate::workload::{DIR, Step, base, complete, item, options, phase, work};

fn patch(text: &str) -> DataPatch {
    DataPatch {
        patch: serde_json::from_str(text).unwrap(),
        source: Some("test".to_owned()),
        confidence: None,
    }
}

/// The phase `p` of an item is done, its data is there, and its extraction has ended.
fn full(name: &str, price: u32) -> Step {
    let mut report = Report::new(item(name), phase("p"), None, ReportKind::Complete);
    report.data = Some(patch(&format!(
        "{{\"price\":{price},\"note\":\"{}\"}}",
        "x".repeat(90)
    )));
    report.extraction = Some(ExtractionStatus::Completed);
    Step::Do(Command::Report(report))
}

fn enrich(name: &str, text: &str) -> Step {
    Step::Do(Command::Enrich {
        item: item(name),
        patch: patch(text),
    })
}

/// Done, data and extraction are there together, or none of them is.
fn all_or_none(disk: &SimDisk, opts: &Options) -> Result<(), String> {
    let view = View::open(&disk.ports_for("whole"), Path::new(DIR), opts)
        .map_err(|error| error.to_string())?;
    for item in view.state().items() {
        let done = item.phases[0].status == Status::Completed;
        let data = item
            .data
            .as_ref()
            .is_some_and(|data| data.object().as_str().contains("\"price\""));
        let extraction = item
            .extraction
            .as_ref()
            .is_some_and(|it| it.status == Some(ExtractionStatus::Completed));
        if (done, done) != (data, extraction) {
            return Err(format!(
                "{}: done {done}, data {data}, extraction {extraction}",
                item.name
            ));
        }
    }
    Ok(())
}

fn explore(
    name: &str,
    base: &SimDisk,
    stages: &[(&'static str, Kills, Vec<Step>)],
    outcomes: usize,
) {
    let mut explorer = Explorer::new(base).outcomes(outcomes).torn(2);
    for (actor, kills, steps) in stages.iter().cloned() {
        explorer = explorer.stage(actor, kills, move |ports, claims| {
            work(&ports, claims, &steps);
        });
    }
    let found = explorer.run(|disk, claims| {
        all_or_none(disk, &options())?;
        oracles::after_power_cut(disk, Path::new(DIR), &options(), claims)
    });
    println!("{name}: {found}");
    found.assert_clean();
    assert!(found.distinct > 100, "{found}");
}

#[test]
fn a_phase_is_done_with_its_data_and_extraction_or_not_at_all() {
    let stages = [
        ("A", Kills::WithinWrites(80), vec![full("a", 1)]),
        (
            "B",
            Kills::AtEveryCall,
            vec![full("a", 1), full("b", 2), Step::Look],
        ),
    ];
    explore("one record", &base(), &stages, 8);
}

#[test]
fn the_compaction_of_three_files_may_be_killed_anywhere() {
    let disk = base();
    let mut store = Store::open(disk.ports_for("worker"), Path::new(DIR), options()).unwrap();
    let Step::Do(command) = full("a", 1) else {
        unreachable!()
    };
    let _ = store.submit(&command).unwrap();
    let _ = store.compact(false).unwrap();
    let Step::Do(command) = enrich("a", "{\"price\":3}") else {
        unreachable!()
    };
    let _ = store.submit(&command).unwrap();
    disk.settle();
    let stages = [
        ("A", Kills::AtEveryCall, vec![Step::Compact]),
        ("B", Kills::AtEveryCall, vec![Step::Compact]),
    ];
    explore("three files", &disk, &stages, 1);
}

#[test]
fn a_second_complete_without_news_rests_on_the_first() {
    let stages = [
        ("A", Kills::WithinWrites(100), vec![full("a", 1)]),
        ("B", Kills::AtEveryCall, vec![complete("a"), Step::Look]),
    ];
    let mut explorer = Explorer::new(&base()).outcomes(64).torn(2);
    for (actor, kills, steps) in stages {
        explorer = explorer.stage(actor, kills, move |ports, claims| {
            work(&ports, claims, &steps);
        });
    }
    explorer
        .run(|disk, claims| oracles::after_power_cut(disk, Path::new(DIR), &options(), claims))
        .assert_clean();
}

fn lab() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T08:00:00Z");
    let [a, b, c] = HOUSES;
    lab.must(&["init", "--phase", "list", "--phase", "photos", a, b, c]);
    lab
}

/// A house with a price that was found with the first phase and changed later.
fn enriched() -> Lab {
    let lab = lab();
    lab.must(&[
        "complete",
        HOUSE,
        "list",
        "--extraction",
        "completed",
        "--source",
        "listing-browser",
        "--enrich",
        r#"{"list_price":650000,"score":0.90,"lot":{"sqft":6.0,"kind":"corner"},"hoa":120}"#,
    ]);
    lab.must(&[
        "enrich",
        HOUSE,
        "list_price=639000",
        "lot.sqft=7405",
        "hoa=null",
        r#""sq.ft"=[1E5,null]"#,
        "--source",
        "county",
        "--confidence",
        "0.90",
    ]);
    lab
}

#[test]
fn what_is_known_is_shown_with_who_said_so() {
    let lab = enriched();
    shows(
        "show__data",
        &lab.both(&["show", HOUSE, "--data", "--sources"]),
    );
    shows(
        "show__data_at",
        &lab.both(&["show", HOUSE, "--data", "--at", "@6"]),
    );
    shows("show__extraction", &lab.both(&["show", HOUSE]));
    shows("history__data", &[lab.run(&["history", HOUSE])]);
    shows("diff__data", &lab.both(&["diff", "@5", "@7"]));
}

#[test]
fn what_changes_nothing_is_not_recorded() {
    let lab = enriched();
    let again = ["enrich", HOUSE, "list_price=639000.0", "nothing=null"];
    shows("enrich__unchanged", &lab.both(&again));
    let same = r#"{"score":0.9}"#;
    shows(
        "complete__same_data",
        &lab.both(&["complete", HOUSE, "list", "--enrich", same]),
    );
    let new = r#"{"score":1}"#;
    shows(
        "complete__new_data",
        &lab.both(&["complete", HOUSE, "list", "--enrich", new]),
    );
    shows("extract__in_progress_twice", &{
        lab.must(&["extract", HOUSES[1], "in_progress"]);
        lab.both(&["extract", HOUSES[1], "in_progress"])
    });
}

#[test]
fn misuse_is_told_with_the_way_to_write_it() {
    let lab = lab();
    lab.write("cut.json", "{\n  \"a\": 1,\n  \"b\": [1, 2\n");
    lab.write("twice.json", "{\"a\": 1,\r\n \"a\": 2}");
    lab.write("deep.json", &("[".repeat(10_000) + &"]".repeat(10_000)));
    let mut all = Vec::new();
    for args in [
        &["enrich", HOUSE, "note=hello"][..],
        &["enrich", HOUSE, "note"],
        &["enrich", HOUSE, "a=1", "a.b=2"],
        &["enrich", HOUSE, "--data", "[1]"],
        &["enrich", HOUSE, "--data", "{\"a\":1} {}"],
        &["enrich", HOUSE, "--data", "@cut.json"],
        &["enrich", HOUSE, "--data", "@twice.json"],
        &["enrich", HOUSE, "--data", "@deep.json"],
        &["enrich", HOUSE, "full_address=\"200 W Mockup Ave\""],
        &[
            "complete",
            HOUSE,
            "list",
            "--enrich",
            r#"{"full_address":7}"#,
        ],
        &["enrich", "no such house", "a=1"],
        &["complete", HOUSE, "list", "--source", "me"],
        &["checkpoint", HOUSE, "list", "in_progress", "--enrich", "{}"],
    ] {
        all.push(lab.run(args));
    }
    shows("enrich__misuse", &all);
    let log = lab.must(&["log"]).stdout;
    assert!(!log.contains("enriched"), "{log}");
}

/// However deep it is read from, a number is printed as it was written.
#[test]
fn numbers_are_printed_as_they_were_written() {
    let lab = lab();
    let numbers = "[1E5,1e5,1e+05,1.0E-7,1e400,-0,-0.0,0.90,6.0,12345678901234567890123]";
    lab.must(&[
        "enrich",
        HOUSE,
        &format!("n={numbers}"),
        "--confidence",
        "9E-1",
    ]);
    lab.must(&["enrich", HOUSE, "x.y=1E5"]);
    lab.must(&["enrich", HOUSE, "x.y=2E5"]);
    let whole = format!(r#"{{"n":{numbers},"x":{{"y":2E5}}}}"#);
    for (args, wanted) in [
        (&["show", HOUSE, "--data"][..], whole.as_str()),
        (
            &["show", HOUSE, "--data", "--sources"],
            r#""confidence":9E-1"#,
        ),
        (&["log"], numbers),
        (&["history", HOUSE], numbers),
        (&["history", HOUSE], r#""new":2E5"#),
        (&["diff", "@4", "@7"], numbers),
        (&["export", "--as", "jsonl", "--rows", "items"], numbers),
        (&["export", "--as", "jsonl", "--rows", "events"], numbers),
        (&["export", "--as", "csv", "--rows", "items"], "1.0E-7"),
    ] {
        let formats = match args[0] {
            "export" => vec![vec![]],
            _ => vec![vec!["--json"], vec!["--format", "jsonl"]],
        };
        for format in formats {
            let told = lab.must(&[&format, args].concat());
            let skipped = args[0] == "diff" && format.len() == 2;
            assert!(
                skipped || told.stdout.contains(wanted),
                "{wanted} in {}",
                told.text()
            );
        }
    }
    for args in [
        &["show", HOUSE, "--data"][..],
        &["history", HOUSE],
        &["log"],
        &["diff", "@4", "@7"],
    ] {
        let told = lab.must(args).stdout;
        assert!(
            told.contains("1.0E-7") && !told.contains("1.0e-7"),
            "{told}"
        );
    }
}

#[test]
fn a_number_beyond_64_bits_and_a_failure_with_data_are_kept() {
    let lab = lab();
    let args = [
        "fail",
        HOUSE,
        "list",
        "--error",
        "no photos",
        "--extraction",
        "failed",
        "--enrich",
        r#"{"big":123456789012345678901234567890,"small":1e-400}"#,
    ];
    shows("fail__with_data", &lab.both(&args));
    let shown = lab.must(&["show", HOUSE, "--data"]).stdout;
    assert!(
        shown.contains("123456789012345678901234567890") && shown.contains("1e-400"),
        "{shown}"
    );
}

#[test]
fn the_three_files_go_together() {
    let lab = enriched();
    lab.must(&["extract", HOUSES[2], "failed"]);
    lab.must(&["compact"]);
    let read = |name: &str| std::fs::read_to_string(lab.path("data").join(name)).unwrap();
    let files = ["enrichment_data.json", "extraction_state.json"].map(|name| Output {
        line: format!("cat {name}"),
        exit: Some(0),
        stdout: read(name),
        stderr: String::new(),
    });
    shows("compact__three_files", &files);
    // A store that is opened from them answers as one that is replayed.
    lab.must(&["verify", "--deep"]);
    let before = lab.must(&["--json", "show", HOUSE]).stdout;
    lab.must(&["replay", "-o", "there"]);
    for name in ["enrichment_data.json", "extraction_state.json"] {
        let replayed = std::fs::read_to_string(lab.path("there").join(name)).unwrap();
        assert_eq!(replayed, read(name));
    }
    // Another program changes one of them: it is told, and not overwritten.
    let edited = read("enrichment_data.json").replace("639000", "1");
    std::fs::write(lab.path("data/enrichment_data.json"), &edited).unwrap();
    assert_eq!(lab.must(&["--json", "show", HOUSE]).stdout, before);
    lab.must(&["enrich", HOUSE, "list_price=2"]);
    shows("compact__edited_companion", &lab.both(&["compact"]));
    assert_eq!(read("enrichment_data.json"), edited);
    lab.must(&["compact", "--discard-edits"]);
    assert!(read("enrichment_data.json").contains("\"list_price\": 2"));
    let kept = std::fs::read_dir(lab.path("data/wal/quarantine")).unwrap();
    assert!(
        kept.into_iter()
            .any(|file| std::fs::read_to_string(file.unwrap().path()).unwrap() == edited)
    );
}

/// The three files, read as scripts have always read them.
const OLD_SCRIPT: &str = r"
import json
items = json.load(open('data/work_items.json'))
data = json.load(open('data/enrichment_data.json'))
state = json.load(open('data/extraction_state.json'))
by_address = {d['full_address']: d for d in data}
done = set(state['completed_properties'])
for item in items['work_items']:
    a = item['address']
    price = by_address.get(a, {}).get('list_price')
    print(a, item['phases']['list']['status'], price, a in done, a in set(state['failed_properties']))
";

#[test]
fn old_scripts_read_the_three_files() {
    let lab = enriched();
    lab.must(&["extract", HOUSES[2], "failed"]);
    lab.must(&["compact"]);
    lab.write("old.py", OLD_SCRIPT);
    let python = std::process::Command::new("python3")
        .arg("old.py")
        .current_dir(lab.path(""))
        .output();
    let Ok(output) = python else {
        println!("skipped: there is no python3 here");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        text,
        format!(
            "{} completed 639000 True False\n{} pending None False False\n{} pending None False True\n",
            HOUSES[0], HOUSES[1], HOUSES[2]
        ),
        "{error}"
    );
}

const WORK_ITEMS: &str = r#"{"schema_version":"1.0.0","work_items":[
 {"index":0,"address":"100 N Example St","status":"pending","phases":{"phase1_listing":{"status":"completed"},"phase2_images":{"status":"pending"}}},
 {"index":1,"address":"200 W Mockup Ave","status":"pending","phases":{"phase1_listing":{"status":"pending"},"phase2_images":{"status":"pending"}}}]}"#;

const DATA: &str = r#"[
 {"full_address": "100 N Example St", "list_price": 650000, "score": 0.90, "nested": {"a": [6, 6.0, 1E5], "n": null}},
 {"zip": "85001", "full_address": "300 E Sample Rd", "_last_updated": "2025-12-02"},
 {"no": "address"}]"#;

const EXTRACTION: &str = r#"{"completed_properties":["200 W Mockup Ave","100 N Example St"],"failed_properties":["100 N Example St","300 E Sample Rd"],
 "property_last_checked":{"100 N Example St":"2025-12-02T18:00:35.697827-05:00"},"last_updated":"2025-12-02T18:08:26.834538-05:00","note":"kept"}"#;

/// A directory with the three files that scripts have written.
fn three_files() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T08:00:00Z");
    std::fs::create_dir(lab.path("data")).unwrap();
    lab.write("data/work_items.json", WORK_ITEMS);
    lab.write("data/enrichment_data.json", DATA);
    lab.write("data/extraction_state.json", EXTRACTION);
    lab
}

#[test]
fn three_files_are_taken_over_together() {
    let lab = three_files();
    let dry = lab.run(&["import", "data", "--dry-run"]);
    assert!(!lab.path("data/wal").exists());
    shows("import__three_files", &[dry, lab.run(&["import", "data"])]);
    shows("import__three_files_again", &lab.both(&["import", "data"]));
    lab.must(&["compact"]);
    let files = ["enrichment_data.json", "extraction_state.json"].map(|name| Output {
        line: format!("cat {name}"),
        exit: Some(0),
        stdout: std::fs::read_to_string(lab.path("data").join(name)).unwrap(),
        stderr: String::new(),
    });
    shows("import__three_files_compacted", &files);
    // What we wrote is what we know.
    let before = lab.must(&["log"]).stdout;
    let again = lab.run(&["import", "data"]);
    assert_eq!(again.exit, Some(0), "{}", again.text());
    assert_eq!(lab.must(&["log"]).stdout, before);
    lab.must(&["verify", "--deep"]);
    assert_eq!(
        std::fs::read_dir(lab.path("data/wal/imported"))
            .unwrap()
            .count(),
        3
    );
}

#[test]
fn a_file_of_data_goes_into_a_store_that_is_there() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T08:00:00Z");
    lab.must(&["init", "--phase", "p", "100 N Example St"]);
    lab.must(&["enrich", "100 N Example St", "list_price=1", "score=0.9"]);
    lab.write(
        "dict.json",
        r#"{"_v":1,"100 N Example St":{"list_price":2,"beds":3,"score":0.90}}"#,
    );
    shows(
        "import__data_into_store",
        &lab.both(&["import", "dict.json"]),
    );
    lab.must(&["compact"]);
    let text = std::fs::read_to_string(lab.path("data/enrichment_data.json")).unwrap();
    assert_eq!(
        text,
        "{\n  \"100 N Example St\": {\n    \"list_price\": 1,\n    \"score\": 0.9,\n    \"beds\": 3\n  },\n  \"_v\": 1\n}\n"
    );
    lab.write("cut.json", "[{\"full_address\": \"x\"},\n {\"full_add");
    shows("import__data_refused", &[lab.run(&["import", "cut.json"])]);
}
