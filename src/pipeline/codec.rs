//! Events to payloads and back: the JSON of format 1.
//!
//! One flat struct with every field of every kind, read in one pass without looking at the tag first. An enum
//! tagged from inside would have to buffer each object, and loses the digits of numbers on the way.
//!
//! Before that, `fast` tries the order in which this version writes the kinds that make up a log.

mod fast;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::edit::{Change, Edit};
use super::enrichment::DataChange;
use super::event::{Event, ImportedFile, ImportedItem, Owner, Record, ResetCause};
use super::extraction::ExtractionChange;
use super::json::{Extras, Json};
use super::names::{ItemId, Phase};
use super::plan::PhasePlan;
use super::status::Status;
use super::time::{BootInstant, SnapshotTimes, Timestamp};
use crate::position::Seq;

/// Why a payload is no event that this version can fold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// An event of a newer version.
    #[error("event {kind:?} is not known to this version")]
    UnknownKind {
        /// The word in `event`.
        kind: String,
    },
    /// Not the JSON of an event.
    #[error("{message}")]
    Malformed {
        /// What is wrong.
        message: String,
    },
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<ItemId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Seq>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<DataChange>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extraction: Option<Box<ExtractionChange>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot_us: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    asleep_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    permanent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<ResetCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    covers: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phases: Option<Vec<PhasePlan>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<Box<ImportedItem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extras: Option<Extras>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<SnapshotTimes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<Box<Change>>,
}

/// The events this version folds.
const KINDS: [&str; 20] = [
    "segment",
    "planned",
    "added",
    "started",
    "completed",
    "failed",
    "skipped",
    "released",
    "reset",
    "retried",
    "held",
    "unheld",
    "renewed",
    "enriched",
    "extracted",
    "edited",
    "imported",
    "compacted",
    "rejected",
    "noted",
];

/// Writes an event as the payload of a record: compact JSON, `at` first.
///
/// A segment's header is not written here: its fields belong to the log.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
pub fn encode(event: &Event, at: Timestamp, clock_given: bool) -> String {
    let mut wire = Wire {
        at: Some(at),
        clock: clock_given.then_some(Cow::Borrowed("given")),
        event: Cow::Borrowed(event.kind()),
        item: event.item().cloned(),
        op: event.op().map(str::to_owned),
        phase: event.phase().cloned(),
        ..Wire::default()
    };
    match event.clone() {
        Event::Segment | Event::Retried { .. } | Event::Unheld { .. } => {}
        Event::Planned { phases } => wire.phases = Some(phases),
        Event::Added { id, imported, .. } => (wire.id, wire.imported) = (id, imported),
        Event::Started {
            worker,
            boot,
            owner,
            ..
        } => {
            (wire.worker, wire.owner) = (worker, owner);
            wire.asleep_us = boot.as_ref().map_or(0, |boot| boot.asleep_us);
            (wire.boot, wire.boot_us) = split_boot(boot);
        }
        Event::Completed {
            token,
            late,
            data,
            extraction,
            ..
        } => {
            (wire.token, wire.late) = (token, late);
            (wire.data, wire.extraction) = (data, extraction);
        }
        Event::Failed {
            token,
            late,
            error,
            permanent,
            due,
            ..
        } => {
            (wire.token, wire.late) = (token, late);
            (wire.error, wire.permanent, wire.due) = (Some(error), permanent, due);
        }
        Event::Skipped {
            token,
            late,
            reason,
            ..
        } => {
            (wire.token, wire.late, wire.reason) = (token, late, reason);
        }
        Event::Released { token, .. } => wire.token = token,
        Event::Reset {
            token,
            cause,
            elapsed_us,
            limit_us,
            evidence,
            ..
        } => {
            (wire.token, wire.cause) = (token, Some(cause));
            (wire.elapsed_us, wire.limit_us) = (Some(elapsed_us), Some(limit_us));
            wire.evidence = Some(evidence);
        }
        Event::Held { reason, .. } => wire.reason = reason,
        Event::Renewed {
            token,
            boot,
            progress,
            ..
        } => {
            (wire.token, wire.progress) = (token, progress);
            wire.asleep_us = boot.as_ref().map_or(0, |boot| boot.asleep_us);
            (wire.boot, wire.boot_us) = split_boot(boot);
        }
        Event::Enriched { data, .. } => wire.data = Some(data),
        Event::Extracted { extraction, .. } => wire.extraction = Some(extraction),
        Event::Edited(edit) => {
            let failed = edit.change.now == Some(Status::Failed);
            wire.error = failed.then(|| edit.change.error());
            wire.edit = Some(Box::new(edit.change));
        }
        Event::Imported(file) => {
            (wire.path, wire.kind, wire.shape) =
                (Some(file.path), Some(file.kind), Some(file.shape));
            (wire.bytes, wire.sha256, wire.zone) = (Some(file.bytes), Some(file.sha256), file.zone);
            (wire.words, wire.session) = (Some(file.words), file.session);
            wire.times = file.times;
            wire.extras = Some(file.extras).filter(|extras| !extras.is_empty());
        }
        Event::Compacted { covers } => wire.covers = Some(covers),
        Event::Rejected {
            token, of, code, ..
        } => {
            (wire.token, wire.of, wire.code) = (token, Some(of), Some(code));
        }
        Event::Noted {
            note,
            detail,
            items,
        } => {
            (wire.note, wire.detail) = (Some(note), detail);
            wire.items = (!items.is_empty()).then_some(items);
        }
    }
    serde_json::to_string(&wire).expect("an event is plain JSON")
}

