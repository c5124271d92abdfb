//! What the system refuses to read is a finding among the others and no verdict: nothing is given up for it.

use std::path::Path;

use phaselog::Error;
use phaselog::store::repair::{self, Occasion};
use phaselog::store::verify::{Extent, Verdict};
use phaselog::testing::{CallKind, Errno, Failure, Fault};

use super::{DIR, fresh, options, segments, small_store, verified};

#[test]
fn a_segment_that_cannot_be_read_is_told_with_all_others() {
    let base = small_store();
    let whole = verified(&base, &Extent::default());
    for path in segments(&base) {
        for (errno, kind) in [
            (Errno::Eacces, CallKind::OpenRead),
            (Errno::Eio, CallKind::OpenRead),
            (Errno::Eio, CallKind::ReadAt),
        ] {
            let disk = fresh(&base);
            let refused = Fault::new(Failure::Error(errno)).on(kind).at_path(&path);
            disk.fail(refused.from_then_on());
            let found = verified(&disk, &Extent::default());
            let what = format!("{path} {errno:?} {kind:?}: {:?}", found.findings);
            assert_eq!(found.verdict, Verdict::Ambiguous, "{what}");
            assert_eq!(found.findings.len(), 1, "{what}");
            assert_eq!(found.findings[0].code, "V-UNREADABLE", "{what}");
            assert!(path.ends_with(&found.findings[0].file), "{what}");
            let number = format!("os error {}", errno as i32);
            assert!(found.findings[0].message.contains(&number), "{what}");
            assert!(found.records > 0 && found.records < whole.records, "{what}");
            let ports = disk.ports_for("planner");
            let plan = repair::plan(&ports, Path::new(DIR), &options(), Occasion::Hurt);
            assert!(matches!(plan, Err(Error::Io { .. })), "{what}: {plan:?}");
            disk.clear_faults();
            assert_eq!(verified(&disk, &Extent::default()).verdict, Verdict::Clean);
        }
    }
}
