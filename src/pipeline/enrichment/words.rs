//! A change of data in words, one line: `list_price: 650000 -> 639000, by listing-browser`.

use super::{DataChange, FieldChange};
use crate::pipeline::json::Json;
use crate::pipeline::members::Members;
use crate::pipeline::short::short;

/// Fields that are named; of the rest, how many there are.
const NAMED: usize = 8;

impl DataChange {
    /// What changed, from what to what, and who says so.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if let Some(object) = &self.object {
            let members = Members::of(object.as_str()).unwrap_or_default();
            let shown = members.iter().take(NAMED);
            parts.extend(shown.map(|(key, value)| format!("{key}: {}", short(value))));
            parts.extend(rest(members.len()));
        }
        parts.extend(self.changes.iter().take(NAMED).map(FieldChange::words));
        parts.extend(rest(self.changes.len()));
        if parts.is_empty() {
            parts.push("an empty object".to_owned());
        }
        if let Some(source) = &self.source {
            parts.push(format!("by {source}"));
        }
        if let Some(confidence) = &self.confidence {
            parts.push(format!("confidence {}", plain(confidence)));
        }
        parts.join(", ")
    }
}

impl FieldChange {
    /// `list_price: 650000 -> 639000`; what is not there is `nothing`.
    pub fn words(&self) -> String {
        let value = |value: &Option<Json>| {
            value
                .as_ref()
                .map_or_else(|| "nothing".to_owned(), |json| short(json.as_str()))
        };
        format!(
            "{}: {} -> {}",
            self.field,
            value(&self.old),
            value(&self.new)
        )
    }
}

fn rest(all: usize) -> Option<String> {
    (all > NAMED).then(|| format!("and {} more", all - NAMED))
}

/// A text without its quotes, anything else as it is written.
pub fn plain(json: &Json) -> String {
    serde_json::from_str(json.as_str()).unwrap_or_else(|_| json.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_one_line() {
        for (record, words) in [
            (
                r#"{"source":"listing-browser","changes":[{"field":"list_price","old":650000,"new":639000}]}"#,
                "list_price: 650000 -> 639000, by listing-browser",
            ),
            (
                r#"{"confidence":"high","changes":[{"field":"hoa","old":null},{"field":"a.b","new":"x"}]}"#,
                r#"hoa: null -> nothing, a.b: nothing -> "x", confidence high"#,
            ),
            (
                r#"{"confidence":0.90,"object":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}}"#,
                "a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, and 1 more, confidence 0.90",
            ),
            (r#"{"object":{}}"#, "an empty object"),
        ] {
            let change: DataChange = serde_json::from_str(record).unwrap();
            assert_eq!(change.words(), words);
        }
    }
}
