//! Each shape of the two files, and what is odd in them.

use super::*;
use crate::snapshot::import::{Severity, Zone};

fn options() -> Options {
    let mut options = Options::new(Timestamp::parse_rfc3339("2026-11-23T00:00:00Z").unwrap());
    options.zone = Zone::Utc;
    options
}

fn read(text: &str) -> Result<BesideDocument, Error> {
    let kind = kind("f.json", text.as_bytes());
    read_beside("f.json", text.as_bytes(), kind, &options())
}

fn said(text: &str, document: &BesideDocument) -> Vec<(String, String)> {
    let items = document.items.iter().map(|item| {
        let says = match &item.says {
            Says::Data(span) => {
                let from = usize::try_from(span.at).unwrap();
                let bytes = &text.as_bytes()[from..from + span.len];
                span.json(bytes).unwrap().to_string()
            }
            Says::Extraction(change) => serde_json::to_string(change).unwrap(),
        };
        (item.name.to_string(), says)
    });
    items.collect()
}

fn codes(document: &BesideDocument) -> Vec<(&'static str, Severity, u64, u64)> {
    let codes = document.findings.iter().map(|finding| {
        let place = |number: Option<u64>| number.unwrap_or_default();
        (
            finding.code,
            finding.severity,
            place(finding.line),
            place(finding.column),
        )
    });
    codes.collect()
}

