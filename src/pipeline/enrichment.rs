//! The data of each item: what was found out about it, field by field, and who set each field last.
//!
//! ```text
//!   {"event":"enriched","item":…,"data":{"source":"listing-browser","confidence":0.90,"changes":[
//!       {"field":"list_price","old":650000,"new":639000},     set
//!       {"field":"lot.sqft","new":7405},                      set where there was nothing
//!       {"field":"hoa","old":null}]}}                         taken away
//!   {"event":"enriched","item":…,"data":{"source":"enrichment_data.json","object":{…}}}
//!                                                             the whole object, where the item had none
//! ```
//!
//! A `completed` record carries the same `data`: the phase is done and its data is there, or neither. People give a
//! merge patch (RFC 7396: a null takes the field away, an object goes into the object that is there); what is recorded
//! is what it came to, each field with the value before and after, so that a record needs no replay to be understood.
//! Records can say what a merge patch cannot: `"new":null` is a null that stays, and so are the nulls of an imported
//! object. A value that is the same by [`same`] is no change: it keeps its bytes, and who set it.

mod differences;
mod words;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::field::FieldPath;
use super::json::{Json, MAX_DEPTH};
use super::members::Members;
use super::same::same;
use super::time::Timestamp;
use crate::position::Seq;

pub use differences::differences;
pub use words::plain;

/// How deep the data of an item may be nested, the object itself counted: an importer takes 100 levels of a file, and the
/// object stands in a list or an object there.
pub const MAX_LEVELS: usize = 98;

/// The field that tells readers which item an object of data is about.
pub const ADDRESS: &str = "full_address";

/// A change of an item's data, with who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataChange {
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// How sure they are, in their words: a number or a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Json>,
    /// The whole object; it takes the place of whatever was there.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "an_object"
    )]
    pub object: Option<Json>,
    /// The fields that changed, in this order, behind the object if there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
}

impl DataChange {
    /// What it makes of the field [`ADDRESS`], as JSON; `None` if it leaves it alone or takes it away.
    pub(super) fn address(&self) -> Option<String> {
        let object = self.object.as_ref().and_then(|it| Members::of(it.as_str()));
        let of_object = object.and_then(|members| members.get(ADDRESS).map(str::to_owned));
        let of_change = |change: &FieldChange| match &*change.field.keys() {
            [key] if key == ADDRESS => change.new.as_ref().map(Json::to_string),
            // Something in it: then it is an object.
            [key, ..] if key == ADDRESS => Some("{…}".to_owned()),
            _ => None,
        };
        self.changes.iter().find_map(of_change).or(of_object)
    }
}

/// One field that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FieldWire")]
pub struct FieldChange {
    /// Which.
    pub field: FieldPath,
    /// What stood there; `None` if nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Json>,
    /// What stands there now; `None` if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Json>,
}

/// A [`FieldChange`] before it is known whether it can be applied.
#[derive(Deserialize)]
struct FieldWire {
    field: FieldPath,
    #[serde(default, deserialize_with = "there")]
    old: Option<Json>,
    #[serde(default, deserialize_with = "there")]
    new: Option<Json>,
}

impl TryFrom<FieldWire> for FieldChange {
    type Error = String;

    fn try_from(wire: FieldWire) -> Result<Self, String> {
        let FieldWire { field, old, new } = wire;
        let depth = field.keys().len() + new.as_ref().map_or(0, Json::depth);
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        Ok(Self { field, old, new })
    }
}

/// A null that is written is a value; only a key that is not there is none.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

fn an_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    let json = Json::deserialize(deserializer)?;
    if Members::of(json.as_str()).is_none() {
        return Err(serde::de::Error::custom("the data of an item is an object"));
    }
    Ok(Some(json))
}

/// What somebody wants to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPatch {
    /// A merge patch (RFC 7396).
    pub patch: Json,
    /// Who says so.
    pub source: Option<String>,
    /// How sure they are: a number or a text.
    pub confidence: Option<Json>,
}

