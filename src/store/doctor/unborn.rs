//! A directory that is no store yet: what an import would meet there.

use std::path::Path;

use crate::ports::Ports;
use crate::snapshot::import;
use crate::snapshot::set::ROOT;
use crate::snapshot::work_items;

use super::files::{lying_around, of_import};
use super::{Finding, Severity};

/// Looks at the state files.
pub(super) fn look(ports: &Ports, dir: &Path, findings: &mut Vec<Finding>) {
    let path = dir.join(ROOT);
    let given = path.display().to_string();
    match ports.disk.read(&path, import::MAX_FILE_BYTES) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => findings.push(
            Finding::note("D-NO-STORE", ".")
                .saying("there is no store here, and no work_items.json to take over")
                .then("init --phase NAME …", &[]),
        ),
        Err(error) => findings.push(
            Finding::warning("D-UNREADABLE", ROOT).saying(format!("it cannot be read: {error}")),
        ),
        Ok(bytes) => {
            if work_items::decode_names(&bytes).usable().is_some() {
                findings.push(
                    Finding::new("D-NO-LOG", Severity::Damage, ROOT)
                        .saying("it is a snapshot whose log is gone: what happened after it is lost, its history too")
                        .advice("put wal/ back from a backup; without one, import takes over what the snapshot has"),
                );
            }
            let reading = import::Options::new(ports.clock.now().at);
            match import::read(&given, &bytes, &reading) {
                Ok(document) => {
                    findings.push(
                        Finding::note("D-NO-STORE", ROOT)
                            .saying(format!(
                                "there is no store here yet; an import would take over {} items with {} phases (shape {})",
                                document.items.len(),
                                document.plan.phases().len(),
                                document.file.shape
                            ))
                            .then("import --dry-run", &[&dir.display().to_string()]),
                    );
                    findings.extend(document.findings.iter().map(|it| of_import(it, ROOT)));
                }
                Err(error) => findings.push(
                    Finding::warning("D-UNREADABLE", ROOT)
                        .saying(error.to_string())
                        .then("import --salvage --dry-run", &[&given]),
                ),
            }
        }
    }
    lying_around(ports, dir, false, findings);
}