/// Reads a payload. Unknown fields are passed over here; they stay in the log.
///
/// # Errors
/// [`PayloadError::UnknownKind`] for an event of a newer version, else [`PayloadError::Malformed`].
pub fn decode(seq: Seq, payload: &str) -> Result<Record, PayloadError> {
    match fast::decode(seq, payload) {
        Some(record) => Ok(record),
        None => slow(seq, payload),
    }
}

/// Reads a payload in whatever order its fields stand.
fn slow(seq: Seq, payload: &str) -> Result<Record, PayloadError> {
    let wire = match serde_json::from_str::<Wire<'_>>(payload) {
        Ok(wire) => wire,
        Err(error) => {
            // A kind of a newer version may use our field names for other things: the kind decides.
            return Err(match kind_of(payload) {
                Some(kind) if !KINDS.contains(&kind.as_str()) => PayloadError::UnknownKind { kind },
                _ => PayloadError::Malformed {
                    message: error.to_string(),
                },
            });
        }
    };
    let at = match (wire.at, &*wire.event) {
        (Some(at), _) => at,
        (None, "segment") => Timestamp::EPOCH,
        (None, kind) if KINDS.contains(&kind) => return Err(missing("at")),
        (None, kind) => {
            return Err(PayloadError::UnknownKind {
                kind: kind.to_owned(),
            });
        }
    };
    let clock_given = wire.clock.as_deref() == Some("given");
    Ok(Record {
        seq,
        at,
        clock_given,
        event: event(wire)?,
    })
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
fn event(wire: Wire<'_>) -> Result<Event, PayloadError> {
    let boot = match (wire.boot, wire.boot_us) {
        (Some(boot), Some(micros)) => Some(BootInstant {
            boot,
            micros,
            asleep_us: wire.asleep_us,
        }),
        _ => None,
    };
    let item = wire.item.ok_or(missing("item"));
    let phase = wire.phase.ok_or(missing("phase"));
    let (token, late, op) = (wire.token, wire.late, wire.op);
    if let Some(change) = wire.edit {
        let edit = Edit {
            item: item?,
            phase: phase.ok(),
            change: *change,
        };
        if edit.change.kind() != wire.event {
            return Err(PayloadError::Malformed {
                message: format!("an edit to {:?} is none", wire.event),
            });
        }
        return Ok(Event::Edited(Box::new(edit)));
    }
    Ok(match &*wire.event {
        "segment" => Event::Segment,
        "planned" => Event::Planned {
            phases: wire.phases.ok_or(missing("phases"))?,
        },
        "added" => Event::Added {
            item: item?,
            id: wire.id,
            imported: wire.imported,
        },
        "started" => {
            let (worker, owner) = (wire.worker, wire.owner);
            Event::Started {
                item: item?,
                phase: phase?,
                worker,
                boot,
                owner,
            }
        }
        "completed" => Event::Completed {
            item: item?,
            phase: phase?,
            token,
            late,
            op,
            data: wire.data,
            extraction: wire.extraction,
        },
        "failed" => Event::Failed {
            item: item?,
            phase: phase?,
            token,
            late,
            op,
            error: wire.error.ok_or(missing("error"))?,
            permanent: wire.permanent,
            due: wire.due,
        },
        "skipped" => Event::Skipped {
            item: item?,
            phase: phase?,
            token,
            late,
            op,
            reason: wire.reason,
        },
        "released" => Event::Released {
            item: item?,
            phase: phase?,
            token,
        },
        "reset" => Event::Reset {
            item: item?,
            phase: phase?,
            token,
            cause: wire.cause.ok_or(missing("cause"))?,
            elapsed_us: wire.elapsed_us.ok_or(missing("elapsed_us"))?,
            limit_us: wire.limit_us.ok_or(missing("limit_us"))?,
            evidence: wire.evidence.ok_or(missing("evidence"))?,
        },
        "retried" => Event::Retried {
            item: item?,
            phase: phase?,
        },
        "held" => Event::Held {
            item: item?,
            reason: wire.reason,
        },
        "edited" => return Err(missing("edit")),
        "unheld" => Event::Unheld { item: item? },
        "renewed" => Event::Renewed {
            item: item?,
            phase: phase?,
            token,
            boot,
            progress: wire.progress,
        },
        "enriched" => Event::Enriched {
            item: item?,
            data: wire.data.ok_or(missing("data"))?,
        },
        "extracted" => Event::Extracted {
            item: item?,
            extraction: wire.extraction.ok_or(missing("extraction"))?,
        },
        "imported" => Event::Imported(Box::new(ImportedFile {
            path: wire.path.ok_or(missing("path"))?,
            kind: wire.kind.ok_or(missing("kind"))?,
            shape: wire.shape.unwrap_or_default(),
            bytes: wire.bytes.unwrap_or_default(),
            sha256: wire.sha256.ok_or(missing("sha256"))?,
            zone: wire.zone,
            words: wire.words.unwrap_or_default(),
            session: wire.session,
            extras: wire.extras.unwrap_or_default(),
            times: wire.times,
        })),
        "compacted" => Event::Compacted {
            covers: wire.covers.ok_or(missing("covers"))?,
        },
        "rejected" => Event::Rejected {
            item: item?,
            phase: phase?,
            token,
            of: wire.of.ok_or(missing("of"))?,
            code: wire.code.ok_or(missing("code"))?,
        },
        "noted" => Event::Noted {
            note: wire.note.ok_or(missing("note"))?,
            detail: wire.detail,
            items: wire.items.unwrap_or_default(),
        },
        other => {
            return Err(PayloadError::UnknownKind {
                kind: other.to_owned(),
            });
        }
    })
}

