//! An item that stands in a file twice: what the other entry says, beside the one that counts.

use std::ops::Range;

use super::finding::{About, Remark};
use super::reader::Reader;
use crate::pipeline::Json;
use crate::pipeline::members::Members;
use crate::pipeline::merge::{Changed, at};
use crate::pipeline::short::short;

/// Fields that differ and are named with their values; the finding has the whole entry.
const NAMED: usize = 3;

/// Reports the second entry of an item, which begins at `begin` and whose object stands at `second`; the first, at `first`,
/// counts.
pub(super) fn twice(
    reader: &mut Reader<'_>,
    item: &str,
    first: &Range<usize>,
    (begin, second): (usize, Range<usize>),
) {
    let lines = [first.start, begin].map(|at| reader.places.of(at).line);
    let texts = [first, &second].map(|range| &reader.text[range.clone()]);
    let differs = differing(texts, lines);
    let source = texts[1];
    let [first, second] = lines;
    let (remark, what) = match &differs {
        Some(differs) if differs.is_empty() => (
            Remark::note("I-DUPLICATE", begin),
            "both say the same".to_owned(),
        ),
        _ => {
            let differs = differs.unwrap_or_default();
            let mut parts: Vec<String> = differs.iter().take(NAMED).cloned().collect();
            if differs.len() > NAMED {
                parts.push(format!("and {} more", differs.len() - NAMED));
            }
            (Remark::judged("I-DUPLICATE", begin), parts.join("; "))
        }
    };
    let what = if what.is_empty() {
        what
    } else {
        format!(": {what}")
    };
    let message =
        format!("the item stands in line {first} and in line {second}; line {first} counts{what}");
    let remark = remark.about(About::item(item)).found(source);
    reader.remark(remark.decided("the first counts").says(message));
}

/// What the second has otherwise than the first, field by field; `None` where nobody can tell.
fn differing(texts: [&str; 2], lines: [usize; 2]) -> Option<Vec<String>> {
    let [first, second] = texts.map(|text| serde_json::from_str::<Json>(text).ok());
    let (first, second) = (first?, second?);
    let Some(changed) = Changed::of(&first, &second) else {
        return Some(Vec::new());
    };
    let of_first = Members::of(first.as_str())?;
    let shown = |value: Option<&str>| short(value.unwrap_or("nothing"));
    let leaves = changed.leaves().into_iter();
    let words = leaves.map(|(field, value)| {
        let (is, was) = (value.as_ref().map(Json::as_str), at(&of_first, &field));
        let [first, second] = lines;
        format!(
            "{field} is {} in line {first}, {} in line {second}",
            shown(was),
            shown(is)
        )
    });
    Some(words.collect())
}
