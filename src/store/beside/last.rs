//! What a file beside the root said the last time, if nothing tells when it was written.

use std::collections::HashMap;

use crate::error::Result;
use crate::position::Seq;
use crate::snapshot::import::{BesideItem, Says};

use super::super::given::BesideOriginal;
use super::super::lineage::last_other;
use super::super::strays::last_import;
use super::against::LastTime;
use super::finder::Finder;
use super::sayable::{can_say, said_in_form};

impl Finder<'_> {
    /// What was taken over last from where the file lies, if that was something else, as far as its form could say it.
    pub(super) fn last_time(&self, original: &BesideOriginal) -> Result<Option<LastTime>> {
        let (document, prefer) = (&original.document, self.how.prefer_file);
        let file = &document.file;
        // What stands behind the damage of a file was taken out by nobody.
        if document.findings.iter().any(|it| it.code == "I-SALVAGED") {
            return Ok(None);
        }
        // Asked to let the file count, the same bytes are held against what lay there before them.
        let last = last_other(&*self.ports.disk, self.imports, file, prefer);
        let version = last.map(|last| self.version_of(last, file)).transpose()?;
        let Some(version) = version.flatten() else {
            return Ok(None);
        };
        let (mut data, _) = self.held_against(&version, original)?;
        let data = data
            .drain()
            .filter_map(|(name, changed)| Some((name, changed?.base)));
        let data = data.collect();
        let (mut items, mut said) = (Vec::new(), HashMap::new());
        for BesideItem { name, says, .. } in version.document.items {
            if let Says::Extraction(mut change) = says {
                if !can_say(&file.shape, &change) {
                    continue;
                }
                said_in_form(&file.shape, &mut change);
                said.insert(name.clone(), change);
            }
            items.push(name);
        }
        Ok(Some(LastTime {
            seq: version.seq,
            told: last_import(self.imports, &file.sha256).unwrap_or(Seq::NONE),
            items,
            data,
            said,
            extras: version.document.file.extras,
        }))
    }
}
