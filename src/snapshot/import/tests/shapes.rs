//! Each of the shapes, as it was found.

use super::*;

const W1: &str = r#"{"schema_version":"1.0.0",
 "session":{"session_id":"session_20251202_174046","started_at":"2025-12-02T17:40:46.613377Z","mode":"batch","total_items":1},
 "work_items":[{"index":0,"address":"100 N Example St, Phoenix, AZ 85001","hash":"6948a957","status":"pending","locked_by":null,"locked_at":null,
   "phases":{"phase0_county":{"status":"complete","completed":"2025-12-02T17:42:45.855497"},
             "phase1_listing":{"status":"pending","completed":null}},
   "retry_count":0,"last_updated":"2025-12-02T17:40:00.747483","commit_sha":null,"errors":[]}],
 "summary":{"pending":1,"in_progress":0,"completed":0,"failed":0}}"#;

fn extras(extras: &crate::pipeline::json::Extras) -> String {
    serde_json::to_string(extras).unwrap()
}

#[test]
fn w1_a_list_with_hashes() {
    let document = import(W1);
    assert_eq!(document.file.shape, "W1");
    assert_eq!(document.file.zone.as_deref(), Some("America/Phoenix"));
    assert_eq!(phase_names(&document), ["phase0_county", "phase1_listing"]);
    let item = &document.items[0];
    assert_eq!(item.name.as_str(), "100 N Example St, Phoenix, AZ 85001");
    assert_eq!(item.id.as_deref(), Some("6948a957"));
    assert_eq!(
        extras(&item.state.open().extras),
        concat!(
            r#"[["address","hash","6948a957"],["status","locked_by",null],["status","locked_at",null],"#,
            r#"["phases","retry_count",0],["last_updated","commit_sha",null],["last_updated","errors",[]]]"#
        )
    );
    let county = phase(&document, 0, "phase0_county");
    assert_eq!(county.status, crate::pipeline::Status::Completed);
    assert_eq!(county.imported_status.as_deref(), Some("complete"));
    assert_eq!(county.completed_at, Some(at("2025-12-03T00:42:45.855497Z")));
    assert_eq!(
        county.found,
        [(
            "completed".to_owned(),
            "2025-12-02T17:42:45.855497".to_owned()
        )]
    );
    assert_eq!(document.newest, county.completed_at);
    let listing = phase(&document, 0, "phase1_listing");
    assert_eq!(
        (listing.completed_at, &listing.imported_status),
        (None, &None)
    );
    let words = r#"{"complete":1,"pending":2}"#;
    assert_eq!(serde_json::to_string(&document.file.words).unwrap(), words);
    assert_eq!(
        findings(&document),
        [
            "I-WORD note 4:40 : complete -> completed",
            "I-NAIVE note 4:63 : 2025-12-02T17:42:45.855497 -> America/Phoenix",
            "I-OLDER note 6:35 100 N Example St, Phoenix, AZ 85001: 2025-12-02T17:40:00.747483 -> both stay",
        ]
    );
}

#[test]
fn w1_becomes_one_group_of_events() {
    let events = import(W1).events().collect::<Vec<_>>();
    let kinds: Vec<&str> = events.iter().map(Event::kind).collect();
    assert_eq!(kinds, ["planned", "imported", "added"]);
    for event in &events {
        let text = crate::pipeline::codec::encode(event, at(NOW), false);
        let record = crate::pipeline::codec::decode(crate::position::Seq::FIRST, &text).unwrap();
        assert_eq!(record.event, *event);
    }
}

#[test]
fn w2_idle_and_empty() {
    let document = import(
        r#"{"session":{"started_at":null,"last_updated":null,"mode":"idle"},"properties":{},"summary":{"total_properties":0}}"#,
    );
    assert_eq!(document.file.shape, "W2");
    assert!(document.items.is_empty() && document.plan.phases().is_empty());
    assert_eq!(
        findings(&document),
        ["I-EMPTY note 1:66 : {} -> taken over as it is"]
    );
    let events: Vec<_> = document.events().collect();
    assert!(matches!(&events[..], [Event::Imported(_)]));
}

#[test]
fn w3_an_object_by_id() {
    let document = import(
        r#"{"session":{},"properties":{
 "5887ee9b":{"id":"5887ee9b","address":"100 N Example St","zillow_url":"https://example.com","status":"pending","phases":{
   "phase0_county":{"status":"pending","completed":null},
   "phase1_listing":{"status":"completed","completed":"2025-12-02T21:11:14.588367-05:00","extraction_status":"complete","data_extracted":{"list_price":650000,"ratio":0.90},"notes":"C:\\x"},
   "phase2_images":{"status":"completed","completed":"2025-12-04T00:35:00Z","confidence":"high"}},
  "created_at":"2025-12-02T21:06:45.858162","last_updated":"2025-12-05T02:15:00Z"},
 "0a1b2c3d":{"address":"200 N Example St","phases":{"phase0_county":{"status":"in_progress"},"phase1_listing":{"status":"pending"},"phase2_images":{"status":"pending"}}}},
 "summary":{"pending":2,"in_progress":0}}"#,
    );
    assert_eq!(document.file.shape, "W3");
    let ids: Vec<_> = document
        .items
        .iter()
        .map(|item| item.id.as_deref())
        .collect();
    assert_eq!(ids, [Some("5887ee9b"), Some("0a1b2c3d")]);
    assert_eq!(document.items[1].name.as_str(), "200 N Example St");
    let listing = phase(&document, 0, "phase1_listing");
    assert_eq!(
        listing.completed_at,
        Some(at("2025-12-03T02:11:14.588367Z"))
    );
    assert!(listing.found.is_empty());
    assert_eq!(
        extras(&listing.extras),
        r#"[["started_at","extraction_status","complete"],["started_at","data_extracted",{"list_price":650000,"ratio":0.90}],["started_at","notes","C:\\x"]]"#
    );
    assert_eq!(codes(&document), ["I-NAIVE", "I-NO-START", "I-SUMMARY"]);
    assert!(
        document.findings[2]
            .message
            .contains("pending 2, counted 1; in_progress 0, counted 1")
    );
}

