//! Patches against RFC 7396, and who set what.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn patch(text: &str) -> DataPatch {
    DataPatch {
        patch: json(text),
        source: Some("test".to_owned()),
        confidence: Some(json("0.90")),
    }
}

/// Applies patches one after the other, as records 1, 2, 3 …
fn patched(patches: &[&str]) -> Option<std::sync::Arc<ItemData>> {
    let mut data = None;
    for (text, seq) in patches.iter().zip(1..) {
        if let Some(change) = patch(text).changes(data.as_deref()) {
            let at = Timestamp::from_micros(i64::try_from(seq).unwrap()).unwrap();
            ItemData::apply(&mut data, &change, Seq::new(seq), at);
        }
    }
    data
}

/// The function of RFC 7396, section 2, as it stands there.
fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = match target {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            target.shift_remove(key);
        } else {
            let before = target.get(key).cloned().unwrap_or_default();
            target.insert(key.clone(), merge_patch(before, value));
        }
    }
    Value::Object(target)
}

#[test]
fn the_examples_of_rfc_7396_hold() {
    // Appendix A, those whose documents are objects.
    for (original, with, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (
            r#"{"a":{"b":"c"}}"#,
            r#"{"a":{"b":"d","c":null}}"#,
            r#"{"a":{"b":"d"}}"#,
        ),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (
            r#"{"a":"foo"}"#,
            r#"{"b":{"ccc":null}}"#,
            r#"{"a":"foo","b":{}}"#,
        ),
        (
            r#"{"e":1}"#,
            r#"{"a":{"bb":{"ccc":null}}}"#,
            r#"{"e":1,"a":{"bb":{}}}"#,
        ),
    ] {
        let data = patched(&[original, with]).unwrap();
        assert_eq!(data.object().as_str(), result, "{original} {with}");
    }
}

#[test]
fn what_is_not_touched_keeps_its_text() {
    let data = patched(&[
        r#"{"confidence":0.90,"price":650000,"lot":{"sqft":6.0,"b":[1e5,null]},"x":1}"#,
        r#"{"price":639000,"lot":{"sqft":6},"x":null,"confidence":0.9}"#,
    ]);
    let text = r#"{"confidence":0.90,"price":639000,"lot":{"sqft":6.0,"b":[1e5,null]}}"#;
    assert_eq!(data.unwrap().object().as_str(), text);
}

