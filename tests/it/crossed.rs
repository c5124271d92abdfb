//! The three files against each other: what is done by one and open by another, and items that came with one file before the
//! other.

use serde_json::{Value, json};

use crate::support::{HOUSE, HOUSES, Lab, Output, shows};

/// The number of an item that is none of the houses.
const ELSEWHERE: usize = 9;

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.text()))
}

/// Of the findings of a code: the item's number, the phase, what is said.
fn found(output: &Output, code: &str) -> Vec<(usize, String, String)> {
    let report = json_of(output);
    let rows = report["findings"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["code"] == code);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = rows.map(|row| {
        let item = HOUSES.iter().position(|house| row["item"] == *house);
        (
            item.unwrap_or(ELSEWHERE),
            text(&row["phase"]),
            text(&row["message"]),
        )
    });
    rows.collect()
}

/// Three houses; the images of the first are being looked at from the outside and from the inside.
fn lab() -> Lab {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, c] = HOUSES;
    let phases = ["phase1_listing", "phase2a_exterior", "phase2b_interior"];
    let mut args = vec!["init"];
    args.extend(phases.iter().flat_map(|phase| ["--phase", phase]));
    args.extend([a, b, c]);
    lab.must(&args);
    lab.must(&["complete", c, "phase2b_interior"]);
    lab
}

#[test]
fn all_phases_about_images_are_held_against_the_extraction() {
    let lab = lab();
    let [a, b, c] = HOUSES;
    lab.must(&["start", b, "phase2a_exterior"]);
    let state = json!({"completed_properties": [a, b], "failed_properties": [c]});
    lab.write("extraction_state.json", &state.to_string());
    let import = ["--json", "import", "extraction_state.json"];
    let dry = lab.run(&["--json", "import", "--dry-run", "extraction_state.json"]);
    let told = lab.run(&import);
    let wanted = [
        (0, "phase2a_exterior".to_owned()),
        (2, "phase2b_interior".to_owned()),
    ];
    for output in [&dry, &told] {
        let crossed = found(output, "I-CROSS");
        let crossed: Vec<_> = crossed.into_iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(
            (output.exit, &*crossed),
            (Some(3), &wanted[..]),
            "{}",
            output.text()
        );
    }
    // The doctor says the same.
    let doctor = found(&lab.run(&["--json", "doctor"]), "D-CROSS");
    let doctor: Vec<_> = doctor.into_iter().map(|it| (it.0, it.1)).collect();
    assert_eq!(doctor, wanted);
    assert_eq!(lab.run(&import).exit, Some(0));
}

