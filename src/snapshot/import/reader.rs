//! What every part of an import writes into while it reads: findings, words, times.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Options;
use super::finding::{About, Remark, Severity};
use super::place::Places;
use super::times::{self, Reading};
use super::tree::{Bad, Field, Node, Value};
use super::words::{self, Meaning, Sure};
use crate::error::Error;
use crate::pipeline::{Json, Phase, Timestamp};

/// Texts as they stood in the file: `(key, text)`.
pub(super) type Found = Vec<(String, String)>;

/// One file while it is being read.
pub(super) struct Reader<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
    /// How many bytes of the file stand before its text.
    pub(super) begin: usize,
    /// Who is told how many bytes more were read.
    pub(super) told: Option<&'a dyn Fn(u64)>,
    pub(super) places: Places<'a>,
    pub(super) options: Options,
    pub(super) remarks: Vec<Remark>,
    /// Every status word, with how often it stands there.
    pub(super) words: BTreeMap<String, u64>,
    /// Phase names that had to be changed.
    pub(super) renamed: BTreeSet<String>,
    /// The newest time that is not in the future.
    pub(super) newest: Option<Timestamp>,
    /// Room to work in.
    pub(super) scratch: Vec<u8>,
    /// The phases that were named so far: each name stands in memory once.
    phases: HashSet<Phase>,
    same_words: BTreeMap<String, Tally>,
    naive: Tally,
}

/// How often something stands in the file, and where it does first.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    at: usize,
    text: String,
}

impl Tally {
    pub(super) fn add(&mut self, at: usize, text: &str) {
        if self.count == 0 {
            (self.at, self.text) = (at, text.to_owned());
        }
        self.count += 1;
    }

    pub(super) fn note(&self, code: &'static str) -> Remark {
        Remark::note(code, self.at).found(self.text.clone())
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a str, text: &'a str, options: &Options) -> Self {
        Self {
            path,
            text,
            begin: 0,
            told: None,
            places: Places::new(text),
            options: options.clone(),
            remarks: Vec::new(),
            words: BTreeMap::new(),
            renamed: BTreeSet::new(),
            newest: None,
            scratch: Vec::new(),
            phases: HashSet::new(),
            same_words: BTreeMap::new(),
            naive: Tally::default(),
        }
    }

    /// The phase of that name; `None` if it is no name.
    pub(super) fn phase(&mut self, name: &str) -> Option<Phase> {
        if let Some(known) = self.phases.get(name) {
            return Some(known.clone());
        }
        let phase = Phase::new(name).ok()?;
        self.phases.insert(phase.clone());
        Some(phase)
    }

    pub(super) fn remark(&mut self, remark: Remark) {
        self.remarks.push(remark);
    }

    /// The file cannot be taken, because of what stands at `at`.
    pub(super) fn error(&self, at: usize, message: impl Into<String>) -> Error {
        let place = self.places.of(at);
        Error::Parse {
            path: self.path.into(),
            line: place.line,
            column: place.column,
            message: message.into(),
        }
    }

    /// The file cannot be taken, because it is no JSON.
    pub(super) fn bad(&self, bad: &Bad) -> Error {
        self.error(bad.at, self.bad_message(bad))
    }

    pub(super) fn bad_message(&self, bad: &Bad) -> String {
        let Some((what, at)) = bad.other else {
            return bad.message.clone();
        };
        let place = self.places.of(at);
        format!(
            "{}; {what} line {}, column {}",
            bad.message, place.line, place.column
        )
    }

