//! A directory that is no store yet: what an import of the three files in it would meet.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::pipeline::event::ImportedFile;
use crate::ports::Ports;
use crate::snapshot::import::{self, ImportedDocument};
use crate::snapshot::set::ROOT;
use crate::snapshot::{enrichment, extraction, work_items};

use super::super::beside;
use super::super::given::BesideOriginal;
use super::files::{lying_around, of_import};
use super::{Finding, Severity};

/// Looks at the state files.
pub(super) fn look(ports: &Ports, dir: &Path, findings: &mut Vec<Finding>) {
    let looking = Looking {
        ports,
        dir,
        reading: import::Options::new(ports.clock.now().at),
    };
    let root = looking.root(findings);
    let beside: Vec<BesideOriginal> = [enrichment::NAME, extraction::NAME]
        .into_iter()
        .filter_map(|name| looking.beside(name, findings))
        .collect();
    let given = dir.display().to_string();
    let found = match (&root, beside.is_empty()) {
        (Some(document), _) => Finding::note("D-NO-STORE", ROOT).saying(format!(
            "there is no store here yet; an import would take over {} items with {} phases (shape {})",
            document.items.len(),
            document.plan.phases().len(),
            document.file.shape
        )),
        (None, false) => Finding::note("D-NO-STORE", ".").saying(
            "there is no store here yet; an import would begin one with the files beside work_items.json",
        ),
        (None, true) if findings.iter().any(|it| it.code == "D-UNREADABLE") => return,
        (None, true) => {
            findings.push(
                Finding::note("D-NO-STORE", ".")
                    .saying("there is no store here, and no work_items.json to take over")
                    .then("init --phase NAME …", &[]),
            );
            lying_around(ports, dir, false, findings);
            return;
        }
    };
    findings.push(found.then("import --dry-run", &[&given]));
    let events = root.iter().flat_map(ImportedDocument::events);
    let results = match beside::onto(ports, None, events, &beside) {
        Ok((_, results)) => results,
        Err(error) => {
            let unreadable = Finding::warning("D-UNREADABLE", ".").saying(error.to_string());
            findings.push(unreadable.advice("look again"));
            Vec::new()
        }
    };
    if let Some(document) = &root {
        findings.extend(document.findings.iter().map(|it| of_import(it, ROOT)));
    }
    for (original, result) in beside.iter().zip(&results) {
        let name = original.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        findings.extend(result.findings.iter().map(|it| of_import(it, &name)));
    }
    lying_around(ports, dir, false, findings);
}

struct Looking<'a> {
    ports: &'a Ports,
    dir: &'a Path,
    reading: import::Options,
}

impl Looking<'_> {
    /// The bytes of a file, if it is there and something stands in it.
    fn bytes(&self, name: &str, findings: &mut Vec<Finding>) -> Option<Vec<u8>> {
        let path = self.dir.join(name);
        match self.ports.disk.read(&path, import::MAX_FILE_BYTES) {
            Ok(bytes) if bytes.trim_ascii().is_empty() => {
                findings.push(
                    Finding::note("I-EMPTY", name)
                        .saying("nothing stands in it; an import passes it over")
                        .advice(import::advice("I-EMPTY")),
                );
                None
            }
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                findings.push(
                    Finding::warning("D-UNREADABLE", name)
                        .saying(format!("it cannot be read: {error}"))
                        .advice(
                            "give this user the right to read it, and look at the disk (dmesg)",
                        ),
                );
                None
            }
        }
    }

    fn root(&self, findings: &mut Vec<Finding>) -> Option<ImportedDocument> {
        let bytes = self.bytes(ROOT, findings)?;
        if work_items::decode_names(&bytes).usable().is_some() {
            findings.push(
                Finding::new("D-NO-LOG", Severity::Damage, ROOT)
                    .saying("it is a snapshot whose log is gone: what happened after it is lost, its history too")
                    .advice("put wal/ back from a backup; without one, import takes over what the snapshot has"),
            );
        }
        let path = self.dir.join(ROOT);
        let read = import::read(&path.display().to_string(), &bytes, &self.reading);
        self.readable(read, ROOT, ImportedFile::WORK_ITEMS, &bytes, findings)
    }

    fn beside(&self, name: &str, findings: &mut Vec<Finding>) -> Option<BesideOriginal> {
        let bytes = self.bytes(name, findings)?;
        let path = self.dir.join(name);
        let kind = match name {
            extraction::NAME => ImportedFile::EXTRACTION,
            _ => ImportedFile::ENRICHMENT,
        };
        let read = import::read_beside(&path.display().to_string(), &bytes, kind, &self.reading);
        let document = self.readable(read, name, kind, &bytes, findings)?;
        Some(BesideOriginal { path, document })
    }

    /// What was read, or the finding that it cannot be.
    fn readable<T>(
        &self,
        read: Result<T, Error>,
        name: &str,
        kind: &str,
        bytes: &[u8],
        findings: &mut Vec<Finding>,
    ) -> Option<T> {
        let error = match read {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let path = self.dir.join(name);
        let finding = Finding::warning("D-UNREADABLE", name).saying(error.to_string());
        findings.push(if import::can_salvage(&path, bytes, kind, &self.reading) {
            finding.then(
                "import --salvage --dry-run",
                &[&self.dir.display().to_string()],
            )
        } else {
            finding.advice("mend the file there, or put back a whole copy of it")
        });
        None
    }
}
