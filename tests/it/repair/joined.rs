//! Two lines that became one: the newline between them is gone, and both are given up.

use phaselog::store::verify::{Extent, Verdict};

use super::{issued, mend, plan};
use crate::damage::{fresh, segments, small_store, verified};

/// What is left of the second line attests records that were given up with it: it stays as evidence behind the new end,
/// and once made `verify` call the mended store damaged for ever, where `repair` had nothing left to do.
#[test]
fn what_was_given_up_is_no_damage_behind_the_end() {
    let base = small_store();
    let last = segments(&base).pop().unwrap();
    let bytes = base.peek(&last).unwrap();
    let newline = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|&byte| byte == b'\n')
        .unwrap();
    for other in [b' ', 0, b'\r'] {
        let disk = fresh(&base);
        let mut joined = bytes.clone();
        joined[newline] = other;
        disk.plant(&last, &joined).unwrap();
        let what = format!("{other:#04x}");
        let planned = mend(&disk, &issued(&base), &what);
        assert_eq!(planned.lost.len(), 1, "{what}: {planned:?}");
        let after = verified(&disk, &Extent::default());
        assert_eq!(after.verdict, Verdict::Warnings, "{what}: {after:?}");
        assert!(plan(&disk).next.is_none(), "{what}");
    }
}