    /// The text of a value, as it stands in the file.
    pub(super) fn source(&self, node: &Node<'_>) -> &'a str {
        &self.text[node.at..node.end]
    }

    /// A value that is carried along.
    pub(super) fn json(&self, node: &Node<'_>) -> Result<Json, Error> {
        serde_json::from_str(self.source(node))
            .map_err(|error| self.error(node.at, error.to_string()))
    }

    /// A value as a report shows it: a text without its quotes, anything else as it stands.
    pub(super) fn shown(&self, node: &Node<'_>) -> String {
        node.text().unwrap_or_else(|| self.source(node)).to_owned()
    }

    /// Reads a time; `None` is unknown. What had to be judged, or has no offset, is kept in `found` as it stands.
    pub(super) fn time(
        &mut self,
        field: Option<&Field<'_>>,
        about: About<'_>,
        found: &mut Found,
    ) -> Option<Timestamp> {
        let (key, node) = field.map(|field| (&*field.key, &field.node))?;
        if node.is_blank() {
            return None;
        }
        let text = self.shown(node);
        let judged = |decided: String, message: String| {
            let remark = Remark::judged("I-BAD-TIME", node.at).about(about);
            remark.found(text.clone()).decided(decided).says(message)
        };
        let reading = match &node.value {
            Value::Text(text) => times::read(text, &self.options.zone),
            Value::Number => times::read_number(&text).map_or(Reading::Bad, Reading::Exact),
            _ => Reading::Bad,
        };
        let time = match reading {
            Reading::Exact(time) if matches!(node.value, Value::Number) => {
                let message = format!("{key} is a number; it was read as {time}");
                self.remark(judged(time.to_string(), message));
                keep(found, key, &text);
                time
            }
            Reading::Exact(time) => time,
            Reading::Naive(time) => {
                self.naive.add(node.at, &text);
                keep(found, key, &text);
                time
            }
            Reading::Skipped(time) => {
                let zone = &self.options.zone;
                let message =
                    format!("{key}: the clocks of zone {zone} skipped {text}; read as {time}");
                self.remark(judged(time.to_string(), message));
                self.naive.add(node.at, &text);
                keep(found, key, &text);
                time
            }
            Reading::Bad => {
                let message = format!("{key} is no time; it counts as unknown");
                self.remark(judged("unknown".into(), message));
                keep(found, key, &text);
                return None;
            }
        };
        if time > self.options.now {
            let remark = Remark::judged("I-FUTURE", node.at).about(about);
            let message = format!("{key} lies in the future; it stays as it is");
            self.remark(remark.found(&text).decided(time.to_string()).says(message));
            keep(found, key, &text);
        } else {
            self.newest = self.newest.max(Some(time));
        }
        Some(time)
    }

    /// Reads a status word and counts it. Words that somebody should look at are reported each time they stand
    /// there, other words for the same once a file.
    pub(super) fn word(&mut self, word: &str, at: usize, about: About<'_>) -> Meaning {
        *self.words.entry(word.to_owned()).or_default() += 1;
        let meaning = words::meaning(word);
        let status = meaning.status.as_str();
        let (severity, decided, message) = match meaning.sure {
            Sure::Same if meaning.holds => {
                let decided = format!("{status}, and the item is held");
                let message = format!("{word:?} means {decided}");
                (Severity::Note, decided, message)
            }
            Sure::Ours => return meaning,
            Sure::Same => {
                self.same_words
                    .entry(word.to_owned())
                    .or_default()
                    .add(at, word);
                return meaning;
            }
            Sure::Judged => (
                Severity::Judged,
                status.to_owned(),
                format!("{word:?} was taken as {status}"),
            ),
            Sure::Unknown => {
                let message =
                    format!("{word:?} is no status that is known here; taken as {status}");
                (Severity::Judged, status.to_owned(), message)
            }
        };
        let remark = Remark::new("I-WORD", severity, at).about(about);
        self.remark(remark.found(word).decided(decided).says(message));
        meaning
    }

    /// Adds the notes that stand once for the whole file; returns the zone if a time needed it.
    pub(super) fn finish(&mut self) -> Option<String> {
        for (word, tally) in std::mem::take(&mut self.same_words) {
            let status = words::meaning(&word).status.as_str();
            let message = format!(
                "{word:?} means {status}; it stands here {}",
                times_said(tally.count)
            );
            self.remark(tally.note("I-WORD").decided(status).says(message));
        }
        let naive = std::mem::take(&mut self.naive);
        if naive.count == 0 {
            return None;
        }
        let zone = self.options.zone.to_string();
        let message = match naive.count {
            1 => format!("one time has no offset; it was taken as {zone}"),
            count => format!("{count} times have no offset; they were taken as {zone}"),
        };
        self.remark(naive.note("I-NAIVE").decided(zone.clone()).says(message));
        Some(zone)
    }
}

/// Keeps a text as it stood in the file, once for each key.
pub(super) fn keep(found: &mut Found, key: &str, text: &str) {
    if !found.iter().any(|(kept, _)| kept == key) {
        found.push((key.to_owned(), text.to_owned()));
    }
}

fn times_said(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
