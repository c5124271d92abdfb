//! The data of one item in the three: which fields were changed in the file, and which of these in the log as well.
//!
//! As for phases: what the file has as it had is no change, what both came to is none either; where the log has moved
//! the same field it stays, and a person is told. A file that does not say when it was written may only fill in.
//! Objects are gone into, lists are compared as a whole.

mod gone;

use crate::pipeline::enrichment::{FieldChange, ItemData, SetBy};
use crate::pipeline::field::FieldPath;
use crate::pipeline::json::Json;
use crate::pipeline::members::Members;
use crate::pipeline::same::both_same;

use super::older::Doubt;
pub use gone::{DataGone, Last};

/// Fields by which scripts keep book: a change of these alone is none, and where both changed them nobody need choose.
const BOOKKEEPING: [&str; 2] = ["_last_updated", "last_updated"];

/// What a file said when it was written.
#[derive(Clone, Copy, Debug)]
pub enum Before<T> {
    /// It does not say when that was.
    Unknown,
    /// This.
    Known(T),
}

impl<T> Before<T> {
    fn map<U>(self, with: impl FnOnce(T) -> U) -> Before<U> {
        match self {
            Self::Unknown => Before::Unknown,
            Self::Known(before) => Before::Known(with(before)),
        }
    }
}

/// The data of an item in the three.
pub struct DataMerge<'a> {
    /// What the file had; `Known(None)` if the item had no data in it.
    pub base: Before<Option<&'a Json>>,
    /// What it has.
    pub theirs: &'a Json,
    /// What the log has.
    pub ours: Option<&'a ItemData>,
    /// A key that is no field in one of the three: it tells which item the object is about.
    pub address: Option<&'a str>,
    /// Where it is not known what the file had when it was written: what it said the last time.
    pub last: Option<Last<'a>>,
    /// True if this record brought what an earlier version of the file had: nobody else has worked on that since.
    pub by_file: &'a dyn Fn(&SetBy) -> bool,
    /// Why what the file has at a field may be no edit.
    pub doubt: &'a dyn Fn(&FieldPath) -> Option<Doubt>,
    /// Where all three differ the file counts.
    pub prefer_file: bool,
}

/// What the data of an item comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergedData {
    /// What is to be recorded, field by field.
    pub changes: Vec<FieldChange>,
    /// Fields where the log stays.
    pub conflicts: Vec<DataConflict>,
    /// Fields that a file without a place in the log had the last time, and that stay though it has them no more.
    pub gone: Vec<DataGone>,
    /// Bookkeeping that was changed in the file and is left out, being all that was.
    pub bookkeeping: bool,
}

/// A field that was changed on both sides, or that a file without a place in the log has otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataConflict {
    /// Which.
    pub field: FieldPath,
    /// What the file had, if that is known; nothing if it had no such field.
    pub base: Option<Json>,
    /// What it has.
    pub found: Option<Json>,
    /// What the log has.
    pub decided: Option<Json>,
    /// Why it may be no edit, though the log has not moved since.
    pub doubt: Option<Doubt>,
}

/// What an item's data in a file differs in from what it was when the file was written: as much of the two as a merge
/// asks for, so that nobody has to keep the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Of what the file had, the fields that it has otherwise or no more.
    pub base: Json,
    /// Of what it has, the fields that it had otherwise or not at all.
    pub theirs: Json,
}

impl Changed {
    /// `None` if nothing differs: numbers count by value.
    pub fn of(base: &Json, theirs: &Json) -> Option<Self> {
        if base == theirs {
            return None;
        }
        let (was, is) = (fields(Some(base)), fields(Some(theirs)));
        let (mut base, mut theirs) = (was.clone(), is.clone());
        base.retain(|key, text| !is_same(Some(text), is.get(key)));
        theirs.retain(|key, text| !is_same(Some(text), was.get(key)));
        if base.is_empty() && theirs.is_empty() {
            return None;
        }
        let (base, theirs) = (base.to_json(), theirs.to_json());
        Some(Self { base, theirs })
    }

    /// This, and of `other` the fields that do not differ here.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (base, theirs) = (fields(Some(&self.base)), fields(Some(&self.theirs)));
        let is_own = |key: &str| base.get(key).or(theirs.get(key)).is_some();
        let mut both = [base.clone(), theirs.clone()];
        for (side, other) in both.iter_mut().zip([&other.base, &other.theirs]) {
            for (key, value) in fields(Some(other)).iter().filter(|(key, _)| !is_own(key)) {
                side.set(&[key.into()], Some(value));
            }
        }
        let [base, theirs] = both.map(|side| side.to_json());
        Self { base, theirs }
    }

    /// The fields that differ, objects gone into, each with what the file has; nothing where it has none.
    pub fn leaves(&self) -> Vec<(FieldPath, Option<Json>)> {
        let (base, theirs) = (fields(Some(&self.base)), fields(Some(&self.theirs)));
        let mut leaves = Vec::new();
        collect(&mut Vec::new(), &base, &theirs, &mut leaves);
        leaves
    }
}

fn collect(
    keys: &mut Vec<String>,
    base: &Members<'_>,
    theirs: &Members<'_>,
    leaves: &mut Vec<(FieldPath, Option<Json>)>,
) {
    let gone = base.iter().filter(|(key, _)| theirs.get(key).is_none());
    let there = theirs.iter().map(|(key, value)| (key, Some(value)));
    for (key, is) in there.chain(gone.map(|(key, _)| (key, None))) {
        let was = base.get(key);
        if is_same(is, was) {
            continue;
        }
        keys.push(key.to_owned());
        match (was.and_then(Members::of), is.and_then(Members::of)) {
            (Some(was), Some(is)) => collect(keys, &was, &is, leaves),
            _ => leaves.push((FieldPath::new(keys), json(is))),
        }
        keys.pop();
    }
}

