//! One item in all three: its phases, its own fields, and whether it is held.

use std::borrow::Cow;

use super::fields::{self, Fields};
use super::{FileItem, Judgement, Merge, Merged};
use crate::pipeline::edit::{Change, Edit};
use crate::pipeline::event::{Event, ImportedPhase};
use crate::pipeline::facts::Facts;
use crate::pipeline::item::{Item, PhaseState};
use crate::pipeline::json::Extras;
use crate::pipeline::names::Phase;
use crate::pipeline::plan::Plan;
use crate::pipeline::status::Status;
use crate::position::Seq;

/// One item in all three.
pub(super) struct One<'m, 'a> {
    pub(super) wanted: &'m Merge<'a>,
    pub(super) plan: &'m Plan,
    pub(super) ours: Cow<'m, Item>,
    pub(super) theirs: &'m FileItem<'a>,
    pub(super) base: Option<&'m FileItem<'a>>,
    pub(super) merged: &'m mut Merged,
}

/// One phase in all three.
struct Three<'p> {
    name: &'p Phase,
    ours: &'p PhaseState,
    theirs: &'p ImportedPhase,
    /// What the file had, where that is known.
    base: Option<Cow<'p, ImportedPhase>>,
    /// The log has another status, or the same again, since.
    moved: bool,
}

