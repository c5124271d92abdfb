//! What `extraction_state.json` looks like in each of its forms.

use super::*;
use crate::pipeline::event::{Event, ImportedFile, Record};
use crate::pipeline::extraction::{ExtractionChange, ImportedExtraction};
use crate::pipeline::{ItemId, Timestamp};
use crate::position::Seq;

fn state(shape: &str) -> PipelineState {
    let json = |text| serde_json::from_str(text).unwrap();
    let mut extras = Extras::default();
    extras.push("", "$schema", json("\"x\""));
    extras.push(CHECKED, "stats", json(r#"{"total":3}"#));
    let file = ImportedFile {
        path: NAME.into(),
        kind: ImportedFile::EXTRACTION.into(),
        shape: shape.into(),
        bytes: 1,
        sha256: "00".into(),
        zone: None,
        words: std::collections::BTreeMap::new(),
        session: None,
        extras,
        times: None,
    };
    let mut events = vec![Event::Imported(Box::new(file))];
    let extracted = |item: &str, extraction| Event::Extracted {
        item: ItemId::new(item).unwrap(),
        extraction: Box::new(extraction),
    };
    for (item, status) in [
        ("c", ExtractionStatus::Completed),
        ("b", ExtractionStatus::Failed),
        ("d", ExtractionStatus::InProgress),
        ("a", ExtractionStatus::Completed),
    ] {
        events.push(extracted(item, ExtractionChange::reported(status)));
    }
    let unknown = ExtractionChange {
        status: None,
        imported: Some(Box::new(ImportedExtraction::default())),
    };
    events.push(extracted("e", unknown));
    let mut state = PipelineState::default();
    for (event, seq) in events.into_iter().zip(1..) {
        let (seq, at, clock_given) = (Seq::new(seq), Timestamp::EPOCH, false);
        state.apply(&Record {
            seq,
            at,
            clock_given,
            event,
        });
    }
    state
}

fn text_of(state: &PipelineState) -> String {
    let mut bytes = Vec::new();
    encode(state, TimeStyle::Utc, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn each_form_stays_what_it_was() {
    assert_eq!(
        text_of(&state("older")),
        r#"{
  "$schema": "x",
  "completed_properties": [
    "a",
    "c"
  ],
  "failed_properties": [
    "b"
  ],
  "last_updated": "1970-01-01T00:00:00.000000+00:00",
  "stats": {
    "total": 3
  }
}
"#
    );
    let checked = r#"  "property_last_checked": {
    "a": "1970-01-01T00:00:00.000000+00:00",
    "b": "1970-01-01T00:00:00.000000+00:00",
    "c": "1970-01-01T00:00:00.000000+00:00",
    "d": "1970-01-01T00:00:00.000000+00:00"
  },
  "stats": {
    "total": 3
  },
"#;
    let new = text_of(&state("new"));
    assert!(new.contains(checked), "{new}");
    assert!(!new.contains("in_progress"), "{new}");
    let v2 = text_of(&state("v2"));
    let in_progress = "  \"in_progress_properties\": [\n    \"d\"\n  ],\n";
    assert!(v2.contains(in_progress), "{v2}");
    let retries = "  \"retry_counts\": {\n    \"b\": 1\n  },\n";
    assert!(v2.contains(retries), "{v2}");
    assert_eq!(text_of(&state("")), v2);
}

#[test]
fn nothing_is_two_empty_lists() {
    let text = text_of(&PipelineState::default());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value[COMPLETED], serde_json::json!([]));
    assert_eq!(value[RETRIES], serde_json::json!({}));
}
