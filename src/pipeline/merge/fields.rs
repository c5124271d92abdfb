//! The fields of a phase or an item in the three: which were changed in the file, and which of these in the log as well.

use crate::pipeline::edit::key;
use crate::pipeline::event::ImportedPhase;
use crate::pipeline::item::PhaseState;
use crate::pipeline::json::{Extras, Json};
use crate::pipeline::names::Phase;
use crate::pipeline::same::both_same;
use crate::pipeline::status::Status;
use crate::pipeline::time::Timestamp;

/// A field that was changed on both sides.
#[derive(Debug)]
pub(super) struct Conflict {
    /// Its key.
    pub(super) key: String,
    /// What the file has; `None` if nothing.
    pub(super) found: Option<Json>,
    /// What the log has; `None` if nothing.
    pub(super) decided: Option<Json>,
}

/// Fields in which programs note when they wrote last: what differs there says nothing.
const BOOKKEEPING: [&str; 4] = [
    "last_updated",
    "_last_updated",
    "updated_at",
    "last_checkpoint",
];

/// Takes the fields that were changed on both sides.
pub(super) type Report<'r> = dyn FnMut(Conflict) + 'r;

/// A phase of which nothing is known.
pub(super) fn fresh(phase: &Phase) -> ImportedPhase {
    ImportedPhase {
        phase: phase.clone(),
        status: Status::Pending,
        imported_status: None,
        started_at: None,
        completed_at: None,
        failed_at: None,
        stale_reset_at: None,
        error_message: None,
        attempts: 0,
        retry_count: 0,
        found: Vec::new(),
        extras: Extras::default(),
    }
}

/// The fields of a phase in the file.
pub(super) struct Fields<'p>(&'p ImportedPhase);

/// The value of one field, as a record has it; `None` is unknown.
type Value = Option<Json>;

impl<'p> Fields<'p> {
    pub(super) const fn of(theirs: &'p ImportedPhase) -> Self {
        Self(theirs)
    }

    /// What the file says about the status that it brings: its times and its error, also where they are unknown.
    pub(super) fn with_status(&self, base: Option<&ImportedPhase>) -> Extras {
        let theirs = self.0;
        let of_status = of_status(theirs.status);
        let mut set = Extras::default();
        let values = std::iter::zip(of_file(theirs), base.map(of_file).unwrap_or_default());
        for ((key, now), (_, before)) in values {
            if of_status.contains(&key) || now != before && now.is_some() {
                set.push("", key, now.unwrap_or_else(null));
            }
        }
        set
    }

    /// The fields that differ from the base, unless the log has the same already. Where the log has moved the phase, or has
    /// a third value, it counts.
    pub(super) fn since(&self, against: &Against<'_>, report: &mut Report<'_>) -> Extras {
        let mut set = Extras::default();
        let of_log = of_log(against.ours).into_iter().zip(of_log(against.then));
        let of_file = of_file(self.0).into_iter().zip(of_file(against.base));
        for (((key, theirs), (_, base)), (ours, then)) in of_file.zip(of_log) {
            // The word is the file's own; the log never has a better one.
            let told = key != key::IMPORTED_STATUS;
            if theirs == base || theirs == ours {
                continue;
            }
            let is_third = ours != then && !(against.is_version && ours == base);
            if !(against.moved || is_third) || against.prefer_file {
                set.push("", key, theirs.unwrap_or_else(null));
            } else if told {
                report(Conflict {
                    key: key.to_owned(),
                    found: theirs,
                    decided: ours,
                });
            }
        }
        set
    }

    /// What a file without a place in the log brings: the fields that are unknown here, those for which the file `counts`, and
    /// of what the log tells itself none where somebody has worked on the phase. `last` is what it said the time before.
    pub(super) fn fill_in(
        &self,
        ours: &PhaseState,
        last: Option<&ImportedPhase>,
        how: &Filling<'_>,
        report: &mut Report<'_>,
    ) -> Extras {
        let mut set = Extras::default();
        let had = last.map(of_file).unwrap_or_default().map(|(_, had)| had);
        let of_log = of_log(ours).into_iter().zip(had);
        for ((key, theirs), (ours, had)) in of_file(self.0).into_iter().zip(of_log) {
            let Some(theirs) = theirs.filter(|it| Some(it) != ours.as_ref()) else {
                continue;
            };
            let is_free = how.prefer_file || !how.is_touched;
            if is_free && (ours.is_none() || (how.counts)(key, had.as_ref(), ours.as_ref())) {
                set.push("", key, theirs);
            } else if key != key::IMPORTED_STATUS {
                report(Conflict {
                    key: key.to_owned(),
                    found: Some(theirs),
                    decided: ours,
                });
            }
        }
        let last = last.map(|last| &last.extras);
        let extras = missing(&self.0.extras, &ours.extras, last, how.counts, report);
        joined(set, &extras)
    }

