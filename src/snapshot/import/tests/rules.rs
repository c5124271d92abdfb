//! The rules of reading: what is derived, judged, kept.

use super::*;
use crate::pipeline::Status;

fn items(list: &[&str]) -> ImportedDocument {
    import(&format!(r#"{{"work_items":[{}]}}"#, list.join(",\n")))
}

#[test]
fn words_of_waiting_hold_the_item() {
    let document = import(&one_item(r#"{"a":{"status":"blocked"},"b":"deferred"}"#));
    assert_eq!(
        document.items[0].held.as_deref(),
        Some("a was imported as blocked")
    );
    assert_eq!(
        phase(&document, 0, "b").imported_status.as_deref(),
        Some("deferred")
    );
    assert_eq!(codes(&document), ["I-WORD", "I-WORD"]);
    let kinds: Vec<&str> = document.events().map(|event| event.kind()).collect();
    assert_eq!(kinds, ["planned", "imported", "added", "held"]);
    let document = items(&[r#"{"address":"x","status":"paused","phases":{"a":"pending"}}"#]);
    assert_eq!(
        document.items[0].held.as_deref(),
        Some("imported as paused")
    );
    assert_eq!(codes(&document), ["I-WORD"]);
}

#[test]
fn unknown_words_and_given_up_phases_are_judged() {
    let document = import(&one_item(
        r#"{"a":"frobnicated","b":"cancelled","c":"skipped","d":7}"#,
    ));
    let statuses: Vec<Status> = document.items[0]
        .state
        .open()
        .phases
        .iter()
        .map(|phase| phase.status)
        .collect();
    assert_eq!(
        statuses,
        [
            Status::Pending,
            Status::Skipped,
            Status::Skipped,
            Status::Pending
        ]
    );
    assert_eq!(
        findings(&document),
        [
            "I-WORD judged 1:60 100 N Example St/a: frobnicated -> pending",
            "I-WORD judged 1:78 100 N Example St/b: cancelled -> skipped",
            "I-WORD judged 1:108 100 N Example St/d: 7 -> pending",
        ]
    );
}

#[test]
fn a_cancelled_item_with_open_phases_is_held() {
    let document = items(&[
        r#"{"address":"x","status":"abandoned","phases":{"a":"pending","b":"completed"}}"#,
    ]);
    assert_eq!(
        document.items[0].held.as_deref(),
        Some("imported as abandoned")
    );
    assert_eq!(codes(&document), ["I-WORD", "I-ITEM-STATUS", "I-NO-END"]);
    let document = items(&[r#"{"address":"x","status":"skipped","phases":{"a":"skipped"}}"#]);
    assert_eq!(
        (document.items[0].held.as_deref(), codes(&document)),
        (None, vec![])
    );
}

#[test]
fn an_item_that_says_done_is_judged_by_its_phases() {
    let document = items(&[
        r#"{"address":"x","status":"complete","phases":{"a":"failed"}}"#,
        r#"{"address":"y","status":"failed","phases":{"a":"pending"}}"#,
    ]);
    let found: Vec<String> = findings(&document)
        .into_iter()
        .filter(|f| f.starts_with("I-ITEM"))
        .collect();
    assert_eq!(
        found,
        [
            "I-ITEM-STATUS judged 1:40 x: complete -> failed",
            "I-ITEM-STATUS note 2:25 y: failed -> pending"
        ]
    );
    assert_eq!(
        document.items[0].state.open().found,
        [("status".into(), "complete".into())]
    );
}

#[test]
fn the_same_address_twice_counts_once_and_is_shown_whole() {
    let document = items(&[
        r#"{"address":"1 A St","phases":{"a":"pending"}}"#,
        r#"{"address":"1 A St","phases":{"zz":"failed"}}"#,
        r#"{"address":"1 a. st,","phases":{"a":"pending"}}"#,
    ]);
    assert_eq!(document.items.len(), 2);
    assert_eq!(phase_names(&document), ["a"]);
    assert_eq!(
        findings(&document),
        [
            "I-DUPLICATE judged 2:1 1 A St: {\"address\":\"1 A St\",\"phases\":{\"zz\":\"failed\"}} -> the first counts",
            "I-NEAR-DUPLICATE judged 3:1 1 a. st,: 1 A St -> two items",
        ]
    );
}

#[test]
fn phase_sets_are_merged_and_noted() {
    let document = items(&[
        r#"{"address":"x","phases":{"a":"pending","c":"pending"}}"#,
        r#"{"address":"y","phases":{"a":"pending","b":"pending","c":"pending"}}"#,
    ]);
    assert_eq!(phase_names(&document), ["a", "b", "c"]);
    assert_eq!(
        findings(&document),
        ["I-PHASE-SET note 1:16 x: a, c -> pending: b"]
    );
    assert!(
        document
            .plan
            .phases()
            .iter()
            .all(|phase| phase.needs.is_empty())
    );
}

#[test]
fn linear_makes_each_phase_need_the_one_before() {
    let text = one_item(r#"{"a":"pending","b":"pending"}"#);
    let options = Options {
        linear: true,
        ..options()
    };
    let document = read("x", text.as_bytes(), &options).unwrap();
    assert_eq!(document.plan.phases()[1].needs[0].as_str(), "a");
}

#[test]
fn the_files_plan_counts_and_other_phases_join_it() {
    let document = import(
        r#"{"plan":["a","b"],"work_items":[{"address":"x","phases":{"z":"pending","b":"pending","a":"pending"}}]}"#,
    );
    assert_eq!(phase_names(&document), ["a", "z", "b"]);
    assert_eq!(codes(&document), ["I-PHASE-SET"]);
    let text = r#"{"plan":[{"phase":"a","needs":["q"]}],"work_items":[]}"#;
    assert_eq!(
        refusal(text.as_bytes()),
        "1:9 phase a needs q, which is not in the plan"
    );
    let document = import(r#"{"plan":"weekly","work_items":[]}"#);
    assert_eq!(
        findings(&document),
        [
            "I-FIELD judged 1:2 : \"weekly\" -> left out",
            "I-EMPTY note 1:18 : [] -> taken over as it is"
        ]
    );
}

#[test]
fn times_that_cannot_be_are_judged_and_kept_as_text() {
    let document = import(&one_item(
        r#"{"a":{"status":"completed","started_at":"2026-11-20T10:00:00Z","completed_at":"2026-11-20T09:00:00Z"},
"b":{"status":"completed","completed_at":"2026-12-01T00:00:00Z"},
"c":{"status":"completed","completed_at":"N/A"},
"d":{"status":"completed","completed_at":1763632800}}"#,
    ));
    assert_eq!(
        findings(&document),
        [
            "I-END-BEFORE-START judged 1:133 100 N Example St/a: 2026-11-20T10:00:00Z .. 2026-11-20T09:00:00Z -> both stay",
            "I-FUTURE judged 2:42 100 N Example St/b: 2026-12-01T00:00:00Z -> 2026-12-01T00:00:00.000000Z",
            "I-NO-END note 3:1 100 N Example St/c: no end time -> unknown",
            "I-BAD-TIME judged 3:42 100 N Example St/c: N/A -> unknown",
            "I-BAD-TIME judged 4:42 100 N Example St/d: 1763632800 -> 2025-11-20T10:00:00.000000Z",
        ]
    );
    let a = phase(&document, 0, "a");
    assert_eq!(a.found.len(), 2);
    assert_eq!(
        phase(&document, 0, "c").found,
        [("completed_at".into(), "N/A".into())]
    );
    // A time in the future is no sign of how new a file is.
    assert_eq!(document.newest, Some(at("2026-11-20T10:00:00Z")));
}

#[test]
fn a_time_that_the_clocks_skipped_is_judged() {
    let zone = Zone::named("America/New_York").unwrap();
    let text = one_item(r#"{"a":{"status":"completed","completed_at":"2026-03-08T02:30:00"}}"#);
    let document = read("x", text.as_bytes(), &Options { zone, ..options() }).unwrap();
    assert_eq!(codes(&document), ["I-BAD-TIME", "I-NAIVE"]);
    assert_eq!(
        phase(&document, 0, "a").completed_at,
        Some(at("2026-03-08T06:30:00Z"))
    );
}

#[test]
fn in_progress_without_a_start_counts_from_the_import() {
    let document = import(&one_item(r#"{"a":"running"}"#));
    assert_eq!(phase(&document, 0, "a").started_at, None);
    assert_eq!(codes(&document), ["I-NO-START", "I-WORD"]);
}

#[test]
fn unknown_fields_survive_to_the_last_digit() {
    let odd = r#"{"z":0.90,"a":154.16666666666666,"n":[6,6.0,1e-05,-0],"path":"C:\\Users\\x","big":12345678901234567890123}"#;
    let document = import(&one_item(&format!(
        r#"{{"a":{{"first":1,"status":"pending","odd":{odd},"retry_count":1,"last":null}}}}"#
    )));
    let extras = &phase(&document, 0, "a").extras;
    assert_eq!(extras.get("odd").unwrap().as_str(), odd);
    let places: Vec<_> = extras
        .iter()
        .map(|extra| (&*extra.after, &*extra.key))
        .collect();
    assert_eq!(
        places,
        [("", "first"), ("status", "odd"), ("retry_count", "last")]
    );
}

#[test]
fn of_two_fields_that_could_be_ours_the_one_with_something_in_it_counts() {
    let document = import(&one_item(
        r#"{"a":{"status":"failed","error_message":null,"error":"E1","started_at":"2026-11-20T10:00:00Z","started":"earlier"}}"#,
    ));
    let a = phase(&document, 0, "a");
    assert_eq!(a.error_message.as_deref(), Some("E1"));
    assert_eq!(a.extras.get("started").unwrap().as_str(), "\"earlier\"");
    assert_eq!(a.extras.iter().count(), 1);
    assert!(document.findings.is_empty());
}

#[test]
fn errors_that_are_no_text_and_counts_that_are_none_are_kept() {
    let document = import(&one_item(
        r#"{"a":{"status":"failed","error":{"code":403},"retry_count":"two","attempts":3.0}}"#,
    ));
    let a = phase(&document, 0, "a");
    assert_eq!(a.error_message.as_deref(), Some(r#"{"code":403}"#));
    assert_eq!((a.attempts, a.retry_count), (3, 0));
    assert_eq!(a.found, [("retry_count".into(), "two".into())]);
    assert_eq!(codes(&document), ["I-FIELD"]);
}

#[test]
fn what_is_no_item_is_left_out_and_shown() {
    let document = items(&[
        r#"{"address":"x","phases":{"a":"pending"}}"#,
        r#"{"phases":{"a":"pending"}}"#,
        r#""just text""#,
        r#"{"id":7,"phases":{"a":"pending"}}"#,
    ]);
    assert_eq!(document.items.len(), 2);
    assert_eq!(document.items[1].name.as_str(), "7");
    assert_eq!(
        findings(&document),
        [
            "I-ITEM judged 2:1 : {\"phases\":{\"a\":\"pending\"}} -> left out",
            "I-ITEM judged 3:1 : \"just text\" -> left out",
        ]
    );
}

#[test]
fn a_name_that_is_no_phase_is_changed_and_reported_once() {
    let document = items(&[
        r#"{"address":"x","phases":{"phase 1: listing":"pending"}}"#,
        r#"{"address":"y","phases":{"phase 1: listing":"pending"}}"#,
    ]);
    assert_eq!(phase_names(&document), ["phase_1__listing"]);
    assert_eq!(codes(&document), ["I-PHASE-NAME"]);
    let text = one_item(r#"{"a b":"pending","a_b":"pending"}"#);
    assert!(refusal(text.as_bytes()).contains("would both be called a_b"));
    assert!(refusal(one_item(r#"{"??":"pending"}"#).as_bytes()).contains("is no phase name"));
}

#[test]
fn an_index_that_is_not_the_place_is_noted_once() {
    let document = items(&[
        r#"{"index":0,"address":"x","phases":{"a":"pending"}}"#,
        r#"{"index":7,"address":"y","phases":{"a":"pending"}}"#,
        r#"{"index":8,"address":"z","phases":{"a":"pending"}}"#,
    ]);
    assert_eq!(
        findings(&document),
        ["I-INDEX note 2:10 : 7 -> the place in the file"]
    );
    assert_eq!(
        document.items[1].state.open().found,
        [("index".into(), "7".into())]
    );
}

#[test]
fn items_without_any_phase_are_refused() {
    let message = refusal(br#"{"work_items":[{"address":"x"}]}"#);
    assert!(message.starts_with("1:16 no item has a phase"), "{message}");
    let message = refusal(br#"{"work_items":[{"address":"x","phases":["a"]}]}"#);
    assert!(
        message.starts_with("1:40 phases of x is a list"),
        "{message}"
    );
}

#[test]
fn keys_that_only_we_write_are_not_carried_along() {
    let document = import(
        r#"{"crc32":"x","log":["a"],"schema_version":"0.9","work_items":[{"address":"x","phases":{"a":"pending"}}]}"#,
    );
    assert!(document.file.extras.is_empty());
    assert_eq!(codes(&document), ["I-FIELD", "I-FIELD", "I-FIELD"]);
}

#[test]
fn an_item_too_long_for_a_record_is_refused_beforehand() {
    let text = one_item(&format!(
        r#"{{"a":{{"status":"failed","error":"{}"}}}}"#,
        "x".repeat(17 << 20)
    ));
    let error = read("x", text.as_bytes(), &options()).unwrap_err();
    let placed = matches!(error, Error::TooLargeAt { line: 1, .. });
    assert!(placed, "{error}");
}

#[test]
fn a_key_that_is_neither_address_nor_id_is_kept() {
    let document =
        import(r#"{"properties":{"k1":{"id":"other","address":"x","phases":{"a":"pending"}}}}"#);
    assert_eq!(document.items[0].id.as_deref(), Some("other"));
    assert_eq!(
        document.items[0].state.open().found,
        [("key".into(), "k1".into())]
    );
    assert_eq!(codes(&document), ["I-FIELD"]);
}
