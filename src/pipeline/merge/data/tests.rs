use std::sync::Arc;

use super::*;
use crate::pipeline::Timestamp;
use crate::pipeline::enrichment::{DataChange, DataPatch};
use crate::pipeline::same::same;
use crate::position::Seq;
use proptest::prelude::*;

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn item(object: &str, source: &str) -> ItemData {
    let mut data = None;
    let change = DataChange {
        source: Some(source.into()),
        confidence: None,
        object: Some(json(object)),
        changes: Vec::new(),
    };
    ItemData::apply(&mut data, &change, Seq::new(1), Timestamp::EPOCH);
    Arc::unwrap_or_clone(data.unwrap())
}

fn set(data: ItemData, patch: &str, source: &str) -> ItemData {
    let patch = DataPatch {
        patch: json(patch),
        source: Some(source.into()),
        confidence: None,
    };
    let change = patch.changes(Some(&data)).unwrap();
    let mut data = Some(Arc::new(data));
    ItemData::apply(&mut data, &change, Seq::new(2), Timestamp::EPOCH);
    Arc::unwrap_or_clone(data.unwrap())
}

fn merged(base: Before<Option<&str>>, theirs: &str, ours: &ItemData, prefer: bool) -> String {
    let base = match base {
        Before::Unknown => Before::Unknown,
        Before::Known(base) => Before::Known(base.map(json)),
    };
    let merged = DataMerge {
        base: match &base {
            Before::Unknown => Before::Unknown,
            Before::Known(base) => Before::Known(base.as_ref()),
        },
        theirs: &json(theirs),
        ours: Some(ours),
        address: Some("full_address"),
        last: None,
        by_file: &|by| by.source.as_deref() == Some("file"),
        doubt: &|_| None,
        prefer_file: prefer,
    }
    .merge();
    let changes = merged.changes.iter().map(FieldChange::words);
    let conflicts = merged.conflicts.iter().map(|it| {
        let shown = |json: &Option<Json>| json.as_ref().map_or("nothing".into(), Json::to_string);
        format!(
            "{} stays {}, not {}",
            it.field,
            shown(&it.decided),
            shown(&it.found)
        )
    });
    let book = merged.bookkeeping.then(|| "bookkeeping".to_owned());
    changes
        .chain(conflicts)
        .chain(book)
        .collect::<Vec<_>>()
        .join("; ")
}

const BASE: &str = r#"{"full_address":"I","price":1,"hoa":120,"lot":{"sqft":6.0,"kind":"corner"},"_last_updated":"a"}"#;

