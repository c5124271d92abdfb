//! The path of a field in an item's data, as people type it and records keep it: `list_price`, `lot."sq.ft"`.
//!
//! Keys from the outside in, joined by dots. A key that is empty, or has a dot, a quote, a backslash, `=`, white space
//! or a control character in it, stands there as a JSON text. There is one way to write a path.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The path of a field: at least one key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FieldPath(Box<str>);

/// Why a text is no path of a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no field: keys joined by dots, a key with other signs in quotes (a.\"b.c\")")]
pub struct FieldError {
    /// What was given.
    pub text: String,
}

impl FieldPath {
    /// The path of these keys, from the outside in.
    ///
    /// # Panics
    /// Without a key.
    pub fn new<S: AsRef<str>>(keys: &[S]) -> Self {
        assert!(!keys.is_empty(), "a path has a key");
        let written: Vec<Cow<'_, str>> = keys.iter().map(|key| written(key.as_ref())).collect();
        Self(written.join(".").into())
    }

    /// Reads a path as it is written.
    ///
    /// # Errors
    /// A key is empty and not in quotes, or its quotes do not end.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let keys = split(text).ok_or_else(|| FieldError {
            text: text.to_owned(),
        })?;
        // Written anew: a key may have stood in quotes that it does not need.
        Ok(Self::new(&keys))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its keys, from the outside in.
    pub fn keys(&self) -> Vec<Cow<'_, str>> {
        split(&self.0).expect("a path was looked through when it was made")
    }

    /// True if this is `other` or lies in it.
    pub fn is_within(&self, other: &Self) -> bool {
        // A key's end shows in the text: what follows is a dot or nothing.
        self.0
            .strip_prefix(&*other.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// A key as it stands in a path.
fn written(key: &str) -> Cow<'_, str> {
    let odd = |c: char| matches!(c, '.' | '"' | '\\' | '=') || c.is_whitespace() || c.is_control();
    if key.is_empty() || key.contains(odd) {
        Cow::Owned(serde_json::to_string(key).expect("a text is plain JSON"))
    } else {
        Cow::Borrowed(key)
    }
}

fn split(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let (mut keys, mut rest) = (Vec::new(), text);
    loop {
        let (key, behind) = if rest.starts_with('"') {
            let (quoted, behind) = rest.split_at(super::json::end_of_text(rest));
            (Cow::Owned(serde_json::from_str(quoted).ok()?), behind)
        } else {
            let (key, behind) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
            if key.is_empty() || key.contains('"') {
                return None;
            }
            (Cow::Borrowed(key), behind)
        };
        keys.push(key);
        match behind.strip_prefix('.') {
            Some(more) => rest = more,
            None if behind.is_empty() => return Some(keys),
            None => return None,
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_is_written() {
        for (keys, text) in [
            (vec!["list_price"], "list_price"),
            (vec!["lot", "sqft"], "lot.sqft"),
            (vec!["a.b", "c"], r#""a.b".c"#),
            (vec!["", "a=b", "q\"s\\", "ü"], r#"""."a=b"."q\"s\\".ü"#),
            (vec!["two words"], r#""two words""#),
        ] {
            let path = FieldPath::new(&keys);
            assert_eq!(path.as_str(), text);
            assert_eq!(path.keys(), keys);
            assert_eq!(FieldPath::parse(text), Ok(path));
        }
        // Quotes that are not needed go.
        assert_eq!(FieldPath::parse(r#""a"."b""#).unwrap().as_str(), "a.b");
        for bad in ["", ".", "a.", ".a", "a..b", r#""a"#, r#""a"b"#, r#"a"b"#] {
            assert!(FieldPath::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_field_lies_in_itself_and_in_what_holds_it() {
        let path = |text| FieldPath::parse(text).unwrap();
        assert!(path("a").is_within(&path("a")));
        assert!(path("a.b").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert!(!path("a").is_within(&path("a.b")));
    }
}
