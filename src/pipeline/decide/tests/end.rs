//! Commands that report by themselves, and then end.

use super::*;

/// What an ending is reported as after `said` was reported under the same token.
fn after(said: Option<ReportKind>, ending: ReportKind) -> Result<Decision, Rejection> {
    let mut driven = Driven::new(r#"[{"phase":"p"}]"#);
    let token = driven.start("p");
    let report = |kind| Report::new(item(), phase("p"), Some(token), kind);
    if let Some(said) = said {
        driven.submit(&Command::Report(report(said))).unwrap();
    }
    end_of_work(&driven.state, &report(ending), &driven.now)
}

fn fail(error: &str, permanent: bool) -> ReportKind {
    ReportKind::Fail {
        error: error.to_owned(),
        permanent,
    }
}

#[test]
fn what_a_command_said_stands_whatever_its_exit_status() {
    let skip = || ReportKind::Skip { reason: None };
    let (complete, release) = (ReportKind::Complete, ReportKind::Release);
    for said in [
        complete.clone(),
        fail("no such house", true),
        skip(),
        release.clone(),
    ] {
        for ending in [
            complete.clone(),
            fail("exit status 1", false),
            release.clone(),
        ] {
            let decided = after(Some(said.clone()), ending.clone());
            let stands = match said {
                ReportKind::Complete => Status::Completed,
                ReportKind::Fail { .. } => Status::Failed,
                ReportKind::Skip { .. } => Status::Skipped,
                // By its own word it is not done.
                ReportKind::Release => Status::Pending,
            };
            let Ok(Decision::Unchanged(Unchanged::Phase { status, .. })) = decided else {
                panic!("{said:?}, then {ending:?}: {decided:?}")
            };
            assert_eq!(status, stands, "{said:?}, then {ending:?}");
        }
    }
    for ending in [complete, fail("exit status 1", false), release] {
        let decided = after(None, ending);
        assert!(matches!(decided, Ok(Decision::Record(_))), "{decided:?}");
    }
}

#[test]
fn what_somebody_else_did_does_not_stand_for_it() {
    let mut driven = Driven::new(r#"[{"phase":"p"}]"#);
    let token = driven.start("p");
    let done = Report::new(item(), phase("p"), Some(token), ReportKind::Complete);
    // Handed back, and nobody has begun it again: late, and it counts.
    driven.reset("p", token);
    let decided = end_of_work(&driven.state, &done, &driven.now);
    assert!(matches!(decided, Ok(Decision::Record(_))), "{decided:?}");
    // Begun again: refused.
    driven.start("p");
    let decided = end_of_work(&driven.state, &done, &driven.now);
    assert!(
        matches!(decided, Err(Rejection::StaleToken { .. })),
        "{decided:?}"
    );
}