#[test]
fn a_change_in_the_file_is_a_change_where_the_log_has_not_moved() {
    let ours = item(BASE, "county");
    for (theirs, wanted) in [
        (BASE, ""),
        (
            r#"{"_last_updated":"a","price":1.0,"hoa":1.2e2,"lot":{"kind":"corner","sqft":6}}"#,
            "",
        ),
        (
            r#"{"price":2,"hoa":120,"lot":{"sqft":6.0},"_last_updated":"a"}"#,
            r#"price: 1 -> 2; lot.kind: "corner" -> nothing"#,
        ),
        (
            r#"{"price":1,"lot":5,"beds":3,"_last_updated":"b"}"#,
            r#"lot: {"sqft":6.0,"kind":"corner"} -> 5; beds: nothing -> 3; hoa: 120 -> nothing; _last_updated: "a" -> "b""#,
        ),
        (
            r#"{"price":1,"hoa":null,"lot":{"sqft":6.0,"kind":"corner"},"_last_updated":"a"}"#,
            "hoa: 120 -> null",
        ),
        (&BASE.replace(r#""a""#, r#""b""#), "bookkeeping"),
    ] {
        assert_eq!(
            merged(Before::Known(Some(BASE)), theirs, &ours, false),
            wanted,
            "{theirs}"
        );
    }
}

#[test]
fn where_the_log_has_moved_the_same_field_it_stays_unless_the_file_counts() {
    let ours = set(
        item(BASE, "county"),
        r#"{"price":7,"lot":{"sqft":9},"_last_updated":"z"}"#,
        "w1",
    );
    let theirs = r#"{"price":2,"lot":{"kind":"corner"},"_last_updated":"b"}"#;
    assert_eq!(
        merged(Before::Known(Some(BASE)), theirs, &ours, false),
        "hoa: 120 -> nothing; price stays 7, not 2; lot.sqft stays 9, not nothing"
    );
    assert_eq!(
        merged(Before::Known(Some(BASE)), theirs, &ours, true),
        r#"price: 7 -> 2; lot.sqft: 9 -> nothing; hoa: 120 -> nothing; _last_updated: "z" -> "b""#
    );
    // Both came to the same.
    let same = BASE.replace("\"price\":1", "\"price\":7.0");
    assert_eq!(merged(Before::Known(Some(BASE)), &same, &ours, false), "");
    // What the file brought itself it may change again; what somebody set in it since it may not.
    let brought = set(item(BASE, "county"), r#"{"price":2}"#, "file");
    let again = BASE.replace("\"price\":1", "\"price\":3");
    assert_eq!(
        merged(Before::Known(Some(BASE)), &again, &brought, false),
        "price: 2 -> 3"
    );
    let whole = set(item(BASE, "file"), r#"{"lot":{"sqft":9}}"#, "w1");
    assert_eq!(
        merged(Before::Known(None), r#"{"lot":5}"#, &whole, false),
        r#"lot stays {"sqft":9,"kind":"corner"}, not 5"#
    );
}

#[test]
fn a_file_that_does_not_say_when_fills_in() {
    let ours = item(BASE, "county");
    let theirs = r#"{"full_address":"I","price":2,"beds":3,"lot":{"sqft":6,"zone":"R1"}}"#;
    assert_eq!(
        merged(Before::Unknown, theirs, &ours, false),
        r#"beds: nothing -> 3; lot.zone: nothing -> "R1"; price stays 1, not 2"#
    );
    assert_eq!(
        merged(Before::Unknown, theirs, &ours, true),
        r#"price: 1 -> 2; beds: nothing -> 3; lot.zone: nothing -> "R1""#
    );
    assert_eq!(
        merged(
            Before::Unknown,
            r#"{"price":2}"#,
            &item(BASE, "file"),
            false
        ),
        "price: 1 -> 2"
    );
}

fn any_object() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["1", "1.0", "2", "null", r#""x""#, "[1]", "{}"]);
    let inner =
        prop::collection::btree_map(prop::sample::select(vec!["a", "b"]), leaf.clone(), 0..3);
    let value = prop_oneof![
        leaf.prop_map(str::to_owned),
        inner.prop_map(|members| object(members.into_iter().map(|(k, v)| (k, v.to_owned())))),
    ];
    let key = prop::sample::select(vec!["p", "q", "r", "s"]);
    prop::collection::btree_map(key, value, 0..5).prop_map(object)
}

fn object(members: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let members = members
        .into_iter()
        .map(|(key, value)| format!("{key:?}:{value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn run(base: &str, theirs: &str, ours: &ItemData, prefer_file: bool) -> MergedData {
    DataMerge {
        base: Before::Known(Some(&json(base))),
        theirs: &json(theirs),
        ours: Some(ours),
        address: None,
        last: None,
        by_file: &|_| false,
        doubt: &|_| None,
        prefer_file,
    }
    .merge()
}

fn applied(ours: &ItemData, changes: Vec<FieldChange>) -> ItemData {
    let mut data = Some(Arc::new(ours.clone()));
    let change = DataChange {
        source: None,
        confidence: None,
        object: None,
        changes,
    };
    ItemData::apply(&mut data, &change, Seq::new(9), Timestamp::EPOCH);
    Arc::unwrap_or_clone(data.unwrap())
}

proptest! {
    #[test]
    fn the_rules_of_a_three_way_merge_hold(base in any_object(), theirs in any_object(), ours in any_object()) {
        let log = item(&ours, "w");
        // What was not edited changes nothing; where the log has not moved the file's version is what comes out.
        prop_assert_eq!(run(&base, &base, &log, false), MergedData::default());
        let still = item(&base, "w");
        let taken = run(&base, &theirs, &still, false);
        prop_assert_eq!(&taken.conflicts, &vec![]);
        prop_assert!(same(applied(&still, taken.changes).object(), &json(&theirs)));
        // Nothing that differs from both is passed over: it is recorded or told. Twice is once.
        for prefer in [false, true] {
            let first = run(&base, &theirs, &log, prefer);
            prop_assert!(!prefer || first.conflicts.is_empty());
            let after = applied(&log, first.changes.clone());
            // What differs is all that a merge asks for.
            let changed = Changed::of(&json(&base), &json(&theirs));
            let of_changed = changed.map_or_else(MergedData::default, |it| {
                run(it.base.as_str(), it.theirs.as_str(), &log, prefer)
            });
            prop_assert_eq!(&of_changed, &first);
            let again = run(&base, &theirs, &after, prefer);
            prop_assert_eq!(again.changes, vec![]);
            prop_assert_eq!(&again.conflicts, &first.conflicts);
            if same(&json(&ours), &json(&base)) {
                prop_assert!(same(after.object(), &json(&theirs)));
            }
            let keys = ["p", "q", "r", "s"];
            let (base, theirs, after) = (json(&base).to_value(), json(&theirs).to_value(), after.object().to_value());
            for key in keys {
                let told = first.conflicts.iter().any(|it| it.field.keys()[0] == key);
                let at = |value: &serde_json::Value| value.get(key).cloned();
                let equal = |one: &Option<serde_json::Value>, other: &Option<serde_json::Value>| match (one, other) {
                    (Some(one), Some(other)) => crate::pipeline::same::same_value(one, other),
                    (one, other) => one.is_none() && other.is_none(),
                };
                let (base, theirs, after) = (at(&base), at(&theirs), at(&after));
                let nested = [&base, &theirs, &after].iter().all(|it| it.as_ref().is_none_or(serde_json::Value::is_object));
                prop_assert!(told || nested || equal(&theirs, &base) || equal(&theirs, &after), "{}", key);
            }
        }
    }
}

/// What a file without a place in the log had the last time, with record 5: `y` and `n.b` are gone from it.
fn taken_out(ours: &ItemData, prefer_file: bool, told: u64) -> MergedData {
    let (theirs, had) = (
        json(r#"{"x":1,"n":{"a":1}}"#),
        json(r#"{"y":1,"n":{"a":1,"b":2}}"#),
    );
    DataMerge {
        base: Before::Unknown,
        last: Some(Last {
            seq: Seq::new(5),
            had: &had,
            told: Seq::new(told),
        }),
        theirs: &theirs,
        ours: Some(ours),
        address: None,
        by_file: &|by| by.source.as_deref() == Some("file"),
        doubt: &|_| None,
        prefer_file,
    }
    .merge()
}

#[test]
fn what_was_taken_out_of_a_file_goes_where_it_counts_and_nobody_else_has_set_it() {
    let all = r#"{"x":1,"y":1,"n":{"a":1,"b":2},"q":1}"#;
    let gone = |ours: &ItemData| -> Vec<(String, bool)> {
        let merged = taken_out(ours, false, 0);
        assert_eq!((merged.changes, merged.conflicts), (vec![], vec![]));
        let gone = merged.gone.iter();
        gone.map(|it| (it.field.to_string(), it.is_free)).collect()
    };
    let words = |ours: &ItemData, told| -> (Vec<String>, Vec<String>) {
        let merged = taken_out(ours, true, told);
        assert_eq!(merged.gone, vec![]);
        let changes = merged.changes.iter().map(FieldChange::words);
        let conflicts = merged.conflicts.iter().map(|it| it.field.to_string());
        (changes.collect(), conflicts.collect())
    };
    // The file brought all of it: what it has not, goes.
    let own = item(all, "file");
    let free = |fields: &[(&str, bool)]| -> Vec<(String, bool)> {
        fields
            .iter()
            .map(|(it, free)| ((*it).to_owned(), *free))
            .collect()
    };
    assert_eq!(gone(&own), free(&[("n.b", true), ("y", true)]));
    let out = ["n.b: 2 -> nothing", "y: 1 -> nothing", "q: 1 -> nothing"];
    assert_eq!(words(&own, 0), (out.map(str::to_owned).to_vec(), vec![]));
    // Somebody else did, before the file said the same: nobody has set it since. What the file never had is not its own.
    let other = item(all, "w");
    assert_eq!(gone(&other), free(&[("n.b", true), ("y", true)]));
    assert_eq!(words(&other, 0).0, out[..2]);
    // Since then somebody has set one of them.
    let mut moved = Some(Arc::new(other));
    let patch = DataPatch {
        patch: json(r#"{"y":3}"#),
        source: Some("w".to_owned()),
        confidence: None,
    };
    let change = patch.changes(moved.as_deref()).unwrap();
    ItemData::apply(&mut moved, &change, Seq::new(7), Timestamp::EPOCH);
    let moved = moved.unwrap();
    assert_eq!(gone(&moved), free(&[("n.b", true), ("y", false)]));
    assert_eq!(
        words(&moved, 6),
        (vec![out[0].to_owned()], vec!["y".to_owned()])
    );
    // And that was told.
    assert_eq!(words(&moved, 8), (vec![out[0].to_owned()], vec![]));
}
