//! What `enrichment_data.json` looks like, and that every value comes back as it was.

use proptest::prelude::*;

use super::*;
use crate::pipeline::enrichment::DataChange;
use crate::pipeline::event::{Event, ImportedFile, Record};
use crate::pipeline::json::Extras;
use crate::pipeline::{ItemId, Timestamp};
use crate::position::Seq;
use crate::snapshot::work_items::data_rows;

/// A state with this data, in this order, under a file of that shape.
fn state(shape: Shape, extras: Extras, data: &[(&str, &str)]) -> PipelineState {
    let file = ImportedFile {
        path: NAME.into(),
        kind: ImportedFile::ENRICHMENT.into(),
        shape: shape.as_str().into(),
        bytes: 1,
        sha256: "00".into(),
        zone: None,
        words: std::collections::BTreeMap::new(),
        session: None,
        extras,
        times: None,
    };
    let enriched = data.iter().map(|(item, object)| Event::Enriched {
        item: ItemId::new(item).unwrap(),
        data: Box::new(DataChange {
            source: Some("test".into()),
            confidence: None,
            object: Some(serde_json::from_str(object).unwrap()),
            changes: Vec::new(),
        }),
    });
    let mut state = PipelineState::default();
    let imported = std::iter::once(Event::Imported(Box::new(file)));
    for (event, seq) in imported.chain(enriched).zip(1..) {
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
    encode(state, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Takes the data away and brings it back from the file.
fn read_back(state: &PipelineState, bytes: &[u8]) -> Option<PipelineState> {
    let rows: Vec<DataRow> = data_rows(state).collect();
    let mut read = state.clone();
    for DataRow(item, ..) in &rows {
        let empty = ItemData::from_parts(serde_json::from_str("{}").unwrap(), None, Vec::new());
        read.set_data(*item, empty).unwrap();
    }
    attach(&mut read, rows, &mut &*bytes).unwrap()?;
    Some(read)
}

#[test]
fn a_list_stays_a_list() {
    let data = [
        (
            "a",
            r#"{"_id":7,"full_address":"a","score":0.90,"lot":{"x":[],"y":[1E5,null]}}"#,
        ),
        ("b", r#"{"price":6.0}"#),
        ("c", r#"{"price":6,"full_address":"C"}"#),
    ];
    let state = state(Shape::List, Extras::default(), &data);
    let text = text_of(&state);
    assert_eq!(
        text,
        r#"[
  {
    "_id": 7,
    "full_address": "a",
    "score": 0.90,
    "lot": {
      "x": [],
      "y": [
        1E5,
        null
      ]
    }
  },
  {
    "full_address": "b",
    "price": 6.0
  },
  {
    "full_address": "c",
    "price": 6
  }
]
"#
    );
    assert_eq!(read_back(&state, text.as_bytes()).unwrap(), state);
}

#[test]
fn a_dict_stays_a_dict() {
    let mut extras = Extras::default();
    let meta = serde_json::from_str(r#"{"version":2}"#).unwrap();
    extras.push("", "_meta", meta);
    let data = [("a", r#"{"full_address":"A","n":1}"#)];
    let state = state(Shape::Dict, extras, &data);
    let text = text_of(&state);
    assert_eq!(
        text,
        r#"{
  "a": {
    "full_address": "A",
    "n": 1
  },
  "_meta": {
    "version": 2
  }
}
"#
    );
    assert_eq!(read_back(&state, text.as_bytes()).unwrap(), state);
}

#[test]
fn nothing_is_an_empty_list_or_dict() {
    for (shape, text) in [(Shape::List, "[]\n"), (Shape::Dict, "{}\n")] {
        let state = state(shape, Extras::default(), &[]);
        assert_eq!(text_of(&state), text);
        assert_eq!(read_back(&state, text.as_bytes()).unwrap(), state);
    }
}

#[test]
fn another_file_is_of_no_use() {
    let data = [("a", r#"{"n":1}"#), ("b", "{}")];
    let state = state(Shape::List, Extras::default(), &data);
    let text = text_of(&state);
    for bad in [
        text.replace("\"b\"", "\"x\""),
        "[]".to_owned(),
        "{}".to_owned(),
        text.replace(']', ",{}]"),
        text.clone() + "1",
    ] {
        assert_eq!(read_back(&state, bad.as_bytes()), None, "{bad}");
    }
}

fn documents() -> impl Strategy<Value = serde_json::Value> {
    let number = "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,22})?([eE][+-]?[0-9]{1,2})?";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        number.prop_map(|text: String| serde_json::from_str(&text).unwrap()),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let object = prop::collection::vec((any::<String>(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Into::into),
            object.prop_map(|it| serde_json::Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_data_comes_back_byte_for_byte(
        fields in prop::collection::vec(("[a-c]|full_address", documents()), 0..5),
        dict in any::<bool>(),
        name in ".{1,8}",
    ) {
        let object = serde_json::Value::Object(fields.into_iter().collect()).to_string();
        let shape = if dict { Shape::Dict } else { Shape::List };
        let state = state(shape, Extras::default(), &[(&name, &object)]);
        let text = text_of(&state);
        let read = read_back(&state, text.as_bytes()).unwrap();
        prop_assert_eq!(&read, &state);
        let kept: Json = serde_json::from_str(&object).unwrap();
        let data = read.data_at(0).unwrap();
        prop_assert_eq!(data.object().as_str(), kept.as_str());
    }
}
