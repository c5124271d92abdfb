//! JSON that is carried, not understood: kept as it was written, number by number and key by key.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One JSON value as compact text. Two are equal if their text is.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Takes a parsed value; its keys keep their order and its numbers their digits.
    pub fn from_value(value: &Value) -> Self {
        Self(value.to_string().into_boxed_str())
    }

    /// The value, parsed.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(&self.0).expect("a Json was parsed when it was made")
    }

    /// The compact text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Through `Value`, so that a pretty printer lays it out like everything around it.
impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::from_value(&value))
    }
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
    fn extras_keep_their_places() {
        let text = r#"[["address","hash","6948a957"],["status","locked_by",null]]"#;
        let extras: Extras = serde_json::from_str(text).unwrap();
        assert_eq!(extras.after("status").count(), 1);
        assert_eq!(serde_json::to_string(&extras).unwrap(), text);
    }
}