impl DataChange {
    /// How deep the item's data is nested where this changes it, the object itself counted.
    pub fn levels(&self) -> usize {
        let object = self.object.as_ref().map_or(0, Json::depth);
        let change = |change: &FieldChange| {
            change.field.keys().len() + change.new.as_ref().map_or(0, Json::depth)
        };
        let deepest = self.changes.iter().map(change).max();
        object.max(deepest.unwrap_or(0))
    }
}

impl DataPatch {
    /// What the patch comes to where `data` stands; `None` if it changes nothing.
    ///
    /// A patch that is no object sets nothing: whoever takes one from outside refuses it before.
    pub fn changes(&self, data: Option<&ItemData>) -> Option<DataChange> {
        let patch = Members::of(self.patch.as_str()).unwrap_or_default();
        let (mut object, mut changes) = (None, Vec::new());
        match data {
            Some(data) => {
                let there = Members::of(data.object.as_str()).unwrap_or_default();
                compare(&mut Vec::new(), &patch, &there, &mut changes);
            }
            None => object = Some(without_nulls(&patch)).filter(|it| it.as_str() != "{}"),
        }
        let (source, confidence) = (
            self.source.as_deref().map(Into::into),
            self.confidence.clone(),
        );
        (object.is_some() || !changes.is_empty()).then_some(DataChange {
            source,
            confidence,
            object,
            changes,
        })
    }
}

/// Collects what a merge patch changes in an object.
fn compare(
    keys: &mut Vec<String>,
    patch: &Members<'_>,
    there: &Members<'_>,
    changes: &mut Vec<FieldChange>,
) {
    for (key, wanted) in patch.iter() {
        let found = there.get(key);
        keys.push(key.to_owned());
        let inner = Members::of(wanted);
        let new = match (&inner, found.and_then(Members::of)) {
            (Some(inner), Some(found)) => {
                compare(keys, inner, &found, changes);
                keys.pop();
                continue;
            }
            (Some(inner), None) => Some(without_nulls(inner)),
            (None, _) if wanted == "null" => None,
            (None, _) => Some(Json::from_compact(wanted.to_owned())),
        };
        let old = found.map(|text| Json::from_compact(text.to_owned()));
        let is_same = match (&old, &new) {
            (Some(old), Some(new)) => same(old, new),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            let field = FieldPath::new(keys);
            changes.push(FieldChange { field, old, new });
        }
        keys.pop();
    }
}

/// What a merge patch makes where nothing is: itself, without its nulls. Those in lists are values.
fn without_nulls(patch: &Members<'_>) -> Json {
    fn write(patch: &Members<'_>, text: &mut String) {
        text.push('{');
        for (key, wanted) in patch.iter().filter(|(_, wanted)| *wanted != "null") {
            if !text.ends_with('{') {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(key).expect("a text is plain JSON"));
            text.push(':');
            match Members::of(wanted) {
                Some(inner) => write(&inner, text),
                None => text.push_str(wanted),
            }
        }
        text.push('}');
    }
    let mut text = String::new();
    write(patch, &mut text);
    Json::from_compact(text)
}

/// The data of one item as it stands, with who set each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemData {
    object: Json,
    /// Who brought the object: every field is theirs that nobody set later.
    origin: Option<SetBy>,
    /// Who changed fields later, in the order of the log; none without a field.
    later: Vec<(SetBy, Vec<FieldPath>)>,
}

/// Who set a field, and when. Written as `[seq, at, source, confidence]`, `at` in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBy {
    /// The record.
    pub seq: Seq,
    /// Its time.
    pub at: Timestamp,
    /// Who.
    pub source: Option<Box<str>>,
    /// How sure they were.
    pub confidence: Option<Json>,
}

impl Serialize for SetBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.seq, self.at.micros(), &self.source, &self.confidence).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SetBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seq, micros, source, confidence) = Deserialize::deserialize(deserializer)?;
        let at = Timestamp::from_micros(micros)
            .ok_or_else(|| serde::de::Error::custom("a time beyond all calendars"))?;
        Ok(Self {
            seq,
            at,
            source,
            confidence,
        })
    }
}

