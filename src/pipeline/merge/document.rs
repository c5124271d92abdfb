//! What a document says beside its items, in fields that nobody knows: as for the fields of an item, one by one.

use super::fields::{is_null, keeps_book, unknown_since};
use crate::pipeline::json::{Extras, Json};
use crate::pipeline::same::both_same;
use crate::pipeline::spelling::{Roundings, respelled_fields};

/// The unknown fields of a document in the three.
pub struct DocumentMerge<'a> {
    /// What the file had; `None` if it does not say when it was written.
    pub base: Option<&'a Extras>,
    /// Where the file is to count: what an edit of it said that was taken over since.
    pub since: Option<&'a Extras>,
    /// Without a base: what it said the last time that it was taken over.
    pub last: Option<&'a Extras>,
    /// What it has.
    pub theirs: &'a Extras,
    /// What the log has.
    pub ours: &'a Extras,
    /// What the file has otherwise it may have as it was.
    pub is_older: bool,
    /// All that the log has came with earlier versions of the file, which counts where the two differ.
    pub is_own: bool,
    /// Where all three differ the file counts.
    pub prefer_file: bool,
}

/// What they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergedDocument {
    /// The fields as they are to be; none if they stay as they are.
    pub extras: Extras,
    /// Fields where the log stays: the key, what the file has, what the log has.
    pub conflicts: Vec<(String, Json, Option<Json>)>,
    /// Fields that were taken out of the file and stay.
    pub gone: Vec<String>,
    /// Numbers in the file that a double could not hold.
    pub roundings: Roundings,
}

impl DocumentMerge<'_> {
    /// Compares the three. Pure, and the same question has the same answer.
    pub fn merge(&self) -> MergedDocument {
        let mut merged = MergedDocument::default();
        let known: Vec<&Extras> = [self.base, self.since].into_iter().flatten().collect();
        let known = [known, vec![self.ours]].concat();
        let roundings = &mut merged.roundings;
        let theirs = respelled_fields(self.theirs, &known, roundings, &str::to_owned);
        let edited = match (self.base, self.since) {
            (Some(base), Some(since)) => Some(unknown_since(&theirs, base, since)),
            _ => None,
        };
        let base = edited.as_ref().or(self.base);
        let (mut all, mut changed) = (self.ours.clone(), false);
        for field in theirs.iter() {
            let key = &*field.key;
            let (now, then) = (self.ours.get(key), base.map(|base| base.get(key)));
            let value = Some(&field.value);
            if both_same(value, now) || then.is_some_and(|then| both_same(value, then)) {
                continue;
            }
            // Whatever stands there is somebody's, unless the file has changed what stands there since it said so.
            let said = self.last.and_then(|last| last.get(key));
            let is_other = || now.is_some() && (said.is_none() || !both_same(now, said));
            let moved = self.is_older || then.map_or_else(is_other, |then| !both_same(now, then));
            if !moved || self.is_own || self.prefer_file {
                all.set(&field.after, key, field.value.clone());
                changed = true;
            } else if then.is_some() || !keeps_book(key) {
                let conflict = (key.to_owned(), field.value.clone(), now.cloned());
                merged.conflicts.push(conflict);
            }
        }
        let counts = base.is_some() || self.prefer_file;
        let before = base.or(self.last);
        for field in before.iter().flat_map(|before| before.iter()) {
            let ours = self.ours.get(&field.key);
            let Some(stays) = ours.filter(|_| theirs.get(&field.key).is_none()) else {
                continue;
            };
            let mut without = all.clone();
            without.remove(&field.key);
            if counts && !without.is_empty() && both_same(ours, Some(&field.value)) {
                (all, changed) = (without, true);
            } else if base.is_some() || !keeps_book(&field.key) && !is_null(stays) {
                merged.gone.push(field.key.to_string());
            }
        }
        if changed {
            merged.extras = all;
        }
        merged
    }
}
