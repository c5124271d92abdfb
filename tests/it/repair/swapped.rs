//! Two segments under each other's names, one of them with a header that nobody can read.

use std::path::Path;

use phaselog::log::frame;
use phaselog::ports::Disk as _;
use phaselog::store::repair::{Occasion, Repaired, StepKind};
use phaselog::store::verify::Extent;

use super::{apply, check_mended, issued, lines, mend, plan};
use crate::damage::{DIR, fresh, segments, small_store, verified};

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

/// A segment was given up with its file, and then the header that says so lay under another one's name: `verify` told the records once
/// more, as missing from the end of the segment before them, which nobody had touched. And nothing says so twice but the header.
#[test]
fn what_was_given_up_is_known_from_a_header_under_another_name() {
    let base = small_store();
    let gone = segments(&base)[1].clone();
    base.uproot(&gone).unwrap();
    let planned = mend(&base, &issued(&base), "a segment is gone");
    let given_up = planned.lost[0];
    let paths = segments(&base);
    let last = paths.len() - 1;
    for other in 0..last {
        let disk = fresh(&base);
        let (one, two) = (
            disk.peek(&paths[other]).unwrap(),
            disk.peek(&paths[last]).unwrap(),
        );
        disk.plant(&paths[other], &two).unwrap();
        disk.plant(&paths[last], &one).unwrap();
        let found = verified(&disk, &Extent::default());
        let hurt = [&paths[other], &paths[last]].map(|path| path.strip_prefix("data/").unwrap());
        for finding in &found.findings {
            let told = finding.code == "V-LOST" && finding.seq == Some(given_up.from);
            let ours = hurt.contains(&&*finding.file);
            assert!(told || ours, "{other}: {finding:#?}");
        }
        let planned = plan(&disk);
        assert_eq!(planned.lost, [], "{other}: {planned:#?}");
        let done = apply(&disk, Occasion::Hurt, &[]);
        assert!(matches!(done, Repaired::Done { .. }), "{done:?}");
        check_mended(&disk, &issued(&base), false, "other names");

        // What lies under the wrong name and is hurt too is given up; what was given up before is not asked for again.
        let disk = fresh(&base);
        let mut hurt = one.clone();
        let at = lines(&hurt)[1].0;
        hurt[at + 9..at + 17].fill(b'?');
        disk.plant(&paths[other], &two).unwrap();
        disk.plant(&paths[last], &hurt).unwrap();
        let planned = mend(&disk, &issued(&base), "other names, and hurt");
        for lost in &planned.lost {
            assert!(
                lost.to < given_up.from || lost.from > given_up.to,
                "{other}: {planned:#?}"
            );
        }
    }
}
