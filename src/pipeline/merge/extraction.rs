//! The image extraction of one item in the three: how it stands, when it was looked at, how often it failed.

use super::data::Before;
use crate::pipeline::extraction::{
    ExtractionChange, ExtractionStatus, ImportedExtraction, ItemExtraction,
};

/// The extraction of an item in the three.
pub struct ExtractionMerge<'a> {
    /// What the file had; `Known(None)` if it did not have the item.
    pub base: Before<Option<&'a ExtractionChange>>,
    /// Without a base: what it said the last time that it was taken over, as far as its form says that now.
    pub last: Option<&'a ExtractionChange>,
    /// What it has.
    pub theirs: &'a ExtractionChange,
    /// What the log has.
    pub ours: Option<&'a ItemExtraction>,
    /// The log has said something about it since the file was written; without a base, anybody but an earlier version
    /// of the file has.
    pub moved: bool,
    /// What the file has may be no edit, however the log stands.
    pub doubtful: bool,
    /// Where all three differ the file counts.
    pub prefer_file: bool,
}

/// What the extraction of an item comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergedExtraction {
    /// What is to be recorded.
    pub change: Option<ExtractionChange>,
    /// Where the log stays.
    pub conflicts: Vec<ExtractionConflict>,
    /// What a file without a place in the log said the last time, and that stays though it says it no more.
    pub gone: Vec<ExtractionGone>,
}

/// What was taken out of a file without a place in the log, the item itself standing in it still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractionGone {
    /// `extraction`, `property_last_checked` or `retry_counts`.
    pub what: &'static str,
    /// What the log has.
    pub stays: String,
}

/// What was changed on both sides, or what a file without a place in the log has otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractionConflict {
    /// `extraction`, `property_last_checked` or `retry_counts`.
    pub what: &'static str,
    /// What the file has.
    pub found: String,
    /// What the log has.
    pub decided: String,
}

/// Which of two values counts.
enum Choice<T> {
    Ours,
    Theirs(T),
    Conflict,
}

