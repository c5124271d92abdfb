//! What a file that does not say where in the log it was written said the time before: which of its edits are its own, and
//! what was taken out of it.
//!
//! ```text
//!   last time    now    the store                                          what becomes of it
//!   url x        y      x, and nobody else has set it since                y
//!   url x        y      z                                                  stays, and is told
//!   url x        -      x, and nobody else has set it since                stays, and is told; with `prefer_file` it is unset
//!   url x        -      z                                                  stays, and is told
//! ```

use super::fields::{is_null, keeps_book, of_file, of_log, shown};
use super::one::One;
use super::{FileItem, Merge, OpenItem};
use crate::pipeline::edit::key;
use crate::pipeline::event::{ImportedItem, ImportedPhase};
use crate::pipeline::item::{Item, PhaseState};
use crate::pipeline::json::{Extras, Json};
use crate::pipeline::members::Members;
use crate::pipeline::names::{ItemId, Phase};
use crate::pipeline::plan::Plan;
use crate::pipeline::same::both_same;
use crate::position::Seq;

/// What a file without a place in the log said the time before.
pub struct LastTime<'a> {
    /// Its items.
    pub items: Vec<FileItem<'a>>,
    /// The record that took it over.
    pub seq: Seq,
    /// It is the snapshot of that record, which lay where the file lies now. Whoever wrote the file may never have read it.
    pub is_snapshot: bool,
    /// The last record that took over what the file says now: what stood apart then was told.
    pub told: Seq,
}

/// Who has set a field last, as far as imports tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetLast {
    /// An earlier version of the very file.
    pub is_file: bool,
    /// The record.
    pub seq: Seq,
}

/// Tells which import has set a field last, of a phase of an item or (with `None`) of the item itself.
pub type SetBy<'a> = dyn Fn(&ItemId, Option<&Phase>, &str) -> Option<SetLast> + 'a;

/// The unknown fields of an item and of its phases, as a snapshot shows them, and nothing else.
pub fn fields_of(item: &Item, plan: &Plan) -> ImportedItem {
    let phases = plan.phases().iter().zip(&item.phases);
    let phases = phases.map(|(planned, phase)| ImportedPhase {
        status: phase.status,
        extras: phase.extras.clone(),
        ..super::fields::fresh(&planned.phase)
    });
    ImportedItem {
        phases: phases.collect(),
        extras: item.extras.clone(),
        ..ImportedItem::default()
    }
}

/// A field that a file without a place in the log had, and has no more.
#[derive(Debug)]
pub(super) struct Gone {
    /// Its key.
    pub(super) key: String,
    /// What the file had the time before; `None` if that was long ago.
    pub(super) had: Option<Json>,
    /// What the log has.
    pub(super) stays: Json,
}

/// The known fields that the file had the time before, with the same status, and has no more; with what the log has.
pub(super) fn known_gone(
    theirs: &ImportedPhase,
    last: &ImportedPhase,
    ours: &PhaseState,
) -> Vec<Gone> {
    if last.status != theirs.status {
        return Vec::new();
    }
    let of_file = of_file(theirs).into_iter().zip(of_file(last));
    let known = of_file.zip(of_log(ours));
    let gone =
        known.filter(|(((key, theirs), _), _)| theirs.is_none() && *key != key::IMPORTED_STATUS);
    let gone = gone.filter_map(|(((key, _), (_, had)), ours)| Some((key, had?, ours?)));
    let gone = gone.map(|(key, had, stays)| Gone {
        key: key.to_owned(),
        had: Some(had),
        stays,
    });
    gone.collect()
}

impl Merge<'_> {
    /// True if what the log has at a field is the file's own: an earlier version of it has set that last, or said the same when
    /// it was taken over, and nobody has set it since. It is `had` then, and `ours` by now.
    pub(super) fn is_of_file(
        &self,
        place: (&ItemId, Option<&Phase>),
        key: &str,
        values: (Option<&Json>, Option<&Json>),
    ) -> bool {
        let last = self.last.as_ref().filter(|last| !last.is_snapshot);
        self.is_free(place, key, values, last)
    }

    fn is_free(
        &self,
        (item, phase): (&ItemId, Option<&Phase>),
        key: &str,
        (had, ours): (Option<&Json>, Option<&Json>),
        last: Option<&LastTime<'_>>,
    ) -> bool {
        let by = (self.set_by)(item, phase, key);
        let is_before = |last: &LastTime<'_>| by.is_none_or(|by| by.seq <= last.seq);
        by.is_some_and(|by| by.is_file)
            || had.is_some() && both_same(had, ours) && last.is_some_and(is_before)
    }
}

