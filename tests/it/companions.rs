//! The two files beside `work_items.json`, edited by a person or a script: what was changed becomes records, the log
//! stays where both moved, nothing is lost unreported, and what cannot be read is nobody's to replace.

use serde_json::{Value, json};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

const DATA: &str = "data/enrichment_data.json";
const EXTRACTION: &str = "data/extraction_state.json";

/// A store that no file was ever imported into: three houses, two with data, all with an extraction.
fn lab() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, c] = HOUSES;
    lab.must(&["init", "--phase", "list", "--phase", "photos", a, b, c]);
    let data = r#"{"price":650000,"score":0.90,"hoa":120,"lot":{"sqft":6.0,"kind":"corner"}}"#;
    lab.must(&["enrich", a, "--data", data, "--source", "county"]);
    lab.must(&["enrich", b, "price=1"]);
    lab.must(&["extract", a, "completed"]);
    lab.must(&["extract", b, "failed"]);
    lab.must(&["extract", c, "in_progress"]);
    lab.must(&["compact"]);
    lab
}

fn load(lab: &Lab, file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(lab.path(file)).unwrap()).unwrap()
}

/// Reads a file, changes it, and writes it back as a script would.
fn edit(lab: &Lab, file: &str, change: impl FnOnce(&mut Value)) {
    let mut document = load(lab, file);
    change(&mut document);
    lab.write(file, &serde_json::to_string_pretty(&document).unwrap());
}

fn log(lab: &Lab) -> String {
    lab.must(&["log"]).stdout
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
}

fn data(lab: &Lab, item: &str) -> Value {
    json_of(&lab.must(&["--json", "show", item, "--data"]))["data"].clone()
}

fn extraction(lab: &Lab, item: &str) -> Value {
    json_of(&lab.must(&["--json", "show", item]))["extraction"]["status"].clone()
}

fn remove(list: &mut Value, item: &str) {
    list.as_array_mut().unwrap().retain(|it| it != item);
}

fn push(list: &mut Value, value: Value) {
    list.as_array_mut().unwrap().push(value);
}

/// What a person does with an editor, and a script with `json.dump`.
fn by_hand(lab: &Lab) {
    edit(lab, DATA, |data| {
        data[0]["price"] = json!(1);
        data[0]["score"] = json!(0.9);
        data[0]["lot"]["sqft"] = json!(7405);
        data[0]["beds"] = json!(3);
        data[0].as_object_mut().unwrap().remove("hoa");
        data.as_array_mut().unwrap().pop();
        push(data, json!({"full_address": "9 S Added Rd", "price": 5}));
    });
    edit(lab, EXTRACTION, |state| {
        let [_, b, c] = HOUSES;
        remove(&mut state["failed_properties"], b);
        push(&mut state["completed_properties"], json!(b));
        remove(&mut state["in_progress_properties"], c);
        push(&mut state["failed_properties"], json!(c));
        state["retry_counts"][c] = json!(4);
        state["last_updated"] = json!("2030-01-01T00:00:00+00:00");
        state["note"] = json!("by hand");
    });
}

#[test]
fn what_was_changed_becomes_records_and_the_log_stays_where_both_moved() {
    let lab = lab();
    by_hand(&lab);
    // Meanwhile somebody finds another price, and the extraction of the third house ends.
    lab.must(&["enrich", HOUSE, "price=639000", "--source", "w1"]);
    lab.must(&["extract", HOUSES[2], "completed"]);
    let refused = lab.run(&["compact"]);
    let before = log(&lab);
    let dry = lab.run(&["import", "data", "--dry-run"]);
    assert_eq!(log(&lab), before);
    assert!(!lab.path("data/wal/imported").exists());
    let outputs = [
        refused,
        dry,
        lab.run(&["import", "data"]),
        lab.run(&["import", "data"]),
        lab.run(&["history", "--utc", HOUSE]),
        lab.run(&["compact"]),
        lab.run(&["import", "data"]),
    ];
    shows("import__edited_companions", &outputs);
    lab.must(&["verify", "--deep"]);
    let wanted = r#"{"price":639000,"score":0.90,"lot":{"sqft":7405,"kind":"corner"},"beds":3}"#;
    assert_eq!(data(&lab, HOUSE).to_string(), wanted);
    // The snapshot says what the log says: number text, the new field of the document, and nothing of the made-up time.
    let text = std::fs::read_to_string(lab.path(DATA)).unwrap();
    assert!(text.contains("\"score\": 0.90,"), "{text}");
    let state = load(&lab, EXTRACTION);
    assert_eq!(state["note"], "by hand");
    assert_eq!(state["completed_properties"].as_array().unwrap().len(), 3);
    assert_ne!(state["last_updated"], "2030-01-01T00:00:00+00:00");
}

