//! What a file of extractions can say in the form that it has: one that cannot say something does not mean that it is not so.
//!
//! ```text
//!   older   completed, failed
//!   new     the same, and when each was looked at
//!   v2      the same, what is in progress, and how often each failed
//! ```

use crate::pipeline::{ExtractionChange, ExtractionStatus, Timestamp};

/// What a file can say of an extraction: how it stands, when it was looked at, how often it failed.
pub(super) type Said = (Option<ExtractionStatus>, Option<Timestamp>, u32);

/// True if a file of that form tells what is in progress, and how often each failed.
fn tells_work(shape: &str) -> bool {
    shape == "v2"
}

/// True if a file of that form tells when each was looked at.
fn tells_checked(shape: &str) -> bool {
    shape != "older"
}

/// What a file of that form can say.
pub(super) fn sayable(shape: &str, (status, checked, retries): Said) -> Said {
    let work = tells_work(shape);
    let status = status.filter(|it| work || *it != ExtractionStatus::InProgress);
    let checked = checked.filter(|_| tells_checked(shape));
    (status, checked, if work { retries } else { 0 })
}

/// What a file of that form says with a change.
pub(super) fn said_in(shape: &str, change: &ExtractionChange) -> Said {
    let rest = change.imported.as_deref();
    let (checked, retries) = rest.map_or((None, 0), |it| (it.last_checked, it.retry_count));
    sayable(shape, (change.status, checked, retries))
}

/// True if a file of that form can say this of an extraction.
pub(super) fn can_say(shape: &str, said: &ExtractionChange) -> bool {
    tells_work(shape) || said.status != Some(ExtractionStatus::InProgress)
}

/// Leaves of what a file said only what one of that form can say.
pub(super) fn said_in_form(shape: &str, said: &mut ExtractionChange) {
    let (_, checked, retries) = said_in(shape, said);
    if let Some(rest) = said.imported.as_deref_mut() {
        (rest.last_checked, rest.retry_count) = (checked, retries);
    }
}

/// What a form of the file cannot say it says as before: who writes only two lists does not mean that nothing else is so.
pub(super) fn said_by_shape(shape: &str, before: &ExtractionChange, theirs: &mut ExtractionChange) {
    let was = before.imported.as_deref().cloned().unwrap_or_default();
    if tells_work(shape) {
        return;
    }
    let now = theirs.imported.get_or_insert_default();
    now.retry_count = was.retry_count;
    if theirs.status.is_none() && before.status == Some(ExtractionStatus::InProgress) {
        theirs.status = before.status;
    }
    if !tells_checked(shape) {
        now.last_checked = was.last_checked;
    }
}
