//! `log.state`: everything `apply` keeps that the readable part does not show, one line a row.
//!
//! ```text
//!   "seqs":   [item, since, token, since, token, …]   by phase, zeros at the end left out; the token of a phase in
//!                                                     progress is shown where the phase is
//!   "phases": [item, phase, {…}]                      what only few phases have
//!   "holds":  [item, seq, reason]
//!   "ops":    [seq, {id, event, item, phase}]         the ids of reports
//!   "ids":    item                                    whose own id is the one it would have without
//!   "extras": [item, phase, [[after, key, text], …]]  unknown fields that would not read back as they are; the item or
//!                                                     phase is null for the document or the item itself, the text
//!                                                     is null where the field is shown
//!   "offsets": [count, seconds east of UTC]           of the times of a file that shows them without, in its order
//!   "data":   [item, [seq, at, source, confidence], [[[seq, at, …], [field, …]], …], address]
//!                                                     who brought the item's data, who changed which fields later; in
//!                                                     a list, where its own address stands and what it is, if that
//!                                                     is not the item
//!   "extraction": [item, status, last checked, retries, since]
//!   "files":  [kind, shape, changed at, [[after, key, text], …]]    of the other snapshots
//! ```
//!
//! Items and phases are indexes; a row that would say nothing is left out.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize};

use crate::faults::{self, Fault};
use crate::pipeline::enrichment::SetBy;
use crate::pipeline::event::{ImportedFile, Owner};
use crate::pipeline::extraction::{ExtractionStatus, ItemExtraction};
use crate::pipeline::field::FieldPath;
use crate::pipeline::item::{Hold, Lease, Refusal, Return};
use crate::pipeline::json::{Extra, Extras};
use crate::pipeline::op_ids::Operation;
use crate::pipeline::state::{Companion, ImportSource};
use crate::pipeline::time::BootInstant;
use crate::pipeline::time::SnapshotTimes;
use crate::pipeline::{Item, Json, PhaseState, PipelineState, Status, Timestamp};
use crate::position::Seq;
use crate::snapshot::Offsets;
use crate::snapshot::enrichment::{self, OwnAddress};
use crate::snapshot::layout::{DOCUMENT, ITEM, Level, PHASE, hidden, read_back};
use crate::snapshot::sink::Object;
use crate::snapshot::times::{from_naive, micros};

/// One unknown field with its place: the key behind which it stands, its own, and its value if that is not shown.
type PlacedField = (String, String, Option<String>);

/// `log.state` as read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rest {
    last_seq: Seq,
    #[serde(rename = "started_at_us", with = "micros")]
    started_at: Option<Timestamp>,
    session_imported: bool,
    times: SnapshotTimes,
    offsets: Offsets,
    rejected: u64,
    imports: Vec<ImportSource>,
    ops: Vec<(Seq, Operation)>,
    ids: Vec<usize>,
    holds: Vec<(usize, Seq, Option<String>)>,
    seqs: Vec<Vec<u64>>,
    phases: Vec<(usize, usize, PhaseRest)>,
    extras: Vec<(Option<usize>, Option<usize>, Vec<PlacedField>)>,
    data: Vec<DataRow>,
    extraction: Vec<ExtractionRow>,
    files: Vec<FileRow>,
}

/// What the root says of the data of one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRow(
    pub(in crate::snapshot) usize,
    pub(in crate::snapshot) Option<SetBy>,
    pub(in crate::snapshot) Vec<(SetBy, Vec<FieldPath>)>,
    pub(in crate::snapshot) Option<OwnAddress>,
);

/// How an item and its extraction stand: the item, the status, when it was looked at, failures, the record.
type ExtractionRow = (usize, Option<ExtractionStatus>, Option<i64>, u32, Seq);

/// Another snapshot: its kind, shape, the time of its last change in microseconds, its unknown fields.
type FileRow = (String, String, Option<i64>, Vec<(String, String, String)>);

/// The keys of [`Rest`]: one that is not among them is of a newer version.
pub(super) const KEYS: [&str; 16] = [
    "last_seq",
    "started_at_us",
    "session_imported",
    "times",
    "offsets",
    "rejected",
    "imports",
    "ops",
    "ids",
    "holds",
    "seqs",
    "phases",
    "extras",
    "data",
    "extraction",
    "files",
];

