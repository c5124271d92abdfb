//! Files that are cut, doubled, mixed up or something else: refused with the place, or taken up to there on request.

use super::*;

const TWO: &str = r#"{"work_items":[
 {"address":"100 N Example St","phases":{"a":{"status":"completed","completed_at":"2026-11-20T10:05:00Z"}}},
 {"address":"200 N Example St","phases":{"a":{"status":"pending"}}}
]}"#;

fn salvage() -> Options {
    Options {
        salvage: true,
        ..options()
    }
}

#[test]
fn a_cut_file_is_refused_where_it_ends() {
    let cut = &TWO.as_bytes()[..TWO.len() - 20];
    assert_eq!(
        refusal(cut),
        "3:51 the file is cut off here, `\"` is missing; the text begins at line 3, column 47"
    );
    assert_eq!(
        refusal(b"{\"work_items\":["),
        "1:16 the file is cut off here, a value is missing; the list begins at line 1, column 15"
    );
}

#[test]
fn other_damage_is_refused_at_its_place() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "1:1 the file is empty"),
        (b" \r\n ", "2:2 the file is empty"),
        (
            b"{\"work_items\":[]}\r\n{\"work_items\":[]}",
            "2:1 a second document begins here",
        ),
        (
            b"{\"work_items\":[],\n \"work_items\":[]}",
            "2:2 key \"work_items\" stands twice in one object; the first is at line 1, column 2",
        ),
        (
            b"{\"work_items\":[\r\n {\"address\":\"caf\xe9\"}]}",
            "2:17 byte 0xe9 is no UTF-8; in Windows-1252 it is `\u{e9}`: save the file as UTF-8",
        ),
        // What is wrong first is said, though the bytes are bad further on.
        (b"{\"work_items\" []}\xe9", "1:15 `[` instead of `:`"),
        (
            b"\xff\xfe{\0",
            "1:1 UTF-16, but JSON is UTF-8: save the file as UTF-8",
        ),
        (b"{\"work_items\":[1,]}", "1:18 `]` right after a comma"),
        (
            b"{\"work_items\":[]}\0\0",
            "1:18 a NUL byte instead of the end of the file: the end of the file was probably lost in a crash",
        ),
    ];
    for (bytes, message) in cases {
        assert_eq!(refusal(bytes), message);
    }
}

