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
    /// What the file has.
    pub(super) found: String,
    /// What the log has.
    pub(super) decided: String,
}

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
        let of_status: &[&str] = match theirs.status {
            Status::Completed => &[key::COMPLETED_AT],
            Status::Failed => &[key::FAILED_AT, key::ERROR_MESSAGE],
            Status::InProgress => &[key::STARTED_AT],
            Status::Pending | Status::Skipped => &[],
        };
        let mut set = Extras::default();
        let values = std::iter::zip(of_file(theirs), base.map(of_file).unwrap_or_default());
        for ((key, now), (_, before)) in values {
            if of_status.contains(&key) || now != before && now.is_some() {
                set.push("", key, now.unwrap_or_else(null));
            }
        }
        set
    }

    /// The fields that differ from the base, unless the log has the same already. With `stays`, or where the log has
    /// a third value, the log counts.
    pub(super) fn since(
        &self,
        base: &ImportedPhase,
        ours: &PhaseState,
        stays: bool,
        report: &mut Report<'_>,
    ) -> Extras {
        let mut set = Extras::default();
        let three = of_file(self.0)
            .into_iter()
            .zip(of_file(base))
            .zip(of_log(ours));
        for (((key, theirs), (_, base)), ours) in three {
            // The word is the file's own; the log never has a better one.
            let told = key != key::IMPORTED_STATUS;
            if theirs == base || theirs == ours {
                continue;
            }
            if !stays {
                set.push("", key, theirs.unwrap_or_else(null));
            } else if told {
                report(Conflict {
                    key: key.to_owned(),
                    found: shown(theirs.as_ref()),
                    decided: shown(ours.as_ref()),
                });
            }
        }
        set
    }

    /// The fields that are unknown here; all that differ if the file counts.
    pub(super) fn missing(&self, ours: &PhaseState, prefer_file: bool) -> Extras {
        let mut set = Extras::default();
        for ((key, theirs), ours) in of_file(self.0).into_iter().zip(of_log(ours)) {
            if let Some(theirs) = theirs.filter(|it| Some(it) != ours.as_ref())
                && (ours.is_none() || prefer_file)
            {
                set.push("", key, theirs);
            }
        }
        set
    }

    /// As [`changed`], of the phase's unknown fields.
    pub(super) fn extras_since(
        &self,
        base: &ImportedPhase,
        ours: &PhaseState,
        prefer_file: bool,
        report: &mut Report<'_>,
    ) -> (Extras, Vec<String>) {
        changed(
            &self.0.extras,
            &base.extras,
            &ours.extras,
            prefer_file,
            report,
        )
    }

    /// As [`missing`], of the phase's unknown fields.
    pub(super) fn extras_missing(&self, ours: &PhaseState, prefer_file: bool) -> Extras {
        missing(&self.0.extras, &ours.extras, prefer_file)
    }
}

/// Unknown fields that were changed in the file: their new values, and those that are gone.
pub(super) fn changed(
    theirs: &Extras,
    base: &Extras,
    ours: &Extras,
    prefer_file: bool,
    report: &mut Report<'_>,
) -> (Extras, Vec<String>) {
    let (mut set, mut unset) = (Extras::default(), Vec::new());
    let gone = base.iter().filter(|field| theirs.get(&field.key).is_none());
    let gone = gone.map(|field| (&field.after, &field.key, None));
    let there = theirs
        .iter()
        .map(|field| (&field.after, &field.key, Some(&field.value)));
    for (after, key, theirs) in there.chain(gone) {
        let (base, ours) = (base.get(key), ours.get(key));
        if both_same(theirs, base) || both_same(theirs, ours) {
            continue;
        }
        if !both_same(ours, base) && !prefer_file {
            report(Conflict {
                key: key.to_string(),
                found: shown(theirs),
                decided: shown(ours),
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

/// Unknown fields that the log does not have; all that differ if the file counts.
pub(super) fn missing(theirs: &Extras, ours: &Extras, prefer_file: bool) -> Extras {
    let mut set = Extras::default();
    for field in theirs.iter() {
        let known = ours.get(&field.key);
        if known.is_none() || prefer_file && !both_same(known, Some(&field.value)) {
            set.push(&field.after, &field.key, field.value.clone());
        }
    }
    set
}

/// Both, one behind the other.
pub(super) fn joined(mut one: Extras, other: &Extras) -> Extras {
    for field in other.iter() {
        one.push(&field.after, &field.key, field.value.clone());
    }
    one
}

/// The known fields of a phase in a file, each with its key.
fn of_file(phase: &ImportedPhase) -> [(&'static str, Value); 8] {
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
fn of_log(phase: &PhaseState) -> [Value; 8] {
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

fn shown(value: Option<&Json>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
