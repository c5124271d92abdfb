//! How the snapshots stand, in a line of `status`.

use crate::store::View;
use crate::store::view::Files;

use super::super::context::Context;
use super::super::receipts::count;

/// How the snapshots stand against the log.
pub(super) struct SnapshotFacts {
    pub(super) files: Files,
    /// How many records the file is behind that [`Files::seq`] tells of.
    pub(super) behind: u64,
    current: bool,
}

impl SnapshotFacts {
    /// How they stand in a view.
    pub(super) fn of(view: &View, context: &Context<'_>) -> Self {
        let files = view.files(&context.ports, context.dir());
        let seq = files.seq();
        Self {
            behind: view.behind(seq),
            current: seq.is_some_and(|seq| view.says_all(seq)),
            files,
        }
    }

    /// The names of what somebody else changed.
    pub(super) fn edited(&self) -> Vec<String> {
        let edited = self.files.edited.iter();
        edited.map(|file| file.display().to_string()).collect()
    }

    /// How the files stand, in words.
    pub(super) fn words(&self) -> String {
        let Files {
            root,
            whole,
            older_than,
            ref edited,
        } = self.files;
        let behind = if self.current {
            "up to date".to_owned()
        } else {
            let behind = usize::try_from(self.behind).unwrap_or(usize::MAX);
            format!("{} behind", count(behind, "record"))
        };
        match (root, whole) {
            (Some(seq), _) => {
                // The others may be what somebody made of them.
                let what = if edited.is_empty() && whole == root {
                    ""
                } else {
                    "work_items.json "
                };
                let older = older_than.map_or_else(String::new, |newer| {
                    format!(": an older set than that of @{newer}, which was written here")
                });
                format!("{what}as of @{seq}, {behind}{older}")
            }
            (None, Some(seq)) if self.files.is_root_edited() => {
                format!(
                    "work_items.json is another program's; the set before, in .bak, is as of @{seq}"
                )
            }
            (None, Some(seq)) => {
                format!(
                    "no work_items.json as it was written; the set before, in .bak, is as of @{seq}"
                )
            }
            (None, None) if edited.is_empty() => "not written yet: phaselog compact".to_owned(),
            (None, None) => "no whole set: another program changed it".to_owned(),
        }
    }
}
