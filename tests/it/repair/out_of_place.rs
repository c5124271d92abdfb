//! Files among the segments that are no part of the log: of another history, or found again after they were given up.

use phaselog::Store;
use phaselog::pipeline::{Command, ItemId, NewItem};
use phaselog::store::repair::{Occasion, Repaired, SeqRange, StepKind};
use phaselog::store::verify::{Extent, Verdict};
use phaselog::testing::SimDisk;

use super::{apply, check_mended, issued, plan, plan_for};
use crate::damage::{fresh, open, segments, small_store, store, verified};

fn named(seq: u64) -> String {
    format!("data/wal/{seq:020}.wal")
}

fn add(writer: &mut Store, name: &str) {
    let name = ItemId::new(name).unwrap();
    let items = vec![NewItem { name, id: None }];
    let _ = writer.submit(&Command::Add { items }).unwrap();
}

/// Says what is wrong, has a plan, and the plan works when what it lists is typed.
fn mend(disk: &SimDisk, stray: &str, what: &str) -> Vec<SeqRange> {
    let relative = stray.strip_prefix("data/").unwrap();
    let found = verified(disk, &Extent::default());
    assert_eq!(
        found.verdict,
        Verdict::Damaged,
        "{what}: {:#?}",
        found.findings
    );
    let bad: Vec<_> = found
        .findings
        .iter()
        .filter(|it| it.weight == Verdict::Damaged)
        .collect();
    assert!(bad.iter().all(|it| it.file == relative), "{what}: {bad:#?}");
    assert!(
        bad.iter().any(|it| it.code == "V-SEGMENT"),
        "{what}: {bad:#?}"
    );
    let error = open(disk).unwrap_err().to_string();
    assert!(error.contains(relative), "{what}: {error}");
    let bytes = disk.peek(stray).unwrap();
    let before = issued(disk);
    let planned = plan(disk);
    let did: Vec<_> = planned.steps.iter().map(|step| step.kind).collect();
    assert_eq!(did, [StepKind::SetAside], "{what}: {planned:#?}");
    if !planned.lost.is_empty() {
        let refused = apply(disk, Occasion::Hurt, &[]);
        assert!(
            matches!(refused, Repaired::NotAccepted(_)),
            "{what}: {refused:?}"
        );
    }
    let done = apply(disk, Occasion::Hurt, &planned.lost);
    assert!(matches!(done, Repaired::Done { .. }), "{what}: {done:?}");
    assert!(disk.peek(stray).is_none(), "{what}");
    let mut files = disk.files().into_iter();
    let kept =
        files.any(|(path, there)| path.contains("quarantine") && there.as_ref() == Some(&bytes));
    assert!(kept, "{what}: the evidence is gone");
    check_mended(disk, &before, false, what);
    planned.lost
}

/// A store that was put back from a backup and repaired as that, and beside it a segment of the disk that died: no command opened it,
/// `verify` had only warnings, and `repair` named the segment that was right.
#[test]
fn a_segment_of_the_history_before_a_backup_is_set_aside_when_that_is_typed() {
    let original = small_store();
    let backup = fresh(&original);
    let mut writer = store(&original.ports_for("original"));
    let _ = writer.compact(false).unwrap();
    add(&mut writer, "on the disk that died");
    drop(writer);
    let stray = segments(&original).pop().unwrap();
    let planned = plan_for(&backup, Occasion::Restored);
    let done = apply(&backup, Occasion::Restored, &planned.lost);
    assert!(matches!(done, Repaired::Done { .. }), "{done:?}");
    let mut writer = store(&backup.ports_for("restored"));
    add(&mut writer, "behind the backup");
    drop(writer);
    backup
        .plant(&stray, &original.peek(&stray).unwrap())
        .unwrap();
    let given_up = mend(&backup, &stray, "a segment of the old disk");
    let records = issued(&original);
    let first = stray[stray.len() - 24..stray.len() - 4].parse().unwrap();
    let of_it: Vec<u64> = records.into_iter().filter(|&seq| seq >= first).collect();
    assert_eq!(given_up.len(), 1, "{given_up:?}");
    assert_eq!(
        (given_up[0].from.get(), given_up[0].to.get()),
        (of_it[0], of_it[of_it.len() - 1])
    );
}

#[test]
fn what_holds_no_record_is_set_aside_without_a_loss() {
    let base = small_store();
    let planned = plan_for(&base, Occasion::Restored);
    let done = apply(&base, Occasion::Restored, &planned.lost);
    assert!(matches!(done, Repaired::Done { .. }), "{done:?}");
    let last = *issued(&small_store()).last().unwrap();
    for content in [&b""[..], b"\0\0\0\0", b"hello\n"] {
        for first in [last + 1, last + 3, last + 900] {
            let disk = fresh(&base);
            let stray = named(first);
            disk.plant(&stray, content).unwrap();
            let given_up = mend(&disk, &stray, &format!("{first}: {content:?}"));
            assert_eq!(given_up, [], "{first}: {content:?}");
        }
    }
}

#[test]
fn a_segment_that_was_given_up_and_found_again_is_set_aside() {
    let base = small_store();
    let gone = segments(&base).pop().unwrap();
    let bytes = base.peek(&gone).unwrap();
    base.uproot(&gone).unwrap();
    let planned = plan(&base);
    let done = apply(&base, Occasion::Hurt, &planned.lost);
    assert!(matches!(done, Repaired::Done { .. }), "{done:?}");
    base.plant(&gone, &bytes).unwrap();
    let given_up = mend(&base, &gone, "found again");
    assert_eq!(
        given_up.len(),
        1,
        "what it holds is given up once more: {given_up:?}"
    );
}
