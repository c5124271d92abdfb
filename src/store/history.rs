//! The history of an item, and the log as a whole: each record in words, what is derived from those before it, and
//! what cannot be read.

use std::path::Path;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::error::Result;
use crate::log::frame::Crc;
use crate::pipeline::audit::{Auditor, Derived};
use crate::pipeline::codec::{self, PayloadError};
use crate::pipeline::{Event, ItemId, Phase, Record, Timestamp};
use crate::ports::Ports;
use crate::position::Seq;

use super::Options;
use super::records::{self, Found, Ground, Raw, Unreadable};

/// A record, told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its place.
    pub seq: Seq,
    /// Its checksum.
    pub crc32: Crc,
    /// When it was written; `None` if its payload does not say.
    pub at: Option<Timestamp>,
    /// The word in `event`, whatever it is.
    pub event: String,
    /// The item that it is about.
    pub item: Option<String>,
    /// The phase that it is about.
    pub phase: Option<String>,
    /// The payload as it stands.
    pub payload: String,
    /// Why this version cannot tell what it means; `None` if it can.
    pub strange: Option<Strange>,
    /// What follows from it and those before it.
    pub derived: Derived,
}

/// Why nobody here knows what a record means, though its bytes verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strange {
    /// It is of a kind that this version does not know.
    Newer,
    /// It is of a known kind, and no event of that kind.
    Malformed(String),
}

/// A range of the log, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first record.
    pub first: Seq,
    /// The last record.
    pub last: Seq,
}

/// Everything about an item that can be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// The records that name it, in their order.
    pub records: Vec<Told>,
    /// What cannot be read of the log: it may have named the item.
    pub unreadable: Vec<Unreadable>,
}

impl Story {
    /// The first record that this version does not understand.
    pub fn strange(&self) -> Option<&Told> {
        self.records.iter().find(|told| told.strange.is_some())
    }
}

/// Tells every record that names the item, and the import that brought it.
///
/// # Errors
/// The system's refusal to read.
pub fn history(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    ground: &Ground,
    item: &ItemId,
    phase: Option<&Phase>,
    range: Range,
) -> Result<Story> {
    let mut teller = Teller::new(item);
    let mut story = Story::default();
    let mut shown_before: Option<Timestamp> = None;
    let needles = teller.needles();
    records::walk_naming(
        ports,
        dir,
        options,
        ground,
        ground.through.min(range.last),
        &needles,
        &mut |found| {
            match found {
                Found::Unreadable(place) => story.unreadable.push(place.clone()),
                Found::Record(raw) => {
                    for mut told in teller.tell(raw) {
                        let of_phase =
                            phase.is_none_or(|phase| told.phase.as_deref() == Some(phase.as_str()));
                        if of_phase && told.seq >= range.first {
                            let (at, before) = (told.at, shown_before);
                            told.derived.since_previous_us =
                                at.zip(before).map(|(at, before)| at.micros_since(before));
                            shown_before = at.or(before);
                            story.records.push(told);
                        }
                    }
                }
            }
            true
        },
    )?;
    Ok(story)
}

/// Tells a record on its own.
pub fn tell(raw: Raw<'_>) -> Told {
    told(raw, &mut Auditor::default())
}

/// Finds the records that name one item. Most payloads are only searched for its bytes, never parsed.
struct Teller<'i> {
    item: &'i ItemId,
    named: Finder<'static>,
    imported: Finder<'static>,
    /// The last import of a file, not yet told.
    import: Option<(Seq, Crc, String)>,
    auditor: Auditor,
}

impl<'i> Teller<'i> {
    fn new(item: &'i ItemId) -> Self {
        let quoted = Value::from(item.as_str()).to_string();
        Self {
            item,
            named: Finder::new(quoted.as_bytes()).into_owned(),
            imported: Finder::new(b"\"event\":\"imported\""),
            import: None,
            auditor: Auditor::default(),
        }
    }

    /// What stands in every payload that means anything to it.
    fn needles(&self) -> [Finder<'static>; 2] {
        [self.named.clone(), self.imported.clone()]
    }

    /// The record, if it names the item; before it the import that brought it.
    fn tell(&mut self, raw: Raw<'_>) -> Vec<Told> {
        if self.named.find(raw.payload.as_bytes()).is_none() {
            if self.imported.find(raw.payload.as_bytes()).is_some() {
                self.import = Some((raw.seq, raw.crc, raw.payload.to_owned()));
            }
            return Vec::new();
        }
        let mut auditor = std::mem::take(&mut self.auditor);
        let mut all = Vec::new();
        match codec::decode(raw.seq, raw.payload) {
            Ok(record) if !names(&record, self.item) => {}
            Err(_) if !names_raw(raw.payload, self.item) => {}
            decoded => {
                let brought = matches!(
                    &decoded,
                    Ok(Record {
                        event: Event::Added {
                            imported: Some(_),
                            ..
                        },
                        ..
                    })
                );
                if brought && let Some((seq, crc, payload)) = self.import.take() {
                    all.push(told(
                        Raw {
                            seq,
                            crc,
                            payload: &payload,
                        },
                        &mut auditor,
                    ));
                }
                all.push(told(raw, &mut auditor));
            }
        }
        self.auditor = auditor;
        all
    }
}

