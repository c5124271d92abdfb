//! Which of two files somebody edited, where both may be it: a snapshot, or an edit of it that was taken over.
//!
//! ```text
//!   snapshot   the edit   the file
//!   pending    running    running     made from the edit
//!   pending    running    done        nobody can tell from this place
//!   pending    running    pending     made from the snapshot: whoever wrote it did not know of the edit
//! ```
//!
//! A script that read the snapshot once and writes all of it again at each step makes each step from the one before; a second
//! one that has read the snapshot as well does not know what the first one did.

use std::collections::HashMap;

use super::last::fields_of;
use super::{Base, FileItem, MadeFrom};
use crate::pipeline::event::{ImportedItem, ImportedPhase};
use crate::pipeline::json::Extras;
use crate::pipeline::same::both_same;

/// What the file was made from: [`MadeFrom::Either`] is settled, unless any place in it is as only the snapshot had it.
pub(super) fn made_from(
    base: &Base<'_>,
    edited: &HashMap<&str, FileItem<'_>>,
    theirs: &[FileItem<'_>],
) -> MadeFrom {
    let MadeFrom::Either(version) = base.from else {
        return base.from;
    };
    let is_older = |theirs: &FileItem<'_>| {
        let name = theirs.name.as_str();
        let found = base
            .state
            .find(name)
            .and_then(|index| base.state.item(index));
        let (Some(edit), Some(then)) = (edited.get(name), found) else {
            return false;
        };
        // Most are as they were in the edit.
        if edit.state == theirs.state {
            return false;
        }
        let then = fields_of(&then, base.state.plan());
        is_as_before(&theirs.state.open(), &edit.state.open(), &then)
    };
    if theirs.iter().any(is_older) {
        base.from
    } else {
        MadeFrom::Version(version)
    }
}

/// True if any place that differs between the edit and what it was made from is as it was before the edit.
fn is_as_before(theirs: &ImportedItem, edit: &ImportedItem, then: &ImportedItem) -> bool {
    let phase = |item: &'_ ImportedItem, name: &ImportedPhase| {
        let mut phases = item.phases.iter();
        phases.position(|it| it.phase == name.phase)
    };
    let phases = theirs.phases.iter().any(|theirs| {
        let (Some(edit_at), Some(then_at)) = (phase(edit, theirs), phase(then, theirs)) else {
            return false;
        };
        let (edit, then) = (&edit.phases[edit_at], &then.phases[then_at]);
        let status = edit.status != then.status && theirs.status == then.status;
        status || fields(&theirs.extras, &edit.extras, &then.extras)
    });
    phases || fields(&theirs.extras, &edit.extras, &then.extras)
}

fn fields(theirs: &Extras, edit: &Extras, then: &Extras) -> bool {
    let mut keys = edit.iter().chain(then.iter()).map(|field| &*field.key);
    keys.any(|key| {
        let (edit, then) = (edit.get(key), then.get(key));
        !both_same(edit, then) && both_same(theirs.get(key), then)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> ImportedItem {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn one_place_that_is_as_before_the_edit_tells() {
        let with = |status: &str, extras: &str| {
            item(&format!(
                r#"{{"phases":[{{"phase":"p","status":"{status}"}}],"extras":{extras}}}"#
            ))
        };
        let (then, edit) = (
            with("pending", "[]"),
            with("in_progress", r#"[["","t",1]]"#),
        );
        for (theirs, older) in [
            (with("in_progress", r#"[["","t",1]]"#), false),
            (with("completed", r#"[["","t",2]]"#), false),
            (with("pending", r#"[["","t",2]]"#), true),
            (with("completed", "[]"), true),
        ] {
            assert_eq!(is_as_before(&theirs, &edit, &then), older, "{theirs:?}");
        }
    }
}