#[test]
fn asked_to_the_file_counts_and_twice_is_once() {
    let lab = lab();
    by_hand(&lab);
    lab.must(&["enrich", HOUSE, "price=639000", "hoa=130"]);
    lab.must(&["extract", HOUSES[2], "completed"]);
    let told = lab.run(&["import", "data"]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    assert_eq!(data(&lab, HOUSE)["price"], 639_000);
    assert_eq!(extraction(&lab, HOUSES[2]), "completed");
    for (args, exit) in [
        (&["import", "--prefer", "file", "data", "--dry-run"][..], 3),
        (&["import", "--prefer", "file", "data"], 3),
        (&["import", "--prefer", "file", "data"], 0),
        (&["import", "data"], 0),
    ] {
        let told = lab.run(args);
        assert_eq!(told.exit, Some(exit), "{}", told.text());
    }
    let object = data(&lab, HOUSE);
    assert_eq!((&object["price"], object.get("hoa")), (&json!(1), None));
    assert_eq!(extraction(&lab, HOUSES[2]), "failed");
    let before = log(&lab);
    lab.must(&["import", "--prefer", "file", "data"]);
    assert_eq!(log(&lab), before);
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
}

#[test]
fn one_file_alone_is_compared_with_the_root_beside_it() {
    let lab = lab();
    edit(&lab, DATA, |data| data[0]["price"] = json!(2));
    lab.must(&["enrich", HOUSE, "price=3"]);
    let told = lab.run(&["import", DATA]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    assert!(told.stdout.contains("I-EDIT-CONFLICT"), "{}", told.text());
    // The same with a copy of the directory somewhere else.
    lab.must(&["compact"]);
    std::fs::create_dir(lab.path("copy")).unwrap();
    for name in ["work_items.json", "enrichment_data.json"] {
        std::fs::copy(lab.path("data").join(name), lab.path("copy").join(name)).unwrap();
    }
    edit(&lab, "copy/enrichment_data.json", |data| {
        data[0]["price"] = json!(4);
        data[0].as_object_mut().unwrap().remove("hoa");
    });
    lab.must(&["import", "copy/enrichment_data.json"]);
    let object = data(&lab, HOUSE);
    assert_eq!((&object["price"], object.get("hoa")), (&json!(4), None));
    // And with nothing beside it, it only fills in.
    lab.write(
        "enrichment_data.json",
        &json!([{"full_address": HOUSE, "price": 9, "baths": 2}]).to_string(),
    );
    let told = lab.run(&["import", "enrichment_data.json"]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    let object = data(&lab, HOUSE);
    assert_eq!((&object["price"], &object["baths"]), (&json!(4), &json!(2)));
}

#[test]
fn who_edits_again_after_an_import_is_in_nobodys_way() {
    let lab = lab();
    let [a, b, _] = HOUSES;
    for (price, status) in [(2, "completed"), (3, "failed"), (4, "completed")] {
        edit(&lab, DATA, |data| data[0]["price"] = json!(price));
        edit(&lab, EXTRACTION, |state| {
            for list in ["completed_properties", "failed_properties"] {
                remove(&mut state[list], b);
            }
            push(&mut state[format!("{status}_properties")], json!(b));
        });
        // What was taken out comes back, what was put in goes.
        edit(&lab, DATA, |data| {
            let object = data[0].as_object_mut().unwrap();
            if price % 2 == 0 {
                object.remove("hoa");
                object.insert("beds".into(), json!(3));
            } else {
                object.insert("hoa".into(), json!(120));
                object.remove("beds");
            }
        });
        let told = lab.run(&["import", "data"]);
        assert!(!told.stdout.contains("I-EDIT-CONFLICT"), "{}", told.text());
        let object = data(&lab, a);
        let has = ["hoa", "beds"].map(|key| object.get(key).is_some());
        let wanted = [price % 2 == 1, price % 2 == 0];
        assert_eq!((&object["price"], has), (&json!(price), wanted));
        assert_eq!(extraction(&lab, b), status);
    }
    // Somebody else is.
    lab.must(&["enrich", a, "price=5"]);
    edit(&lab, DATA, |data| data[0]["price"] = json!(6));
    let told = lab.run(&["import", "data"]);
    assert_eq!(
        (told.exit, &data(&lab, a)["price"]),
        (Some(3), &json!(5)),
        "{}",
        told.text()
    );
}

#[test]
fn our_own_files_bring_nothing_wherever_they_lie() {
    let lab = lab();
    lab.must(&["replay", "-o", "there"]);
    lab.must(&["backup", "kept"]);
    for name in ["enrichment_data.json", "extraction_state.json"] {
        std::fs::copy(lab.path("data").join(name), lab.path(name)).unwrap();
    }
    // The log goes on; what they say is old by now.
    lab.must(&["enrich", HOUSE, "price=7", "hoa=null"]);
    lab.must(&["extract", HOUSE, "failed"]);
    let before = log(&lab);
    for args in [
        &["import", "data"][..],
        &["import", "there"],
        &["import", "kept"],
        &["import", DATA],
        &["import", EXTRACTION],
        &["import", "enrichment_data.json", "extraction_state.json"],
        &["import", "--prefer", "file", "data"],
        &["import", "--dry-run", "data"],
    ] {
        let told = lab.must(args);
        assert!(told.stdout.starts_with("unchanged"), "{}", told.text());
        assert!(!told.stdout.contains("judged"), "{}", told.text());
    }
    assert_eq!(log(&lab), before);
    // The set before, too.
    lab.must(&["compact"]);
    let before = log(&lab);
    for args in [
        &["import", "data"][..],
        &["import", "data/enrichment_data.json.bak"],
    ] {
        let told = lab.must(args);
        assert!(told.stdout.starts_with("unchanged"), "{}", told.text());
    }
    assert_eq!(log(&lab), before);
}

#[test]
fn a_dict_stays_a_dict_and_its_fields_are_merged() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, c] = HOUSES;
    lab.must(&["init", "--phase", "list", a, b, c]);
    let dict = json!({"_v": 1, "_w": 2, a: {"full_address": "another", "price": 1, "n": null}, b: {"price": 2}});
    lab.write("dict.json", &dict.to_string());
    lab.run(&["import", "dict.json"]);
    lab.must(&["compact"]);
    lab.must(&["import", "data"]);
    edit(&lab, DATA, |data| {
        data["_v"] = json!(3);
        data.as_object_mut().unwrap().remove("_w");
        data[a].as_object_mut().unwrap().remove("full_address");
        data[a]["price"] = json!(5);
        data[c] = json!({"price": 6});
    });
    let told = lab.must(&["import", DATA]);
    assert!(
        told.stdout.contains("2 changed, 1 as they were"),
        "{}",
        told.text()
    );
    lab.must(&["compact"]);
    let wanted = json!({a: {"price": 5, "n": null}, b: {"price": 2}, c: {"price": 6}, "_v": 3});
    assert_eq!(load(&lab, DATA), wanted);
    lab.must(&["verify", "--deep"]);
    // Who writes it back as a list gets a list.
    let list = json!([{"full_address": a, "price": 8, "n": null}, {"full_address": b, "price": 2}, {"full_address": c, "price": 6}]);
    lab.write(DATA, &list.to_string());
    let told = lab.run(&["import", DATA]);
    assert!(
        told.stdout.contains("1 changed, 2 as they were"),
        "{}",
        told.text()
    );
    assert_eq!(data(&lab, a), json!({"price": 8, "n": null}));
    lab.must(&["compact"]);
    assert!(load(&lab, DATA).is_array());
    lab.must(&["verify", "--deep"]);
}

#[test]
fn a_form_that_cannot_say_it_takes_nothing_away() {
    let lab = lab();
    let [a, b, c] = HOUSES;
    // An old script knows two lists only.
    lab.write(
        EXTRACTION,
        &json!({"completed_properties": [a, b], "failed_properties": [], "last_updated": null})
            .to_string(),
    );
    let told = lab.run(&["import", EXTRACTION]);
    assert!(told.stdout.contains("1 changed"), "{}", told.text());
    assert_eq!(
        [a, b, c].map(|it| extraction(&lab, it)),
        ["completed", "completed", "in_progress"]
    );
    let checked =
        |item| json_of(&lab.must(&["--json", "show", item]))["extraction"]["last_checked"].clone();
    assert!(checked(a).is_string() && checked(b).is_string());
    lab.must(&["compact"]);
    assert_eq!(load(&lab, EXTRACTION).as_object().unwrap().len(), 3);
    lab.must(&["import", "data"]);
    // Nothing is no form.
    let before = load(&lab, EXTRACTION);
    lab.write(EXTRACTION, "{}");
    assert_eq!(lab.run(&["import", EXTRACTION]).exit, Some(3));
    lab.must(&["compact"]);
    let keys = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&load(&lab, EXTRACTION)), keys(&before));
    // Out of all lists is out of the file: told, and not deleted.
    edit(&lab, EXTRACTION, |state| {
        remove(&mut state["completed_properties"], a);
    });
    let told = lab.run(&["import", EXTRACTION]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    assert!(told.stdout.contains("I-ONLY-IN"), "{}", told.text());
    assert_eq!(extraction(&lab, a), "completed");
    lab.must(&["verify", "--deep"]);
}