impl ItemData {
    /// Puts together what a snapshot kept apart.
    pub const fn from_parts(
        object: Json,
        origin: Option<SetBy>,
        later: Vec<(SetBy, Vec<FieldPath>)>,
    ) -> Self {
        Self {
            object,
            origin,
            later,
        }
    }

    /// The object.
    pub const fn object(&self) -> &Json {
        &self.object
    }

    /// Who brought the object, if one was brought whole.
    pub const fn origin(&self) -> Option<&SetBy> {
        self.origin.as_ref()
    }

    /// Who changed which fields later, in the order of the log.
    pub fn later(&self) -> &[(SetBy, Vec<FieldPath>)] {
        &self.later
    }

    /// Who set each field last, in the order of the object; behind a field those in it that were set on their own.
    pub fn sources(&self) -> Vec<(FieldPath, &SetBy)> {
        let all = self
            .later
            .iter()
            .flat_map(|(by, fields)| fields.iter().map(move |field| (field, by)));
        let mut sources = Vec::new();
        for (key, _) in Members::of(self.object.as_str()).unwrap_or_default().iter() {
            let top = FieldPath::new(&[key]);
            let mut inside: Vec<_> = all
                .clone()
                .filter(|(field, _)| field.is_within(&top))
                .collect();
            inside.sort_by(|one, other| one.0.cmp(other.0));
            if inside.first().is_none_or(|(field, _)| **field != top) {
                sources.extend(self.origin.as_ref().map(|by| (top, by)));
            }
            sources.extend(inside.into_iter().map(|(field, by)| (field.clone(), by)));
        }
        sources
    }

    /// Who set what stands at a field: who set it last, or what holds it, and those who set what it holds.
    pub fn set_by(&self, field: &FieldPath) -> impl Iterator<Item = &SetBy> {
        let all = self
            .later
            .iter()
            .flat_map(|(by, fields)| fields.iter().map(move |it| (it, by)));
        let mut whole = all.clone().filter(|(it, _)| field.is_within(it));
        let whole = whole.next_back().map(|(_, by)| by).or(self.origin.as_ref());
        let field = field.clone();
        let inside = all.filter(move |(it, _)| it.is_within(&field) && **it != field);
        whole.into_iter().chain(inside.map(|(_, by)| by))
    }

    /// Takes a change into the data of an item; `data` is `None` as long as it has none. Never fails.
    pub fn apply(data: &mut Option<Arc<Self>>, change: &DataChange, seq: Seq, at: Timestamp) {
        let by = SetBy {
            seq,
            at,
            source: change.source.clone(),
            confidence: change.confidence.clone(),
        };
        if let Some(object) = &change.object {
            let (object, origin) = (object.clone(), Some(by.clone()));
            *data = Some(Arc::new(Self {
                object,
                origin,
                later: Vec::new(),
            }));
        }
        if change.changes.is_empty() {
            return;
        }
        let data = data.get_or_insert_with(|| {
            // Its beginning was in a range that a repair gave up.
            let object = Json::from_compact("{}".to_owned());
            Arc::new(Self {
                object,
                origin: None,
                later: Vec::new(),
            })
        });
        Arc::make_mut(data).change(&change.changes, by);
    }

    fn change(&mut self, changes: &[FieldChange], by: SetBy) {
        let mut members = Members::of(self.object.as_str()).unwrap_or_default();
        let mut fields: Vec<FieldPath> = Vec::new();
        for change in changes {
            members.set(&change.field.keys(), change.new.as_ref().map(Json::as_str));
            let stays = |field: &FieldPath| !field.is_within(&change.field);
            for (_, before) in &mut self.later {
                before.retain(stays);
            }
            fields.retain(stays);
            if change.new.is_some() {
                fields.push(change.field.clone());
            }
        }
        self.object = members.to_json();
        self.later.retain(|(_, fields)| !fields.is_empty());
        if !fields.is_empty() {
            self.later.push((by, fields));
        }
    }
}

#[cfg(test)]
mod tests;
