//! The two files beside `work_items.json` do not say when they were written. Who had read one before a compaction and writes it
//! back behind it takes nothing back that the store has learned since, and is told.

use serde_json::{Value, json};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

const DATA: &str = "data/enrichment_data.json";
const EXTRACTION: &str = "data/extraction_state.json";

/// Three houses with data and an extraction each, and snapshots of that.
fn lab() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, c] = HOUSES;
    lab.must(&["init", "--phase", "list", a, b, c]);
    for (house, price) in [(a, 1), (b, 2), (c, 3)] {
        let data = json!({"price": price, "beds": 2, "lot": {"sqft": 6.0, "kind": "corner"}});
        lab.must(&[
            "enrich",
            house,
            "--data",
            &data.to_string(),
            "--source",
            "county",
        ]);
    }
    lab.must(&["extract", a, "completed"]);
    lab.must(&["extract", b, "failed"]);
    lab.must(&["extract", c, "in_progress"]);
    lab.must(&["compact"]);
    lab
}

/// What happens between the two snapshots; the clock goes on.
fn goes_on(lab: Lab) -> Lab {
    let [a, b, c] = HOUSES;
    let lab = lab.env("PHASELOG_NOW", "2026-11-23T11:30:00Z");
    lab.must(&["enrich", a, "price=10", "lot.sqft=7", "--source", "listing"]);
    lab.must(&["enrich", b, "baths=1", "beds=null", "price=20"]);
    lab.must(&["extract", b, "completed"]);
    lab.must(&["extract", c, "failed"]);
    lab.must(&["compact"]);
    lab.env("PHASELOG_NOW", "2026-11-23T12:30:00Z")
}

fn read(lab: &Lab, file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(lab.path(file)).unwrap()).unwrap()
}

fn write(lab: &Lab, file: &str, document: &Value) {
    lab.write(file, &serde_json::to_string_pretty(document).unwrap());
}

fn edit(lab: &Lab, file: &str, change: impl FnOnce(&mut Value)) {
    let mut document = read(lab, file);
    change(&mut document);
    write(lab, file, &document);
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
}

fn data(lab: &Lab, item: usize) -> Value {
    json_of(&lab.must(&["--json", "show", HOUSES[item], "--data"]))["data"].clone()
}

fn extraction(lab: &Lab, item: usize) -> Value {
    json_of(&lab.must(&["--json", "show", HOUSES[item]]))["extraction"]["status"].clone()
}

/// Imports, and gives the exit status, how many items were changed, and of which something was judged.
fn import(lab: &Lab, args: &[&str]) -> (Option<i32>, Value, Vec<usize>) {
    let mut all = vec!["--json", "import", "data"];
    all.extend(args);
    let told = lab.run(&all);
    let report = json_of(&told);
    let judged = report["findings"].as_array().unwrap().iter();
    let judged = judged.filter(|it| it["severity"] == "judged");
    let of = |it: &Value| {
        HOUSES
            .iter()
            .position(|house| it["item"] == *house)
            .unwrap()
    };
    (
        told.exit,
        report["items"]["changed"].clone(),
        judged.map(of).collect(),
    )
}

#[test]
fn what_the_store_has_learned_since_stays_and_what_was_edited_is_taken() {
    let lab = lab();
    let [a, _, c] = HOUSES;
    // A script reads both files.
    let (mut homes, mut state) = (read(&lab, DATA), read(&lab, EXTRACTION));
    let lab = goes_on(lab);
    // And writes them back with what it found out: something new, and a price that by now is another.
    homes[0]["beds"] = json!(3);
    homes[1]["price"] = json!(21);
    homes[2]["price"] = json!(30);
    state["completed_properties"] = json!([a, c]);
    state["in_progress_properties"] = json!([]);
    state["property_last_checked"][a] = json!("2026-11-23T12:00:00+00:00");
    write(&lab, DATA, &homes);
    write(&lab, EXTRACTION, &state);
    let dry = lab.run(&["--json", "import", "data", "--dry-run"]);
    let outputs = [lab.run(&["import", "data"]), lab.run(&["import", "data"])];
    shows("import__older_companions", &outputs);
    // A dry run says the same.
    assert_eq!(dry.exit, Some(3));
    let told = json_of(&dry);
    let conflicts = told["findings"].as_array().unwrap().iter();
    let conflicts = conflicts
        .filter(|it| it["code"] == "I-EDIT-CONFLICT")
        .count();
    assert_eq!(
        outputs[0].stdout.matches("I-EDIT-CONFLICT").count(),
        conflicts
    );
    assert_eq!(
        [0, 1, 2].map(|item| data(&lab, item)),
        [
            json!({"price": 10, "beds": 3, "lot": {"sqft": 7, "kind": "corner"}}),
            json!({"price": 20, "lot": {"sqft": 6.0, "kind": "corner"}, "baths": 1}),
            json!({"price": 30, "beds": 2, "lot": {"sqft": 6.0, "kind": "corner"}}),
        ]
    );
    assert_eq!(
        [1, 2].map(|item| extraction(&lab, item)),
        ["completed", "failed"]
    );
    lab.must(&["compact"]);
    lab.must(&["verify", "--deep"]);
    // Asked to, the file counts, whatever it was made from.
    write(&lab, DATA, &homes);
    assert_eq!(import(&lab, &[]).0, Some(3));
    assert_eq!(import(&lab, &["--prefer", "file"]).1, json!(2));
    assert_eq!(data(&lab, 0)["price"], 1);
    assert_eq!(data(&lab, 1)["price"], 21);
}