#[test]
fn kinds_are_told_by_what_is_in_them() {
    for (text, wanted) in [
        ("[]", "work_items"),
        ("[7]", "work_items"),
        ("[{\"address\":\"a\"}", "enrichment"),
        ("\u{feff} [{\"full_address\":\"a\"}]", "enrichment"),
        (r#"{"100 N Example St":{"price":1}}"#, "enrichment"),
        (r#"{"_meta":1,"a":{"full_address":"a"}}"#, "enrichment"),
        (r#"{"completed_properties":[]}"#, "extraction"),
        (
            r#"{"last_updated":null,"failed_properties":[]}"#,
            "extraction",
        ),
        (r#"{"session":{},"properties":{}}"#, "work_items"),
        (r#"{"schema_version":"2.0"}"#, "work_items"),
        ("{}", "work_items"),
        ("", "work_items"),
        ("{\"session\":", "work_items"),
        // What the damaged value belongs to tells as much as a whole one.
        (
            r#"{"session":{"mode":"batch"},"properties":{"5887"#,
            "work_items",
        ),
        (r#"{"session":{"mode":"batch"},"summary":{"#, "work_items"),
        (
            r#"{"last_updated":"2025","failed_properties":["1 A"#,
            "extraction",
        ),
        (r#"{"100 N Example St":{"price":1},"200"#, "enrichment"),
    ] {
        assert_eq!(kind("f.json", text.as_bytes()), wanted, "{text}");
    }
}

#[test]
fn where_nothing_in_a_file_tells_its_name_does() {
    for text in [
        "",
        "[]",
        "{}",
        "7",
        "not json",
        "[{\"full_addr",
        "{\"a\":{\"x\":1}}",
    ] {
        for (name, wanted) in [
            ("work_items.json", "work_items"),
            ("enrichment_data.json", "enrichment"),
            ("extraction_state.json", "extraction"),
        ] {
            assert_eq!(kind(name, text.as_bytes()), wanted, "{name}: {text}");
        }
    }
    let told = br#"{"completed_properties":[]}"#;
    assert_eq!(kind("enrichment_data.json", told), "extraction");
}

#[test]
fn a_list_of_objects_is_read_with_its_digits() {
    // The byte order mark is no part of the text, but of the file.
    let text = "\u{feff}[\r\n {\"full_address\": \"a\", \"x\": 0.90, \"l\": [6, 6.0, null]},\n {\"y\":1},\n 7,\n {\"address\":\"b\"},\n {\"full_address\":\"a\"}]";
    let document = read(text).unwrap();
    let wanted = [
        ("a", r#"{"full_address":"a","x":0.90,"l":[6,6.0,null]}"#),
        ("b", r#"{"address":"b"}"#),
    ];
    assert_eq!(
        said(text, &document),
        wanted.map(|(name, says)| (name.to_owned(), says.to_owned()))
    );
    assert_eq!((document.items[0].line, document.items[0].column), (2, 2));
    let judged = Severity::Judged;
    let wanted = [
        ("I-BOM", Severity::Note, 1, 1),
        ("I-ITEM", judged, 3, 2),
        ("I-ITEM", judged, 4, 2),
        ("I-DUPLICATE", judged, 6, 2),
    ];
    assert_eq!(codes(&document), wanted);
    assert_eq!(document.file.shape, "list");
}

#[test]
fn a_dict_keeps_what_is_no_item() {
    let text = r#"{"_meta":{"v":0.10},"A":{"x":1},"a":{"full_address":"b"},"count":2}"#;
    let document = read(text).unwrap();
    assert_eq!(said(text, &document).len(), 2);
    assert_eq!(document.file.shape, "dict");
    let extras: Vec<_> = document
        .file
        .extras
        .iter()
        .map(|it| (&*it.key, it.value.to_string()))
        .collect();
    assert_eq!(
        extras,
        [
            ("_meta", "{\"v\":0.10}".to_owned()),
            ("count", "2".to_owned())
        ]
    );
    let found: Vec<_> = codes(&document).into_iter().map(|code| code.0).collect();
    assert_eq!(found, ["I-FIELD", "I-NEAR-DUPLICATE"]);
}

#[test]
fn the_forms_of_extraction() {
    let older = read(r#"{"completed_properties":["a"],"failed_properties":["b"],"last_updated":"2025-12-02T18:08:26"}"#).unwrap();
    assert_eq!(older.file.shape, "older");
    let wanted = [
        ("a", r#"{"status":"completed","imported":{}}"#),
        ("b", r#"{"status":"failed","imported":{}}"#),
    ];
    assert_eq!(
        said("", &older),
        wanted.map(|(name, says)| (name.to_owned(), says.to_owned()))
    );
    let v2 = read(
        r#"{"completed_properties":["a","a"],"failed_properties":["a","c"],"in_progress_properties":["d"],
 "property_last_checked":{"a":"2025-12-02T18:00:35.697827-05:00","e":"2025-12-02T18:00:35"},
 "retry_counts":{"c":2,"d":-1},"phase_status":{"a":{"x":"done"}},"stats":{"n":1}}"#,
    )
    .unwrap();
    assert_eq!(v2.file.shape, "v2");
    let wanted = [
        (
            "a",
            r#"{"status":"completed","imported":{"last_checked":"2025-12-02T23:00:35.697827Z"}}"#,
        ),
        ("c", r#"{"status":"failed","imported":{"retry_count":2}}"#),
        (
            "d",
            r#"{"status":"in_progress","imported":{"found":[["retry_counts","-1"]]}}"#,
        ),
        (
            "e",
            r#"{"imported":{"last_checked":"2025-12-02T18:00:35.000000Z","found":[["property_last_checked","2025-12-02T18:00:35"]]}}"#,
        ),
    ];
    assert_eq!(
        said("", &v2),
        wanted.map(|(name, says)| (name.to_owned(), says.to_owned()))
    );
    let found: Vec<_> = codes(&v2).into_iter().map(|code| code.0).collect();
    assert_eq!(found, ["I-DUPLICATE", "I-BOTH-LISTS", "I-NAIVE", "I-FIELD"]);
    assert_eq!(v2.file.extras.iter().count(), 2);
}

#[test]
fn damage_is_named_with_its_place() {
    for (text, line, column, message) in [
        (
            "[{\"full_address\":\"a\"},\n {\"full",
            2,
            8,
            "the file is cut off here",
        ),
        ("[] []", 1, 4, "a second document begins here"),
        (
            "[{\"full_address\":\"a\",\"x\":1,\"x\":2}]",
            1,
            28,
            "key \"x\" stands twice",
        ),
        (
            "{\"a\":{\"x\":1},\"a\":{\"x\":1}}",
            1,
            14,
            "key \"a\" stands twice",
        ),
        (
            "{\"completed_properties\":[\"a\",]}",
            1,
            30,
            "`]` right after a comma",
        ),
        (
            "{\"completed_properties\":7}",
            1,
            25,
            "completed_properties is a number",
        ),
    ] {
        match read(text) {
            Err(Error::Parse {
                line: l,
                column: c,
                message: m,
                ..
            }) => {
                assert_eq!((l, c), (line, column), "{text}");
                assert!(m.contains(message), "{m}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let deep = format!(
        "[{{\"full_address\":\"a\",\"x\":{}1{}}}]",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert!(matches!(read(&deep), Err(Error::Parse { line: 1, .. })));
    let bytes = b"[{\"full_address\":\"a\"},{\"full_address\":\"caf\xe9\"}]";
    let read = |options: &Options| read_beside("f", bytes, "enrichment", options);
    assert!(matches!(
        read(&options()),
        Err(Error::Parse { column: 43, .. })
    ));
    let mut salvage = options();
    salvage.salvage = true;
    let document = read(&salvage).unwrap();
    assert_eq!(document.items.len(), 1);
    assert_eq!(codes(&document)[0].0, "I-SALVAGED");
}

#[test]
fn an_object_that_no_record_can_hold_is_refused() {
    let text = format!(
        "[{{\"full_address\":\"a\",\"x\":\"{}\"}}]",
        "y".repeat(17 << 20)
    );
    let Err(error @ Error::TooLargeAt { .. }) = read(&text) else {
        panic!("it is taken")
    };
    let message = error.to_string();
    let wanted = "f.json, line 1, column 2: the data of a is too large: ";
    assert!(message.starts_with(wanted), "{message}");
}

#[test]
fn who_waits_is_told_how_far_it_is() {
    let item = |n: usize| format!("{{\"full_address\":\"{n}\"}}");
    let items: Vec<String> = (0..50).map(item).collect();
    let text = format!("[{}]", items.join(",\n"));
    let told = std::cell::RefCell::new(Vec::new());
    let tell = |bytes| told.borrow_mut().push(bytes);
    let (bytes, kind) = (text.as_bytes(), ImportedFile::ENRICHMENT);
    read_beside_told("f.json", bytes, kind, &options(), &tell).unwrap();
    let told = told.into_inner();
    assert_eq!(told.len(), 50);
    assert_eq!(told.iter().sum::<u64>(), text.len() as u64 - 1);
}