#[test]
fn what_cannot_be_read_any_more_is_noticed_and_left_alone() {
    let first = lab();
    let whole = std::fs::read_to_string(first.path(DATA)).unwrap();
    drop(first);
    for (name, broken) in [
        (
            "comment",
            whole.replacen("\"price\"", "// mine\n    \"price\"", 1),
        ),
        ("nan", whole.replace("650000", "NaN")),
        ("cut", whole[..whole.len() / 2].to_owned()),
        ("empty", String::new()),
    ] {
        let lab = lab();
        lab.write(DATA, &broken);
        let quarantined =
            || std::fs::read_dir(lab.path("data/wal/quarantine")).map_or(0, Iterator::count);
        // An automatic compaction leaves it alone, and says so.
        let mut always = lab.command(&["enrich", HOUSE, "beds=3"]);
        let output = always.env("PHASELOG_COMPACT", "always").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && stderr.contains("cannot be read any more"),
            "{stderr}"
        );
        let refused = lab.run(&["compact"]);
        assert_eq!(refused.exit, Some(5), "{}", refused.text());
        let status = json_of(&lab.must(&["--json", "status"]));
        assert_eq!(
            status["snapshot"]["edited"],
            json!(["enrichment_data.json"])
        );
        let doctor = lab.run(&["--json", "doctor"]);
        let findings = json_of(&doctor)["findings"].clone();
        let first = &findings[0];
        assert_eq!(first["code"], "V-EDITED", "{}", doctor.text());
        let found = findings.as_array().unwrap().iter().find(|it| {
            it["file"] == "enrichment_data.json" || it["place"] == "enrichment_data.json"
        });
        let next = found.map(|it| it["next"].to_string()).unwrap_or_default();
        assert!(next.contains("import --dry-run"), "{}", doctor.text());
        assert_eq!(std::fs::read_to_string(lab.path(DATA)).unwrap(), broken);
        assert_eq!(quarantined(), 0);
        if name == "comment" {
            let told = lab.run(&["import", "--dry-run", DATA]);
            shows("compact__unreadable_companion", &[refused, told]);
        }
        // Mended, with the edit that was meant, it is taken in.
        lab.write(DATA, &whole.replace("650000", "2"));
        let told = lab.must(&["import", DATA]);
        assert!(told.stdout.contains("1 changed"), "{}", told.text());
        lab.must(&["compact"]);
        let object = data(&lab, HOUSE);
        assert_eq!((&object["price"], &object["beds"]), (&json!(2), &json!(3)));
        // Or it is dropped, when asked, and a copy stays.
        lab.write(DATA, &broken);
        lab.must(&["compact", "--discard-edits"]);
        assert_eq!(
            (load(&lab, DATA)[0]["price"].clone(), quarantined()),
            (json!(2), 1)
        );
    }
}

