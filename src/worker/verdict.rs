//! What the end of a command is reported as.
//!
//! ```text
//!   exit 0            completed   the only way to say that the work is done; with its data, if that is wanted
//!   exit 0, no data   failed      where data is wanted
//!   exit 75           released    not now (EX_TEMPFAIL of sysexits.h): no attempt is used up
//!   told to end       released    an interrupted attempt is no failed one
//!   anything else     failed      with the end of standard error
//! ```

use crate::pipeline::ReportKind;
use crate::pipeline::enrichment::DataPatch;
use crate::ports::Ending;

/// The exit status that gives the work back.
const NOT_NOW: i32 = 75;

/// What an ending is reported as, and with which data. `told_to_end`: the command was sent a signal before. `data` is what
/// it printed as data, if data is wanted.
pub(super) fn verdict(
    ending: Ending,
    told_to_end: bool,
    stderr: &str,
    data: Option<Result<DataPatch, String>>,
) -> (ReportKind, Option<DataPatch>) {
    let failed = |why: &str| {
        let error = if why.is_empty() {
            ending.to_string()
        } else {
            format!("{ending}: {why}")
        };
        let permanent = false;
        (ReportKind::Fail { error, permanent }, None)
    };
    match (ending, data) {
        (Ending::Exited(0), None) => (ReportKind::Complete, None),
        (Ending::Exited(0), Some(Ok(data))) => (ReportKind::Complete, Some(data)),
        (Ending::Exited(0), Some(Err(why))) => failed(&why),
        (Ending::Exited(NOT_NOW), _) => (ReportKind::Release, None),
        _ if told_to_end => (ReportKind::Release, None),
        _ => failed(stderr),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_reported_as() {
        let error = |error: &str| ReportKind::Fail {
            error: error.to_owned(),
            permanent: false,
        };
        let verdict = |ending, told, stderr: &str| verdict(ending, told, stderr, None).0;
        for told in [false, true] {
            assert_eq!(verdict(Ending::Exited(0), told, "x"), ReportKind::Complete);
            assert_eq!(verdict(Ending::Exited(75), told, "x"), ReportKind::Release);
        }
        assert_eq!(
            verdict(Ending::Exited(1), false, ""),
            error("exit status 1")
        );
        assert_eq!(
            verdict(Ending::Killed(9), false, "a\nb"),
            error("killed by SIGKILL: a\nb")
        );
        assert_eq!(verdict(Ending::Exited(1), true, "x"), ReportKind::Release);
        assert_eq!(verdict(Ending::Killed(15), true, "x"), ReportKind::Release);
    }

    #[test]
    fn where_data_is_wanted_there_is_no_end_without() {
        let data = DataPatch {
            patch: serde_json::from_str("{}").unwrap(),
            source: None,
            confidence: None,
        };
        let with = |ending, data| verdict(ending, false, "x", Some(data));
        assert_eq!(
            with(Ending::Exited(0), Ok(data.clone())),
            (ReportKind::Complete, Some(data.clone()))
        );
        let error = "exit status 0: no JSON".to_owned();
        assert_eq!(
            with(Ending::Exited(0), Err("no JSON".to_owned())).0,
            ReportKind::Fail {
                error,
                permanent: false
            }
        );
        // Of work that is not done nothing is taken.
        assert_eq!(
            with(Ending::Exited(75), Ok(data.clone())),
            (ReportKind::Release, None)
        );
        assert_eq!(with(Ending::Exited(1), Ok(data)).1, None);
    }
}
