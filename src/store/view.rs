//! A store to look at: what is shown is durable, or said not to be.

mod follow;
mod files;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::faults::{self, Fault};
use crate::log::Sha256Hex;
use crate::log::head::head_at;
use crate::log::reader::{Access, LogEnd, Tail};
use crate::pipeline::lease::Evidence;
use crate::pipeline::{Now, PipelineState};
use crate::ports::{FileId, Ports};
use crate::position::Seq;

pub use files::Files;

use super::facts::SnapshotFacts;
use super::known::Known;
use super::recovery::{self, Data, Recovered};
use super::{Options, TornTail, Warning, proof, replay};

/// A store, open for reading. Writes nothing, takes no lock, and works beside live writers.
pub struct View {
    state: PipelineState,
    end: LogEnd,
    durable: Seq,
    snapshot: SnapshotFacts,
    replayed: u64,
    warnings: Vec<Warning>,
    complete: bool,
    now: Now,
    known: Known,
    /// The root snapshot, as a file.
    root: Option<(FileId, u64)>,
}

impl View {
    /// Opens the store in `dir` and makes durable what will be shown.
    ///
    /// Where that cannot be done (a read-only file system, a sync that failed before), the view shows the state as far
    /// as it is known durable, says so in a warning, and [`View::complete`] is false.
    ///
    /// # Errors
    /// As [`super::Store::open`].
    pub fn open(ports: &Ports, dir: &Path, options: &Options) -> Result<Self> {
        Self::open_with(ports, dir, options, Data::Kept)
    }

    /// As [`View::open`], without the data of the items, for who asks for everything else.
    pub(super) fn open_without_data(ports: &Ports, dir: &Path, options: &Options) -> Result<Self> {
        Self::open_with(ports, dir, options, Data::LeftOut)
    }

    fn open_with(ports: &Ports, dir: &Path, options: &Options, data: Data) -> Result<Self> {
        let (now, root) = (ports.clock.now(), follow::root(ports, dir));
        let recovered = recovery::recover(ports, dir, options, Access::ReadOnly, data)?;
        let Recovered {
            log,
            mut state,
            mut end,
            snapshot,
            replayed,
            mut warnings,
            ..
        } = recovered;
        if faults::on(Fault::ReaderWrites) {
            let wal = log.wal_dir();
            let _ = crate::log::mark::raise(&*ports.disk, wal, end.position.last_seq());
        }
        let mut complete = true;
        let last = end.position.last_seq();
        let durable = match proof::prove(ports, &log, &mut end)? {
            Ok(durable) => durable,
            Err(unproven) => {
                complete = false;
                let shown = format!("the state is shown as of {}", unproven.known);
                let said = format!("{}; {shown}", unproven.words(last));
                warnings.push(Warning::new("W-UNCONFIRMED", said));
                let known = unproven.known;
                state = match data {
                    Data::Kept => replay::fold_through(ports, dir, options, known)?,
                    Data::LeftOut => replay::past_without_data(ports, dir, options, known)?.state,
                };
                unproven.known
            }
        };
        let known = Known::look(ports, dir);
        state.note_signs(&known, &now);
        Ok(Self {
            state,
            end,
            durable,
            snapshot,
            replayed,
            warnings,
            complete,
            now,
            known,
            root,
        })
    }

    /// The state.
    pub fn state(&self) -> &PipelineState {
        &self.state
    }

    /// What lets every user of the system write into the store, beyond what [`View::warnings`] says; of the last thousand
    /// segments. For who asks after the store as a whole: it looks at each file.
    pub fn exposed(ports: &Ports, dir: &Path) -> Vec<Warning> {
        const LOOKED_AT: usize = 1_000;
        const NAMED: usize = 5;
        let found = super::dir::exposed(ports, dir, LOOKED_AT);
        let more = found.len().saturating_sub(NAMED);
        let warning = |said| Warning::new("W-WORLD-WRITABLE", said);
        let mut warnings: Vec<Warning> = found
            .iter()
            .take(NAMED)
            .map(|it| {
                let path = it.path.display();
                warning(format!("{path}: {}; chmod o-w {path}", it.what))
            })
            .collect();
        if more > 0 {
            warnings.push(warning(format!(
                "{more} more files like these: phaselog verify"
            )));
        }
        warnings
    }

    /// The state, when the rest is no longer needed.
    pub fn into_state(self) -> PipelineState {
        self.state
    }

    /// What is known beyond the records: signs of life, and which owners live.
    pub fn known(&self) -> &dyn Evidence {
        &self.known
    }

    /// The moment at which the view was opened.
    pub fn now(&self) -> &Now {
        &self.now
    }

    /// The last record in what is shown.
    pub fn last_seq(&self) -> Seq {
        self.state.last_seq
    }

    /// The id of the log: 32 hex digits, the same for ever.
    pub fn log_id(&self) -> String {
        self.end.position.log.to_string()
    }

    /// The highest record known to be durable.
    pub fn durable_seq(&self) -> Seq {
        self.durable
    }

    /// The head of the log at the last record: one SHA-256 that stands for the whole history. `None` where the log has
    /// more than could be shown.
    ///
    /// # Errors
    /// [`Error::Io`] if the last segment cannot be read again.
    pub fn head(&self) -> Result<Option<Sha256Hex>> {
        if !self.complete {
            return Ok(None);
        }
        let position = &self.end.position;
        head_at(&*self.end.file, position.sha256, position.offset.get())
            .map(Some)
            .map_err(Error::io("read", position.segment.file_name()))
    }

    /// False if the log has more than could be shown.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// The last record in the valid snapshot; `None` if there is none.
    pub fn snapshot_seq(&self) -> Option<Seq> {
        self.snapshot.seq
    }

    /// Records read behind the snapshot.
    pub fn replayed(&self) -> u64 {
        self.replayed
    }

    /// The last record in snapshots of which a record says that they were in place.
    pub(super) const fn compacted(&self) -> Seq {
        self.snapshot.compacted
    }

    /// Snapshots that somebody else changed.
    pub fn edited(&self) -> &[PathBuf] {
        &self.snapshot.edited
    }

    /// What was noticed on the way.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The tail that a crash cut off and nobody has sealed yet.
    pub fn torn(&self) -> Option<TornTail> {
        let position = &self.end.position;
        match self.end.tail {
            Tail::Torn { bytes, .. } => Some(TornTail {
                segment: position.segment,
                offset: position.offset,
                bytes,
                sealed_by: None,
            }),
            _ => None,
        }
    }
}
