//! Files beside a `work_items.json` that is older than they are: they look changed, and are as they were written.

use std::path::Path;

use crate::ports::Ports;
use crate::snapshot::set::ROOT;
use crate::snapshot::{enrichment, extraction};

use super::super::replay::{self, At};
use super::super::{Options, View};
use super::Finding;
use crate::store::as_written;

/// Tells of the files that were changed which of them are those of the set that was written last.
pub(super) fn look(
    ports: &Ports,
    dir: &Path,
    options: &Options,
    view: &View,
    findings: &mut [Finding],
) {
    let (root, compacted) = (view.files(ports, dir).root, view.compacted());
    let is_edited = |it: &Finding| {
        it.code == "V-EDITED" && [enrichment::NAME, extraction::NAME].contains(&&*it.place)
    };
    let Some(root) = root.filter(|root| *root < compacted) else {
        return;
    };
    if !findings.iter().any(is_edited) {
        return;
    }
    // What cannot be told stays as it was found.
    let Ok(past) = replay::past(ports, dir, options, At::Seq(compacted)) else {
        return;
    };
    for finding in findings.iter_mut().filter(|it| is_edited(it)) {
        let path = dir.join(&finding.place);
        if as_written::is_of(&*ports.disk, &path, &finding.place, &past.state).unwrap_or(false) {
            let place = finding.place.clone();
            *finding = Finding::warning("V-EDITED", place)
                .saying(format!(
                    "it is as the snapshot of {compacted} had it, and {ROOT} is that of {root}: an older {ROOT} was put back; the log has everything"
                ))
                .then("compact --discard-edits", &[]);
        }
    }
}