#[test]
fn what_changes_nothing_is_no_change() {
    let data = patched(&[r#"{"a":1,"b":{"c":[1,2]}}"#]);
    for same in [
        "{}",
        r#"{"a":1.0}"#,
        r#"{"b":{}}"#,
        r#"{"b":{"c":[1,2]},"z":null}"#,
    ] {
        assert_eq!(patch(same).changes(data.as_deref()), None, "{same}");
    }
    assert_eq!(patch(r#"{"a":null}"#).changes(None), None);
}

#[test]
fn a_change_is_recorded_with_what_stood_there() {
    let data = patched(&[r#"{"a":null,"b":{"c":1}}"#]);
    let change = patch(r#"{"b":{"c":null,"d":"x"},"e":{"f":null}}"#)
        .changes(data.as_deref())
        .unwrap();
    let text = serde_json::to_string(&change).unwrap();
    assert_eq!(
        text,
        r#"{"source":"test","confidence":0.90,"changes":[{"field":"b.c","old":1},{"field":"b.d","new":"x"},{"field":"e","new":{}}]}"#
    );
    assert_eq!(serde_json::from_str::<DataChange>(&text).unwrap(), change);
}

#[test]
fn a_null_that_is_written_is_a_value() {
    let text = r#"{"changes":[{"field":"a","old":null,"new":1},{"field":"b","new":null}]}"#;
    let change: DataChange = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&change).unwrap(), text);
    let mut data = None;
    let object = DataChange {
        object: Some(json(r#"{"a":null}"#)),
        changes: Vec::new(),
        ..change.clone()
    };
    ItemData::apply(&mut data, &object, Seq::new(1), Timestamp::EPOCH);
    ItemData::apply(&mut data, &change, Seq::new(2), Timestamp::EPOCH);
    assert_eq!(data.unwrap().object().as_str(), r#"{"a":1,"b":null}"#);
}

#[test]
fn what_cannot_be_kept_is_refused_when_it_is_read() {
    let deep = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    for bad in [
        r#"{"object":[1]}"#.to_owned(),
        r#"{"object":null}"#.to_owned(),
        r#"{"changes":[{"field":"","new":1}]}"#.to_owned(),
        format!(r#"{{"changes":[{{"field":"a","new":{deep}}}]}}"#),
    ] {
        assert!(serde_json::from_str::<DataChange>(&bad).is_err(), "{bad}");
    }
}

#[test]
fn each_field_knows_who_set_it_last() {
    let data = patched(&[
        r#"{"a":1,"b":{"x":1,"y":2},"c":3}"#,
        r#"{"b":{"x":5},"c":4}"#,
        r#"{"c":null,"d":1}"#,
        r#"{"b":7}"#,
        r#"{"d":{"e":1}}"#,
        r#"{"d":{"f":1}}"#,
    ])
    .unwrap();
    let sources: Vec<_> = data
        .sources()
        .into_iter()
        .map(|(field, by)| (field.to_string(), by.seq.get()))
        .collect();
    let wanted = [("a", 1), ("b", 4), ("d", 5), ("d.f", 6)];
    assert_eq!(sources, wanted.map(|(field, seq)| (field.to_owned(), seq)));
    assert_eq!(data.object().as_str(), r#"{"a":1,"b":7,"d":{"e":1,"f":1}}"#);
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(vec![
            "0.90",
            "6",
            "6.0",
            "1e5",
            "123456789012345678901234567890"
        ])
        .prop_map(|text| serde_json::from_str(text).unwrap()),
        "[a-c\"\\\\.é]{0,3}".prop_map(Value::String),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec(("[ab.]{0,2}", inner), 0..3)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    });
    prop::collection::vec(("[ab.]{0,2}", value), 0..4)
        .prop_map(|it| Value::Object(it.into_iter().collect()))
}

proptest! {
    #[test]
    fn patches_come_to_what_the_rfc_says(original in documents(), patches in prop::collection::vec(documents(), 1..4)) {
        // The original may have nulls: an imported one.
        let change = DataChange { source: None, confidence: None, object: Some(Json::from_value(&original)), changes: vec![] };
        let (mut data, mut wanted) = (None, original);
        ItemData::apply(&mut data, &change, Seq::new(1), Timestamp::EPOCH);
        for (with, seq) in patches.into_iter().zip(2..) {
            wanted = merge_patch(wanted, &with);
            let with = DataPatch { patch: Json::from_value(&with), source: None, confidence: None };
            if let Some(change) = with.changes(data.as_deref()) {
                let text = serde_json::to_string(&change).unwrap();
                let read: DataChange = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&read, &change);
                ItemData::apply(&mut data, &read, Seq::new(seq), Timestamp::EPOCH);
            }
            // What a patch changes it changes once.
            prop_assert_eq!(with.changes(data.as_deref()), None);
        }
        let data = data.unwrap();
        prop_assert!(super::super::same::same_value(&data.object().to_value(), &wanted), "{} {wanted}", data.object());
        let named: std::collections::HashSet<_> = data.sources().into_iter().map(|(field, _)| field.keys()[0].to_string()).collect();
        for key in wanted.as_object().unwrap().keys() {
            prop_assert!(named.contains(key), "nobody set {key:?}");
        }
    }
}

#[test]
fn without_the_data_everything_else_is_as_with_it() {
    use crate::pipeline::event::Event;
    use crate::pipeline::{ItemId, Phase, PhasePlan, PipelineState, Plan, Record};

    let (item, phase) = (ItemId::new("a").unwrap(), Phase::new("p").unwrap());
    let plan = Plan::new(vec![PhasePlan::named(phase.clone())]).unwrap();
    let change = || patch(r#"{"price":1}"#).changes(None).map(Box::new);
    let object = DataChange {
        source: None,
        confidence: None,
        object: Some(json(r#"{"a":1}"#)),
        changes: Vec::new(),
    };
    let events = [
        Event::Planned {
            phases: plan.phases().to_vec(),
        },
        Event::Added {
            item: item.clone(),
            id: None,
            imported: None,
        },
        Event::Enriched {
            item: item.clone(),
            data: Box::new(object),
        },
        Event::Completed {
            item: item.clone(),
            phase,
            token: None,
            late: true,
            op: None,
            data: change(),
            extraction: None,
        },
    ];
    let (mut with, mut without) = (PipelineState::default(), PipelineState::default());
    for (event, seq) in events.into_iter().zip(1..) {
        let mut record = Record {
            seq: Seq::new(seq),
            at: Timestamp::from_micros(i64::try_from(seq).unwrap()).unwrap(),
            clock_given: false,
            event,
        };
        with.apply(&record);
        record.event.strip_data();
        without.apply(&record);
    }
    assert_ne!(with, without);
    with.forget_data();
    assert_eq!(with, without);
}

#[test]
fn who_set_a_field_last_is_whoever_set_it_or_what_holds_it_or_what_it_holds() {
    let data = patched(&[
        r#"{"n":{"a":1,"b":2},"x":1}"#,
        r#"{"n":{"b":3}}"#,
        r#"{"n":[1]}"#,
        r#"{"n":{"c":{"d":1}}}"#,
        r#"{"n":{"c":{"d":2}}}"#,
    ]);
    let data = data.unwrap();
    let by = |field: &str| -> Vec<u64> {
        let field = FieldPath::parse(field).unwrap();
        data.set_by(&field).map(|by| by.seq.get()).collect()
    };
    // What was set on its own since is no more of whoever brought what holds it.
    assert_eq!(
        (by("x"), by("n"), by("n.c")),
        (vec![1], vec![4, 5], vec![4, 5])
    );
    assert_eq!((by("n.c.d"), by("n.c.e")), (vec![5], vec![4]));
}
