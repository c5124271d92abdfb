//! JSON that is carried, not understood: kept as it was written, number by number and key by key.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// The deepest nesting that is taken: the deepest that [`Json::to_value`] can read.
pub(super) const MAX_DEPTH: usize = 127;

/// One JSON value as compact text. Two are equal if their text is.
///
/// Its text is what was read, without the white space between its parts: numbers keep every digit, sign and exponent,
/// keys their order. Only texts are spelled in one way, whichever escapes they came with.
///
/// Its clones share nothing: a text that is copied to where it can be shared, once more for each of many thousands, leaves
/// holes between them in memory that are as large as they are.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes a parsed value; its keys keep their order.
    pub fn from_value(value: &Value) -> Self {
        Self(to_raw_value(value).expect("a parsed value is JSON"))
    }

    /// Takes text that is compact JSON, put together from such.
    ///
    /// # Panics
    /// If it is no JSON.
    pub(super) fn from_compact(text: String) -> Self {
        Self(RawValue::from_string(text).expect("parts of JSON make JSON"))
    }

    /// The value, parsed.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.as_str()).expect("a Json was looked through when it was made")
    }

    /// How deep it is nested: 0 for what is no list and no object.
    pub(super) fn depth(&self) -> usize {
        let (mut rest, mut depth, mut deepest) = (self.as_str(), 0_usize, 0);
        while let Some(first) = rest.bytes().next() {
            match first {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            deepest = deepest.max(depth);
            let end = if first == b'"' { end_of_text(rest) } else { 1 };
            rest = &rest[end..];
        }
        deepest
    }

    /// The compact text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not through `Value`, which spells `1E5` as `1e+5`.
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = compact(raw.get()).map_err(D::Error::custom)?;
        if text == raw.get() {
            return Ok(Self(raw));
        }
        RawValue::from_string(text)
            .map(Self)
            .map_err(D::Error::custom)
    }
}

/// Takes the white space out of a JSON text and spells its texts in one way; nothing else changes.
fn compact(text: &str) -> Result<String, String> {
    let mut compact = String::with_capacity(text.len());
    let (mut rest, mut depth) = (text, 0_usize);
    while let Some(first) = rest.chars().next() {
        let (part, behind) = rest.split_at(match first {
            '"' => end_of_text(rest),
            _ => first.len_utf8(),
        });
        rest = behind;
        match first {
            ' ' | '\t' | '\r' | '\n' => continue,
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            '"' if part.contains('\\') => {
                let plain: String = serde_json::from_str(part).map_err(|it| it.to_string())?;
                compact += &serde_json::to_string(&plain).map_err(|it| it.to_string())?;
                continue;
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        compact += part;
    }
    Ok(compact)
}

/// Where the text that `json` begins with ends, behind its quote.
pub(super) fn end_of_text(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().enumerate().skip(1).find(|&(_, byte)| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |(at, _)| at + 1)
}

/// One field that another program put into an object of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The key of ours behind which the field stood; empty at the front.
    pub after: Box<str>,
    /// The field's own key.
    pub key: Box<str>,
    /// Its value, untouched.
    pub value: Json,
}

/// The unknown fields of one object, in their order, each with the place where it stood.
///
/// Written as `[[after, key, value], …]` in records, which keeps both order and place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras(Vec<Extra>);

impl Extras {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field behind everything that stands behind the key `after`.
    pub fn push(&mut self, after: &str, key: &str, value: Json) {
        self.0.push(Extra {
            after: after.into(),
            key: key.into(),
            value,
        });
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Extra> {
        self.0.iter()
    }

    /// The fields that stand behind the key `after`, in order.
    pub fn after<'a>(&'a self, after: &'a str) -> impl Iterator<Item = &'a Extra> {
        self.0.iter().filter(move |extra| *extra.after == *after)
    }

    /// Gives a field a value: where it stands, or, if it is new, behind everything that stands behind the key `after`.
    pub fn set(&mut self, after: &str, key: &str, value: Json) {
        match self.0.iter_mut().find(|extra| *extra.key == *key) {
            Some(extra) => extra.value = value,
            None => self.push(after, key, value),
        }
    }

    /// Takes a field away.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|extra| *extra.key != *key);
    }

    /// The value of the field `key`.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0
            .iter()
            .find(|extra| *extra.key == *key)
            .map(|extra| &extra.value)
    }
}

impl Serialize for Extras {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .iter()
                .map(|extra| (&*extra.after, &*extra.key, &extra.value)),
        )
    }
}

impl<'de> Deserialize<'de> for Extras {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Vec::<(Box<str>, Box<str>, Json)>::deserialize(deserializer)?;
        Ok(Self(
            rows.into_iter()
                .map(|(after, key, value)| Extra { after, key, value })
                .collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_text_and_key_order_survive() {
        let text = r#"{"z":0.90,"a":154.16666666666666,"n":[6,6.0,12345678901234567890123]}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.as_str(), text);
        assert_eq!(serde_json::to_string(&json).unwrap(), text);
    }

    #[test]
    fn numbers_are_carried_as_they_are_spelled() {
        let text = "[1e5,1E5,1.0E-7,1e400,-0,-0.0,0.90,1E+05,6,6.0]";
        let spaced = " [ 1e5 ,\n1E5,\t1.0E-7, 1e400,-0, -0.0,0.90,1E+05,6 ,6.0 ]\r\n";
        for source in [text, spaced] {
            let json: Json = serde_json::from_str(source).unwrap();
            assert_eq!(json.as_str(), text);
            assert_eq!(serde_json::to_string(&json).unwrap(), text);
        }
        assert_ne!(
            serde_json::from_str::<Json>("1e5").unwrap(),
            serde_json::from_str::<Json>("1E5").unwrap()
        );
    }

    #[test]
    fn white_space_goes_only_where_it_says_nothing() {
        for (source, compact) in [
            (
                r#"{ "a b" : " \" x \\" , "c":[ ] }"#,
                r#"{"a b":" \" x \\","c":[]}"#,
            ),
            (r#""\u00e9\/ \ud83c\udfe0\u0001""#, r#""é/ 🏠\u0001""#),
            (" null ", "null"),
        ] {
            let json: Json = serde_json::from_str(source).unwrap();
            assert_eq!(json.as_str(), compact);
        }
    }

    #[test]
    fn what_could_not_be_parsed_later_is_refused() {
        let deep = |levels| "[".repeat(levels) + &"]".repeat(levels);
        let json: Json = serde_json::from_str(&deep(MAX_DEPTH)).unwrap();
        assert!(json.to_value().is_array());
        for bad in [&*deep(MAX_DEPTH + 1), r#"["\ud800"]"#, "[1,]", "01"] {
            assert!(serde_json::from_str::<Json>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn extras_keep_their_places() {
        let text = r#"[["address","hash","6948a957"],["status","locked_by",null]]"#;
        let extras: Extras = serde_json::from_str(text).unwrap();
        assert_eq!(extras.after("status").count(), 1);
        assert_eq!(serde_json::to_string(&extras).unwrap(), text);
    }
}