#[test]
fn one_object_may_be_older_than_the_file() {
    let lab = lab();
    let old = read(&lab, DATA)[0].clone();
    let lab = goes_on(lab);
    // A script keeps one object in memory, reads the file again, and puts the object in.
    edit(&lab, DATA, |homes| {
        homes[0] = old;
        homes[0]["beds"] = json!(3);
        homes[2]["price"] = json!(4);
    });
    assert_eq!(import(&lab, &[]), (Some(3), json!(2), vec![0, 0]));
    let (first, third) = (data(&lab, 0), data(&lab, 2));
    assert_eq!(
        (&first["price"], &first["lot"]["sqft"]),
        (&json!(10), &json!(7))
    );
    assert_eq!((&first["beds"], &third["price"]), (&json!(3), &json!(4)));
    // A field of the second that was moved as well: nothing tells that it was not read.
    edit(&lab, DATA, |homes| homes[1]["price"] = json!(22));
    assert_eq!(import(&lab, &[]).1, json!(1));
    assert_eq!(data(&lab, 1)["price"], 22);
}

#[test]
fn a_file_without_what_came_since_is_older() {
    let lab = lab();
    lab.must(&["add", "9 S Added Rd"]);
    let mut homes = read(&lab, DATA);
    lab.must(&["enrich", "9 S Added Rd", "price=1"]);
    lab.must(&["enrich", HOUSE, "price=10"]);
    lab.must(&["compact"]);
    homes[0]["price"] = json!(11);
    homes[1]["price"] = json!(21);
    write(&lab, DATA, &homes);
    let told = lab.run(&["--json", "import", "data"]);
    let codes: Vec<Value> = json_of(&told)["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].clone())
        .collect();
    assert_eq!(
        (told.exit, codes),
        (Some(3), vec![json!("I-ONLY-IN"), json!("I-EDIT-CONFLICT")])
    );
    assert_eq!(
        (&data(&lab, 0)["price"], &data(&lab, 1)["price"]),
        (&json!(10), &json!(21))
    );
}

/// Once an item that is not in the file made all of it a file from before there was any data: each edit beside it was refused, and the
/// next compaction wrote over it.
#[test]
fn who_takes_a_house_out_and_edits_another_is_no_older_file() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, _] = HOUSES;
    lab.must(&["init", "--phase", "list", a, b]);
    for house in [a, b] {
        lab.must(&["enrich", house, "price=1"]);
    }
    lab.must(&["compact"]);
    edit(&lab, DATA, |data| {
        data.as_array_mut().unwrap().truncate(1);
        data[0]["price"] = json!(9);
        data[0]["new"] = json!(1);
    });
    let told = lab.run(&["--json", "import", "data"]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    let is_told = |code: &str| told.stdout.contains(code);
    assert!(
        is_told("I-ONLY-IN") && !is_told("I-EDIT-CONFLICT"),
        "{}",
        told.text()
    );
    assert_eq!(data(&lab, 0)["price"], json!(9));
    assert_eq!(data(&lab, 0)["new"], json!(1));
}

#[test]
fn who_reads_what_is_there_and_edits_it_is_in_nobodys_way() {
    let mut lab = lab().env("PHASELOG_NOW", "2026-11-23T18:30:00Z");
    // Round after round, on both sides of a compaction, what the script sets is the script's.
    for round in 0..3 {
        edit(&lab, DATA, |homes| {
            homes[0]["price"] = json!(100 + round);
            homes[1]["note"] = json!(format!("seen {round}"));
        });
        edit(&lab, EXTRACTION, |state| {
            state["property_last_checked"][HOUSE] =
                json!(format!("2026-11-23T1{round}:00:00+00:00"));
        });
        assert_eq!(
            import(&lab, &[]),
            (Some(0), json!(3), vec![]),
            "round {round}"
        );
        lab.must(&["enrich", HOUSES[2], &format!("price={round}")]);
        lab.must(&["compact"]);
    }
    lab = goes_on(lab);
    edit(&lab, DATA, |homes| homes[0]["price"] = json!(11));
    assert_eq!(import(&lab, &[]), (Some(0), json!(1), vec![]));
}

#[test]
fn a_file_put_back_by_hand_is_told() {
    for file in [DATA, EXTRACTION] {
        let lab = goes_on(lab());
        let bak = lab.path(&format!("{file}.bak"));
        std::fs::copy(bak, lab.path(file)).unwrap();
        let outputs = [
            lab.run(&["import", "data", "--dry-run"]),
            lab.run(&["import", "data"]),
            lab.run(&["import", "data"]),
        ];
        let name = if file == DATA { "data" } else { "extraction" };
        shows(&format!("import__put_back_{name}"), &outputs);
        // What it says can be had, when asked for.
        assert_eq!(import(&lab, &["--prefer", "file"]).1, json!(2));
        if file == DATA {
            assert_eq!(data(&lab, 0)["price"], 1);
            assert_eq!(data(&lab, 1)["beds"], 2);
        } else {
            assert_eq!(
                [1, 2].map(|it| extraction(&lab, it)),
                ["failed", "in_progress"]
            );
        }
        lab.must(&["compact"]);
        assert_eq!(lab.must(&["status"]).stderr, "");
        lab.must(&["verify", "--deep"]);
    }
}