/// What only few phases have.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct PhaseRest {
    #[serde(skip_serializing_if = "is_default")]
    forgiven: u32,
    #[serde(skip_serializing_if = "is_default")]
    permanent: bool,
    #[serde(rename = "due_us", with = "micros", skip_serializing_if = "is_default")]
    due: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    lease: Option<LeaseRow>,
    #[serde(skip_serializing_if = "is_default")]
    returned: Option<Return>,
    #[serde(
        rename = "completed_at_us",
        with = "micros",
        skip_serializing_if = "is_default"
    )]
    completed_at: Option<Timestamp>,
    #[serde(
        rename = "failed_at_us",
        with = "micros",
        skip_serializing_if = "is_default"
    )]
    failed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    refused: Vec<Refusal>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LeaseRow {
    at_us: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    wall_only: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    boot: Option<(String, u64)>,
    #[serde(default, skip_serializing_if = "is_default")]
    asleep_us: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    owner: Option<Owner>,
    #[serde(default, skip_serializing_if = "is_default")]
    progress: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes `log.state`.
pub(super) fn write(
    mut object: Object<'_, '_>,
    state: &PipelineState,
    rows: &mut dyn Iterator<Item = DataRow>,
) -> io::Result<()> {
    object.number("last_seq", state.last_seq.get());
    if let Some(at) = state.document.started_at {
        object.key("started_at_us");
        object.sink.put(&at.micros().to_string());
    }
    if state.document.session.is_some() {
        object.key("session_imported");
        object.sink.put("true");
    }
    if state.document.times == SnapshotTimes::Naive {
        object.text("times", "naive");
    }
    let offsets = object.sink.offsets();
    if !offsets.is_empty() {
        table(&mut object, "offsets", offsets.rows())?;
    }
    if state.rejected > 0 {
        object.number("rejected", state.rejected);
    }
    table(&mut object, "imports", state.imports.iter())?;
    let ops = state.op_ids.iter();
    table(
        &mut object,
        "ops",
        ops.filter(|_| !faults::on(Fault::OpIdsNotInSnapshot)),
    )?;
    // Most of what follows only few items have.
    let rare = || state.rare_items();
    let own_ids = rare().filter(|(_, item)| {
        item.id
            .as_deref()
            .is_some_and(|id| *id == *item.name.derived_id())
    });
    table(&mut object, "ids", own_ids.map(|(index, _)| index))?;
    let holds = rare()
        .filter_map(|(index, item)| item.hold.as_ref().map(|h| (index, h.seq, h.reason.clone())));
    table(
        &mut object,
        "holds",
        holds.filter(|_| !faults::on(Fault::HoldsNotInSnapshot)),
    )?;
    table(
        &mut object,
        "seqs",
        state.items().enumerate().filter_map(seqs),
    )?;
    let phases = rare().flat_map(|(index, item)| {
        let phases = item.phases.iter().enumerate();
        let rests = phases.map(|(phase, state)| (index, phase, PhaseRest::of(state)));
        rests
            .filter(|(.., rest)| !is_default(rest))
            .collect::<Vec<_>>()
    });
    table(&mut object, "phases", phases)?;
    let of_items = rare().flat_map(|(index, item)| {
        let phases = item.phases.iter().enumerate();
        let of_phases = phases
            .map(|(phase, state)| misplaced((Some(index), Some(phase)), PHASE, &state.extras));
        std::iter::once(misplaced((Some(index), None), ITEM, &item.extras))
            .chain(of_phases)
            .flatten()
            .collect::<Vec<_>>()
    });
    let of_document = misplaced((None, None), DOCUMENT, &state.document.extras);
    table(
        &mut object,
        "extras",
        of_document.into_iter().chain(of_items),
    )?;
    table(&mut object, "data", rows)?;
    let extractions = rare().filter_map(|(index, item)| {
        let it = item.extraction.as_deref()?;
        let checked = it.last_checked.map(Timestamp::micros);
        Some((index, it.status, checked, it.retry_count, it.since))
    });
    table(&mut object, "extraction", extractions)?;
    let files = [
        (ImportedFile::ENRICHMENT, &state.enrichment),
        (ImportedFile::EXTRACTION, &state.extraction),
    ];
    let files = files.into_iter().filter_map(|(kind, file)| {
        let file = file.as_ref()?;
        // The values are text in text, as those of hidden fields are.
        let extra = |it: &Extra| {
            (
                it.after.to_string(),
                it.key.to_string(),
                it.value.to_string(),
            )
        };
        let extras: Vec<_> = file.extras.iter().map(extra).collect();
        Some((
            kind,
            &file.shape,
            file.changed_at.map(Timestamp::micros),
            extras,
        ))
    });
    table(&mut object, "files", files)?;
    object.close();
    Ok(())
}

/// Writes a table, one line a row, unless it has none.
fn table(
    object: &mut Object<'_, '_>,
    key: &'static str,
    rows: impl Iterator<Item = impl Serialize>,
) -> io::Result<()> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    object.key(key);
    let sink = &mut *object.sink;
    let mut before = "[";
    for row in rows {
        sink.put(before);
        before = ",";
        sink.line(4);
        serde_json::to_writer(&mut sink.buffer, &row).expect("a vector takes all bytes");
        sink.pass_on()?;
    }
    sink.line(3);
    sink.put("]");
    Ok(())
}