#[test]
fn phases_that_a_script_keeps_beside_the_extractions_are_held_against_ours() {
    let lab = lab();
    let [a, b, c] = HOUSES;
    let mut state = json!({"completed_properties": [], "failed_properties": [], "in_progress_properties": [],
        "phase_status": {
            a: {"phase1_listing": "complete", "phase2a_exterior": "todo", "nothing_of_ours": "done"},
            c: {"phase1_listing": "huh", "phase2b_interior": "Not Started"},
            "somewhere else": {"phase1_listing": "done"}}});
    lab.write("extraction_state.json", &state.to_string());
    let told = lab.run(&["--json", "import", "extraction_state.json"]);
    assert_eq!(told.exit, Some(3), "{}", told.text());
    let wanted = [
        (
            0,
            "phase1_listing".to_owned(),
            "phase_status has complete, but phase1_listing is pending; both stay".to_owned(),
        ),
        (
            2,
            "phase2b_interior".to_owned(),
            "phase_status has Not Started, but phase2b_interior is completed; both stay".to_owned(),
        ),
    ];
    assert_eq!(found(&told, "I-CROSS"), wanted);
    // What a script calls done and is open here is worth a look for good, each of it. What it calls open may well be done by
    // now, all of it: that is summed up.
    lab.must(&["compact"]);
    let doctor = lab.run(&["--json", "doctor"]);
    let [open, done] = ["pending", "completed"].map(|it| format!(", and the phase is {it}"));
    let listing = || "phase1_listing".to_owned();
    let wanted = [
        (0, listing(), format!("phase_status has complete{open}")),
        (ELSEWHERE, listing(), format!("phase_status has done{open}")),
        (
            2,
            "phase2b_interior".to_owned(),
            format!("phase_status has Not Started{done}"),
        ),
    ];
    assert_eq!(found(&doctor, "D-CROSS"), wanted);
    let rows = json_of(&doctor)["findings"].as_array().unwrap().clone();
    let rows = rows.iter().filter(|row| row["code"] == "D-CROSS");
    let severities: Vec<_> = rows.map(|row| row["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["warning", "warning", "note"]);
    // Nothing of it is news in our own snapshot, only what is new in it.
    assert!(
        lab.must(&["import", "data"])
            .stdout
            .starts_with("unchanged")
    );
    state = serde_json::from_str(
        &std::fs::read_to_string(lab.path("data/extraction_state.json")).unwrap(),
    )
    .unwrap();
    state["phase_status"][b] = json!({"phase1_listing": "done"});
    lab.write("data/extraction_state.json", &state.to_string());
    let told = lab.run(&["--json", "import", "data"]);
    let crossed = found(&told, "I-CROSS");
    assert_eq!(
        (told.exit, crossed.len(), crossed[0].0),
        (Some(3), 1, 1),
        "{}",
        told.text()
    );
    lab.must(&["complete", a, "phase1_listing"]);
    lab.must(&["complete", b, "phase1_listing"]);
    lab.must(&["complete", "somewhere else", "phase1_listing"]);
    lab.must(&["complete", a, "phase2a_exterior"]);
    let doctor = found(&lab.run(&["--json", "doctor"]), "D-CROSS");
    let wanted = "phase_status has todo, and the phase is completed; so it is with 2 phases, this is the first";
    assert_eq!(
        doctor,
        [(0, "phase2a_exterior".to_owned(), wanted.to_owned())]
    );
}

#[test]
fn an_item_that_is_named_beside_the_extractions_only_is_added_held() {
    let lab = lab();
    let a = HOUSE;
    let state = json!({"completed_properties": [], "failed_properties": [], "phase_status": {
        a: {"phase1_listing": "pending"},
        "9 S Added Rd": {"phase1_listing": "done", "phase2a_exterior": "huh", "phase2b_interior": "todo"},
        "": {"phase1_listing": "done"}}});
    lab.write("extraction_state.json", &state.to_string());
    let dry = lab.run(&["--json", "import", "--dry-run", "extraction_state.json"]);
    let told = lab.run(&["--json", "import", "extraction_state.json"]);
    for output in [&dry, &told] {
        let wanted = "only phase_status of the file knows the item (phase1_listing done, phase2b_interior todo); it is added, \
                      held, and its phases are pending";
        assert_eq!(
            found(output, "I-ONLY-IN"),
            [(ELSEWHERE, String::new(), wanted.to_owned())]
        );
        assert_eq!(found(output, "I-ITEM").len(), 1, "{}", output.text());
        assert_eq!(
            (output.exit, &json_of(output)["items"]["added"]),
            (Some(3), &json!(1))
        );
    }
    let why = json_of(&lab.must(&["--json", "why", "9 S Added Rd", "phase1_listing"]));
    assert_eq!(why["reason"], "held", "{why}");
    // It is no extraction of its own, and our snapshot of it brings nothing.
    lab.must(&["compact"]);
    assert!(
        lab.must(&["import", "data"])
            .stdout
            .starts_with("unchanged")
    );
    // A store that begins with the file has it as well.
    let fresh = [
        "--store",
        "fresh",
        "--json",
        "import",
        "extraction_state.json",
    ];
    let report = json_of(&lab.run(&fresh));
    assert_eq!(report["items"]["added"], 2, "{report}");
}

#[test]
fn who_brings_the_data_first_is_told_that_the_items_are_held_still() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let data: Vec<Value> = HOUSES
        .iter()
        .map(|house| json!({"full_address": house, "price": 1}))
        .collect();
    lab.write("enrichment_data.json", &json!(data).to_string());
    let items: Vec<Value> = HOUSES[..2]
        .iter()
        .map(|house| json!({"address": house, "phases": {"list": {"status": "pending"}}}))
        .collect();
    lab.write("old.json", &json!({"work_items": items}).to_string());
    let outputs = [
        lab.run(&["import", "enrichment_data.json"]),
        lab.run(&["import", "--dry-run", "old.json"]),
        lab.run(&["import", "old.json"]),
        lab.run(&["import", "old.json"]),
        lab.run(&["unhold", HOUSE]),
        lab.run(&["resume"]),
    ];
    shows("import__held_still", &outputs);
    // Our own snapshot knows them because the store does.
    lab.must(&["compact"]);
    assert!(
        lab.must(&["import", "data"])
            .stdout
            .starts_with("unchanged")
    );
}

#[test]
fn what_is_missing_where_it_stood_before_is_told_of_any_file() {
    let lab = Lab::new().env("PHASELOG_NOW", "2026-11-23T10:30:00Z");
    let [a, b, c] = HOUSES;
    let root = |houses: &[&str]| {
        let item = |house| json!({"address": house, "phases": {"list": "pending"}});
        json!({"work_items": houses.iter().map(item).collect::<Vec<_>>()}).to_string()
    };
    let data = |houses: &[&str]| {
        let field = |house: &&str| ((*house).to_owned(), json!({"beds": 3}));
        Value::Object(houses.iter().map(field).collect()).to_string()
    };
    let done = |houses: &[&str]| json!({"completed_properties": houses}).to_string();
    let files = [
        "work_items.json",
        "enrichment_data.json",
        "extraction_state.json",
    ];
    let write = |place: &str, houses: &[&str]| {
        let texts = [root(houses), data(houses), done(houses)];
        for (file, text) in files.iter().zip(texts) {
            lab.write(&format!("{place}/{file}"), &text);
        }
    };
    let missing = |place: &str, exit| {
        let paths = files.map(|file| format!("{place}/{file}"));
        let mut args = vec!["--json", "import"];
        args.extend(paths.iter().map(String::as_str));
        let told = lab.run(&args);
        assert_eq!(told.exit, Some(exit), "{}", told.text());
        let found = found(&told, "I-ONLY-IN").into_iter();
        found.map(|it| (it.0, it.2)).collect::<Vec<_>>()
    };
    for place in ["old", "other"] {
        std::fs::create_dir(lab.path(place)).unwrap();
    }
    write("old", &[a, b, c]);
    assert_eq!(missing("old", 0), []);
    write("old", &[a, c]);
    let told = missing("old", 3);
    let about: Vec<_> = told.iter().map(|it| it.0).collect();
    assert_eq!(about, [1, 1, 1], "{told:?}");
    assert!(
        told.iter().zip(files).all(|(it, file)| it.1.contains(file)),
        "{told:?}"
    );
    // It was told once, and again where it is taken out of what came since.
    assert_eq!(missing("old", 0), []);
    assert_eq!(lab.must(&["list"]).stdout.lines().count(), 3);
    // A file of somewhere else that never knew the items says nothing of them.
    write("other", &[c]);
    assert_eq!(missing("other", 0), []);
    // Nobody is left.
    lab.write("old/work_items.json", &root(&[]));
    let told = lab.run(&["--json", "import", "old/work_items.json"]);
    let about: Vec<_> = found(&told, "I-ONLY-IN")
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!((told.exit, about), (Some(3), vec![0, 2]), "{}", told.text());
    // Nor in place of our own snapshot.
    lab.must(&["compact"]);
    lab.write("data/work_items.json", &root(&[b]));
    let told = lab.run(&["--json", "import", "data/work_items.json"]);
    let about: Vec<_> = found(&told, "I-ONLY-IN")
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!((told.exit, about), (Some(3), vec![0, 2]), "{}", told.text());
}