#[test]
fn an_edit_is_taken_back_by_the_bytes_that_were_there() {
    let lab = lab();
    let before = [DATA, EXTRACTION].map(|file| std::fs::read(lab.path(file)).unwrap());
    let edited = || {
        edit(&lab, DATA, |homes| homes[0]["price"] = json!(9));
        edit(&lab, EXTRACTION, |state| {
            state["failed_properties"] = json!([]);
            state["completed_properties"] = json!([HOUSES[0], HOUSES[1]]);
        });
    };
    let put = |files: &[Vec<u8>; 2]| {
        for (file, bytes) in [DATA, EXTRACTION].into_iter().zip(files) {
            std::fs::write(lab.path(file), bytes).unwrap();
        }
    };
    edited();
    let with_edit = [DATA, EXTRACTION].map(|file| std::fs::read(lab.path(file)).unwrap());
    for (files, price, status) in [
        (&with_edit, 9, "completed"),
        (&before, 1, "failed"),
        (&with_edit, 9, "completed"),
    ] {
        put(files);
        assert_eq!(import(&lab, &["--dry-run"]), (Some(0), json!(2), vec![]));
        assert_eq!(import(&lab, &[]), (Some(0), json!(2), vec![]));
        assert_eq!(import(&lab, &[]), (Some(0), json!(0), vec![]));
        assert_eq!(
            (&data(&lab, 0)["price"], &extraction(&lab, 1)),
            (&json!(price), &json!(status))
        );
    }
    // Once it is compacted, the same bytes are an edit again, which takes nothing back that came since.
    lab.must(&["enrich", HOUSE, "price=5"]);
    lab.must(&["compact"]);
    put(&with_edit);
    assert_eq!(import(&lab, &[]), (Some(3), json!(0), vec![0]));
    assert_eq!(import(&lab, &[]), (Some(0), json!(0), vec![]));
    // And who goes on from them does not take that back either.
    edit(&lab, DATA, |homes| homes[0]["beds"] = json!(8));
    assert_eq!(import(&lab, &[]), (Some(0), json!(1), vec![]));
    let first = data(&lab, 0);
    assert_eq!((&first["price"], &first["beds"]), (&json!(5), &json!(8)));
}

#[test]
fn asked_to_the_file_counts_against_its_snapshot_and_its_last_edit() {
    let lab = lab();
    edit(&lab, DATA, |homes| {
        homes[0]["price"] = json!(9);
        homes[1]["beds"] = json!(9);
    });
    edit(&lab, EXTRACTION, |state| {
        state["failed_properties"] = json!([]);
        state["completed_properties"] = json!([HOUSES[0], HOUSES[1]]);
    });
    lab.must(&["enrich", HOUSES[1], "beds=5"]);
    assert_eq!(import(&lab, &[]), (Some(3), json!(2), vec![1]));
    // The price is put back, the beds are still those that were left out, and something is new.
    edit(&lab, DATA, |homes| {
        homes[0]["price"] = json!(1);
        homes[2]["price"] = json!(4);
    });
    edit(&lab, EXTRACTION, |state| {
        state["failed_properties"] = json!([HOUSES[1]]);
        state["completed_properties"] = json!([HOUSES[0]]);
    });
    assert_eq!(
        import(&lab, &["--prefer", "file"]),
        (Some(0), json!(4), vec![])
    );
    let found = [
        data(&lab, 0)["price"].clone(),
        data(&lab, 1)["beds"].clone(),
    ];
    assert_eq!(
        (found, data(&lab, 2)["price"].clone()),
        ([json!(1), json!(9)], json!(4))
    );
    assert_eq!(extraction(&lab, 1), "failed");
    assert_eq!(import(&lab, &["--prefer", "file"]).1, json!(0));
}

#[test]
fn what_was_left_out_once_is_not_taken_the_second_time() {
    let lab = lab();
    edit(&lab, DATA, |homes| homes[0]["price"] = json!(9));
    lab.must(&["enrich", HOUSE, "price=5"]);
    let read_by_a_script = read(&lab, DATA);
    assert_eq!(import(&lab, &[]), (Some(3), json!(0), vec![0]));
    lab.must(&["compact"]);
    // The script had read it with the price that was left out.
    let mut homes = read_by_a_script;
    homes[1]["beds"] = json!(4);
    write(&lab, DATA, &homes);
    assert_eq!(import(&lab, &[]), (Some(3), json!(1), vec![0]));
    assert_eq!(
        (&data(&lab, 0)["price"], &data(&lab, 1)["beds"]),
        (&json!(5), &json!(4))
    );
}