impl<'m> One<'m, '_> {
    pub(super) fn merge(&mut self) {
        let theirs = self.theirs.state;
        for phase in &theirs.phases {
            self.phase(phase);
        }
        if let Some(base) = self.base {
            for phase in &base.state.phases {
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
        let base = match &self.wanted.base {
            None => None,
            // An item or a phase that is new in the file was pending before.
            Some(_) => Some(match self.base_phase(name) {
                Some(base) => Cow::Borrowed(base),
                None => Cow::Owned(fields::fresh(name)),
            }),
        };
        let moved = match &self.wanted.base {
            None => {
                ours.since > self.wanted.through || (self.wanted.touched)(&item.name, Some(name))
            }
            Some(base) => {
                let since = since_in(base.state, item.name.as_str(), name);
                ours.since != since && !(self.wanted.by_file)(ours.since)
            }
        };
        let three = Three {
            name,
            ours,
            theirs,
            base,
            moved,
        };
        if three.base.is_some() {
            self.against_base(&three);
        } else {
            self.fill_in(&three);
        }
    }

    fn base_phase(&self, name: &Phase) -> Option<&'m ImportedPhase> {
        let phases: &'m [ImportedPhase] = &self.base?.state.phases;
        phases.iter().find(|phase| phase.phase == *name)
    }

    fn against_base(&mut self, three: &Three<'_>) {
        let Three { ours, theirs, .. } = *three;
        let base = three.base.as_deref().expect("asked for by the caller");
        let prefer = self.wanted.prefer_file;
        if theirs.status != base.status {
            if theirs.status == ours.status {
                // Both came to the same; when is what the log says.
                let (set, unset) = Fields::of(theirs).extras_since(base, ours, prefer, &mut |it| {
                    self.conflict_of_field(three.name, &it);
                });
                return self.edit(three, None, set, unset);
            }
            if three.moved && !prefer {
                return self.conflict(three);
            }
            let set = Fields::of(theirs).with_status(Some(base));
            let mut conflicts = Vec::new();
            let (extras, unset) =
                Fields::of(theirs).extras_since(base, ours, prefer, &mut |it| conflicts.push(it));
            for it in conflicts {
                self.conflict_of_field(three.name, &it);
            }
            return self.edit(
                three,
                Some(ours.status),
                fields::joined(set, &extras),
                unset,
            );
        }
        let stays = three.moved && !prefer;
        let mut conflicts = Vec::new();
        let set = Fields::of(theirs).since(base, ours, stays, &mut |it| conflicts.push(it));
        let (extras, unset) =
            Fields::of(theirs).extras_since(base, ours, prefer, &mut |it| conflicts.push(it));
        for it in conflicts {
            self.conflict_of_field(three.name, &it);
        }
        self.edit(three, None, fields::joined(set, &extras), unset);
    }

    /// Without a base: what the file knows and nobody here does.
    fn fill_in(&mut self, three: &Three<'_>) {
        let Three { ours, theirs, .. } = *three;
        let prefer = self.wanted.prefer_file;
        if theirs.status != ours.status {
            let backwards = rank(theirs.status) < rank(ours.status);
            if (three.moved || backwards) && !prefer {
                return self.conflict(three);
            }
            let set = Fields::of(theirs).with_status(None);
            let extras = Fields::of(theirs).extras_missing(ours, prefer);
            return self.edit(
                three,
                Some(ours.status),
                fields::joined(set, &extras),
                Vec::new(),
            );
        }
        if three.moved && !prefer {
            return;
        }
        let set = Fields::of(theirs).missing(ours, prefer);
        let extras = Fields::of(theirs).extras_missing(ours, prefer);
        self.edit(three, None, fields::joined(set, &extras), Vec::new());
    }

    /// Fields of the item itself.
    fn fields(&mut self) {
        let (theirs, ours) = (&self.theirs.state.extras, self.ours.clone());
        let prefer = self.wanted.prefer_file;
        let (mut conflicts, nothing) = (Vec::new(), Extras::default());
        let (set, unset) = if self.wanted.base.is_some() {
            let base = self.base.map_or(&nothing, |base| &base.state.extras);
            let mut report = |it| conflicts.push(it);
            fields::changed(theirs, base, &ours.extras, prefer, &mut report)
        } else {
            let set = fields::missing(theirs, &ours.extras, prefer);
            (set, Vec::new())
        };
        for it in conflicts {
            let message = format!(
                "{} of the item was changed in {} and in the log; the log counts",
                it.key, self.wanted.file
            );
            self.judge("I-EDIT-CONFLICT", None, &it.found, &it.decided, message);
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
        let Some(reason) = self.theirs.held else {
            return;
        };
        let was_held = self.base.is_some_and(|base| base.held.is_some());
        let touched = self.wanted.base.is_none() && (self.wanted.touched)(&self.ours.name, None);
        if was_held || touched || self.ours.hold.is_some() {
            return;
        }
        self.merged.events.push(Event::Held {
            item: self.ours.name.clone(),
            reason: Some(reason.to_owned()),
        });
    }

    fn edit(&mut self, three: &Three<'_>, was: Option<Status>, set: Extras, unset: Vec<String>) {
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

    fn conflict(&mut self, three: &Three<'_>) {
        let (ours, theirs) = (three.ours, three.theirs.status.as_str());
        let (is, file) = (ours.status.as_str(), self.wanted.file);
        let since = match ours.since {
            Seq::NONE => String::new(),
            since => format!(" since {since}"),
        };
        let message = match &three.base {
            Some(base) => format!(
                "{file} has {theirs} where it had {}, and the log has {is}{since}; the log counts",
                base.status.as_str()
            ),
            None => format!(
                "{file} has {theirs} and does not say as of when, the log has {is}{since}; the log counts"
            ),
        };
        self.judge("I-EDIT-CONFLICT", Some(three.name), theirs, is, message);
    }

    fn conflict_of_field(&mut self, phase: &Phase, it: &fields::Conflict) {
        let message = format!(
            "{} was changed in {} and in the log; the log counts",
            it.key, self.wanted.file
        );
        self.judge(
            "I-EDIT-CONFLICT",
            Some(phase),
            &it.found,
            &it.decided,
            message,
        );
    }

    fn judge(
        &mut self,
        code: &'static str,
        phase: Option<&Phase>,
        found: &str,
        decided: &str,
        message: String,
    ) {
        self.merged.judged.push(Judgement {
            code,
            judged: true,
            item: Some(self.ours.name.to_string()),
            phase: phase.map(ToString::to_string),
            found: found.to_owned(),
            decided: decided.to_owned(),
            message,
        });
    }
}

/// The record that gave a phase its status in another state.
fn since_in(state: &dyn Facts, item: &str, phase: &Phase) -> Seq {
    let index = state.plan().index_of(phase.as_str());
    let item = state.find(item).and_then(|index| state.item(index));
    let since = index.zip(item).and_then(|(index, item)| {
        let phase = item.phases.get(index)?;
        Some(phase.since)
    });
    since.unwrap_or(Seq::NONE)
}

/// How far a phase has come.
const fn rank(status: Status) -> u8 {
    match status {
        Status::Pending => 0,
        Status::InProgress => 1,
        Status::Failed => 2,
        Status::Completed | Status::Skipped => 3,
    }
}