/// The word in `event`, whatever else the payload holds.
pub fn kind_of(payload: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Kind {
        event: String,
    }
    serde_json::from_str::<Kind>(payload)
        .ok()
        .map(|kind| kind.event)
}

fn split_boot(boot: Option<BootInstant>) -> (Option<String>, Option<u64>) {
    boot.map_or((None, None), |boot| (Some(boot.boot), Some(boot.micros)))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn missing(field: &str) -> PayloadError {
    PayloadError::Malformed {
        message: format!("field {field} is missing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One golden line for each kind of event: format 1 reads and writes them for ever.
    #[test]
    fn golden_payloads_read_and_write_the_same() {
        let golden = include_str!("golden_payloads.jsonl");
        let mut kinds = Vec::new();
        for (line, number) in golden.lines().zip(1..) {
            let record = decode(Seq::new(number), line).unwrap();
            kinds.push(record.event.kind());
            if record.event != Event::Segment {
                assert_eq!(encode(&record.event, record.at, record.clock_given), line);
            }
        }
        for kind in KINDS {
            assert!(kinds.contains(&kind), "no golden line for {kind}");
        }
    }

    #[test]
    fn unknown_fields_are_passed_over_and_unknown_kinds_are_not() {
        let known = r#"{"more":true,"at":"2026-11-23T01:40:15.123456Z","event":"unheld","item":"a","color":"red"}"#;
        assert_eq!(decode(Seq::FIRST, known).unwrap().event.kind(), "unheld");
        for unknown in [
            r#"{"at":"2026-11-23T01:40:15.123456Z","event":"teleported","item":"a"}"#,
            r#"{"at":"2026-11-23T01:40:15.123456Z","event":"teleported","item":["a"]}"#,
        ] {
            let error = decode(Seq::FIRST, unknown).unwrap_err();
            assert_eq!(
                error,
                PayloadError::UnknownKind {
                    kind: "teleported".into()
                }
            );
        }
        for malformed in [
            "{}",
            "[]",
            "{",
            r#"{"at":"2026","event":"held","item":"a"}"#,
            r#"{"at":"2026-11-23T01:40:15Z","event":"held"}"#,
        ] {
            assert!(decode(Seq::FIRST, malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn an_imported_item_keeps_its_words() {
        let line = include_str!("golden_payloads.jsonl")
            .lines()
            .find(|line| line.contains("imported_status"));
        let record = decode(Seq::FIRST, line.unwrap()).unwrap();
        let Event::Added {
            imported: Some(imported),
            ..
        } = record.event
        else {
            panic!()
        };
        assert_eq!(imported.phases[0].status, Status::Completed);
        assert_eq!(
            imported.phases[0].imported_status.as_deref(),
            Some("complete")
        );
    }
}
