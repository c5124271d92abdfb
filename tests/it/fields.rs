//! Fields beside the status, in files that other programs write: taken in where nobody knows better, told where somebody
//! does, and no edit where only the text of a number is another.

use serde_json::{Value, json};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

const ROOT: &str = "data/work_items.json";
const DATA: &str = "data/enrichment_data.json";
const EXTRACTION: &str = "data/extraction_state.json";

pub(crate) fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
}

/// Imports as told and gives the exit status, and of each finding that is judged: item, phase, what is found, what is decided.
pub(crate) fn judged(lab: &Lab, args: &[&str]) -> (Option<i32>, Vec<[String; 4]>) {
    let told = lab.run(&[&["--json", "import"], args].concat());
    let report = json_of(&told);
    let rows = report["findings"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["severity"] == "judged");
    let rows = rows.map(|row| {
        ["item", "phase", "found", "decided"].map(|key| {
            let text = row[key].as_str().unwrap_or("-");
            text.to_owned()
        })
    });
    (told.exit, rows.collect())
}

/// The notes of a code, their messages.
pub(crate) fn notes(told: &Output, code: &str) -> Vec<String> {
    let report = json_of(told);
    let rows = report["findings"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["severity"] == "note" && row["code"] == code);
    rows.map(|row| row["message"].as_str().unwrap().to_owned())
        .collect()
}

/// The items as a snapshot shows them.
fn items(lab: &Lab) -> Value {
    json_of(&lab.must(&["replay"]))["work_items"].take()
}

pub(crate) fn changed(changes: u64, lab: &Lab, args: &[&str]) -> Output {
    let told = lab.run(&[&["--json", "import"], args].concat());
    assert_eq!(
        json_of(&told)["items"]["changed"],
        changes,
        "{}",
        told.text()
    );
    told
}

/// One house was taken over from another program's file.
fn taken_over() -> (Lab, Value) {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let old = json!({"work_items": [{"id": "aa", "address": HOUSE, "tier": "A", "phases": {
        "list": {"status": "completed", "completed": "2026-11-20T08:00:00Z", "notes": "n1", "rate": 0.90, "by": null},
        "photos": {"status": "failed", "error": "e1", "failed_at": "2026-11-20T09:00:00Z"},
        "map": {"status": "pending"},
    }}], "market": "up"});
    lab.write("old.json", &old.to_string());
    lab.must(&["import", "old.json"]);
    (lab, old)
}

#[test]
fn what_another_file_has_otherwise_is_told_and_counts_if_it_is_to() {
    let (lab, old) = taken_over();
    let mut other = old;
    other["work_items"][0]["id"] = json!("bb");
    other["work_items"][0]["tier"] = json!("B");
    other["work_items"][0]["score"] = json!(480.50);
    other["work_items"][0]["last_updated"] = json!("2026-11-22T00:00:00Z");
    other["work_items"][0]["commit"] = Value::Null;
    other["market"] = json!("down");
    other["session"] = json!({"mode": "batch"});
    let phases = &mut other["work_items"][0]["phases"];
    phases["list"] = json!({"status": "done", "completed": "2026-11-21T08:00:00Z", "notes": "n2", "rate": 0.9, "photos": 41,
        "by": "Al", "sure": null, "started": "2026-11-20T07:00:00Z"});
    phases["photos"]["error"] = json!("e2");
    phases["map"] = json!({"status": "in_progress", "started": "2026-11-22T09:00:00Z"});
    lab.write("other.json", &other.to_string());
    let outputs = [
        lab.run(&["import", "other.json", "--dry-run"]),
        lab.run(&["import", "other.json"]),
        lab.run(&["import", "other.json"]),
    ];
    shows("import__fields_of_another_file", &outputs);
    let is = |items: &Value| {
        let item = &items[0];
        let phases = &item["phases"];
        json!([
            item["tier"],
            item["score"],
            phases["list"]["notes"],
            phases["list"]["completed_at"],
            phases["list"]["photos"],
            phases["list"]["started_at"],
            phases["photos"]["error_message"],
            phases["map"]["status"]
        ])
    };
    let stayed = json!([
        "A",
        480.5,
        "n1",
        "2026-11-20T08:00:00.000000+00:00",
        41,
        "2026-11-20T07:00:00.000000+00:00",
        "e1",
        "in_progress"
    ]);
    assert_eq!(is(&items(&lab)), stayed);
    assert_eq!(
        judged(&lab, &["--prefer", "file", "other.json"]),
        (Some(0), vec![])
    );
    let counted = json!([
        "B",
        480.5,
        "n2",
        "2026-11-21T08:00:00.000000+00:00",
        41,
        "2026-11-20T07:00:00.000000+00:00",
        "e2",
        "in_progress"
    ]);
    assert_eq!(is(&items(&lab)), counted);
    let root = json_of(&lab.must(&["replay"]));
    assert_eq!(
        (&root["market"], &root["session"]["mode"]),
        (&json!("down"), &json!("batch"))
    );
    // And that was all.
    assert_eq!(
        judged(&lab, &["--prefer", "file", "other.json"]),
        (Some(0), vec![])
    );
    lab.must(&["verify", "--deep"]);
}

