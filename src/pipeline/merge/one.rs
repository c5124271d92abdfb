//! One item in all three: its phases, its own fields, and whether it is held.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::fields::{self, Fields, shown};
use super::{Judgement, KNOWN_ONLY_TO, MadeFrom, Merge, Merged, OpenItem, STAYS_FREE};
use crate::pipeline::edit::{Change, Edit};
use crate::pipeline::event::{Event, ImportedPhase};
use crate::pipeline::facts::Facts;
use crate::pipeline::item::{Item, PhaseState};
use crate::pipeline::json::{Extras, Json};
use crate::pipeline::names::Phase;
use crate::pipeline::plan::Plan;
use crate::pipeline::spelling::respelled_fields;
use crate::pipeline::status::Status;
use crate::position::Seq;

/// One item in all three.
pub(super) struct One<'m, 'a> {
    pub(super) wanted: &'m Merge<'a>,
    pub(super) plan: &'m Plan,
    /// Which file somebody edited.
    pub(super) from: MadeFrom,
    pub(super) ours: Cow<'m, Item>,
    pub(super) theirs: &'m OpenItem<'a>,
    pub(super) base: Option<&'m OpenItem<'a>>,
    /// Where the file is to count: what an edit of it said that was taken over since.
    pub(super) since: Option<&'m OpenItem<'a>>,
    /// What a file without a place in the log said of it the time before.
    pub(super) last: Option<&'m OpenItem<'a>>,
    pub(super) merged: &'m mut Merged,
}

/// One phase in all three.
pub(super) struct Three<'p> {
    pub(super) name: &'p Phase,
    pub(super) ours: &'p PhaseState,
    pub(super) theirs: &'p ImportedPhase,
    /// What the file had, where that is known.
    pub(super) base: Option<Cow<'p, ImportedPhase>>,
    /// The log has another status, or the same again, since.
    pub(super) moved: bool,
    /// How the phase stood in the snapshot that the file was made from.
    then: Cow<'p, PhaseState>,
}