#[test]
fn w4_a_list_with_ids() {
    let document = import(
        r#"{"work_items":[{"id":"5887ee9b","address":"100 N Example St","status":"in_progress","phases":{
   "a":{"status":"complete"},"b":{"status":"pending"}}}]}"#,
    );
    assert_eq!(document.file.shape, "W4");
    assert_eq!(document.items[0].id.as_deref(), Some("5887ee9b"));
    assert_eq!(phase(&document, 0, "a").completed_at, None);
    assert_eq!(
        findings(&document),
        [
            "I-ITEM-STATUS note 1:71 100 N Example St: in_progress -> pending",
            "I-NO-END note 2:4 100 N Example St/a: no end time -> unknown",
            "I-WORD note 2:18 : complete -> completed",
        ]
    );
    assert_eq!(document.file.zone, None);
}

#[test]
fn w5_an_object_by_address_with_words() {
    let traceback = r#""Traceback (most recent call last):\n  File \"C:\\Users\\demo\\x.py\"\nModuleNotFoundError: y\n""#;
    let document = import(&format!(
        r#"{{"properties":{{"123 Main St":{{"status":"complete","current_phase":4,
   "phase_status":{{"phase0_county":"failed","phase1_listing":"complete"}},
   "tier":null,"score":null,"retry_count":0,"error_message":{traceback},"updated_at":"2025-12-04T04:32:38.105510"}}}},
   "updated_at":"2025-12-04T04:32:38.105510"}}"#
    ));
    assert_eq!(document.file.shape, "W5");
    let item = &document.items[0];
    assert_eq!(
        (item.name.as_str(), item.id.as_deref()),
        ("123 Main St", None)
    );
    assert_eq!(
        item.state.open().last_updated,
        Some(at("2025-12-04T11:32:38.105510Z"))
    );
    assert_eq!(
        item.state
            .open()
            .extras
            .get("error_message")
            .unwrap()
            .as_str(),
        traceback
    );
    assert_eq!(
        phase(&document, 0, "phase0_county").status,
        crate::pipeline::Status::Failed
    );
    assert!(codes(&document).contains(&"I-ITEM-STATUS"));
    let judged = document
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Judged);
    assert_eq!(judged.count(), 1);
    assert_eq!(
        extras(&document.file.extras),
        r#"[["work_items","updated_at","2025-12-04T04:32:38.105510"]]"#
    );
}

#[test]
fn w6_a_list_with_times_and_errors() {
    let document = import(
        r#"{"work_items":[{"id":"a1","address":"100 N Example St","index":0,"status":"failed","phases":{
   "a":{"status":"completed","started_at":"2026-11-20T10:00:00+00:00","completed_at":"2026-11-20T10:05:00+00:00"},
   "b":{"status":"retrying","started_at":"2026-11-20T10:06:00+00:00","failed_at":"2026-11-20T10:07:00+00:00","error":"HTTP 403","error_category":"blocked","retry_count":2,"previous_error":"HTTP 500"},
   "c":{"status":"pending","stale_reset_at":"2026-11-20T10:08:00+00:00","previous_error":"x"}},
   "created_at":"2026-11-20T09:00:00+00:00","updated_at":"2026-11-20T11:00:00+00:00"}],
   "summary":{"total":1,"pending":0,"in_progress":0,"completed":0,"failed":1,"blocked":0,"completion_percentage":0.0}}"#,
    );
    assert_eq!(document.file.shape, "W6");
    let b = phase(&document, 0, "b");
    assert_eq!(b.status, crate::pipeline::Status::Failed);
    assert_eq!(
        (b.retry_count, b.error_message.as_deref()),
        (2, Some("HTTP 403"))
    );
    assert_eq!(b.failed_at, Some(at("2026-11-20T10:07:00Z")));
    assert_eq!(
        extras(&b.extras),
        r#"[["retry_count","error_category","blocked"],["retry_count","previous_error","HTTP 500"]]"#
    );
    assert_eq!(
        phase(&document, 0, "c").stale_reset_at,
        Some(at("2026-11-20T10:08:00Z"))
    );
    assert_eq!(
        findings(&document),
        ["I-WORD note 3:18 : retrying -> failed"]
    );
    assert_eq!(document.newest, Some(at("2026-11-20T11:00:00Z")));
}