#[test]
fn what_somebody_has_worked_on_is_told_by_the_log() {
    let (lab, mut other) = taken_over();
    lab.start(HOUSE, "map");
    lab.must(&["complete", HOUSE, "map"]);
    let phases = &mut other["work_items"][0]["phases"];
    phases["map"] = json!({"status": "completed", "started": "2026-11-22T09:00:00Z", "completed": "2026-11-22T09:10:00Z",
        "retry_count": 2, "zoom": 3, "updated_at": "2026-11-22T09:10:00Z"});
    lab.write("other.json", &other.to_string());
    let (exit, found) = judged(&lab, &["other.json"]);
    // What the log does not tell of, nobody has said otherwise.
    let map = items(&lab)[0]["phases"]["map"].clone();
    assert_eq!((&map["zoom"], &map["retry_count"]), (&json!(3), &json!(0)));
    let found: Vec<_> = found
        .iter()
        .map(|it| it.each_ref().map(|it| &**it))
        .collect();
    let wanted = [
        HOUSE,
        "map",
        r#"{"started_at":"2026-11-22T09:00:00.000000Z","completed_at":"2026-11-22T09:10:00.000000Z","retry_count":2}"#,
        r#"{"started_at":"2026-11-23T10:30:00.000000Z","completed_at":"2026-11-23T10:30:00.000000Z"}"#,
    ];
    assert_eq!((exit, &*found), (Some(3), &[wanted][..]));
    // Where the statuses differ the rest goes with them, and is named.
    lab.must(&["retry", HOUSE, "list", "--force"]);
    other["work_items"][0]["phases"]["list"]["notes"] = json!("n2");
    lab.write("other.json", &other.to_string());
    let told = lab.run(&["import", "other.json"]);
    let wanted = "other.json has completed and does not say as of when, the log has pending since 9; the log counts; \
                  left out with it: notes";
    assert!(told.stdout.contains(wanted), "{}", told.text());
}

