//! What a file is as a whole, without holding it: whether it is JSON to its end, and what it says of its log.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A document that was read through to its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Top {
    /// Its `log`, if that is an object.
    pub(super) log: Option<Log>,
}

/// What a document says of its log.
#[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub(super) struct Log {
    /// How far it goes.
    #[serde(default)]
    pub(super) seq: Option<u64>,
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopVisitor)
    }
}

/// A value that is read through, every text and number of it, and not kept.
struct Through;

impl<'de> Deserialize<'de> for Through {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ThroughVisitor)
    }
}

struct ThroughVisitor;

/// What both visitors do with what is no object.
macro_rules! passes_over {
    ($made:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON")
        }

        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($made)
        }

        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($made)
        }

        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($made)
        }

        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($made)
        }

        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($made)
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok($made)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<Through>()?.is_some() {}
            Ok($made)
        }
    };
}

impl<'de> Visitor<'de> for ThroughVisitor {
    type Value = Through;

    passes_over!(Through);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Through, A::Error> {
        while map.next_entry::<Through, Through>()?.is_some() {}
        Ok(Through)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top;

    passes_over!(Top::default());

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
        let mut top = Top::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == "log" {
                let log: &RawValue = map.next_value()?;
                // Of two the last counts.
                let is_object = log.get().starts_with('{');
                top.log = is_object.then(|| serde_json::from_str(log.get()).unwrap_or_default());
                serde_json::from_str::<Through>(log.get()).map_err(de::Error::custom)?;
            } else {
                map.next_value::<Through>()?;
            }
        }
        Ok(top)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn it_says_what_the_whole_says() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let texts = [
            r#"{"log":{"seq":7,"x":[1,2]},"work_items":[{"a":1E5}]}"#,
            r#"{"log":{"seq":"7"}}"#,
            r#"{"log":{"seq":-1}}"#,
            r#"{"log":{}}"#,
            r#"{"log":[1]}"#,
            r#"{"log":null,"a":0.90}"#,
            r#"{"log":{"seq":1},"log":{"seq":2}}"#,
            "[]",
            "7",
            "null",
            r#""x""#,
            "123456789012345678901234567890",
            r#"{"a":1} x"#,
            r#"{"a":1"#,
            r#"{"a":"\ud800"}"#,
            r#"{"log":{"seq":1,"a":"\ud800"}}"#,
            r#"{"a":[1,]}"#,
            "",
            &deep,
        ];
        for text in texts {
            let whole = serde_json::from_str::<Value>(text);
            let top = serde_json::from_str::<Top>(text);
            match (whole, top) {
                (Ok(whole), Ok(top)) => {
                    let log = whole.get("log").filter(|log| log.is_object());
                    let seq = |log: &Value| log["seq"].as_u64();
                    let wanted = log.map(|log| Log { seq: seq(log) });
                    assert_eq!(top.log, wanted, "{text}");
                }
                (Err(_), Err(_)) => {}
                (whole, top) => panic!("{text}: {whole:?}, {top:?}"),
            }
        }
        assert!(serde_json::from_slice::<Top>(b"{\"a\":\"\xff\"}").is_err());
    }
}
