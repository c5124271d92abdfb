//! The status words of other programs, and what they mean here.

use crate::pipeline::Status;
use crate::pipeline::status::ItemStatus;

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The status of a phase that has the word.
    pub(super) status: Status,
    /// The item is to be held.
    pub(super) holds: bool,
    /// How sure that is.
    pub(super) sure: Sure,
}

/// How sure the meaning of a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sure {
    /// It is our own word.
    Ours,
    /// It is another word for the same.
    Same,
    /// Somebody should look at it.
    Judged,
    /// It is no word that we know.
    Unknown,
}

/// Reads a word as a status. Case, spaces and hyphens make no difference.
pub(super) fn meaning(word: &str) -> Meaning {
    let plain = word.trim().to_lowercase().replace([' ', '-'], "_");
    let (status, holds, sure) = match plain.as_str() {
        "completed" | "complete" | "done" | "all_complete" => {
            (Status::Completed, false, Sure::Same)
        }
        "in_progress" | "inprogress" | "running" | "processing" | "claimed" => {
            (Status::InProgress, false, Sure::Same)
        }
        "pending" | "todo" | "queued" | "not_started" | "ready" => {
            (Status::Pending, false, Sure::Same)
        }
        "failed" | "errored" | "retrying" => (Status::Failed, false, Sure::Same),
        "skipped" => (Status::Skipped, false, Sure::Same),
        "blocked" | "deferred" | "paused" => (Status::Pending, true, Sure::Same),
        "cancelled" | "canceled" | "abandoned" => (Status::Skipped, false, Sure::Judged),
        _ => (Status::Pending, false, Sure::Unknown),
    };
    let sure = if word == status.as_str() {
        Sure::Ours
    } else {
        sure
    };
    Meaning {
        status,
        holds,
        sure,
    }
}

impl Meaning {
    /// What the word says about a whole item.
    pub(super) const fn item_status(self) -> ItemStatus {
        match self.status {
            _ if self.holds => ItemStatus::Blocked,
            Status::Pending => ItemStatus::Pending,
            Status::InProgress => ItemStatus::InProgress,
            Status::Completed | Status::Skipped => ItemStatus::Completed,
            Status::Failed => ItemStatus::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_seen_in_the_field_has_a_meaning() {
        let cases = [
            (
                "complete completed done all_complete Completed",
                Status::Completed,
            ),
            (
                "in_progress in-progress running processing claimed",
                Status::InProgress,
            ),
            (
                "pending todo queued READY blocked deferred paused",
                Status::Pending,
            ),
            ("failed errored retrying", Status::Failed),
            ("skipped cancelled abandoned", Status::Skipped),
        ];
        for (words, status) in cases {
            for word in words.split(' ') {
                let meaning = meaning(word);
                assert_eq!(meaning.status, status, "{word}");
                assert_ne!(meaning.sure, Sure::Unknown, "{word}");
            }
        }
        assert_eq!(meaning("Not Started").status, Status::Pending);
    }

    #[test]
    fn only_the_exact_word_is_ours() {
        assert_eq!(meaning("completed").sure, Sure::Ours);
        assert_eq!(meaning("Completed").sure, Sure::Same);
        assert_eq!(meaning("cancelled").sure, Sure::Judged);
    }

    #[test]
    fn an_unknown_word_is_pending_and_holds_nothing() {
        let meaning = meaning("frobnicated");
        assert_eq!((meaning.status, meaning.holds), (Status::Pending, false));
        assert_eq!(meaning.sure, Sure::Unknown);
    }

    #[test]
    fn words_of_waiting_hold_the_item() {
        for word in ["blocked", "Deferred", "paused"] {
            assert!(meaning(word).holds, "{word}");
            assert_eq!(meaning(word).item_status(), ItemStatus::Blocked);
        }
    }
}