impl<'m, 'a> One<'m, 'a> {
    /// What the file said of the item the time before, if it is told what phases it lacks by now: a snapshot has all phases of
    /// the plan, whichever the file had.
    pub(super) fn with_phases(&self) -> Option<&'m OpenItem<'a>> {
        let last = self.wanted.last.as_ref();
        self.last
            .filter(|_| last.is_some_and(|last| !last.is_snapshot))
    }

    /// True if the file had that phase of the item the time before.
    pub(super) fn had_phase(&self, name: &Phase) -> bool {
        let phases = self.with_phases().map(|last| &last.state.phases);
        phases.is_some_and(|phases| phases.iter().any(|it| it.phase == *name))
    }

    /// The unknown fields that were taken out of the file: says of them that they stay, and gives those that are to go.
    pub(super) fn gone(
        &mut self,
        phase: Option<&Phase>,
        (theirs, ours): (&Extras, &Extras),
        last: Option<&Extras>,
    ) -> Vec<String> {
        let is_out = |key: &str| theirs.get(key).is_none() && !keeps_book(key);
        let gone = ours.iter().filter(|field| is_out(&field.key));
        let gone = gone.map(|field| Gone {
            key: field.key.to_string(),
            had: last.and_then(|last| last.get(&field.key)).cloned(),
            stays: field.value.clone(),
        });
        self.taken_out((phase, None), gone.collect())
    }

    /// Says of fields that were taken out of the file that they stay, and gives those that are to go. Where somebody has worked
    /// on the phase, the log tells these itself since it `moved`, and they are nobody's to take out.
    pub(super) fn taken_out(
        &mut self,
        (phase, moved): (Option<&Phase>, Option<Seq>),
        gone: Vec<Gone>,
    ) -> Vec<String> {
        let (wanted, item) = (self.wanted, self.ours.name.clone());
        let prefer = wanted.prefer_file;
        let (mut out, mut free, mut set_since) = (Vec::new(), Vec::new(), Vec::new());
        for it in gone {
            let was_there = it.had.is_some();
            if !was_there && !prefer {
                continue;
            }
            let place = (&item, phase);
            let values = (it.had.as_ref(), Some(&it.stays));
            let is_free =
                moved.is_none() && wanted.is_free(place, &it.key, values, wanted.last.as_ref());
            if prefer && is_free {
                out.push(it.key);
            } else if prefer && was_there {
                let by = (wanted.set_by)(&item, phase, &it.key).map(|by| by.seq);
                let told = wanted.last.as_ref().map_or(Seq::NONE, |last| last.told);
                if moved.or(by).is_some_and(|by| by > told) {
                    set_since.push(it);
                }
            } else if was_there && !is_null(&it.stays) {
                // Programs write null for what they do not know.
                if is_free { &mut free } else { &mut set_since }.push(it);
            }
        }
        self.stay(phase, &free, &set_since);
        out
    }

    /// Says that fields stay which were taken out of the file: those that would go if it is to count, and those that somebody
    /// else has set.
    fn stay(&mut self, phase: Option<&Phase>, free: &[Gone], set_since: &[Gone]) {
        if free.is_empty() && set_since.is_empty() {
            return;
        }
        let wanted = self.wanted;
        let is_snapshot = wanted.last.as_ref().is_some_and(|last| last.is_snapshot);
        self.merged.is_news |= wanted.prefer_file;
        let mut parts = Vec::new();
        for (gone, why) in [
            (free, ", --prefer file takes OUT out"),
            (set_since, ": somebody else has set OUT since"),
        ] {
            let keys: Vec<&str> = gone.iter().map(|it| &*it.key).collect();
            let (are, stay, out) = match gone.len() {
                0 => continue,
                1 => ("was", "it stays", "it"),
                _ => ("were", "they stay", "them"),
            };
            let from = if is_snapshot {
                format!(
                    "stood in the snapshot that lay there and not in {}",
                    wanted.file
                )
            } else {
                format!("{are} taken out of {}", wanted.file)
            };
            let why = why.replace("OUT", out);
            parts.push(format!("{} {from}; {stay}{why}", keys.join(", ")));
        }
        let all = || free.iter().chain(set_since);
        let texts: Vec<(&str, String)> =
            all().map(|it| (&*it.key, shown(Some(&it.stays)))).collect();
        let stays = Members::from_texts(texts.iter().map(|(key, text)| (*key, &**text)));
        let decided = stays.to_json().to_string();
        let found = "not in the file any more";
        self.judge("I-ONLY-IN", phase, found, &decided, parts.join("; "));
    }
}
