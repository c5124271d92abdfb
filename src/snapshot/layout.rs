//! The keys of `work_items.json`, level by level, and where fields that are not ours stand between them.

use std::collections::HashSet;

use crate::pipeline::json::Extras;

/// The keys of one level.
#[derive(Debug)]
pub(super) struct Level {
    /// Keys that every object of the level has, in order. An unknown field stands behind one of them.
    pub(super) always: &'static [&'static str],
    /// All keys that are ours, written or not: a foreign field of that name cannot be shown.
    pub(super) ours: &'static [&'static str],
}

/// The document.
pub(super) const DOCUMENT: &Level = &Level {
    always: &[
        "schema_version",
        "session",
        "plan",
        "work_items",
        "summary",
        "last_checkpoint",
    ],
    ours: &[
        "schema_version",
        "session",
        "plan",
        "work_items",
        "summary",
        "last_checkpoint",
        "log",
        "crc32",
    ],
};

const ITEM_KEYS: &[&str] = &[
    "id",
    "address",
    "index",
    "status",
    "phases",
    "created_at",
    "last_updated",
];

/// An item.
pub(super) const ITEM: &Level = &Level {
    always: ITEM_KEYS,
    ours: ITEM_KEYS,
};

/// A phase of an item.
pub(super) const PHASE: &Level = &Level {
    always: &["status", "started_at", "attempts", "retry_count"],
    ours: &[
        "status",
        "started_at",
        "completed_at",
        "failed_at",
        "error_message",
        "worker",
        "token",
        "attempts",
        "retry_count",
        "stale_reset_at",
        "imported_status",
    ],
};

impl Level {
    /// The place of a key among those always written, counted from 1; 0 for the front; `None` for any other.
    pub(super) fn rank(&self, key: &str) -> Option<usize> {
        match key {
            "" => Some(0),
            key => self
                .always
                .iter()
                .position(|own| *own == key)
                .map(|at| at + 1),
        }
    }
}

/// Which fields cannot be shown, because their key is ours or stands there already. Empty if there are no fields.
pub(super) fn hidden(level: &Level, extras: &Extras) -> Vec<bool> {
    let mut seen = HashSet::new();
    extras
        .iter()
        .map(|extra| level.ours.contains(&&*extra.key) || !seen.insert(&*extra.key))
        .collect()
}

/// True if the fields read back as they are from where they are shown: then `log.state` need not repeat them.
pub(super) fn read_back(level: &Level, extras: &Extras) -> bool {
    let mut last = 0;
    let in_order = extras.iter().all(|extra| match level.rank(&extra.after) {
        Some(rank) if rank >= last => {
            last = rank;
            true
        }
        _ => false,
    });
    in_order && !hidden(level, extras).contains(&true)
}
