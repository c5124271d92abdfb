//! One item in a file that does not say where in the log it was written: it fills in what nobody here knows, and what it has
//! otherwise is told.

use super::fields::{Conflict, Fields, Filling, joined, missing, shown};
use super::last::known_gone;
use super::one::{One, Three, phase_of};
use crate::pipeline::event::ImportedPhase;
use crate::pipeline::json::Json;
use crate::pipeline::members::Members;
use crate::pipeline::names::Phase;
use crate::pipeline::short::short;
use crate::pipeline::status::Status;

/// Fields that a sentence names with their values; the finding has all of them.
const NAMED: usize = 3;

impl One<'_, '_> {
    /// What the file knows of a phase and nobody here does.
    pub(super) fn fill_in(&mut self, three: &Three<'_>) {
        let Three { ours, theirs, .. } = *three;
        let prefer = self.wanted.prefer_file;
        let is_other = theirs.status != ours.status;
        let backwards = rank(theirs.status) < rank(ours.status);
        let stays = is_other && (three.moved || backwards) && !prefer;
        let last = self.last.and_then(|last| phase_of(last, three.name));
        let mut unset = self.gone(
            Some(three.name),
            (&theirs.extras, &ours.extras),
            last.map(|last| &last.extras),
        );
        if stays {
            return self.conflict(three);
        }
        let mut differs = Vec::new();
        let (item, name) = (self.ours.name.clone(), three.name);
        let wanted = self.wanted;
        let how = Filling {
            is_touched: three.moved,
            counts: &|key, had, ours| {
                prefer || wanted.is_of_file((&item, Some(name)), key, (had, ours))
            },
            prefer_file: prefer,
        };
        let fields = Fields::of(theirs);
        if !is_other {
            let mut set = fields.fill_in(ours, last, &how, &mut |it| differs.push(it));
            self.stays(Some(name), &differs);
            let gone = last
                .map(|last| known_gone(theirs, last, ours))
                .unwrap_or_default();
            let moved = three.moved.then_some(ours.since);
            for key in self.taken_out((Some(name), moved), gone) {
                set.push("", &key, Json::from_compact("null".to_owned()));
            }
            return self.edit(three, None, set, unset);
        }
        // Its times and its error come with the status.
        let set = fields.with_status(None);
        let had = last.map(|last| &last.extras);
        let extras = missing(&theirs.extras, &ours.extras, had, how.counts, &mut |it| {
            differs.push(it);
        });
        self.stays(Some(name), &differs);
        unset.retain(|key| extras.get(key).is_none());
        self.edit(three, Some(ours.status), joined(set, &extras), unset);
    }

    /// Says which fields of a phase, or of the item itself, the file has otherwise: one finding for all of them.
    pub(super) fn stays(&mut self, phase: Option<&Phase>, differs: &[Conflict]) {
        if differs.is_empty() {
            return;
        }
        let mut parts: Vec<String> = Vec::new();
        for it in differs.iter().take(NAMED) {
            let (found, stays) = (
                short(&shown(it.found.as_ref())),
                short(&shown(it.decided.as_ref())),
            );
            let key = &it.key;
            parts.push(format!(
                "{key} is {found} in the file, the store has {stays}"
            ));
        }
        if differs.len() > NAMED {
            parts.push(format!("and {} more", differs.len() - NAMED));
        }
        let message = format!(
            "{}; the store counts, --prefer file lets the file count",
            parts.join("; ")
        );
        let object = |value: &dyn Fn(&Conflict) -> Option<String>| {
            let values: Vec<(&str, String)> = differs
                .iter()
                .filter_map(|it| Some((&*it.key, value(it)?)))
                .collect();
            let texts = values.iter().map(|(key, text)| (*key, &**text));
            Members::from_texts(texts).to_json().to_string()
        };
        let found = object(&|it| it.found.as_ref().map(ToString::to_string));
        let decided = object(&|it| it.decided.as_ref().map(ToString::to_string));
        self.judge("I-EDIT-CONFLICT", phase, &found, &decided, message);
    }

    /// Says how the phases stand that the item lacks in the file, as they stay.
    pub(super) fn lacking(&mut self) {
        // Taken out of a file that had them they are told of as that.
        if self.wanted.base.is_some() {
            return;
        }
        let theirs: &[ImportedPhase] = &self.theirs.state.phases;
        let has = |name: &Phase| theirs.iter().any(|phase| phase.phase == *name);
        let in_file = |name: &Phase| self.wanted.phases.iter().any(|it| it.phase == *name);
        let planned = self.plan.phases().iter().enumerate();
        let is_gone = |name: &Phase| self.had_phase(name);
        let lacking = planned.filter(|(_, plan)| in_file(&plan.phase) && !has(&plan.phase));
        let lacking = lacking.filter(|(_, plan)| !is_gone(&plan.phase));
        let lacking: Vec<String> = lacking
            .map(|(index, plan)| {
                let status = self
                    .ours
                    .phases
                    .get(index)
                    .map_or(Status::Pending, |it| it.status);
                format!("{} ({})", plan.phase, status.as_str())
            })
            .collect();
        if lacking.is_empty() {
            return;
        }
        let there: Vec<&str> = theirs.iter().map(|phase| phase.phase.as_str()).collect();
        let (found, lacking) = (there.join(", "), lacking.join(", "));
        let message = format!(
            "the item lacks phases that others in the file have; they stay as they are here: {lacking}"
        );
        let decided = format!("as they are: {lacking}");
        self.note("I-PHASE-SET", &found, &decided, message);
    }
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