    /// What the file has otherwise than its base, or without one than the log, beside its status and what that brings.
    pub(super) fn beside_status(
        &self,
        base: Option<&ImportedPhase>,
        ours: &PhaseState,
    ) -> Vec<String> {
        let theirs = self.0;
        let is_of_status = |key: &str| of_status(theirs.status).contains(&key);
        let of_base = base.map(of_file);
        let known = of_file(theirs).into_iter().zip(of_log(ours)).enumerate();
        let known = known.filter(|(at, ((key, theirs), ours))| {
            let before = of_base.as_ref().map(|base| &base[*at].1);
            let is_edit = before.map_or(theirs.is_some(), |before| theirs != before);
            is_edit && theirs != ours && *key != key::IMPORTED_STATUS && !is_of_status(key)
        });
        let known = known.map(|(_, ((key, _), _))| key);
        let unknown = theirs.extras.iter().filter(|field| {
            let value = Some(&field.value);
            let is_as_before =
                base.is_some_and(|base| both_same(value, base.extras.get(&field.key)));
            !is_as_before
                && !keeps_book(&field.key)
                && !both_same(value, ours.extras.get(&field.key))
        });
        let gone = base.iter().flat_map(|base| base.extras.iter());
        let gone = gone.filter(|field| {
            theirs.extras.get(&field.key).is_none() && ours.extras.get(&field.key).is_some()
        });
        let unknown = unknown.chain(gone).map(|field| &*field.key);
        known.chain(unknown).map(str::to_owned).collect()
    }
}

/// Says whether a file without a place in the log counts where it has another value than the log: the key, what the file had
/// the time before, and what the log has.
pub(super) type Counts<'c> = dyn Fn(&str, Option<&Json>, Option<&Json>) -> bool + 'c;

/// How a file without a place in the log fills in a phase.
pub(super) struct Filling<'c> {
    /// Somebody has worked on it: what the log tells itself is not filled in.
    pub(super) is_touched: bool,
    pub(super) counts: &'c Counts<'c>,
    /// The file counts, whoever has worked on it.
    pub(super) prefer_file: bool,
}

/// What the known fields of a phase in a file are compared with.
pub(super) struct Against<'p> {
    /// What the file was made from.
    pub(super) base: &'p ImportedPhase,
    /// How the phase stood in the log when the file's snapshot was written.
    pub(super) then: &'p PhaseState,
    /// How it stands by now.
    pub(super) ours: &'p PhaseState,
    /// The log has moved its status.
    pub(super) moved: bool,
    /// The base is an edit that was taken over: what it said is the log's since then.
    pub(super) is_version: bool,
    /// Where all three differ the file counts.
    pub(super) prefer_file: bool,
}

/// What unknown fields in a file are compared with.
pub(super) struct Unknown<'p> {
    /// What the file was made from.
    pub(super) base: &'p Extras,
    /// What the log had when the file's snapshot was written, if not what the base has.
    pub(super) then: Option<&'p Extras>,
    /// What it has by now.
    pub(super) ours: &'p Extras,
    /// Where all three differ the file counts.
    pub(super) prefer_file: bool,
}

/// What a phase in a file is compared with where the file counts: what its snapshot had, and where it has that still or
/// again, what an edit said that was taken over since.
pub(super) fn edited_since(
    theirs: &ImportedPhase,
    base: &ImportedPhase,
    since: &ImportedPhase,
) -> ImportedPhase {
    fn other<T: PartialEq + Clone>(theirs: &T, base: &T, since: &T) -> T {
        if theirs == base { since } else { base }.clone()
    }
    ImportedPhase {
        phase: base.phase.clone(),
        status: other(&theirs.status, &base.status, &since.status),
        imported_status: other(
            &theirs.imported_status,
            &base.imported_status,
            &since.imported_status,
        ),
        started_at: other(&theirs.started_at, &base.started_at, &since.started_at),
        completed_at: other(
            &theirs.completed_at,
            &base.completed_at,
            &since.completed_at,
        ),
        failed_at: other(&theirs.failed_at, &base.failed_at, &since.failed_at),
        stale_reset_at: other(
            &theirs.stale_reset_at,
            &base.stale_reset_at,
            &since.stale_reset_at,
        ),
        error_message: other(
            &theirs.error_message,
            &base.error_message,
            &since.error_message,
        ),
        attempts: other(&theirs.attempts, &base.attempts, &since.attempts),
        retry_count: other(&theirs.retry_count, &base.retry_count, &since.retry_count),
        found: base.found.clone(),
        extras: unknown_since(&theirs.extras, &base.extras, &since.extras),
    }
}

/// As [`edited_since`], of unknown fields.
pub(super) fn unknown_since(theirs: &Extras, base: &Extras, since: &Extras) -> Extras {
    let is_as_before = |key: &str| both_same(theirs.get(key), base.get(key));
    let mut all = Extras::default();
    for field in base.iter().filter(|field| !is_as_before(&field.key)) {
        all.push(&field.after, &field.key, field.value.clone());
    }
    for field in since.iter().filter(|field| is_as_before(&field.key)) {
        all.push(&field.after, &field.key, field.value.clone());
    }
    all
}