impl ExtractionMerge<'_> {
    /// Compares the three. Pure, and the same question has the same answer.
    pub fn merge(&self) -> MergedExtraction {
        let Some(ours) = self.ours else {
            let unchanged =
                matches!(self.base, Before::Known(Some(base)) if says_the_same(base, self.theirs));
            return MergedExtraction {
                change: (!unchanged).then(|| self.theirs.clone()),
                ..MergedExtraction::default()
            };
        };
        let nothing = ExtractionChange {
            status: None,
            imported: None,
        };
        let base = match self.base {
            // Nobody else has moved it since the file said that.
            Before::Unknown if self.prefer_file && !self.moved => self.last,
            Before::Unknown => None,
            Before::Known(base) => Some(base.unwrap_or(&nothing)),
        };
        let mut conflicts = Vec::new();
        let mut stays = |what: &'static str, found: String, decided: String| {
            conflicts.push(ExtractionConflict {
                what,
                found,
                decided,
            });
        };
        let theirs = self.theirs;
        let mut is_apart = false;
        let status = match self.status(base, ours) {
            Choice::Ours => ours.status,
            Choice::Theirs(status) => status,
            Choice::Conflict => {
                let found = match retries(theirs) {
                    // How often it failed goes with how it ended.
                    0 => word(theirs.status),
                    it if it == ours.retry_count
                        || base.is_some_and(|base| it == retries(base)) =>
                    {
                        word(theirs.status)
                    }
                    it => format!("{} (retry_counts {it})", word(theirs.status)),
                };
                is_apart = true;
                stays("extraction", found, word(ours.status));
                ours.status
            }
        };
        // Both came to the same: when, and after how many tries, is what the log says.
        let agreed = theirs.status == ours.status
            && base.is_none_or(|base| base.status != theirs.status)
            && self.moved;
        let at = |of: &ExtractionChange| of.imported.as_ref().and_then(|it| it.last_checked);
        let checked = self.choose(base.map(at), at(theirs), ours.last_checked, None);
        let last_checked = match checked {
            Choice::Theirs(at) => at,
            // One finding of an item is enough where the status itself is one.
            Choice::Conflict if base.is_some() && !agreed && status == theirs.status => {
                let shown = |at: Option<crate::pipeline::Timestamp>| {
                    at.map_or_else(|| "nothing".to_owned(), |at| at.to_string())
                };
                stays(
                    "property_last_checked",
                    shown(at(theirs)),
                    shown(ours.last_checked),
                );
                ours.last_checked
            }
            _ => ours.last_checked,
        };
        let counted = self.choose(base.map(retries), retries(theirs), ours.retry_count, 0);
        // The log may have moved on without another failure.
        let is_as_before = base.is_some_and(|base| retries(base) == ours.retry_count);
        let retry_count = match counted {
            Choice::Theirs(count) if !is_apart => count,
            Choice::Conflict if is_as_before && !self.doubtful && !is_apart => retries(theirs),
            Choice::Conflict if !agreed && !is_apart => {
                let (found, decided) = (retries(theirs).to_string(), ours.retry_count.to_string());
                stays("retry_counts", found, decided);
                ours.retry_count
            }
            _ => ours.retry_count,
        };
        let is_news = (status, last_checked, retry_count)
            != (ours.status, ours.last_checked, ours.retry_count);
        let found = theirs.imported.iter().flat_map(|it| it.found.clone());
        let change = is_news.then(|| ExtractionChange {
            status,
            imported: Some(Box::new(ImportedExtraction {
                last_checked,
                retry_count,
                found: found.collect(),
            })),
        });
        let gone = self.gone(base.is_some(), ours);
        MergedExtraction {
            change,
            conflicts,
            gone,
        }
    }

    /// What the file said the last time and says no more, where nothing becomes of that.
    fn gone(&self, is_compared: bool, ours: &ItemExtraction) -> Vec<ExtractionGone> {
        let Some(last) = self.last.filter(|_| !is_compared) else {
            return Vec::new();
        };
        let theirs = self.theirs;
        let at = |of: &ExtractionChange| of.imported.as_ref().and_then(|it| it.last_checked);
        let (mut gone, ours_at) = (Vec::new(), ours.last_checked);
        let mut stays = |what, stays| gone.push(ExtractionGone { what, stays });
        if last.status.is_some() && theirs.status.is_none() && ours.status.is_some() {
            stays("extraction", word(ours.status));
        }
        if let (Some(_), None, Some(ours)) = (at(last), at(theirs), ours_at) {
            stays("property_last_checked", ours.to_string());
        }
        if retries(last) > 0 && retries(theirs) == 0 && ours.retry_count > 0 {
            stays("retry_counts", ours.retry_count.to_string());
        }
        gone
    }

    fn status(
        &self,
        base: Option<&ExtractionChange>,
        ours: &ItemExtraction,
    ) -> Choice<Option<ExtractionStatus>> {
        let theirs = self.theirs.status;
        if base.is_none() && !self.prefer_file && !self.moved && theirs.is_some() {
            // What the file said itself it may take back; else it moves on what it said before that, never back.
            let said = self.last.is_some_and(|last| last.status == ours.status);
            if !said && rank(theirs) < rank(ours.status) {
                return Choice::Conflict;
            }
            return Choice::Theirs(theirs);
        }
        self.choose(base.map(|base| base.status), theirs, ours.status, None)
    }

    /// One of the three; `base` is `None` if what the file had is not known, `nothing` is what says nothing.
    fn choose<T: Copy + PartialEq>(
        &self,
        base: Option<T>,
        theirs: T,
        ours: T,
        nothing: T,
    ) -> Choice<T> {
        if theirs == ours || base.map_or(theirs == nothing, |base| theirs == base) {
            return Choice::Ours;
        }
        let stays = self.moved && (base.is_some() || ours != nothing);
        if stays && !self.prefer_file {
            Choice::Conflict
        } else {
            Choice::Theirs(theirs)
        }
    }
}

/// True if two say the same of an item.
pub fn says_the_same(one: &ExtractionChange, other: &ExtractionChange) -> bool {
    let said = |it: &ExtractionChange| {
        let imported = it.imported.as_deref().cloned().unwrap_or_default();
        (it.status, imported.last_checked, imported.retry_count)
    };
    said(one) == said(other)
}

fn retries(of: &ExtractionChange) -> u32 {
    of.imported.as_ref().map_or(0, |it| it.retry_count)
}

fn word(status: Option<ExtractionStatus>) -> String {
    status
        .map_or("in no list", ExtractionStatus::as_str)
        .to_owned()
}

/// How far an extraction has come.
const fn rank(status: Option<ExtractionStatus>) -> u8 {
    match status {
        None => 0,
        Some(ExtractionStatus::InProgress) => 1,
        Some(ExtractionStatus::Failed) => 2,
        Some(ExtractionStatus::Completed) => 3,
    }
}
