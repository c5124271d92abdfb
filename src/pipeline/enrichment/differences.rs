//! What differs between the data of an item at two times, field by field.

use super::{FieldChange, ItemData};
use crate::pipeline::field::FieldPath;
use crate::pipeline::json::Json;
use crate::pipeline::members::Members;
use crate::pipeline::same::same;

/// What leads from one object to the other. Fields of the second come in its order, then what only the first has.
/// Numbers are compared by value; a null is a value.
pub fn differences(before: Option<&ItemData>, after: Option<&ItemData>) -> Vec<FieldChange> {
    let members =
        |data: Option<&'_ ItemData>| data.map_or("{}".to_owned(), |data| data.object().to_string());
    let (before, after) = (members(before), members(after));
    let mut changes = Vec::new();
    collect(
        &mut Vec::new(),
        &Members::of(&before).unwrap_or_default(),
        &Members::of(&after).unwrap_or_default(),
        &mut changes,
    );
    changes
}

fn collect(
    keys: &mut Vec<String>,
    before: &Members<'_>,
    after: &Members<'_>,
    changes: &mut Vec<FieldChange>,
) {
    let json = |text: &str| Json::from_compact(text.to_owned());
    for (key, new) in after.iter() {
        keys.push(key.to_owned());
        let old = before.get(key);
        if let (Some(old), Some(new)) = (old.and_then(Members::of), Members::of(new)) {
            collect(keys, &old, &new, changes);
        } else {
            let (old, new) = (old.map(json), json(new));
            if old.as_ref().is_none_or(|old| !same(old, &new)) {
                changes.push(FieldChange {
                    field: FieldPath::new(keys),
                    old,
                    new: Some(new),
                });
            }
        }
        keys.pop();
    }
    for (key, old) in before.iter().filter(|(key, _)| after.get(key).is_none()) {
        keys.push(key.to_owned());
        changes.push(FieldChange {
            field: FieldPath::new(keys),
            old: Some(json(old)),
            new: None,
        });
        keys.pop();
    }
}
