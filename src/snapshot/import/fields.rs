//! The fields of one object: which of them are ours, and where the others stood.

use super::reader::Reader;
use super::tree::Field;
use crate::error::Error;
use crate::pipeline::json::Extras;

/// A field of ours.
pub(super) struct Known {
    /// What we call it.
    pub(super) ours: &'static str,
    /// What others call it; our own name first.
    pub(super) names: &'static [&'static str],
    /// The key, always written by us, that unknown fields behind it stand behind.
    pub(super) anchor: &'static str,
}

impl Known {
    /// A field that we always write, so that others may stand behind it.
    pub(super) const fn written(ours: &'static str, names: &'static [&'static str]) -> Self {
        let anchor = ours;
        Self {
            ours,
            names,
            anchor,
        }
    }

    /// A field that we write at times, somewhere behind `anchor`.
    pub(super) const fn behind(
        anchor: &'static str,
        ours: &'static str,
        names: &'static [&'static str],
    ) -> Self {
        Self {
            ours,
            names,
            anchor,
        }
    }
}

/// The fields of an object, ours apart from the others.
pub(super) struct Sorted<'n, 'a> {
    taken: Vec<(&'static str, &'n Field<'a>)>,
    /// The others, each behind the key of ours that it stood behind.
    pub(super) extras: Extras,
}

impl<'n, 'a> Sorted<'n, 'a> {
    /// Our field, whatever the file calls it.
    pub(super) fn get(&self, ours: &str) -> Option<&'n Field<'a>> {
        let taken = self.taken.iter().find(|(name, _)| *name == ours)?;
        Some(taken.1)
    }
}

/// Tells our fields from the others. Where two fields could be the same one of ours, the first with something in it
/// counts, our own name before other names; the other is carried along. A field with our own name but nothing in it
/// is dropped then, for we cannot write that key twice.
pub(super) fn sort<'n, 'a>(
    reader: &Reader<'_>,
    fields: &'n [Field<'a>],
    known: &[Known],
) -> Result<Sorted<'n, 'a>, Error> {
    let choose = |known: &Known| {
        let there = |test: fn(&Field<'a>) -> bool| {
            let mut names = known.names.iter();
            names.find_map(|name| {
                fields
                    .iter()
                    .find(|field| field.key == *name && test(field))
            })
        };
        there(|field| !field.node.is_blank())
            .or_else(|| there(|field| !field.node.is_null()))
            .or_else(|| there(|_| true))
            .map(|field| (known.ours, field))
    };
    let taken: Vec<_> = known.iter().filter_map(choose).collect();
    let mut extras = Extras::default();
    let mut anchor = "";
    for field in fields {
        let ours = taken
            .iter()
            .find(|(_, taken)| taken.at == field.at)
            .map(|(ours, _)| *ours);
        let ours = ours.or_else(|| {
            known
                .iter()
                .map(|known| known.ours)
                .find(|ours| field.key == *ours)
        });
        match ours.and_then(|ours| known.iter().find(|known| known.ours == ours)) {
            Some(known) => anchor = known.anchor,
            None => extras.push(anchor, &field.key, reader.json(&field.node)?),
        }
    }
    Ok(Sorted { taken, extras })
}
