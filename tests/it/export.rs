//! What `export` gives to spreadsheets and notebooks: every row and column, exact values, and past damage what can be
//! read.

use serde_json::Value;

use crate::look::golden;
use crate::support::{HOUSE, Lab, Output, shows};

fn export(lab: &Lab, form: &str, rows: &str) -> Output {
    lab.run(&["export", "--as", form, "--rows", rows])
}

#[test]
fn every_row_and_column_as_csv() {
    let lab = golden();
    let all = ["phases", "items", "events"].map(|rows| export(&lab, "csv", rows));
    shows("export__csv", &all);
}

#[test]
fn lines_of_json_have_every_key() {
    let lab = golden();
    let outputs = [
        lab.run(&["export", "--as", "jsonl", "--at", "@20"]),
        lab.run(&[
            "export",
            "--format",
            "jsonl",
            "--rows",
            "items",
            "--at",
            "2026-11-21T10:00:00Z",
        ]),
        lab.run(&[
            "export",
            "--as",
            "jsonl",
            "--rows",
            "events",
            "--at",
            "2026-11-21T09:30:00Z",
        ]),
    ];
    shows("export__jsonl", &outputs);
}

#[test]
fn both_forms_say_the_same_whatever_the_text_is() {
    let lab = Lab::with_store();
    let odd = "=1+1,\"two\"\nthree\t\u{1f600}";
    lab.must(&["add", "--", odd, "-2 Minus Ave", " leading"]);
    let token = lab.start(odd, "list");
    lab.must(&[
        "fail",
        "--error",
        "=home: \"no\",\r\n =2",
        "--token",
        &token,
        "--",
        odd,
        "list",
    ]);
    lab.must(&["hold", HOUSE, "--reason", "a, b"]);
    for rows in ["phases", "items", "events"] {
        let (csv, lines) = (export(&lab, "csv", rows), export(&lab, "jsonl", rows));
        let mut reader = csv::Reader::from_reader(csv.stdout.as_bytes());
        let names = reader.headers().unwrap().clone();
        let mut count = 0;
        for (record, line) in reader.records().zip(lines.stdout.lines()) {
            let (record, line) = (record.unwrap(), line);
            let Value::Object(row) = serde_json::from_str(line).unwrap() else {
                panic!("{line}")
            };
            assert_eq!(
                names.iter().collect::<Vec<_>>(),
                row.keys().collect::<Vec<_>>()
            );
            for (field, value) in record.iter().zip(row.values()) {
                let same = match value {
                    Value::Null => field.is_empty(),
                    Value::String(text) => field == text,
                    Value::Number(number) => field.parse::<f64>().ok() == number.as_f64(),
                    other => serde_json::from_str::<Value>(field).ok().as_ref() == Some(other),
                };
                assert!(same, "{field:?} in CSV, {value} in JSON");
            }
            count += 1;
        }
        assert_eq!(count, lines.stdout.lines().count(), "{rows}");
        assert!(count >= 6, "{rows}: {count}");
    }
}

#[test]
fn what_a_spreadsheet_would_run_can_be_guarded() {
    let lab = Lab::new();
    lab.must(&[
        "init", "--phase", "p", "--", "=1+1", "-1 A St", "+1", "@b", "2 C St",
    ]);
    let exact = lab.must(&["export", "--as", "csv", "--rows", "items"]);
    let guarded = [
        "export",
        "--as",
        "csv",
        "--rows",
        "items",
        "--guard-formulas",
    ];
    let guarded = lab.must(&guarded);
    let first = |output: &Output| -> Vec<String> {
        let mut reader = csv::Reader::from_reader(output.stdout.as_bytes());
        reader
            .records()
            .map(|row| row.unwrap()[0].to_owned())
            .collect()
    };
    assert_eq!(first(&exact), ["=1+1", "-1 A St", "+1", "@b", "2 C St"]);
    assert_eq!(
        first(&guarded),
        ["'=1+1", "'-1 A St", "'+1", "'@b", "2 C St"]
    );
}

#[test]
fn events_go_on_past_damage() {
    let lab = golden();
    let path = lab.path("data/wal/00000000000000000014.wal");
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.find("\"event\":\"reset\"").unwrap();
    let mut bytes = text.into_bytes();
    bytes[at + 9] = b'R';
    std::fs::write(&path, bytes).unwrap();
    let events = lab.run(&["export", "--as", "csv", "--rows", "events"]);
    assert_eq!(events.exit, Some(7), "{}", events.text());
    let mut reader = csv::Reader::from_reader(events.stdout.as_bytes());
    let seqs: Vec<u64> = reader
        .records()
        .map(|row| row.unwrap()[0].parse().unwrap())
        .collect();
    let last = *seqs.last().unwrap();
    assert_eq!((seqs.len(), last), (30, 31), "{}", events.text());
    assert!(events.stderr.contains("not shown: "), "{}", events.stderr);
    // State that cannot be known is not written.
    let phases = lab.run(&["export", "--as", "csv"]);
    assert_eq!((phases.exit, phases.stdout.as_str()), (Some(7), ""));
}

#[test]
fn misuse_of_export() {
    let lab = Lab::with_store();
    let outputs = [
        lab.run(&["export"]),
        lab.run(&["export", "--json"]),
        lab.run(&["export", "--as", "xlsx"]),
        lab.run(&["export", "--as", "jsonl", "--guard-formulas"]),
        lab.run(&["export", "--as", "csv", "--at", "@99"]),
        lab.run(&["-s", "nowhere", "export", "--as", "csv"]),
    ];
    shows("export__misuse", &outputs);
}
