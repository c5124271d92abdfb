//! One file beside the root while it is taken in, and what a person should know about it.

use std::collections::HashSet;

use crate::pipeline::ItemId;
use crate::pipeline::event::ImportedFile;
use crate::pipeline::json::Json;
use crate::pipeline::members::Members;
use crate::pipeline::merge::{Before, DataConflict, DataGone, Doubt};
use crate::pipeline::short::short;
use crate::pipeline::spelling::Roundings;
use crate::snapshot::enrichment;
use crate::snapshot::import::{BesideItem, Finding, Severity};

use super::super::given::BesideOriginal;
use super::super::originals::Values;
use super::BesideResult;
use super::against::{Against, Base};
use super::sayable::can_say;

/// One file, while it is taken in.
pub(super) struct One<'o> {
    pub(super) original: &'o BesideOriginal,
    /// Its name, for records and messages.
    pub(super) file: String,
    pub(super) against: Option<&'o Against>,
    /// The paths under which it was taken over before.
    pub(super) paths: HashSet<&'o str>,
    /// Where its data is read.
    pub(super) values: Values,
    pub(super) result: BesideResult,
    /// Items of which only the bookkeeping was changed.
    pub(super) bookkeeping: usize,
    /// Numbers in it that a double could not hold.
    pub(super) roundings: Roundings,
    /// Something stands apart that did not when the same bytes were taken over before: it is told on record.
    pub(super) is_news: bool,
}

impl<'o> One<'o> {
    /// What the file said when it was written, as far as that is known.
    pub(super) fn base(&self) -> Option<&'o Base> {
        self.against.and_then(Against::base)
    }

    /// The same, of one item.
    pub(super) fn before<T>(&self, get: impl FnOnce(&'o Base) -> T) -> Before<T> {
        let base = self.base();
        base.map_or(Before::Unknown, |base| Before::Known(get(base)))
    }

    /// The key that says which item an object is about, where it says no more than that.
    pub(super) fn address(&self, item: &BesideItem, object: &Json) -> Option<&'static str> {
        let dict = enrichment::Shape::Dict.as_str();
        let base = self.base();
        let by_key =
            self.original.document.file.shape == dict && base.is_none_or(|base| base.shape == dict);
        let is_name = enrichment::address_of(object).is_some_and(|own| own == item.name.as_str());
        // In our own file it is a field like any other where the key tells the item.
        let counts = by_key && (base.is_some() || !is_name);
        (!counts).then_some(enrichment::ADDRESS)
    }

    /// What a person should look at.
    pub(super) fn judge(
        &mut self,
        code: &'static str,
        item: Option<&BesideItem>,
        found: &str,
        decided: &str,
        message: String,
    ) -> &mut Finding {
        self.result.findings.push(Finding {
            code,
            severity: Severity::Judged,
            line: item.map(|item| item.line),
            column: item.map(|item| item.column),
            item: item.map(|item| item.name.to_string()),
            phase: None,
            found: found.to_owned(),
            decided: decided.to_owned(),
            message,
        });
        self.result.findings.last_mut().expect("one was just added")
    }

    /// What is worth knowing and asks for no judgement.
    pub(super) fn note(&mut self, code: &'static str, found: &str, decided: &str, message: String) {
        self.judge(code, None, found, decided, message).severity = Severity::Note;
    }
}

/// What is odd in the file, without what was odd in it when it was written.
pub(super) fn news(original: &BesideOriginal, against: Option<&Against>) -> Vec<Finding> {
    let document = &original.document;
    let mut findings = document.findings.clone();
    let Some(base) = against.and_then(Against::base) else {
        return findings;
    };
    let named = base.names(&document.file.kind);
    let named: HashSet<&str> = named.iter().map(ItemId::as_str).collect();
    let key = |it: &Finding| (it.code, it.item.clone(), it.phase.clone(), it.found.clone());
    findings.retain(|it| {
        let about_known = it.item.as_deref().is_some_and(|item| named.contains(item));
        let of_names = matches!(it.code, "I-NEAR-DUPLICATE" | "I-FIELD")
            && document.file.kind == ImportedFile::ENRICHMENT;
        let before = base.findings.iter().any(|other| key(it) == key(other));
        !(before || of_names && about_known)
    });
    findings
}