#[test]
fn a_file_that_no_snapshot_names_is_not_written_over() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    lab.must(&["init", "--phase", "list", HOUSE]);
    lab.must(&["compact"]);
    let mine = json!([{"full_address": HOUSE, "price": 1}]).to_string();
    lab.write(DATA, &mine);
    // As long as there is no data it is nobody's business.
    assert_eq!(lab.must(&["status"]).stderr, "");
    lab.must(&["enrich", HOUSE, "beds=2"]);
    let segments = || std::fs::read_dir(lab.path("data/wal")).unwrap().count();
    let before = segments();
    assert_eq!(lab.run(&["compact"]).exit, Some(5));
    assert_eq!(
        (segments(), std::fs::read_to_string(lab.path(DATA)).unwrap()),
        (before, mine)
    );
    lab.must(&["import", DATA]);
    lab.must(&["compact"]);
    assert_eq!(data(&lab, HOUSE), json!({"beds": 2, "price": 1}));
    assert_eq!(lab.must(&["status"]).stderr, "");
}

#[test]
fn what_was_judged_is_on_record_and_told_once() {
    let lab = lab();
    // Nothing in it can be recorded, and something needed judgement.
    let odd = json!([{"full_address": HOUSE, "price": 9}, {"no": "address"}]).to_string();
    lab.write("odd.json", &odd);
    let kept = || std::fs::read_dir(lab.path("data/wal/imported")).map_or(0, Iterator::count);
    let before = log(&lab);
    let dry = lab.run(&["import", "--dry-run", "odd.json"]);
    assert_eq!(
        (dry.exit, kept(), log(&lab) == before),
        (Some(3), 0, true),
        "{}",
        dry.text()
    );
    let told = lab.run(&["import", "odd.json"]);
    assert_eq!((told.exit, kept()), (Some(3), 1), "{}", told.text());
    assert!(log(&lab).contains("odd.json"));
    for args in [
        &["import", "odd.json"][..],
        &["import", "--dry-run", "odd.json"],
    ] {
        assert_eq!(lab.run(args).exit, Some(0));
    }
    // The progress of items as well: pending there and done here is a contradiction.
    lab.must(&["complete", HOUSE, "list"]);
    lab.write(
        "old.json",
        &json!({"work_items": [{"address": HOUSE, "phases": {"list": {"status": "pending"}}}]})
            .to_string(),
    );
    let told = lab.run(&["import", "old.json"]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    assert!(told.stdout.contains("I-EDIT-CONFLICT"), "{}", told.text());
    assert_eq!(lab.run(&["import", "old.json"]).exit, Some(0));
}

#[test]
fn a_dry_run_of_three_files_is_true_to_the_run() {
    let lab = lab();
    by_hand(&lab);
    // The root brings the item that the data is about.
    edit(&lab, "data/work_items.json", |root| {
        push(
            &mut root["work_items"],
            json!({"address": "9 S Added Rd", "phases": {"list": {"status": "completed"}}}),
        );
        root["work_items"][1]["phases"]["photos"]["status"] = json!("completed");
    });
    let [dry, real] = [true, false].map(|dry| {
        let mut args = vec!["--json", "import", "data"];
        args.extend(dry.then_some("--dry-run"));
        let told = lab.run(&args);
        let mut report = json_of(&told);
        for key in ["dry_run", "first_seq", "seq"] {
            report.as_object_mut().unwrap().remove(key);
        }
        (told.exit, report)
    });
    assert_eq!(dry, real);
    assert_eq!(
        lab.run(&["--json", "list"])
            .stdout
            .matches("\"held\":true")
            .count(),
        0
    );
}

#[test]
fn what_a_compaction_leaves_is_no_left_over() {
    let lab = lab();
    lab.must(&["enrich", HOUSE, "price=2"]);
    lab.must(&["compact"]);
    for bak in ["work_items.json.bak", "enrichment_data.json.bak"] {
        assert!(lab.path("data").join(bak).exists(), "{bak}");
    }
    let leftovers = || json_of(&lab.must(&["--json", "import", "data"]))["leftovers"].clone();
    assert_eq!(leftovers(), json!([]));
    lab.write("data/work_items.backup.json", "{}");
    lab.write("data/old.json.bak", "{}");
    let theirs = ["data/old.json.bak", "data/work_items.backup.json"];
    assert_eq!(leftovers(), json!(theirs));
}

/// More than what is appended in one write, in bytes of data.
const LARGE: usize = 5 << 20;

#[test]
fn much_data_that_comes_later_is_one_group_and_an_edit_of_it_what_was_changed() {
    let lab = Lab::new()
        .env("PHASELOG_NOW", "2026-11-23T10:30:00Z")
        .env("PHASELOG_COMPACT", "never");
    lab.must(&["init", "--phase", "list", "0 N Example St"]);
    let object = |n: usize, price: &str| {
        let text = "x".repeat(LARGE / 100);
        format!("{{\"full_address\":\"{n} N Example St\",\"price\":{price},\"text\":\"{text}\"}}")
    };
    let file = |price: &str| {
        let all: Vec<String> = (0..100).map(|n| object(n, price)).collect();
        format!("[{}]", all.join(","))
    };
    lab.write("later.json", &file("0.90"));
    let import = |path: &str| json_of(&lab.run(&["--json", "import", path]));
    let first = import("later.json");
    assert_eq!(
        first["items"],
        json!({"added": 99, "changed": 1, "unchanged": 0})
    );
    assert_eq!(import("later.json")["seq"], Value::Null);
    let verified = json_of(&lab.must(&["--json", "verify", "--deep"]));
    assert_eq!(verified["verdict"], json!("clean"));
    lab.must(&["compact"]);
    let shown = lab.must(&["--json", "show", "7 N Example St", "--data"]);
    assert!(shown.stdout.contains("\"price\":0.90"), "{}", shown.text());
    // Every item edited: what is recorded is the field.
    let text = std::fs::read_to_string(lab.path(DATA)).unwrap();
    lab.write(DATA, &text.replace("0.90", "1"));
    let size = |lab: &Lab| {
        let wal = std::fs::read_dir(lab.path("data/wal")).unwrap();
        let segments = wal
            .map(|it| it.unwrap())
            .filter(|it| it.file_name().to_string_lossy().ends_with(".wal"));
        segments.map(|it| it.metadata().unwrap().len()).sum::<u64>()
    };
    let before = size(&lab);
    let edited = import("data");
    assert_eq!(edited["items"]["changed"], json!(100));
    assert!(size(&lab) - before < 100 * 400, "{}", size(&lab) - before);
    assert_eq!(import("data")["seq"], Value::Null);
    assert_eq!(data(&lab, "7 N Example St")["price"], json!(1));
}

#[test]
fn where_the_root_cannot_be_read_what_is_replaced_is_told() {
    let lab = lab();
    edit(&lab, DATA, |data| data[0]["price"] = json!(7));
    let root = std::fs::read_to_string(lab.path("data/work_items.json")).unwrap();
    lab.write("data/work_items.json", &root[..root.len() / 2]);
    let compacted = lab.must(&["compact"]);
    // Whose the last one is nobody knows either.
    for file in ["work_items", "enrichment_data", "extraction_state"] {
        let told = format!("warning: {file}.json belongs to no set that can be read");
        assert!(compacted.stderr.contains(&told), "{}", compacted.text());
    }
    let kept = std::fs::read_dir(lab.path("data/wal/quarantine")).unwrap();
    let is_edit = |path: &std::path::Path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.contains("\"price\": 7")
    };
    assert!(kept.map(|it| it.unwrap().path()).any(|path| is_edit(&path)));
    assert_eq!(data(&lab, HOUSE)["price"], json!(650_000));
    let quiet = lab.must(&["compact"]);
    assert!(!quiet.stderr.contains("belongs to"), "{}", quiet.text());
}