/// Unknown fields that were changed in the file: their new values, and those that are gone.
pub(super) fn changed(
    theirs: &Extras,
    against: &Unknown<'_>,
    report: &mut Report<'_>,
) -> (Extras, Vec<String>) {
    let Unknown {
        base,
        then,
        ours,
        prefer_file,
    } = *against;
    let (mut set, mut unset) = (Extras::default(), Vec::new());
    let gone = base.iter().filter(|field| theirs.get(&field.key).is_none());
    let gone = gone.map(|field| (&field.after, &field.key, None));
    let there = theirs
        .iter()
        .map(|field| (&field.after, &field.key, Some(&field.value)));
    for (after, key, theirs) in there.chain(gone) {
        let before = then.unwrap_or(base).get(key);
        let (base, ours) = (base.get(key), ours.get(key));
        if both_same(theirs, base) || both_same(theirs, ours) {
            continue;
        }
        if !both_same(ours, before) && !prefer_file {
            report(Conflict {
                key: key.to_string(),
                found: theirs.cloned(),
                decided: ours.cloned(),
            });
            continue;
        }
        match theirs {
            Some(value) => set.push(after, key, value.clone()),
            None => unset.push(key.to_string()),
        }
    }
    (set, unset)
}

/// Unknown fields of which the log does not know anything, and those for which the file counts.
pub(super) fn missing(
    theirs: &Extras,
    ours: &Extras,
    last: Option<&Extras>,
    counts: &Counts<'_>,
    report: &mut Report<'_>,
) -> Extras {
    let mut set = Extras::default();
    for field in theirs.iter() {
        let known = ours.get(&field.key);
        if both_same(known, Some(&field.value)) {
            continue;
        }
        // Programs write null for what they do not know.
        let had = || last.and_then(|last| last.get(&field.key));
        if known.is_none_or(is_null) || counts(&field.key, had(), known) {
            set.push(&field.after, &field.key, field.value.clone());
        } else if !keeps_book(&field.key) && !is_null(&field.value) {
            report(Conflict {
                key: field.key.to_string(),
                found: Some(field.value.clone()),
                decided: known.cloned(),
            });
        }
    }
    set
}

/// What a status brings along.
const fn of_status(status: Status) -> &'static [&'static str] {
    match status {
        Status::Completed => &[key::COMPLETED_AT],
        Status::Failed => &[key::FAILED_AT, key::ERROR_MESSAGE],
        Status::InProgress => &[key::STARTED_AT],
        Status::Pending | Status::Skipped => &[],
    }
}

/// What programs write for what they do not know.
pub(super) fn is_null(value: &Json) -> bool {
    value.as_str() == "null"
}

/// True if what differs in that field says nothing.
pub(super) fn keeps_book(key: &str) -> bool {
    BOOKKEEPING.contains(&key)
}

/// Both, one behind the other.
pub(super) fn joined(mut one: Extras, other: &Extras) -> Extras {
    for field in other.iter() {
        one.push(&field.after, &field.key, field.value.clone());
    }
    one
}

/// The known fields of a phase in a file, each with its key.
pub(super) fn of_file(phase: &ImportedPhase) -> [(&'static str, Value); 8] {
    [
        (key::STARTED_AT, time(phase.started_at)),
        (key::COMPLETED_AT, time(phase.completed_at)),
        (key::FAILED_AT, time(phase.failed_at)),
        (key::STALE_RESET_AT, time(phase.stale_reset_at)),
        (key::ERROR_MESSAGE, text(phase.error_message.as_deref())),
        (key::IMPORTED_STATUS, text(phase.imported_status.as_deref())),
        (key::ATTEMPTS, count(phase.attempts)),
        (key::RETRY_COUNT, count(phase.retry_count)),
    ]
}

/// The same fields of a phase in the log, in the same order.
pub(super) fn of_log(phase: &PhaseState) -> [Value; 8] {
    [
        time(phase.started_at),
        time(phase.completed_at),
        time(phase.failed_at),
        time(phase.stale_reset_at),
        text(phase.error_message.as_deref()),
        text(phase.imported_status.as_deref()),
        count(phase.attempts),
        count(phase.retry_count),
    ]
}

fn time(at: Option<Timestamp>) -> Value {
    at.map(|at| json(&at))
}

fn text(text: Option<&str>) -> Value {
    text.map(|text| json(&text))
}

/// None counted is nothing said.
fn count(count: u32) -> Value {
    (count > 0).then(|| json(&count))
}

fn json(value: &impl serde::Serialize) -> Json {
    let value = serde_json::to_value(value).expect("times, texts and numbers are JSON");
    Json::from_value(&value)
}

fn null() -> Json {
    Json::from_value(&serde_json::Value::Null)
}

/// A value in a sentence or a finding.
pub(super) fn shown(value: Option<&Json>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
