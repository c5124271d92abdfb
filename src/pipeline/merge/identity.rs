//! What no edit of a file changes: an item's id, and when it was made.

use super::one::One;
use crate::pipeline::time::Timestamp;

impl One<'_, '_> {
    /// Says that an edit of them is left out.
    pub(super) fn identity(&mut self) {
        if self.wanted.base.is_none() {
            return self.identity_of_another();
        }
        let Some(base) = self.base else {
            return;
        };
        let (theirs, ours) = (self.theirs, self.ours.clone());
        let text = |text: Option<&str>| text.map(str::to_owned);
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let fields = [
            ("id", text(theirs.id), text(base.id), Some(ours.id())),
            (
                "created_at",
                time(theirs.state.created_at),
                time(base.state.created_at),
                time(ours.created_at),
            ),
        ];
        for (key, found, before, stays) in fields {
            if found == before || found == stays {
                continue;
            }
            let shown = |it: Option<String>| it.unwrap_or_else(|| "nothing".to_owned());
            let (found, stays) = (shown(found), shown(stays));
            let message = format!(
                "{key} of the item is {found} in {}, and no edit changes that: it stays {stays}",
                self.wanted.file
            );
            self.judge(
                "I-FIELD",
                None,
                &found,
                &format!("it stays {stays}"),
                message,
            );
        }
    }
    /// Counts that another file, which never had ours, calls the item by another id, or has another time for it.
    fn identity_of_another(&mut self) {
        let (theirs, ours) = (self.theirs, self.ours.clone());
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let (id, made) = (theirs.id.map(str::to_owned), theirs.state.created_at);
        for (key, found, stays) in [
            ("id", id, Some(ours.id())),
            ("created_at", time(made), time(ours.created_at)),
        ] {
            let Some(found) = found.filter(|found| Some(found) != stays.as_ref()) else {
                continue;
            };
            let first = || {
                let stays = stays.unwrap_or_else(|| "nothing".to_owned());
                (0, format!("{found} of {}, {stays} here", ours.name))
            };
            self.merged.identities.entry(key).or_insert_with(first).0 += 1;
        }
    }
}