#[test]
fn what_is_too_large_has_its_place_in_json_too() {
    let lab = lab();
    let long = "y".repeat(17 << 20);
    lab.write(
        "long.json",
        &format!("[\n {{\"full_address\":\"a\",\"x\":\"{long}\"}}]"),
    );
    let refused = lab.run(&["--json", "import", "long.json"]);
    let error: Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!(error["code"], json!("E-TOO-LARGE"), "{}", refused.text());
    let place = [&error["file"], &error["line"], &error["column"]];
    assert_eq!(place, [&json!("long.json"), &json!(2), &json!(2)]);
}

/// Found by a reader: the line named the records of `work_items.json` only, as if those of the other file were not there.
#[test]
fn the_receipt_names_the_records_of_all_files() {
    let edited = || {
        let lab = lab();
        edit(&lab, "data/work_items.json", |root| {
            root["work_items"][0]["phases"]["list"]["status"] = json!("completed");
        });
        edit(&lab, DATA, |data| data[0]["price"] = json!(1));
        lab
    };
    let text = edited().must(&["import", "data"]).stdout;
    let all = json_of(&edited().must(&["--json", "import", "data"]));
    let (first, last) = (&all["first_seq"], &all["seq"]);
    let said = format!("recorded {first}..{last}: ");
    assert!(text.starts_with(&said), "{said} {text} {all}");
}
