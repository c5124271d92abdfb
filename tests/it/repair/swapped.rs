//! Two segments under each other's names, one of them with a header that nobody can read.

use std::path::Path;

use phaselog::log::frame;
use phaselog::ports::Disk as _;
use phaselog::store::repair::StepKind;

use super::{issued, lines, mend};
use crate::damage::{DIR, fresh, segments, small_store};

/// The one with a header was put back, over the other, whose records were then gone without having been typed.
#[test]
fn the_records_of_the_other_are_put_back_too() {
    let base = small_store();
    let paths = segments(&base);
    let (before, last) = (&paths[paths.len() - 2], &paths[paths.len() - 1]);
    let (sealed, open) = (base.peek(before).unwrap(), base.peek(last).unwrap());
    let records = lines(&open).len();
    assert!(records > 1, "there are records behind the header");
    for (what, flips) in [("a bit", &[102][..]), ("more than a bit", &[102, 103, 104])] {
        let disk = fresh(&base);
        let mut hurt = open.clone();
        for &at in flips {
            hurt[at] ^= 1;
        }
        disk.plant(before, &hurt).unwrap();
        disk.plant(last, &sealed).unwrap();
        let mark = Path::new(DIR).join("wal/mark");
        disk.actor("user").remove_file(&mark).unwrap();
        let planned = mend(&disk, &issued(&base), what);
        let back = planned.steps.iter();
        let back = back.filter(|step| step.kind == StepKind::PutBack).count();
        assert_eq!(back, 2, "{what}: {planned:?}");
        let first = frame::parse(&open[..lines(&open)[1].0 - 1]).unwrap().seq;
        for lost in &planned.lost {
            assert_eq!((lost.from, lost.to), (first, first), "{what}");
        }
    }
}