#[test]
fn who_goes_on_writing_the_file_that_it_came_from_edits_his_own() {
    let (lab, mut old) = taken_over();
    old["work_items"][0]["tier"] = json!("B");
    old["work_items"][0]["phases"]["list"]["notes"] = json!("n2");
    old["work_items"][0]["phases"]["photos"]["error"] = json!("e2");
    old["market"] = json!("down");
    lab.write("old.json", &old.to_string());
    assert_eq!(judged(&lab, &["old.json"]), (Some(0), vec![]));
    let root = json_of(&lab.must(&["replay"]));
    let item = &root["work_items"][0];
    let now = json!([
        item["tier"],
        item["phases"]["list"]["notes"],
        item["phases"]["photos"]["error_message"],
        root["market"]
    ]);
    assert_eq!(now, json!(["B", "n2", "e2", "down"]));
    // What another file has said beside that does not matter; the fields that it brought are its own.
    let mut other = old.clone();
    other["work_items"][0]["phases"]["list"]["zoom"] = json!(3);
    lab.write("other.json", &other.to_string());
    changed(1, &lab, &["other.json"]);
    old["work_items"][0]["phases"]["list"]["notes"] = json!("n3");
    lab.write("old.json", &old.to_string());
    assert_eq!(judged(&lab, &["old.json"]), (Some(0), vec![]));
    old["work_items"][0]["phases"]["list"]["zoom"] = json!(4);
    lab.write("old.json", &old.to_string());
    let (exit, found) = judged(&lab, &["old.json"]);
    assert_eq!(
        (exit, found.len(), &*found[0][2]),
        (Some(3), 1, r#"{"zoom":4}"#)
    );
}

/// Two programs keep a file each of one house: whoever has changed a field last goes on changing it.
#[test]
fn who_comes_second_edits_his_own_as_well() {
    let (lab, old) = taken_over();
    let mut other = json!({"work_items": [{"address": HOUSE, "url": "x", "nest": {"a": 1}, "tier": "A", "phases": {
        "list": {"status": "completed", "notes": "n1", "zoom": 1},
        "map": {"status": "pending", "by": "Al"},
    }}], "stats": {"n": 1}, "session": {"mode": "solo"}});
    let import = |other: &Value, args: &[&str]| {
        lab.write("other.json", &other.to_string());
        judged(&lab, &[&["other.json"], args].concat())
    };
    assert_eq!(import(&other, &[]), (Some(0), vec![]));
    // Somebody works on the phase: the fields in it that no report changes are the file's still.
    lab.start(HOUSE, "map");
    let item = &mut other["work_items"][0];
    item["url"] = json!("y");
    item["nest"]["a"] = json!(2);
    item["phases"]["list"]["zoom"] = json!(2);
    item["phases"]["map"] = json!({"status": "in_progress", "by": "Bo"});
    other["stats"]["n"] = json!(2);
    other["session"]["mode"] = json!("duet");
    assert_eq!(import(&other, &[]), (Some(0), vec![]));
    let root = json_of(&lab.must(&["replay"]));
    let item = &root["work_items"][0];
    let (list, map) = (&item["phases"]["list"], &item["phases"]["map"]);
    let now = json!([
        item["url"],
        item["nest"]["a"],
        list["zoom"],
        map["by"],
        root["stats"]["n"]
    ]);
    assert_eq!(now, json!(["y", 2, 2, "Bo", 2]));
    assert_eq!(root["session"]["mode"], "duet");
    // Both files said the same of the tier, and the other changes it: the first learns of that.
    other["work_items"][0]["tier"] = json!("B");
    assert_eq!(import(&other, &[]), (Some(0), vec![]));
    let mut first = old;
    first["work_items"][0]["tier"] = json!("C");
    first["work_items"][0]["phases"]["map"]["status"] = json!("in_progress");
    lab.write("old.json", &first.to_string());
    let (exit, found) = judged(&lab, &["old.json"]);
    let found: Vec<[&str; 2]> = found.iter().map(|it| [&*it[2], &*it[3]]).collect();
    assert_eq!(
        (exit, &*found),
        (Some(3), &[[r#"{"tier":"C"}"#, r#"{"tier":"B"}"#]][..])
    );
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
}

#[test]
fn what_an_item_lacks_in_a_file_stays_as_it_is_here() {
    let (lab, mut other) = taken_over();
    lab.start(HOUSE, "map");
    let first = &mut other["work_items"][0];
    first["phases"].as_object_mut().unwrap().remove("map");
    let mut second = first.clone();
    second["address"] = json!(HOUSES[1]);
    let third = json!({"address": HOUSES[2], "phases": {"map": {"status": "pending"}}});
    other["work_items"]
        .as_array_mut()
        .unwrap()
        .extend([second, third]);
    lab.write("other.json", &other.to_string());
    let told = lab.run(&["--json", "import", "other.json"]);
    let mut said = notes(&told, "I-PHASE-SET");
    said.sort();
    assert_eq!(
        said,
        [
            "the item lacks phases that others have; they are pending: list, photos",
            "the item lacks phases that others have; they are pending: map",
            "the item lacks phases that others in the file have; they stay as they are here: map (in_progress)",
        ]
    );
    // Taken out of our own file that is told as what it is.
    lab.must(&["compact"]);
    let mut root: Value =
        serde_json::from_str(&std::fs::read_to_string(lab.path(ROOT)).unwrap()).unwrap();
    root["work_items"][0]["phases"]
        .as_object_mut()
        .unwrap()
        .remove("map");
    lab.write(ROOT, &root.to_string());
    let told = lab.run(&["--json", "import", ROOT]);
    assert_eq!((told.exit, notes(&told, "I-PHASE-SET")), (Some(3), vec![]));
}

#[test]
fn who_was_freed_here_stays_free_unless_the_file_counts() {
    let (lab, mut other) = taken_over();
    lab.must(&["hold", HOUSE]);
    lab.must(&["unhold", HOUSE]);
    other["work_items"][0]["phases"]["map"]["status"] = json!("deferred");
    lab.write("other.json", &other.to_string());
    let is_held = || json_of(&lab.must(&["--json", "show", HOUSE]))["held"].clone();
    let (exit, found) = judged(&lab, &["other.json"]);
    let wanted = [HOUSE, "-", "map was imported as deferred", "it stays free"];
    assert_eq!((exit, found), (Some(3), vec![wanted.map(str::to_owned)]));
    assert_eq!(is_held(), false);
    // Nor does the report say beside that that it is held.
    other["work_items"][0]["phases"]["map"]["status"] = json!("pending");
    other["work_items"][0]["status"] = json!("cancelled");
    lab.write("other.json", &other.to_string());
    let told = lab.run(&["import", "--dry-run", "other.json"]).stdout;
    assert!(
        told.contains("it stays free") && !told.contains("it is held"),
        "{told}"
    );
    let counted = judged(&lab, &["--prefer", "file", "other.json"]);
    assert_eq!((counted.0, is_held()), (Some(3), json!(true)));
}

/// Numbers as a double does not hold them, and what Python's `json` makes of them.
const DIGITS: [(&str, &str); 4] = [
    ("1.10", "1.1"),
    ("1e-400", "0.0"),
    ("0.1234567890123456789012", "0.12345678901234568"),
    ("12345678901234567890.123", "1.2345678901234567e+19"),
];

fn respelled(lab: &Lab, file: &str, edit: (&str, &str)) {
    let mut text = std::fs::read_to_string(lab.path(file)).unwrap();
    for (one, other) in DIGITS.iter().chain([&edit]) {
        assert!(text.contains(one), "{one} in {text}");
        text = text.replace(one, other);
    }
    // Laid out in another way as well.
    let text = text.replace("\n  ", "\n");
    lab.write(file, &text);
}

#[test]
fn who_reads_numbers_as_doubles_edits_only_what_he_edits() {
    let digits = DIGITS.map(|(digits, _)| digits).join(",");
    let field = format!(r#"{{"n":[{digits}],"x":1}}"#);
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    lab.write("old.json", &format!(
        r#"{{"work_items":[{{"address":"{HOUSE}","score":480.50,"rates":{field},"phases":{{"list":{{"status":"pending","data":{field}}},"map":"pending"}}}}],"market":{field}}}"#,
    ));
    lab.must(&["import", "old.json"]);
    lab.must(&[
        "enrich",
        HOUSE,
        "--data",
        &format!(r#"{{"d":{field},"y":7}}"#),
    ]);
    lab.must(&["extract", HOUSE, "failed"]);
    lab.must(&["compact"]);
    lab.write(
        EXTRACTION,
        &std::fs::read_to_string(lab.path(EXTRACTION))
            .unwrap()
            .replacen('{', &format!(r#"{{"stats":{field},"#), 1),
    );
    changed(0, &lab, &["data"]);
    lab.must(&["compact"]);
    let before = lab.must(&["log"]).stdout;
    for file in [ROOT, DATA, EXTRACTION] {
        respelled(&lab, file, ("\"x\": 1", "\"x\": 1.0"));
        let told = changed(0, &lab, &[file]);
        assert_eq!(told.exit, Some(0), "{}", told.text());
        let said = notes(&told, "I-FIELD");
        let name = file.strip_prefix("data/").unwrap();
        let wanted = format!("numbers that {name} has with the digits that a double holds");
        assert!(said[0].starts_with(&wanted), "{said:?}");
    }
    // The files are on record, nothing else is.
    let after = lab.must(&["log"]).stdout;
    let news: Vec<&str> = after.lines().skip(before.lines().count()).collect();
    assert_eq!(news.len(), 3, "{news:?}");
    assert!(
        news.iter().all(|line| line.contains("imported")),
        "{news:?}"
    );
    // What is edited beside them is an edit, and leaves them alone.
    lab.must(&["compact"]);
    for file in [ROOT, DATA, EXTRACTION] {
        respelled(&lab, file, ("\"x\": 1", "\"x\": 2"));
        assert_eq!(lab.run(&["import", file]).exit, Some(0));
    }
    lab.must(&["compact"]);
    for file in [ROOT, DATA, EXTRACTION] {
        let text = std::fs::read_to_string(lab.path(file)).unwrap();
        assert!(
            text.contains("\"x\": 2") && !text.contains("\"x\": 1"),
            "{text}"
        );
        for (digits, double) in DIGITS {
            assert!(text.contains(digits), "{digits} in {text}");
            assert!(!text.contains(&format!("{double},")), "{double} in {text}");
        }
    }
    assert_eq!(lab.run(&["import", "data"]).exit, Some(0));
}

/// Sets the status of the first item in a file.
fn set_status(lab: &Lab, file: &str, word: &str) {
    let text = std::fs::read_to_string(lab.path(file)).unwrap();
    let mut root: Value = serde_json::from_str(&text).unwrap();
    root["work_items"][0]["status"] = json!(word);
    lab.write(file, &root.to_string());
}

/// The state of the first item, as a snapshot shows it.
fn stands(lab: &Lab) -> Value {
    items(lab)[0]["status"].take()
}

#[test]
fn an_item_that_a_script_gives_up_in_our_file_is_held() {
    for word in ["cancelled", "skipped", "blocked", "paused"] {
        let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
        lab.must(&["init", "--phase", "list", HOUSE, HOUSES[1]]);
        lab.must(&["compact"]);
        set_status(&lab, ROOT, word);
        let edited = std::fs::read_to_string(lab.path(ROOT)).unwrap();
        changed(1, &lab, &["data"]);
        assert_eq!(stands(&lab), json!("blocked"), "{word}");
        let ready = lab.must(&["resume"]).stdout;
        assert!(!ready.contains(HOUSE), "{ready}");
        let shown = lab.must(&["show", HOUSE]).stdout;
        assert!(shown.contains(&format!("imported as {word}")), "{shown}");
        changed(0, &lab, &["data"]);
        // Freed here, and the word stands where it stood.
        lab.must(&["unhold", HOUSE]);
        let more = edited.replace("\"mode\":\"batch\"", "\"mode\":\"solo\"");
        assert_ne!(more, edited);
        lab.write(ROOT, &more);
        changed(0, &lab, &["data"]);
        assert_eq!(stands(&lab), json!("pending"), "{word}");
        // Somebody writes the old file back.
        lab.must(&["compact"]);
        lab.write(ROOT, &edited);
        changed(0, &lab, &["data"]);
        assert_eq!(stands(&lab), json!("pending"), "{word}");
    }
}

#[test]
fn what_our_file_says_of_an_item_that_was_held_is_no_edit() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    lab.must(&["init", "--phase", "list", HOUSE, HOUSES[1]]);
    lab.must(&["hold", HOUSE]);
    lab.must(&["compact"]);
    let written = std::fs::read_to_string(lab.path(ROOT)).unwrap();
    assert!(written.contains("\"status\": \"blocked\""), "{written}");
    let edited = written.replacen("\"mode\": \"batch\"", "\"mode\": \"solo\"", 1);
    assert_ne!(edited, written);
    lab.write(ROOT, &edited);
    let seq = |lab: &Lab| lab.must(&["log"]).stdout.matches(" held").count();
    let before = seq(&lab);
    assert_eq!(judged(&lab, &["data"]), (Some(0), vec![]));
    assert_eq!(seq(&lab), before);
    lab.must(&["unhold", HOUSE]);
    lab.write(ROOT, &edited.replacen("solo", "duet", 1));
    assert_eq!(judged(&lab, &["data"]), (Some(0), vec![]));
    assert_eq!(stands(&lab), json!("pending"));
    // Another word is an edit, and somebody has moved what it changes.
    set_status(&lab, ROOT, "paused");
    let wanted = [HOUSE, "-", "imported as paused", "it stays free"].map(str::to_owned);
    assert_eq!(judged(&lab, &["data"]), (Some(3), vec![wanted]));
    assert_eq!(stands(&lab), json!("pending"));
    set_status(&lab, ROOT, "deferred");
    assert_eq!(
        judged(&lab, &["--prefer", "file", "data"]),
        (Some(0), vec![])
    );
    assert_eq!(stands(&lab), json!("blocked"));
}