fn seqs((index, item): (usize, Cow<'_, Item>)) -> Option<Vec<u64>> {
    let mut row = Vec::with_capacity(1 + 2 * item.phases.len());
    row.push(index as u64);
    for phase in &item.phases {
        let token = phase
            .token
            .filter(|_| phase.status != Status::InProgress)
            .filter(|_| !faults::on(Fault::TokensNotInSnapshot))
            .unwrap_or(Seq::NONE);
        row.extend([phase.since.get(), token.get()]);
    }
    while row.len() > 1 && row.last() == Some(&0) {
        row.pop();
    }
    (row.len() > 1).then_some(row)
}

/// Puts a row of `seqs` into its item; `None` if it names what is not there.
pub(super) fn put_seqs(state: &mut PipelineState, row: &[u64]) -> Option<()> {
    let (&item, seqs) = row.split_first()?;
    let item = state.item_at_mut(usize::try_from(item).ok()?)?;
    if seqs.len() > 2 * item.phases.len() {
        return None;
    }
    for (phase, seqs) in item.phases.iter_mut().zip(seqs.chunks(2)) {
        phase.since = Seq::new(seqs[0]);
        let token = seqs.get(1).filter(|&&token| token > 0);
        phase.token = phase.token.or(token.map(|&token| Seq::new(token)));
    }
    Some(())
}

/// What the root says of the items' data, item by item.
pub fn data_rows(state: &PipelineState) -> impl Iterator<Item = DataRow> {
    let list = enrichment::Shape::of(state) == enrichment::Shape::List;
    state.data().map(move |(index, data)| {
        let (origin, later) = (data.origin().cloned(), data.later().to_vec());
        let own = if list {
            OwnAddress::of(state.name_at(index), data.object())
        } else {
            None
        };
        DataRow(index, origin, later, own)
    })
}

/// The row of unknown fields that would not read back as they are.
fn misplaced(
    (item, phase): (Option<usize>, Option<usize>),
    level: &Level,
    extras: &Extras,
) -> Option<(Option<usize>, Option<usize>, Vec<PlacedField>)> {
    let is_misplaced = !extras.is_empty() && !read_back(level, extras);
    is_misplaced.then(|| (item, phase, fields(level, extras)))
}

fn fields(level: &Level, extras: &Extras) -> Vec<PlacedField> {
    // A hidden value is text in text: its depth then counts from its own start, as it did in its record.
    let field = |(extra, hidden): (&Extra, bool)| {
        let value = hidden.then(|| extra.value.as_str().to_owned());
        (extra.after.to_string(), extra.key.to_string(), value)
    };
    extras
        .iter()
        .zip(hidden(level, extras))
        .map(field)
        .collect()
}

impl PhaseRest {
    fn of(phase: &PhaseState) -> Self {
        let shown = phase.status;
        Self {
            forgiven: phase.forgiven,
            permanent: phase.permanent,
            due: phase.due,
            lease: phase.lease.as_deref().map(|lease| LeaseRow {
                at_us: lease.at.micros(),
                wall_only: lease.wall_only,
                boot: lease
                    .boot
                    .as_ref()
                    .map(|boot| (boot.boot.clone(), boot.micros)),
                asleep_us: lease.boot.as_ref().map_or(0, |boot| boot.asleep_us),
                owner: lease.owner.clone(),
                progress: lease.progress.as_deref().map(str::to_owned),
            }),
            returned: phase.returned.as_deref().cloned(),
            completed_at: phase
                .completed_at
                .filter(|_| matches!(shown, Status::InProgress | Status::Failed)),
            failed_at: phase.failed_at.filter(|_| shown != Status::Failed),
            refused: phase.refused.to_vec(),
        }
    }

    fn put_into(self, phase: &mut PhaseState) -> Option<()> {
        (phase.forgiven, phase.permanent, phase.due) = (self.forgiven, self.permanent, self.due);
        phase.lease = match self.lease {
            None => None,
            Some(row) => Some(Box::new(Lease {
                at: Timestamp::from_micros(row.at_us)?,
                wall_only: row.wall_only,
                boot: row.boot.map(|(boot, micros)| BootInstant {
                    boot,
                    micros,
                    asleep_us: row.asleep_us,
                }),
                owner: row.owner,
                progress: row.progress.map(String::into_boxed_str),
            })),
        };
        phase.returned = self.returned.map(Box::new);
        phase.refused = self.refused.into_boxed_slice();
        phase.completed_at = phase.completed_at.or(self.completed_at);
        phase.failed_at = phase.failed_at.or(self.failed_at);
        phase.tidy();
        Some(())
    }
}

impl Rest {
    /// Brings in which ids are an item's own although they look derived; `None` if that fits no items.
    pub(super) fn put_own_ids(&self, state: &mut PipelineState) -> Option<()> {
        if !self.ids.is_sorted_by(|one, next| one < next) {
            return None;
        }
        for index in &self.ids {
            let item = state.item_at_mut(*index)?;
            if item.id.is_none() {
                item.id = Some(item.name.derived_id().into());
            }
        }
        Some(())
    }

    /// True if the session shown is the imported one.
    pub(super) const fn session_is_imported(&self) -> bool {
        self.session_imported
    }

    /// The offsets that the file's times were written with.
    pub(super) const fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Makes the times that were shown without an offset those that are meant, in the order in which they are written;
    /// `None` unless there is exactly one offset for each.
    pub(super) fn put_offsets(
        &self,
        state: &mut PipelineState,
        last_checkpoint: &mut Option<Timestamp>,
    ) -> Option<()> {
        if self.offsets.is_empty() {
            return Some(());
        }
        let mut offsets = self.offsets.clone();
        if !self.session_imported && self.started_at.is_some() {
            offsets.next()?;
        }
        let mut mend = |time: &mut Option<Timestamp>| {
            if let Some(written) = *time {
                *time = Some(from_naive(written, offsets.next()?)?);
            }
            Some(())
        };
        let mut index = 0;
        while let Some(item) = state.item_at_mut(index) {
            index += 1;
            for phase in &mut item.phases {
                mend(&mut phase.started_at)?;
                mend(&mut phase.failed_at)?;
                mend(&mut phase.completed_at)?;
                mend(&mut phase.stale_reset_at)?;
            }
            mend(&mut item.created_at)?;
            mend(&mut item.last_updated)?;
        }
        mend(last_checkpoint)?;
        offsets.is_empty().then_some(())
    }

    /// Puts the rows on items into the items; `None` if a row names what is not there.
    pub(super) fn put_into_items(&mut self, state: &mut PipelineState) -> Option<()> {
        for (item, seq, reason) in self.holds.drain(..) {
            state.item_at_mut(item)?.hold = Some(Box::new(Hold { seq, reason }));
        }
        for row in self.seqs.drain(..) {
            put_seqs(state, &row)?;
        }
        for (item, phase, rest) in self.phases.drain(..) {
            rest.put_into(state.item_at_mut(item)?.phases.get_mut(phase)?)?;
        }
        Some(())
    }

    /// What is said of the items' data.
    pub(super) fn take_data(&mut self) -> Vec<DataRow> {
        std::mem::take(&mut self.data)
    }

    /// Puts in how the extractions stand, and what the other snapshots are; `None` if a row names what is not there.
    pub(super) fn put_extraction(&mut self, state: &mut PipelineState) -> Option<()> {
        let time = |micros: Option<i64>| match micros {
            Some(micros) => Timestamp::from_micros(micros).map(Some),
            None => Some(None),
        };
        for (item, status, checked, retry_count, since) in self.extraction.drain(..) {
            let extraction = ItemExtraction {
                status,
                last_checked: time(checked)?,
                retry_count,
                since,
            };
            state.set_extraction(item, extraction)?;
        }
        for (kind, shape, changed, fields) in self.files.drain(..) {
            let mut extras = Extras::default();
            for (after, key, text) in fields {
                extras.push(&after, &key, serde_json::from_str(&text).ok()?);
            }
            let file = Companion {
                shape: shape.into(),
                changed_at: time(changed)?,
                extras,
            };
            match &*kind {
                ImportedFile::ENRICHMENT => state.enrichment = Some(file),
                ImportedFile::EXTRACTION => state.extraction = Some(file),
                _ => return None,
            }
        }
        Some(())
    }

    /// Puts everything else into the state.
    pub(super) fn put_into_state(self, state: &mut PipelineState) {
        state.last_seq = self.last_seq;
        state.document.started_at = self.started_at;
        state.document.times = self.times;
        state.rejected = self.rejected;
        state.imports = self.imports;
        for (seq, operation) in self.ops {
            state.op_ids.note(seq, operation);
        }
    }

    /// Puts unknown fields back into their order; `None` if a row names what is not there.
    pub(super) fn reorder(
        &mut self,
        document: &mut Extras,
        state: &mut PipelineState,
    ) -> Option<()> {
        for (item, phase, fields) in self.extras.drain(..) {
            let shown = match (item, phase) {
                (None, _) => &mut *document,
                (Some(item), None) => &mut state.item_at_mut(item)?.extras,
                (Some(item), Some(phase)) => {
                    &mut state.item_at_mut(item)?.phases.get_mut(phase)?.extras
                }
            };
            let mut ordered = Extras::default();
            for (after, key, text) in fields {
                let value = match text {
                    Some(text) => serde_json::from_str::<Json>(&text).ok()?,
                    None => shown.get(&key)?.clone(),
                };
                ordered.push(&after, &key, value);
            }
            *shown = ordered;
        }
        Some(())
    }
}