/// What stands at a field of an object; `None` if nothing does.
pub fn at<'o>(object: &Members<'o>, field: &FieldPath) -> Option<&'o str> {
    let keys = field.keys();
    let (last, outer) = keys.split_last()?;
    let mut inner = None;
    for key in outer {
        let text = inner.as_ref().unwrap_or(object).get(key)?;
        inner = Some(Members::of(text)?);
    }
    inner.as_ref().unwrap_or(object).get(last)
}

/// The fields of an object; none where there is none.
fn fields(json: Option<&Json>) -> Members<'_> {
    let members = json.and_then(|json| Members::of(json.as_str()));
    members.unwrap_or_default()
}

impl DataMerge<'_> {
    /// Compares the three. Pure, and the same question has the same answer.
    pub fn merge(&self) -> MergedData {
        let (mut theirs, mut ours) = (
            fields(Some(self.theirs)),
            fields(self.ours.map(ItemData::object)),
        );
        let mut base = self.base.map(fields);
        let mut last = self.last.map(|last| fields(Some(last.had)));
        if let Some(address) = self.address {
            theirs.remove(address);
            ours.remove(address);
            if let Some(last) = &mut last {
                last.remove(address);
            }
            if let Before::Known(base) = &mut base {
                base.remove(address);
            }
        }
        let mut run = Run {
            wanted: self,
            keys: Vec::new(),
            merged: MergedData::default(),
            kept_book: Vec::new(),
        };
        run.object(&base, last.as_ref(), &theirs, &ours);
        let Run {
            mut merged,
            kept_book,
            ..
        } = run;
        // With something else it goes along; alone it says nothing.
        if merged.changes.is_empty() {
            merged.bookkeeping = !kept_book.is_empty();
        } else {
            merged.changes.extend(kept_book);
        }
        merged
    }
}

struct Run<'r, 'a> {
    wanted: &'r DataMerge<'a>,
    keys: Vec<String>,
    merged: MergedData,
    kept_book: Vec<FieldChange>,
}

impl Run<'_, '_> {
    fn object(
        &mut self,
        base: &Before<Members<'_>>,
        last: Option<&Members<'_>>,
        theirs: &Members<'_>,
        ours: &Members<'_>,
    ) {
        let before = |key: &str| match base {
            Before::Unknown => Before::Unknown,
            Before::Known(base) => Before::Known(base.get(key)),
        };
        for (key, value) in theirs.iter() {
            let had = last.and_then(|last| last.get(key));
            self.member(key, (before(key), had), Some(value), ours.get(key));
        }
        let Before::Known(base) = base else {
            return self.gone(last, theirs, ours);
        };
        for (key, value) in base.iter() {
            if theirs.get(key).is_none() {
                let before = Before::Known(Some(value));
                self.member(key, (before, None), None, ours.get(key));
            }
        }
    }

    fn member(
        &mut self,
        key: &str,
        (base, last): (Before<Option<&str>>, Option<&str>),
        theirs: Option<&str>,
        ours: Option<&str>,
    ) {
        let unchanged = matches!(base, Before::Known(base) if is_same(theirs, base));
        if unchanged || is_same(theirs, ours) {
            return;
        }
        let keeps_book = self.keys.is_empty() && BOOKKEEPING.contains(&key);
        self.keys.push(key.to_owned());
        let (inner, own) = (theirs.and_then(Members::of), ours.and_then(Members::of));
        // An object that gives way to another is gone into; what had no object there has none of its fields.
        let before = base.map(|base| base.map_or_else(|| Some(Members::default()), Members::of));
        let before = match before {
            Before::Unknown => Some(Before::Unknown),
            Before::Known(before) => before.map(Before::Known),
        };
        if let (Some(inner), Some(own), Some(before)) = (inner, own, before) {
            let last = last.and_then(Members::of);
            self.object(&before, last.as_ref(), &inner, &own);
        } else {
            self.leaf((base, last), theirs, ours, keeps_book);
        }
        self.keys.pop();
    }

    fn leaf(
        &mut self,
        (base, last): (Before<Option<&str>>, Option<&str>),
        theirs: Option<&str>,
        ours: Option<&str>,
        keeps_book: bool,
    ) {
        let field = FieldPath::new(&self.keys);
        let (moved, base) = match base {
            // Whatever stands there is somebody's, unless the file has changed what stands there since it said so.
            Before::Unknown => (ours.is_some() && !self.is_as_last(&field, last, ours), None),
            Before::Known(base) => (!is_same(ours, base), base),
        };
        let doubt = (self.wanted.doubt)(&field);
        let moved = moved && !self.is_by_file(&field) || doubt.is_some();
        if !moved || self.wanted.prefer_file {
            let (old, new) = (json(ours), json(theirs));
            let change = FieldChange { field, old, new };
            if keeps_book {
                self.kept_book.push(change);
            } else {
                self.merged.changes.push(change);
            }
        } else if !keeps_book {
            self.merged.conflicts.push(DataConflict {
                field,
                base: json(base),
                found: json(theirs),
                decided: json(ours),
                doubt,
            });
        }
    }
}

/// True if two values say the same, or nothing stands in either place: numbers count by value.
pub fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    one == other || both_same(json(one).as_ref(), json(other).as_ref())
}

fn json(text: Option<&str>) -> Option<Json> {
    text.map(|text| Json::from_compact(text.to_owned()))
}

#[cfg(test)]
mod tests;
