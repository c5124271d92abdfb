//! What `work_items.json` says of itself beside its items: its session, and fields that nobody knows.

use crate::pipeline::json::Json;
use crate::pipeline::merge::{DocumentMerge, Judgement, MergedDocument};
use crate::pipeline::same::same;
use crate::pipeline::spelling::{Roundings, respelled};
use crate::pipeline::{PipelineState, event::ImportedFile};

use super::super::given::{MergeOptions, Original};
use super::file_name;
use super::made_of::Against;

/// The record of the file, with what of these is to count, and what a person should know.
pub(super) fn record(
    against: &Against,
    original: &Original,
    how: MergeOptions<'_>,
    ours: &PipelineState,
) -> (ImportedFile, Vec<Judgement>) {
    let mut file = original.document.file.clone();
    let (base, document) = (against.base.as_ref(), &ours.document);
    let then = base.map(|made| &made.document.file);
    let since = base.and_then(|made| made.since.as_ref());
    let last = against.last.as_ref().and_then(|last| last.file.as_ref());
    // Who goes on writing the one file that all of it came from edits his own.
    let counts = how.prefer_file || base.is_none() && against.is_only_file();
    let MergedDocument {
        extras,
        conflicts,
        gone,
        roundings,
    } = DocumentMerge {
        base: then.map(|then| &then.extras),
        since: since.map(|since| &since.file.extras),
        last: last.map(|last| &last.extras),
        theirs: &file.extras,
        ours: &document.extras,
        is_older: false,
        is_own: counts,
        prefer_file: how.prefer_file,
    }
    .merge();
    file.extras = extras;
    let name = file_name(original);
    let mut told = Vec::new();
    for (key, found, stays) in conflicts {
        let stays = stays.map_or_else(|| "nothing".to_owned(), |it| it.to_string());
        let message = format!(
            "{key} of {name} is {found}, the store has {stays}; the store counts, --prefer file lets the file count"
        );
        told.push(judgement(
            "I-EDIT-CONFLICT",
            true,
            found.to_string(),
            stays,
            message,
        ));
    }
    for key in gone {
        let message = format!("{key} was taken out of {name}; it stays");
        let found = "not in the file any more".to_owned();
        told.push(judgement(
            "I-ONLY-IN",
            true,
            found,
            "it stays".to_owned(),
            message,
        ));
    }
    let mut roundings = roundings;
    let session = file.session.take();
    let then = then.and_then(|then| then.session.as_ref());
    if let Some(session) = session {
        let now = document.session.as_ref();
        let session = spelled(session, [then, now], &mut roundings);
        let is = |other: Option<&Json>| other.is_some_and(|other| same(&session, other));
        let is_edit = base.is_none() || !is(then);
        let is_free = match base {
            None => {
                let last = last.and_then(|last| last.session.as_ref());
                now.is_none() || now.zip(last).is_some_and(|(now, last)| same(now, last))
            }
            Some(_) => now.is_none() || now.zip(then).is_some_and(|(now, then)| same(now, then)),
        };
        if is_edit && !is(now) {
            if is_free || counts {
                file.session = Some(session);
            } else {
                let message = format!(
                    "the session in {name} is another; ours stays, --prefer file takes it over"
                );
                let stays = now.map_or_else(String::new, ToString::to_string);
                told.push(judgement(
                    "I-FIELD",
                    false,
                    session.to_string(),
                    stays,
                    message,
                ));
            }
        }
    }
    if let Some(message) = roundings.words(&name) {
        let (found, decided) = (roundings.count.to_string(), "all digits stay".to_owned());
        told.push(judgement("I-FIELD", false, found, decided, message));
    }
    (file, told)
}

fn spelled(session: Json, known: [Option<&Json>; 2], roundings: &mut Roundings) -> Json {
    let mut text = session;
    for known in known.into_iter().flatten() {
        let (spelled, rounded) = respelled(&text, known);
        roundings.add("session", &rounded, &str::to_owned);
        text = spelled;
    }
    text
}

fn judgement(
    code: &'static str,
    judged: bool,
    found: String,
    decided: String,
    message: String,
) -> Judgement {
    Judgement {
        code,
        judged,
        item: None,
        phase: None,
        found,
        decided,
        message,
    }
}