#[test]
fn w7_with_a_schema_and_an_error_log() {
    let document = import(
        r#"{"$schema":"x","blocked_sources":{"zillow":"captcha"},"work_items":[{"id":"a1","address":"100 N Example St","locked_by":null,
   "phases":{"a":{"status":"complete","started":"2026-11-20T10:00:00Z","completed":"2026-11-20T10:05:00Z","commit_sha":"abc","data_fields":["x"],"error":null}},
   "error_log":[{"timestamp":"t","phase":"a","error":"e"}]}]}"#,
    );
    assert_eq!(document.file.shape, "W7");
    let a = phase(&document, 0, "a");
    assert_eq!(a.started_at, Some(at("2026-11-20T10:00:00Z")));
    assert_eq!(
        extras(&a.extras),
        r#"[["started_at","commit_sha","abc"],["started_at","data_fields",["x"]]]"#
    );
    assert_eq!(
        extras(&document.file.extras),
        r#"[["","$schema","x"],["","blocked_sources",{"zillow":"captcha"}]]"#
    );
}

#[test]
fn seed_a_plain_list() {
    let document = import(
        r#"{"work_items":[{"address":"100 N Example St","phases":{
   "a":{"status":"completed","started_at":"2026-11-20T10:00:00","completed_at":"2026-11-20T10:05:00"},
   "b":{"status":"in_progress","started_at":"2026-11-20T10:06:00","completed_at":null}},
   "last_updated":"2026-11-20T10:06:00"}],
   "summary":{"total":1,"in_progress":1},"last_checkpoint":"2026-11-20T10:06:01"}"#,
    );
    assert_eq!(document.file.shape, "seed");
    assert_eq!(document.items[0].id, None);
    assert_eq!(
        phase(&document, 0, "b").started_at,
        Some(at("2026-11-20T17:06:00Z"))
    );
    assert_eq!(codes(&document), ["I-NAIVE"]);
    assert_eq!(document.newest, Some(at("2026-11-20T17:06:01Z")));
}

#[test]
fn our_own_snapshot_keeps_its_plan() {
    let document = import(
        r#"{
  "schema_version": "1.0.0",
  "session": { "mode": "batch" },
  "plan": [ { "phase": "a" }, { "phase": "b", "needs": ["a"], "timeout_minutes": 45 } ],
  "work_items": [
    { "id": "1234abcd", "address": "100 N Example St", "hash": "x", "index": 0, "status": "in_progress",
      "phases": {
        "a": { "status": "completed", "started_at": "2026-11-20T10:00:00.000000+00:00", "completed_at": "2026-11-20T10:05:00.000000+00:00", "attempts": 1, "retry_count": 0 },
        "b": { "status": "in_progress", "started_at": "2026-11-20T10:06:00.000000+00:00", "worker": "w3", "token": 17, "attempts": 2, "retry_count": 1, "error_message": "x" } },
      "created_at": "2026-11-20T09:00:00.000000+00:00", "last_updated": "2026-11-20T10:06:00.000000+00:00" } ],
  "summary": { "total": 1, "pending": 0, "in_progress": 1, "completed": 0, "failed": 0, "blocked": 0, "completion_percentage": 0.0 },
  "last_checkpoint": "2026-11-20T10:06:00.000000+00:00",
  "log": { "id": "00", "seq": 17, "crc32": "77ab01cd", "state": {} },
  "crc32": "0badcafe"
}
"#,
    );
    assert_eq!(document.file.shape, "snapshot");
    assert_eq!(document.plan.phases()[1].needs[0].as_str(), "a");
    assert_eq!(document.plan.phases()[1].timeout_minutes, Some(45));
    assert!(document.file.extras.is_empty());
    let b = phase(&document, 0, "b");
    assert_eq!(
        (b.attempts, b.retry_count, b.error_message.as_deref()),
        (2, 1, Some("x"))
    );
    assert_eq!(
        b.found,
        [
            ("worker".into(), "w3".into()),
            ("token".into(), "17".into())
        ]
    );
    assert_eq!(
        extras(&document.items[0].state.open().extras),
        r#"[["address","hash","x"]]"#
    );
    assert_eq!(codes(&document), ["I-FIELD", "I-FIELD"]);
}

#[test]
fn the_demo_imports() {
    let document = import(include_str!("../../../cli/demo/houses.json"));
    assert_eq!(document.file.shape, "W1");
    assert_eq!(document.items.len(), 36);
    assert_eq!(document.plan.phases().len(), 8);
    // With the segment's header before them the records are 1..=39.
    assert_eq!(document.events().count(), 38);
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for code in codes(&document) {
        *counts.entry(code).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(code, count)| format!("{code} {count}"))
        .collect();
    assert_eq!(
        counts.join(", "),
        "I-ITEM-STATUS 4, I-NAIVE 1, I-NEAR-DUPLICATE 1, I-NO-END 1, I-NO-START 2, I-OLDER 1, I-SUMMARY 1, I-WORD 3"
    );
}
