//! What an import makes of files that are damaged, empty or missing, and what it says of them.

use serde_json::{Value, json};

use crate::support::{Lab, Output, shows};

const NOW: &str = "2026-11-23T08:00:00Z";

/// W3: an object by id, of which only the first item is whole.
const CUT_W3: &str = r#"{"session":{"mode":"batch"},"properties":{
 "5887ee9b":{"id":"5887ee9b","address":"100 N Example St","status":"pending","phases":{"phase1_listing":{"status":"pending"}}},
 "0a1b2c3d":{"id":"0a1b2c3d","address":"200 W Mockup Ave","sta"#;

/// W6: a list.
const CUT_W6: &str = r#"{"session":{"mode":"batch"},"work_items":[
 {"id":"5887ee9b","address":"100 N Example St","index":0,"phases":{"phase1_listing":{"status":"pending"}}},
 {"id":"0a1b2c3d","address":"200 W Mock"#;

const W2: &str = r#"{"session":{"started_at":null,"last_updated":null,"mode":"idle"},"properties":{},"summary":{"total_properties":0}}"#;

const WORK_ITEMS: &str = r#"{"work_items":[{"address":"100 N Example St","phases":{"phase1_listing":{"status":"completed"},"phase2_images":{"status":"pending"}}}]}"#;

const DATA: &str = r#"[{"full_address":"100 N Example St","list_price":650000},{"full_address":"300 E Sample Rd","beds":3}]"#;

const EXTRACTION: &str = r#"{"completed_properties":["100 N Example St"],"failed_properties":[]}"#;

/// A directory `old` with these files.
fn with(files: &[(&str, &str)]) -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", NOW);
    std::fs::create_dir(lab.path("old")).unwrap();
    for (name, text) in files {
        lab.write(&format!("old/{name}"), text);
    }
    lab
}

fn json_of(output: &Output) -> Value {
    let text = match output.stdout.as_str() {
        "" => &output.stderr,
        text => text,
    };
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {}", output.text()))
}

fn findings(report: &Value) -> Vec<(&str, &str, &str)> {
    let rows = report["findings"].as_array().unwrap().iter();
    let text = |row: &'_ Value, key: &str| row[key].as_str().map(str::to_owned);
    let rows = rows.map(|row| {
        assert!(text(row, "file").is_some(), "{row}");
        let of = |key: &str| row[key].as_str().unwrap();
        (of("code"), of("severity"), of("file"))
    });
    rows.collect()
}

#[test]
fn a_cut_file_that_begins_with_its_session_is_salvaged_as_what_it_is() {
    for text in [CUT_W3, CUT_W6] {
        for name in ["work_items.json", "state.json"] {
            let lab = with(&[(name, text)]);
            let file = format!("old/{name}");
            let refused = lab.run(&["import", &file]);
            assert_eq!(refused.exit, Some(1), "{}", refused.text());
            let hint = format!("phaselog import --salvage {file}");
            assert!(refused.stderr.contains(&hint), "{}", refused.text());
            let told = lab.run(&["--json", "import", "--salvage", &file]);
            assert_eq!(told.exit, Some(3), "{}", told.text());
            let told = json_of(&told);
            assert_eq!(told["plan"], json!(["phase1_listing"]), "{told}");
            assert_eq!(told["items"]["added"], 1, "{told}");
            assert_eq!(lab.must(&["list"]).stdout, "100 N Example St\tpending\n");
        }
    }
}

#[test]
fn salvaging_is_offered_only_where_it_helps() {
    let cut = DATA.split_at(DATA.len() - 9).0;
    for (name, text, offered) in [
        ("enrichment_data.json", cut, true),
        ("enrichment_data.json", "[{\"full_address\":\"100 N", false),
        (
            "extraction_state.json",
            "{\"completed_properties\":[\"100 N Example St\",",
            false,
        ),
        ("work_items.json", CUT_W6, true),
        (
            "work_items.json",
            "{\"work_items\":[{\"address\":\"100",
            false,
        ),
        ("work_items.json", "[1,2]", false),
        ("work_items.json", "{\"work_items\":7}", false),
    ] {
        let lab = with(&[(name, text)]);
        let refused = lab.run(&["import", "--linear", "--assume-tz", "utc", "old"]);
        assert_eq!(refused.exit, Some(1), "{}", refused.text());
        let hint = "phaselog import --salvage --linear --assume-tz UTC old";
        assert_eq!(refused.stderr.contains(hint), offered, "{}", refused.text());
        assert_eq!(
            refused.stderr.contains("--salvage"),
            offered,
            "{}",
            refused.text()
        );
        if offered {
            let told = lab.run(&[
                "import",
                "--salvage",
                "--linear",
                "--assume-tz",
                "UTC",
                "old",
            ]);
            assert_eq!(told.exit, Some(3), "{}", told.text());
        }
        // Doctor says the same of a directory that is no store yet.
        let lab = with(&[(name, text)]);
        let found = lab.run(&["-s", "old", "doctor"]);
        assert_eq!(found.exit, Some(3), "{}", found.text());
        let line = found
            .stdout
            .lines()
            .find(|it| it.contains("D-UNREADABLE"))
            .unwrap();
        assert_eq!(line.contains("import --salvage"), offered, "{line}");
    }
}

#[test]
fn a_file_beside_it_that_cannot_be_read_says_where_and_why() {
    for (name, text, place) in [
        (
            "enrichment_data.json",
            "not json",
            ", line 1, column 1: `n` instead of",
        ),
        (
            "enrichment_data.json",
            "[{\"full_address\":\"a\"},\n {\"full",
            ", line 2, column 8: the file is cut off",
        ),
        (
            "extraction_state.json",
            "{\"completed_properties\":\n [\"a\",]}",
            ", line 2, column 7: `]` right after a comma",
        ),
        (
            "extraction_state.json",
            "[1]",
            ", line 1, column 1: no extraction state: expected an object, found a list",
        ),
        ("extra.json", "7", ", line 1, column 1: no work_items file"),
    ] {
        let lab = with(&[("work_items.json", WORK_ITEMS), (name, text)]);
        let bad = format!("old/{name}");
        let files = ["import", "old/work_items.json", &bad];
        let other_order = ["import", &bad, "old/work_items.json"];
        for args in [&["import", "old"][..], &files, &other_order] {
            if args == ["import", "old"] && name == "extra.json" {
                continue;
            }
            let refused = lab.run(args);
            assert_eq!(refused.exit, Some(1), "{}", refused.text());
            let wanted = format!("error: old/{name}{place}");
            assert!(
                refused.stderr.starts_with(&wanted),
                "{wanted}\n{}",
                refused.text()
            );
            assert!(!lab.path("data").exists());
        }
    }
    let lab = with(&[("a.json", WORK_ITEMS), ("b.json", WORK_ITEMS)]);
    let refused = lab.run(&["import", "old/a.json", "old/b.json"]);
    assert_eq!(refused.exit, Some(2), "{}", refused.text());
    assert!(
        refused.stderr.contains("one at a time"),
        "{}",
        refused.text()
    );
}

#[test]
fn an_empty_or_missing_file_of_a_directory_is_a_note() {
    let lab = with(&[("work_items.json", ""), ("enrichment_data.json", DATA)]);
    let told = lab.run(&["--json", "import", "--dry-run", "old"]);
    let told = json_of(&told);
    let both = [
        ("I-EMPTY", "note", "old/work_items.json"),
        ("I-EMPTY", "note", "old/extraction_state.json"),
    ];
    let all = findings(&told);
    assert!(both.iter().all(|it| all.contains(it)), "{told}");
    assert_eq!(told["counts"]["note"], 2, "{told}");
    assert!(!lab.path("data").exists());

    let lab = with(&[
        ("work_items.json", WORK_ITEMS),
        ("enrichment_data.json", "\n"),
        ("extraction_state.json", ""),
    ]);
    shows("import__empty_beside", &[lab.run(&["import", "old"])]);
    let again = lab.must(&["--json", "import", "old"]);
    let again = json_of(&again);
    let empty = findings(&again);
    let empty = empty.iter().filter(|it| it.0 == "I-EMPTY").count();
    assert_eq!(empty, 2, "{again}");

    let lab = with(&[("work_items.json", ""), ("enrichment_data.json", "")]);
    let refused = lab.run(&["import", "old"]);
    assert_eq!(refused.exit, Some(1), "{}", refused.text());
    assert!(
        refused
            .stderr
            .starts_with("error: old/work_items.json, line 1, column 1: the file is empty")
    );
    // Named alone, an empty file is an error.
    let refused = lab.run(&["import", "old/enrichment_data.json"]);
    assert_eq!(refused.exit, Some(1), "{}", refused.text());
}

#[test]
fn an_idle_pipeline_is_taken_over_as_it_is() {
    let lab = with(&[("work_items.json", W2), ("enrichment_data.json", DATA)]);
    let alone = ["import", "old/work_items.json"];
    let outputs = [lab.run(&alone), lab.run(&alone), lab.run(&["status"])];
    shows("import__w2", &outputs);
    let lab = with(&[("work_items.json", W2), ("enrichment_data.json", DATA)]);
    let together = lab.run(&["--json", "import", "old"]);
    assert_eq!(together.exit, Some(3), "{}", together.text());
    assert_eq!(json_of(&together)["items"]["added"], 2);
    // Into a store that has a plan it brings nothing, and takes nothing.
    let store = Lab::with_store();
    store.write("w2.json", W2);
    let before = store.must(&["--json", "list"]).stdout;
    let told = store.must(&["import", "w2.json"]);
    assert!(told.stdout.contains("I-EMPTY"), "{}", told.text());
    let list = |text: &str| serde_json::from_str::<Value>(text).unwrap()["items"].clone();
    assert_eq!(list(&before), list(&store.must(&["--json", "list"]).stdout));
}

#[test]
fn files_without_progress_begin_a_store_of_held_items() {
    let lab = with(&[
        ("enrichment_data.json", DATA),
        ("extraction_state.json", EXTRACTION),
    ]);
    let files = [
        "import",
        "old/enrichment_data.json",
        "old/extraction_state.json",
    ];
    let dry = lab.run(&[&files[..], &["--dry-run"]].concat());
    assert!(!lab.path("data").exists());
    shows(
        "import__beside_alone",
        &[dry, lab.run(&files), lab.run(&files)],
    );
    let list = "100 N Example St\tblocked\n300 E Sample Rd\tblocked\n";
    assert_eq!(lab.must(&["list"]).stdout, list);
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
    assert_eq!(lab.must(&["list"]).stdout, list);
    // Then it gets a plan, and goes on as any other.
    lab.write("plan.json", r#"[{"phase":"phase1_listing"}]"#);
    lab.must(&["plan", "set", "plan.json"]);
    assert_eq!(lab.must(&["resume"]).stdout, "");
    lab.must(&["unhold", "300 E Sample Rd"]);
    assert_eq!(
        lab.must(&["resume"]).stdout,
        "300 E Sample Rd\tphase1_listing\n"
    );
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);

    // Not over the head of progress that nobody has taken over.
    let lab = with(&[
        ("work_items.json", WORK_ITEMS),
        ("enrichment_data.json", DATA),
    ]);
    let refused = lab.run(&["-s", "old", "import", "old/enrichment_data.json"]);
    assert_eq!(refused.exit, Some(1), "{}", refused.text());
    assert!(
        refused.stderr.contains("never imported"),
        "{}",
        refused.text()
    );
    assert!(!lab.path("old/wal").exists());
}

#[test]
fn doctor_reads_all_three_files_of_a_directory_that_is_no_store_yet() {
    let lab = with(&[
        ("work_items.json", WORK_ITEMS),
        ("enrichment_data.json", DATA),
        ("extraction_state.json", EXTRACTION),
    ]);
    let found = json_of(&lab.run(&["-s", "old", "--json", "doctor"]));
    let of = |code: &str| {
        let rows = found["findings"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["code"] == code);
        rows.map(|row| row["item"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("I-ONLY-IN"), ["300 E Sample Rd"], "{found}");
    assert_eq!(of("I-CROSS"), ["100 N Example St"], "{found}");
    for name in ["enrichment_data.json", "extraction_state.json"] {
        for text in [
            "{\"completed_properties\":[\"a\"",
            "[{\"full_address\":\"a\"},",
        ] {
            lab.write(&format!("old/{name}"), text);
            let cut = lab.run(&["-s", "old", "doctor"]);
            assert_eq!(cut.exit, Some(3), "{}", cut.text());
            let line = format!("warning\tD-UNREADABLE\t{name}\t");
            assert!(cut.stdout.contains(&line), "{}", cut.text());
        }
        lab.write(&format!("old/{name}"), "");
        let empty = lab.run(&["-s", "old", "doctor"]);
        assert!(
            empty.stdout.contains(&format!("note\tI-EMPTY\t{name}\t")),
            "{}",
            empty.text()
        );
    }
}

#[test]
fn the_help_says_what_every_code_means() {
    let help = Lab::new().must(&["import", "--help"]).stdout;
    let mut seen = std::collections::BTreeSet::new();
    let mut dirs = vec![std::path::PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src"
    ))];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for (at, _) in text.match_indices("\"I-") {
                let code = text[at + 1..].split('"').next().unwrap();
                if code.len() > 3 && code.bytes().all(|it| it.is_ascii_uppercase() || it == b'-') {
                    seen.insert(code.to_owned());
                }
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
    for code in seen {
        let line = help
            .lines()
            .find(|line| line.trim_start().starts_with(&code));
        let meaning = line.and_then(|line| line.split_whitespace().nth(1));
        assert!(meaning.is_some(), "{code} in\n{help}");
    }
}

#[test]
fn an_address_that_is_no_text_is_called_that() {
    let lab = with(&[(
        "data.json",
        r#"[{"full_address":5},{"full_address":" "},{"x":1},{"full_address":"100 N Example St"}]"#,
    )]);
    let told = lab.run(&["import", "old/data.json"]).stdout;
    for said in [
        ":1:2: its full_address is a number, not a text; it is left out",
        ":1:21: its full_address is empty; it is left out",
        ":1:42: an object without a full_address; it is left out",
    ] {
        assert!(told.contains(said), "{said} in {told}");
    }
}

/// Ten lines of a code were all that was shown, so notes hid what was judged, and one word hid another.
#[test]
fn nothing_that_was_judged_is_hidden_behind_notes_or_other_words() {
    let item = |at: usize, word: &str| {
        format!(
            "{{\"address\":\"{at} N Example St\",\"phases\":{{\"p\":{{\"status\":\"{word}\"}}}}}}"
        )
    };
    let mut items: Vec<String> = (0..40).map(|at| item(at, "blocked")).collect();
    items.extend((40..80).map(|at| item(at, "dunno")));
    items.extend((80..100).map(|at| item(at, &format!("odd{}", at % 15))));
    let lab = with(&[(
        "w.json",
        &format!("{{\"work_items\":[{}]}}", items.join(",\n")),
    )]);
    let told = lab.run(&["import", "old/w.json"]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    let lines = |severity: &str, word: &str| {
        let lines = told.stdout.lines();
        let start = format!("  {severity} I-WORD ");
        lines
            .filter(|it| it.starts_with(&start) && it.contains(word))
            .count()
    };
    assert_eq!(
        (lines("note  ", "\"blocked\""), lines("judged", "\"dunno\"")),
        (10, 10),
        "{}",
        told.text()
    );
    for word in 0..15 {
        assert_eq!(
            lines("judged", &format!("\"odd{word}\"")),
            1,
            "odd{word} {}",
            told.text()
        );
    }
    assert!(
        told.stdout
            .contains("  note   I-WORD: and 30 more (--json)\n"),
        "{}",
        told.text()
    );
    assert!(
        told.stdout
            .contains("  judged I-WORD: and 35 more (--json)\n"),
        "{}",
        told.text()
    );
}

/// What is nested as deep as it may be comes back out of our own files.
#[test]
fn our_own_files_can_be_imported_however_deep_the_data_is() {
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let lab = with(&[
        (
            "list.json",
            &format!("[{{\"full_address\":\"1 A St\",\"n\":{}}}]", nested(97)),
        ),
        (
            "dict.json",
            &format!("{{\"1 A St\":{},\"_m\":{}}}", nested(98), nested(98)),
        ),
        (
            "work.json",
            &format!(
                "{{\"session\":{},\"x\":{},\"work_items\":[{{\"address\":\"1 A St\",\"y\":{},\"phases\":{{\"p\":{{\"status\":\"pending\",\"z\":{}}}}}}}]}}",
                nested(98),
                nested(98),
                nested(96),
                nested(94)
            ),
        ),
    ]);
    for data in ["old/list.json", "old/dict.json"] {
        let (one, two) = (
            format!("one-{}", &data[4..8]),
            format!("two-{}", &data[4..8]),
        );
        lab.must(&["-s", &one, "import", "old/work.json", data]);
        lab.must(&["-s", &one, "compact"]);
        lab.must(&["-s", &two, "import", &one]);
        lab.must(&["-s", &two, "compact"]);
        lab.must(&["-s", &two, "verify", "--deep"]);
        let read =
            |store: &str| std::fs::read(lab.path(store).join("enrichment_data.json")).unwrap();
        assert!(read(&one) == read(&two), "{data}");
    }
    // And what was found out, down to the last level.
    lab.must(&["init", "--phase", "p", "1 A St"]);
    lab.must(&["enrich", "1 A St", "--data", &nested(98)]);
    assert_eq!(
        lab.run(&["enrich", "1 A St", "--data", &nested(99)]).exit,
        Some(1)
    );
    lab.must(&["compact"]);
    lab.must(&["-s", "three", "import", "data"]);
}

/// On a terminal a long import and a long compaction show how far they are; elsewhere nothing of it is written.
#[test]
fn a_long_import_shows_a_bar_on_a_terminal() {
    let lab = Lab::new();
    let items: Vec<String> = (0..60_000)
        .map(|at| {
            format!(
                "{{\"full_address\":\"{at} N Example St\",\"note\":\"{}\"}}",
                "x".repeat(300)
            )
        })
        .collect();
    lab.write("data.json", &format!("[{}]", items.join(",")));
    let program = crate::support::PROGRAM;
    for (command, what) in [
        ("import data.json", "importing"),
        ("compact", "writing the snapshots"),
    ] {
        let line = format!("timeout 120 '{program}' {command}");
        let script = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(lab.path(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TERM", "xterm")
            .env("PHASELOG_COMPACT", "never")
            .stdin(std::process::Stdio::null())
            .output();
        let Ok(output) = script else {
            println!("skipped: there is no script(1) here");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        // A bar that was drawn by another thread waited for standard error, which the program holds, for ever.
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{command}: {} {text}",
            output.status
        );
        assert!(
            text.contains(what) && text.contains(" %"),
            "{command}: {text}"
        );
    }
    let quiet = lab.run(&["-s", "other", "import", "data.json", "--dry-run"]);
    assert!(!quiet.stderr.contains("importing"), "{}", quiet.stderr);
}