/// Items that were taken out of the file: nothing is ever deleted for that.
pub(super) fn gone(one: &mut One<'_>) {
    let document = &one.original.document;
    // What stands behind the damage of a file was taken out by nobody.
    if document.findings.iter().any(|it| it.code == "I-SALVAGED") {
        return;
    }
    let there: HashSet<&ItemId> = document.items.iter().map(|item| &item.name).collect();
    let file = &document.file;
    let mut known = match one.against {
        Some(Against::Base(base)) => {
            let mut names = base.names(&file.kind);
            let said = |name: &ItemId| base.extraction(name);
            names.retain(|name| said(name).is_none_or(|said| can_say(&file.shape, said)));
            names
        }
        Some(against) => against
            .last()
            .map_or_else(Vec::new, |last| last.items.clone()),
        None => Vec::new(),
    };
    known.retain(|name| !there.contains(name));
    for name in known {
        let message = format!(
            "the item was taken out of {}; nothing is deleted for that",
            one.file
        );
        let (found, decided) = ("not in the file any more", "it stays");
        let finding = one.judge("I-ONLY-IN", None, found, decided, message);
        finding.item = Some(name.to_string());
    }
}

/// Says of fields of an item that they stay, though they were taken out of the file.
pub(super) fn fields_gone(item: &BesideItem, gone: &[DataGone], one: &mut One<'_>) {
    let (free, set_since): (Vec<&DataGone>, Vec<_>) = gone.iter().partition(|it| it.is_free);
    let mut parts = Vec::new();
    for (gone, why) in [
        (free, ", --prefer file takes OUT out"),
        (set_since, ": somebody else has set OUT since"),
    ] {
        let fields: Vec<&str> = gone.iter().map(|it| it.field.as_str()).collect();
        let (were, out) = match gone.len() {
            0 => continue,
            1 => ("was taken out of FILE; it stays", "it"),
            _ => ("were taken out of FILE; they stay", "them"),
        };
        let (were, why) = (were.replace("FILE", &one.file), why.replace("OUT", out));
        parts.push(format!("{} {were}{why}", fields.join(", ")));
    }
    if parts.is_empty() {
        return;
    }
    let texts = gone.iter().map(|it| (it.field.as_str(), it.stays.as_str()));
    let stays = Members::from_texts(texts).to_json().to_string();
    let found = "not in the file any more";
    one.judge("I-ONLY-IN", Some(item), found, &stays, parts.join("; "));
}

/// What was decided about a field, in a sentence.
pub(super) fn words(conflict: &DataConflict, has_base: bool) -> String {
    let value = |json: &Option<Json>| short(&shown(json.as_ref()));
    let (found, decided) = (value(&conflict.found), value(&conflict.decided));
    let field = &conflict.field;
    if let Some(doubt) = conflict.doubt {
        let why = doubted(doubt);
        format!("{field} is {found} in the file, {decided} in the store{why}; the store counts")
    } else if has_base {
        let base = value(&conflict.base);
        format!(
            "{field} is {found} in the file, which had {base}, and {decided} in the store by now; the store counts"
        )
    } else {
        format!("{field} is {found} in the file, the store has {decided}; the store counts")
    }
}

/// Why what a file has may be no edit, behind what the store has.
pub(super) fn doubted(doubt: Doubt) -> String {
    match doubt {
        Doubt::Older(seq) => format!(
            " since {seq}: the file has what was there before, from an older file or put back by hand"
        ),
        Doubt::Behind(seq) => {
            format!(" since {seq}, and the file seems to be made from an older one")
        }
    }
}

pub(super) fn shown(value: Option<&Json>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