impl<'m> One<'m, '_> {
    pub(super) fn merge(&mut self) {
        let theirs = &self.theirs.state;
        self.lacking();
        for phase in &theirs.phases {
            self.phase(phase);
        }
        if let Some(before) = self.base.or(self.with_phases()) {
            for phase in &before.state.phases {
                if !theirs.phases.iter().any(|it| it.phase == phase.phase) {
                    let message = format!(
                        "the phase was taken out of the item in {}; nothing is deleted for that",
                        self.wanted.file
                    );
                    let found = "not in the file any more";
                    self.judge("I-ONLY-IN", Some(&phase.phase), found, "it stays", message);
                }
            }
        }
        self.fields();
        self.identity();
        self.hold();
    }

    fn phase(&mut self, theirs: &ImportedPhase) {
        let name = &theirs.phase;
        let Some(index) = self.plan.index_of(name.as_str()) else {
            // The plan has lost it since; what it was is in the log.
            if self
                .base_phase(name)
                .is_some_and(|base| base.status != theirs.status)
            {
                let message =
                    format!("the plan has no phase {name} any more; the change is left out");
                let found = theirs.status.as_str();
                self.judge("I-EDIT-CONFLICT", Some(name), found, "left out", message);
            }
            return;
        };
        let fresh = PhaseState::default();
        let item = self.ours.clone();
        let ours = item.phases.get(index).unwrap_or(&fresh);
        let known =
            [self.base_phase(name), self.since_phase(name)].map(|it| it.map(|it| &it.extras));
        let known: Vec<&Extras> = known.into_iter().flatten().chain([&ours.extras]).collect();
        let spelled = self.spelled(&theirs.extras, &known, Some(name));
        let theirs = match spelled {
            Cow::Borrowed(_) => Cow::Borrowed(theirs),
            Cow::Owned(extras) => Cow::Owned(ImportedPhase {
                extras,
                ..theirs.clone()
            }),
        };
        let theirs = &*theirs;
        let base = match &self.wanted.base {
            None => None,
            // An item or a phase that is new in the file was pending before.
            Some(_) => Some(match (self.base_phase(name), self.since_phase(name)) {
                (Some(base), Some(since)) => Cow::Owned(fields::edited_since(theirs, base, since)),
                (Some(base), None) => Cow::Borrowed(base),
                (None, _) => Cow::Owned(fields::fresh(name)),
            }),
        };
        let then = match &self.wanted.base {
            None => Cow::Borrowed(&fresh),
            Some(base) => phase_in(base.state, item.name.as_str(), name),
        };
        let by_file = (self.wanted.by_file)(ours.since);
        let moved = match self.wanted.base.as_ref().map(|_| self.from) {
            None => {
                ours.since > self.wanted.through || (self.wanted.touched)(&item.name, Some(name))
            }
            Some(MadeFrom::Snapshot) => ours.since != then.since && !by_file,
            // Where the log stayed when that version was taken over, it still stands apart.
            Some(MadeFrom::Version(version)) => {
                let apart = base.as_ref().is_some_and(|base| base.status != ours.status);
                apart || ours.since > version && !by_file
            }
            Some(MadeFrom::Either(_)) => ours.since != then.since,
        };
        let three = Three {
            name,
            ours,
            theirs,
            base,
            moved,
            then,
        };
        if three.base.is_some() {
            self.against_base(&three);
        } else {
            self.fill_in(&three);
        }
    }

    fn base_phase(&self, name: &Phase) -> Option<&'m ImportedPhase> {
        phase_of(self.base?, name)
    }

    fn since_phase(&self, name: &Phase) -> Option<&'m ImportedPhase> {
        phase_of(self.since?, name)
    }

    /// The fields of the item or of a phase that nobody knows, which the log had when the snapshot was written, where that
    /// tells whether it has moved them.
    fn then<'s>(&self, then: &'s Extras) -> Option<&'s Extras> {
        matches!(self.from, MadeFrom::Either(_)).then_some(then)
    }

    fn against_base(&mut self, three: &Three<'_>) {
        let Three { ours, theirs, .. } = *three;
        let base = three.base.as_deref().expect("asked for by the caller");
        let prefer = self.wanted.prefer_file;
        if theirs.status != base.status {
            if theirs.status == ours.status {
                // Both came to the same; when is what the log says.
                let mut conflicts = Vec::new();
                let (set, unset) = self.extras(three, &mut |it| conflicts.push(it));
                self.conflicts_of_fields(three.name, conflicts);
                return self.edit(three, None, set, unset);
            }
            if three.moved && !prefer {
                return self.conflict(three);
            }
            let set = Fields::of(theirs).with_status(Some(base));
            let mut conflicts = Vec::new();
            let (extras, unset) = self.extras(three, &mut |it| conflicts.push(it));
            self.conflicts_of_fields(three.name, conflicts);
            return self.edit(
                three,
                Some(ours.status),
                fields::joined(set, &extras),
                unset,
            );
        }
        let mut conflicts = Vec::new();
        let against = fields::Against {
            base,
            then: &three.then,
            ours,
            moved: three.moved,
            is_version: matches!(self.from, MadeFrom::Version(_)),
            prefer_file: prefer,
        };
        let set = Fields::of(theirs).since(&against, &mut |it| conflicts.push(it));
        let (extras, unset) = self.extras(three, &mut |it| conflicts.push(it));
        self.conflicts_of_fields(three.name, conflicts);
        self.edit(three, None, fields::joined(set, &extras), unset);
    }

    /// The unknown fields of a phase that were changed in the file: their new values, and those that are gone.
    fn extras(&self, three: &Three<'_>, report: &mut fields::Report<'_>) -> (Extras, Vec<String>) {
        let base = three.base.as_deref().expect("asked for with a base");
        let extras = fields::Unknown {
            base: &base.extras,
            then: self.then(&three.then.extras),
            ours: &three.ours.extras,
            prefer_file: self.wanted.prefer_file,
        };
        fields::changed(&three.theirs.extras, &extras, report)
    }

    fn conflicts_of_fields(&mut self, phase: &Phase, conflicts: Vec<fields::Conflict>) {
        for it in conflicts {
            self.conflict_of_field(phase, &it);
        }
    }

    /// Fields of the item itself.
    fn fields(&mut self) {
        let ours = self.ours.clone();
        let known = [self.base, self.since].map(|it| it.map(|it| &it.state.extras));
        let known: Vec<&Extras> = known.into_iter().flatten().chain([&ours.extras]).collect();
        let theirs = self.spelled(&self.theirs.state.extras, &known, None);
        let theirs = &*theirs;
        let prefer = self.wanted.prefer_file;
        let (mut conflicts, nothing) = (Vec::new(), Extras::default());
        let (set, unset) = if let Some(base) = &self.wanted.base {
            let index = base.state.find(ours.name.as_str());
            let then = index.and_then(|index| base.state.item(index));
            let of_base = self.base.map_or(&nothing, |base| &base.state.extras);
            let of_since = self.since.map(|since| &since.state.extras);
            let edited = of_since.map(|since| fields::unknown_since(theirs, of_base, since));
            let extras = fields::Unknown {
                base: edited.as_ref().unwrap_or(of_base),
                then: self.then(then.as_ref().map_or(&nothing, |then| &then.extras)),
                ours: &ours.extras,
                prefer_file: prefer,
            };
            fields::changed(theirs, &extras, &mut |it| conflicts.push(it))
        } else {
            let last = self.last.map(|last| &last.state.extras);
            let wanted = self.wanted;
            let counts = |key: &str, had: Option<&Json>, is: Option<&Json>| {
                prefer || wanted.is_of_file((&ours.name, None), key, (had, is))
            };
            let mut report = |it| conflicts.push(it);
            let set = fields::missing(theirs, &ours.extras, last, &counts, &mut report);
            self.stays(None, &std::mem::take(&mut conflicts));
            let unset = self.gone(None, (theirs, &ours.extras), last);
            (set, unset)
        };
        for it in conflicts {
            let message = format!(
                "{} of the item was changed in {} and in the log; the log counts",
                it.key, self.wanted.file
            );
            let (found, decided) = (shown(it.found.as_ref()), shown(it.decided.as_ref()));
            self.judge("I-EDIT-CONFLICT", None, &found, &decided, message);
        }
        if set.is_empty() && unset.is_empty() {
            return;
        }
        let file = self.wanted.file.to_owned();
        let change = Change {
            file,
            set,
            unset,
            ..Change::default()
        };
        let (item, phase) = (ours.name.clone(), None);
        let edit = Edit {
            item,
            phase,
            change,
        };
        self.merged.events.push(Event::Edited(Box::new(edit)));
    }

    fn hold(&mut self) {
        self.still_held();
        let Some(reason) = self.theirs.held else {
            return;
        };
        // A snapshot of ours has `blocked` for what is held: only another word than it had is an edit.
        let had = self.base.and_then(|base| base.held);
        if had == Some(reason) || self.ours.hold.is_some() {
            return;
        }
        let freed = had.is_some() || (self.wanted.touched)(&self.ours.name, None);
        if freed && !self.wanted.prefer_file {
            let message = format!(
                "in {} it is to be held ({reason}), and somebody has freed it here; it stays free, --prefer file lets the file count",
                self.wanted.file
            );
            return self.judge("I-EDIT-CONFLICT", None, reason, STAYS_FREE, message);
        }
        self.merged.events.push(Event::Held {
            item: self.ours.name.clone(),
            reason: Some(reason.to_owned()),
        });
    }

    /// Says that an item is held still for a reason that this file takes away.
    fn still_held(&mut self) {
        let hold = self.ours.hold.as_ref();
        let reason = hold.and_then(|hold| hold.reason.clone());
        let Some(reason) = reason.filter(|it| it.starts_with(KNOWN_ONLY_TO)) else {
            return;
        };
        // Our own file knows it because the store does.
        if self.base.is_some() || self.theirs.held.is_some() {
            return;
        }
        let message = format!(
            "it was added held, as {reason}; {} knows it too, and it stays held: `unhold` frees it",
            self.wanted.file
        );
        self.judge("I-ONLY-IN", None, &reason, "it stays held", message);
        self.merged.still_held.push(self.ours.name.clone());
    }

    /// Unknown fields of the item, or of a phase of it, with the texts that are known for what they say.
    fn spelled<'e>(
        &mut self,
        theirs: &'e Extras,
        known: &[&Extras],
        phase: Option<&Phase>,
    ) -> Cow<'e, Extras> {
        let item = &self.ours.name;
        let place = |key: &str| match phase {
            Some(phase) => format!("{key} of {phase} of {item}"),
            None => format!("{key} of {item}"),
        };
        respelled_fields(theirs, known, &mut self.merged.roundings, &place)
    }

    pub(super) fn edit(
        &mut self,
        three: &Three<'_>,
        was: Option<Status>,
        set: Extras,
        unset: Vec<String>,
    ) {
        if was.is_none() && set.is_empty() && unset.is_empty() {
            return;
        }
        let now = was.map(|_| three.theirs.status);
        let change = Change {
            file: self.wanted.file.to_owned(),
            was,
            now,
            set,
            unset,
        };
        let edit = Edit {
            item: self.ours.name.clone(),
            phase: Some(three.name.clone()),
            change,
        };
        self.merged.events.push(Event::Edited(Box::new(edit)));
    }

    pub(super) fn conflict(&mut self, three: &Three<'_>) {
        let (ours, theirs) = (three.ours, three.theirs.status.as_str());
        let (is, file) = (ours.status.as_str(), self.wanted.file);
        let since = match ours.since {
            Seq::NONE => String::new(),
            since => format!(" since {since}"),
        };
        let mut message = match &three.base {
            Some(_) if matches!(self.from, MadeFrom::Either(_)) => format!(
                "{file} has {theirs} and is older than the snapshot that was in its place, the log has {is}{since}; the log counts"
            ),
            Some(base) => format!(
                "{file} has {theirs} where it had {}, and the log has {is}{since}; the log counts",
                base.status.as_str()
            ),
            None => format!(
                "{file} has {theirs} and does not say as of when, the log has {is}{since}; the log counts"
            ),
        };
        let beside = Fields::of(three.theirs).beside_status(three.base.as_deref(), ours);
        if !beside.is_empty() {
            let _ = write!(message, "; left out with it: {}", beside.join(", "));
        }
        self.judge("I-EDIT-CONFLICT", Some(three.name), theirs, is, message);
    }

    fn conflict_of_field(&mut self, phase: &Phase, it: &fields::Conflict) {
        let message = format!(
            "{} was changed in {} and in the log; the log counts",
            it.key, self.wanted.file
        );
        let (found, decided) = (shown(it.found.as_ref()), shown(it.decided.as_ref()));
        self.judge("I-EDIT-CONFLICT", Some(phase), &found, &decided, message);
    }

    pub(super) fn judge(
        &mut self,
        code: &'static str,
        phase: Option<&Phase>,
        found: &str,
        decided: &str,
        message: String,
    ) {
        self.tell(code, true, (phase, found, decided), message);
    }

    /// What is only told.
    pub(super) fn note(&mut self, code: &'static str, found: &str, decided: &str, message: String) {
        self.tell(code, false, (None, found, decided), message);
    }

    fn tell(
        &mut self,
        code: &'static str,
        judged: bool,
        (phase, found, decided): (Option<&Phase>, &str, &str),
        message: String,
    ) {
        self.merged.judged.push(Judgement {
            code,
            judged,
            item: Some(self.ours.name.to_string()),
            phase: phase.map(ToString::to_string),
            found: found.to_owned(),
            decided: decided.to_owned(),
            message,
        });
    }
}

/// A phase of an item as another state has it.
fn phase_in<'s>(state: &'s dyn Facts, item: &str, phase: &Phase) -> Cow<'s, PhaseState> {
    let index = state.plan().index_of(phase.as_str());
    let item = state.find(item).and_then(|index| state.item(index));
    let found = index.zip(item).and_then(|(index, item)| match item {
        Cow::Borrowed(item) => item.phases.get(index).map(Cow::Borrowed),
        Cow::Owned(item) => item.phases.into_iter().nth(index).map(Cow::Owned),
    });
    found.unwrap_or_default()
}

/// A phase of an item as a file has it.
pub(super) fn phase_of<'f>(item: &'f OpenItem<'_>, name: &Phase) -> Option<&'f ImportedPhase> {
    let mut phases = item.state.phases.iter();
    phases.find(|phase| phase.phase == *name)
}