fn names(record: &Record, item: &ItemId) -> bool {
    match &record.event {
        Event::Noted { items, .. } => items.iter().any(|name| name == item.as_str()),
        event => event.item() == Some(item),
    }
}

/// True if a payload of an unknown kind names the item where the known kinds do.
fn names_raw(payload: &str, item: &ItemId) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(payload) else {
        return false;
    };
    let is_it = |value: &Value| value.as_str() == Some(item.as_str());
    let listed = value.get("items").and_then(Value::as_array);
    value.get("item").is_some_and(is_it) || listed.is_some_and(|items| items.iter().any(is_it))
}

fn told(raw: Raw<'_>, auditor: &mut Auditor) -> Told {
    let mut told = Told {
        seq: raw.seq,
        crc32: raw.crc,
        at: None,
        event: String::new(),
        item: None,
        phase: None,
        payload: raw.payload.to_owned(),
        strange: None,
        derived: Derived::default(),
    };
    match codec::decode(raw.seq, raw.payload) {
        Ok(record) => {
            told.at = Some(record.at);
            record.event.kind().clone_into(&mut told.event);
            told.item = record.event.item().map(ToString::to_string);
            told.phase = record.event.phase().map(ToString::to_string);
            told.derived = auditor.tell(&record);
        }
        Err(error) => {
            let value: Value = serde_json::from_str(raw.payload).unwrap_or_default();
            let text = |key| value.get(key).and_then(Value::as_str).map(str::to_owned);
            told.at = records::at_of(raw.payload);
            told.event = text("event").unwrap_or_else(|| "?".to_owned());
            (told.item, told.phase) = (text("item"), text("phase"));
            let (why, strange) = match error {
                PayloadError::UnknownKind { .. } => {
                    ("of a newer version".to_owned(), Strange::Newer)
                }
                PayloadError::Malformed { message } => {
                    (format!("no event: {message}"), Strange::Malformed(message))
                }
            };
            told.derived.words = format!("({why}) {}", raw.payload);
            told.strange = Some(strange);
            told.derived.since_previous_us = told.at.and_then(|at| auditor.pass(at));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(seq: u64, payload: &str) -> Raw<'_> {
        Raw {
            seq: Seq::new(seq),
            crc: Crc::NONE,
            payload,
        }
    }

    #[test]
    fn only_what_names_the_item_is_told() {
        let item = ItemId::new("1 \"A\" St").unwrap();
        let mut teller = Teller::new(&item);
        let at = r#""at":"2026-11-23T01:40:15.000000Z""#;
        let payloads = [
            format!(
                r#"{{{at},"event":"imported","path":"w.json","kind":"work_items","sha256":"00"}}"#
            ),
            format!(r#"{{{at},"event":"added","item":"2 B St","imported":{{}}}}"#),
            format!(r#"{{{at},"event":"added","item":"1 \"A\" St","imported":{{}}}}"#),
            format!(
                r#"{{{at},"event":"failed","item":"2 B St","phase":"p","error":"1 \"A\" St"}}"#
            ),
            format!(
                r#"{{{at},"event":"failed","item":"2 B St","phase":"p","error":"\"1 \\\"A\\\" St\""}}"#
            ),
            format!(r#"{{{at},"event":"noted","note":"repaired","items":["1 \"A\" St"]}}"#),
            format!(r#"{{{at},"event":"weighed","item":"1 \"A\" St","phase":"p"}}"#),
        ];
        let told: Vec<Told> = payloads
            .iter()
            .zip(1..)
            .flat_map(|(payload, seq)| teller.tell(raw(seq, payload)))
            .collect();
        let seqs: Vec<u64> = told.iter().map(|told| told.seq.get()).collect();
        assert_eq!(seqs, [1, 3, 6, 7]);
        let last = &told[3];
        assert_eq!(
            (&last.strange, &*last.event, last.phase.as_deref()),
            (&Some(Strange::Newer), "weighed", Some("p"))
        );
        assert!(
            last.derived.words.starts_with("(of a newer version) {"),
            "{}",
            last.derived.words
        );
    }
}