#[test]
fn a_key_twice_in_a_phase_is_refused() {
    let text = one_item(r#"{"a":{"status":"pending","status":"completed"}}"#);
    assert!(refusal(text.as_bytes()).starts_with("1:80 key \"status\" stands twice"));
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let deep = format!("{{\"work_items\":{}", "[".repeat(10_000));
    assert_eq!(
        refusal(deep.as_bytes()),
        "1:114 nested deeper than 100 levels"
    );
}

#[test]
fn what_is_accepted_can_be_written_and_read_again() {
    // As deep as is allowed, in the places where the record and the snapshot add levels of their own.
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let text = format!(
        r#"{{"x":{},"work_items":[{{"address":"a","x":{},"phases":{{"p":{{"status":"pending","x":{}}}}}}}]}}"#,
        deep(99),
        deep(97),
        deep(95)
    );
    for event in import(&text).events() {
        let text = crate::pipeline::codec::encode(&event, at(NOW), false);
        let record = crate::pipeline::codec::decode(crate::position::Seq::FIRST, &text).unwrap();
        assert_eq!(record.event, event);
    }
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_fine() {
    let text = TWO.replace('\n', "\r\n");
    assert_eq!(import(&text).items, import(TWO).items);
    assert!(import(&text).findings.is_empty());
    let document = import(&format!("\u{feff}{TWO}"));
    assert_eq!(
        findings(&document),
        ["I-BOM note 1:1 : a byte order mark -> passed over"]
    );
    assert_eq!(document.file.bytes, TWO.len() as u64 + 3);
}

#[test]
fn other_files_are_refused_by_name() {
    let cases: [(&[u8], &str); 5] = [
        (b"[]", "found: a list"),
        (b"{}", "found: an object"),
        (
            b"{\"completed_properties\":[]}",
            "found: this looks like an extraction_state.json",
        ),
        (
            b"[{\"full_address\":\"x\"}]",
            "found: this looks like an enrichment_data.json",
        ),
        (b"{\"work_items\":\"none\"}", "found: an object"),
    ];
    for (bytes, end) in cases {
        let message = refusal(bytes);
        assert!(
            message.starts_with("1:1 no work_items file: expected an object with"),
            "{message}"
        );
        assert!(message.ends_with(end), "{message}");
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    for version in ["\"2.0.0\"", "2", "\"v10\"", "3.1"] {
        let text = format!(r#"{{"schema_version":{version},"work_items":[]}}"#);
        let error = read("x.json", text.as_bytes(), &options()).unwrap_err();
        assert!(
            matches!(error, Error::NewerFormat { .. }),
            "{version}: {error}"
        );
    }
    for version in ["\"1.0.0\"", "1", "\"1.9\"", "null", "\"draft\""] {
        let text = format!(r#"{{"schema_version":{version},"work_items":[]}}"#);
        assert!(
            read("x.json", text.as_bytes(), &options()).is_ok(),
            "{version}"
        );
    }
}

#[test]
fn salvage_takes_the_whole_items_before_the_damage() {
    let cut = &TWO.as_bytes()[..TWO.len() - 20];
    let document = read("x.json", cut, &salvage()).unwrap();
    assert_eq!(document.items.len(), 1);
    let decided = "the one whole item before it was taken over, the file ends here";
    assert_eq!(codes(&document), ["I-SALVAGED"]);
    assert_eq!(document.findings[0].decided, decided);
    assert_eq!(document.findings[0].severity, Severity::Judged);
    assert_eq!(
        (document.findings[0].line, document.findings[0].column),
        (Some(3), Some(51))
    );

    let doubled = format!("{TWO}\n{TWO}");
    let document = read("x.json", doubled.as_bytes(), &salvage()).unwrap();
    assert_eq!(
        (document.items.len(), codes(&document)),
        (2, vec!["I-SALVAGED"])
    );

    let mut latin = TWO.as_bytes().to_vec();
    let place = TWO.find("200 N").unwrap();
    latin[place] = 0xe9;
    let document = read("x.json", &latin, &salvage()).unwrap();
    assert_eq!(document.items.len(), 1);
    assert!(
        document.findings[0].found.starts_with("byte 0xe9"),
        "{:?}",
        document.findings[0]
    );
}

#[test]
fn salvage_of_nothing_is_still_a_refusal() {
    for text in ["", "{", "{\"session\":{", "x", "[{}"] {
        assert!(
            read("x.json", text.as_bytes(), &salvage()).is_err(),
            "{text}"
        );
    }
    assert_eq!(
        read("x.json", TWO.as_bytes(), &salvage()).unwrap(),
        import_as("x.json", TWO)
    );
}

fn import_as(path: &str, text: &str) -> ImportedDocument {
    read(path, text.as_bytes(), &options()).unwrap()
}

#[test]
fn no_cut_and_no_changed_byte_breaks_the_reader() {
    let bytes = TWO.as_bytes();
    for end in 0..bytes.len() {
        assert!(read("x", &bytes[..end], &options()).is_err(), "{end}");
        let _whatever = read("x", &bytes[..end], &salvage());
    }
    for place in 0..bytes.len() {
        for byte in [0, b' ', b'"', b'{', b']', b'9', b'\\', 0x80, 0xff] {
            let mut changed = bytes.to_vec();
            changed[place] = byte;
            for options in [options(), salvage()] {
                if let Ok(document) = read("x", &changed, &options) {
                    assert!(document.items.len() <= 2);
                }
            }
        }
    }
}
