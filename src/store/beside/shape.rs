//! In which form a file beside the root is written after one of another form was taken in.
//!
//! ```text
//!   the first of its kind                        the file's
//!   changed by its owner, who had ours           the file's: he wants it so
//!   any other file                               ours, which its readers know; a form of extractions that has all
//!                                                of ours and more is taken over
//!   with `prefer_file`                           the file's
//! ```

use crate::pipeline::PipelineState;
use crate::pipeline::event::ImportedFile;
use crate::snapshot::{enrichment, extraction};

use super::against::Against;
use super::one::One;

/// The form in which the file is written.
pub(super) fn form(state: &PipelineState, is_data: bool) -> &'static str {
    if is_data {
        enrichment::Shape::of(state).as_str()
    } else {
        extraction::Shape::of(state).as_str()
    }
}

/// The form from now on, where there is one already. Says so where the file has another.
pub(super) fn shape(state: &PipelineState, prefer_file: bool, one: &mut One<'_>) -> &'static str {
    let document = &one.original.document;
    let theirs = &*document.file.shape;
    let is_data = document.file.kind == ImportedFile::ENRICHMENT;
    let (ours, theirs_as, is_more) = if is_data {
        let ours = enrichment::Shape::of(state);
        let other = match ours {
            enrichment::Shape::List => enrichment::Shape::Dict,
            enrichment::Shape::Dict => enrichment::Shape::List,
        };
        (ours.as_str(), other.as_str(), false)
    } else {
        use extraction::Shape;
        let ours = Shape::of(state);
        let all = [Shape::Older, Shape::New, Shape::V2];
        let other = all.into_iter().find(|it| it.as_str() == theirs);
        let other = other.unwrap_or(ours);
        (ours.as_str(), other.as_str(), other > ours)
    };
    let companion = if is_data {
        &state.enrichment
    } else {
        &state.extraction
    };
    // Nobody knows a form in which nothing was written yet.
    let has_form = companion.as_ref().is_some_and(|it| !it.shape.is_empty())
        || one.base().is_some()
        || matches!(one.against, Some(Against::Nothing { has_own: true, .. }));
    // A file in which nothing stands has no form of its own, and one that has its form as before wants no other.
    let base = one.base().map(|base| base.shape == theirs);
    if ours == theirs || document.items.is_empty() || base == Some(true) {
        return ours;
    }
    if !has_form {
        return theirs_as;
    }
    let is_wish = base.is_some() || prefer_file;
    let name = if is_data {
        enrichment::NAME
    } else {
        extraction::NAME
    };
    let (shape, message) = if is_wish || is_more {
        let message = format!(
            "the file has the form {theirs}, ours had {ours}; from now on {name} is written as {theirs}"
        );
        (theirs_as, message)
    } else {
        let extras = document.file.extras.iter();
        let beside: Vec<&str> = extras.filter(|_| is_data).map(|it| &*it.key).collect();
        let kept = match &*beside.join(", ") {
            "" => String::new(),
            keys => format!("; {keys} of the file has no place in that, the store keeps it"),
        };
        let message = format!(
            "the file has the form {theirs}; {name} is written as {ours} still, as its readers know it{kept}"
        );
        (ours, message)
    };
    one.note("I-SHAPE", theirs, shape, message);
    shape
}
