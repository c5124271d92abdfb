//! One item as bytes, for caches: compact, read without knowing any other, and good for this version of the program only.
//!
//! Not a format that anybody is promised: whoever keeps rows keeps [`LAYOUT`] and the program's version beside them and
//! throws them away when either differs.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::enrichment::ItemData;
use super::event::{Owner, ResetCause};
use super::extraction::{ExtractionStatus, ItemExtraction};
use super::item::{self, Hold, Item, Lease, PhaseState, Refusal, Return};
use super::json::{Extras, Json};
use super::names::{ItemId, Phase};
use super::op_ids::{OpIds, Operation};
use super::status::Status;
use super::time::{BootInstant, Timestamp};
use crate::position::Seq;

/// Changes with every change of what a row holds.
pub const LAYOUT: u32 = 2;

/// An item. The rows borrow from it, so that writing copies nothing.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    name: &'a str,
    id: Option<&'a str>,
    created_at: Option<i64>,
    last_updated: Option<i64>,
    hold: Option<(u64, Option<&'a str>)>,
    /// The object, and who set what as JSON.
    #[serde(borrow)]
    data: Option<(&'a str, Cow<'a, str>)>,
    /// Status, last checked, failures, record.
    extraction: Option<(Option<u8>, Option<i64>, u32, u64)>,
    #[serde(borrow)]
    phases: Vec<Option<PhaseRow<'a>>>,
    #[serde(borrow)]
    extras: Vec<ExtraRow<'a>>,
}

/// Key before, key, value.
type ExtraRow<'a> = (&'a str, &'a str, &'a str);

/// A phase that is not as it was at first.
#[derive(Serialize, Deserialize)]
struct PhaseRow<'a> {
    status: u8,
    attempts: u32,
    retry_count: u32,
    forgiven: u32,
    since: u64,
    token: Option<u64>,
    started_at: Option<i64>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    stale_reset_at: Option<i64>,
    due: Option<i64>,
    permanent: bool,
    #[serde(borrow)]
    rare: Option<Rare<'a>>,
}

/// What few phases have.
#[derive(Serialize, Deserialize)]
struct Rare<'a> {
    worker: Option<&'a str>,
    error_message: Option<&'a str>,
    #[serde(borrow)]
    lease: Option<LeaseRow<'a>>,
    returned: Option<ReturnRow>,
    imported_status: Option<&'a str>,
    #[serde(borrow)]
    refused: Vec<(u64, u64, &'a str)>,
    #[serde(borrow)]
    extras: Vec<ExtraRow<'a>>,
}

/// Record, token, cause, elapsed, limit.
type ReturnRow = (u64, Option<u64>, Option<u8>, u64, u64);

#[derive(Serialize, Deserialize)]
struct LeaseRow<'a> {
    at: i64,
    wall_only: bool,
    boot: Option<(&'a str, u64, u64)>,
    #[serde(borrow)]
    owner: Option<(&'a str, &'a str, &'a str, u32, u64)>,
    progress: Option<&'a str>,
}

const CAUSES: [ResetCause; 3] = [
    ResetCause::Timeout,
    ResetCause::OwnerDead,
    ResetCause::Reboot,
];

/// Adds the bytes of an item.
pub fn encode(item: &Item, into: &mut Vec<u8>) {
    // Named one by one: a field that is added must be added here.
    let Item {
        name,
        id,
        created_at,
        last_updated,
        hold,
        data,
        extraction,
        phases,
        extras,
    } = item;
    let row = Row {
        name: name.as_str(),
        id: id.as_deref(),
        created_at: micros(*created_at),
        last_updated: micros(*last_updated),
        hold: hold
            .as_deref()
            .map(|hold| (hold.seq.get(), hold.reason.as_deref())),
        data: data.as_deref().map(|data| {
            let marks = serde_json::to_string(&(data.origin(), data.later()));
            let marks = marks.expect("who set what is plain JSON");
            (data.object().as_str(), Cow::Owned(marks))
        }),
        extraction: extraction.as_deref().map(|extraction| {
            let ItemExtraction {
                status,
                last_checked,
                retry_count,
                since,
            } = extraction;
            let status = status.map(|status| status as u8);
            (status, micros(*last_checked), *retry_count, since.get())
        }),
        phases: phases.iter().map(phase_row).collect(),
        extras: extra_rows(extras),
    };
    put(&row, into);
}

/// The item that these bytes are; `None` if they are none.
pub fn decode(bytes: &[u8]) -> Option<Item> {
    let row: Row<'_> = postcard::from_bytes(bytes).ok()?;
    // Not collected: that would keep the room of the rows, which are five times as long as the phases they become.
    let mut phases = Vec::with_capacity(row.phases.len());
    for row in row.phases {
        phases.push(match row {
            None => PhaseState::default(),
            Some(row) => phase_of(row)?,
        });
    }
    Some(Item {
        name: ItemId::new(row.name).ok()?,
        id: row.id.map(Into::into),
        created_at: time(row.created_at)?,
        last_updated: time(row.last_updated)?,
        hold: row.hold.map(|(seq, reason)| {
            let (seq, reason) = (Seq::new(seq), reason.map(str::to_owned));
            Box::new(Hold { seq, reason })
        }),
        data: match row.data {
            Some((object, marks)) => {
                let object = serde_json::from_str(object).ok()?;
                let (origin, later) = serde_json::from_str(&marks).ok()?;
                Some(Box::new(ItemData::from_parts(object, origin, later)))
            }
            None => None,
        },
        extraction: match row.extraction {
            Some((status, last_checked, retry_count, since)) => Some(Box::new(ItemExtraction {
                status: match status {
                    Some(status) => Some(*ExtractionStatus::ALL.get(usize::from(status))?),
                    None => None,
                },
                last_checked: time(last_checked)?,
                retry_count,
                since: Seq::new(since),
            })),
            None => None,
        },
        phases,
        extras: extras_of(row.extras)?,
    })
}

fn put(row: &impl Serialize, into: &mut Vec<u8>) {
    let taken = postcard::to_extend(row, std::mem::take(into));
    *into = taken.expect("a growing buffer takes every row");
}

fn phase_row(phase: &PhaseState) -> Option<PhaseRow<'_>> {
    let PhaseState {
        status,
        attempts,
        since,
        token,
        started_at,
        completed_at,
        rare: _,
    } = phase;
    let rare: &item::Rare = phase;
    let item::Rare {
        retry_count,
        forgiven,
        failed_at,
        stale_reset_at,
        due,
        permanent,
        worker,
        error_message,
        lease,
        returned,
        imported_status,
        refused,
        extras,
    } = rare;
    let is_rare = worker.is_some()
        || error_message.is_some()
        || lease.is_some()
        || returned.is_some()
        || imported_status.is_some()
        || !refused.is_empty()
        || !extras.is_empty();
    if !is_rare && *phase == PhaseState::default() {
        return None;
    }
    let rare = is_rare.then(|| Rare {
        worker: worker.as_deref(),
        error_message: error_message.as_deref(),
        lease: lease.as_deref().map(lease_row),
        returned: returned.as_deref().map(|how| {
            let Return {
                seq,
                token,
                cause,
                elapsed_us,
                limit_us,
            } = how;
            let cause = cause.and_then(|cause| CAUSES.iter().position(|one| *one == cause));
            let cause = cause.and_then(|index| u8::try_from(index).ok());
            (
                seq.get(),
                token.map(Seq::get),
                cause,
                *elapsed_us,
                *limit_us,
            )
        }),
        imported_status: imported_status.as_deref(),
        refused: refused
            .iter()
            .map(|refusal| {
                let Refusal { seq, token, of } = refusal;
                (seq.get(), token.get(), &**of)
            })
            .collect(),
        extras: extra_rows(extras),
    });
    Some(PhaseRow {
        status: *status as u8,
        attempts: *attempts,
        retry_count: *retry_count,
        forgiven: *forgiven,
        since: since.get(),
        token: token.map(Seq::get),
        started_at: micros(*started_at),
        completed_at: micros(*completed_at),
        failed_at: micros(*failed_at),
        stale_reset_at: micros(*stale_reset_at),
        due: micros(*due),
        permanent: *permanent,
        rare,
    })
}

fn phase_of(row: PhaseRow<'_>) -> Option<PhaseState> {
    let often = PhaseState {
        status: *Status::ALL.get(usize::from(row.status))?,
        attempts: row.attempts,
        since: Seq::new(row.since),
        token: row.token.map(Seq::new),
        started_at: time(row.started_at)?,
        completed_at: time(row.completed_at)?,
        ..PhaseState::default()
    };
    let mut phase = item::Rare {
        retry_count: row.retry_count,
        forgiven: row.forgiven,
        failed_at: time(row.failed_at)?,
        stale_reset_at: time(row.stale_reset_at)?,
        due: time(row.due)?,
        permanent: row.permanent,
        ..item::Rare::default()
    };
    if let Some(rare) = row.rare {
        phase.worker = rare.worker.map(Into::into);
        phase.error_message = rare.error_message.map(Into::into);
        phase.imported_status = rare.imported_status.map(Into::into);
        let refused = rare.refused.into_iter().map(|(seq, token, of)| Refusal {
            seq: Seq::new(seq),
            token: Seq::new(token),
            of: of.into(),
        });
        phase.refused = refused.collect();
        phase.extras = extras_of(rare.extras)?;
        phase.lease = match rare.lease {
            Some(row) => Some(Box::new(lease_of(&row)?)),
            None => None,
        };
        phase.returned = match rare.returned {
            Some((seq, token, cause, elapsed_us, limit_us)) => Some(Box::new(Return {
                seq: Seq::new(seq),
                token: token.map(Seq::new),
                cause: match cause {
                    Some(index) => Some(*CAUSES.get(usize::from(index))?),
                    None => None,
                },
                elapsed_us,
                limit_us,
            })),
            None => None,
        };
    }
    Some(often.with(phase))
}

fn lease_row(lease: &Lease) -> LeaseRow<'_> {
    let Lease {
        at,
        wall_only,
        boot,
        owner,
        progress,
    } = lease;
    let boot = boot.as_ref().map(|boot| {
        let BootInstant {
            boot,
            micros,
            asleep_us,
        } = boot;
        (boot.as_str(), *micros, *asleep_us)
    });
    let owner = owner.as_ref().map(|owner| {
        let Owner {
            host,
            boot,
            pidns,
            pid,
            start,
        } = owner;
        (host.as_str(), boot.as_str(), pidns.as_str(), *pid, *start)
    });
    LeaseRow {
        at: at.micros(),
        wall_only: *wall_only,
        boot,
        owner,
        progress: progress.as_deref(),
    }
}

fn lease_of(row: &LeaseRow<'_>) -> Option<Lease> {
    Some(Lease {
        at: Timestamp::from_micros(row.at)?,
        wall_only: row.wall_only,
        boot: row.boot.map(|(boot, micros, asleep_us)| BootInstant {
            boot: boot.to_owned(),
            micros,
            asleep_us,
        }),
        owner: row.owner.map(|(host, boot, pidns, pid, start)| Owner {
            host: host.to_owned(),
            boot: boot.to_owned(),
            pidns: pidns.to_owned(),
            pid,
            start,
        }),
        progress: row.progress.map(Into::into),
    })
}

fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::micros)
}

/// `None` for a time that cannot be.
#[expect(
    clippy::option_option,
    reason = "no time, and a row that is none, are two things"
)]
fn time(micros: Option<i64>) -> Option<Option<Timestamp>> {
    match micros {
        None => Some(None),
        Some(micros) => Timestamp::from_micros(micros).map(Some),
    }
}

fn extra_rows(extras: &Extras) -> Vec<ExtraRow<'_>> {
    let rows = extras.iter();
    rows.map(|extra| (&*extra.after, &*extra.key, extra.value.as_str()))
        .collect()
}

fn extras_of(rows: Vec<ExtraRow<'_>>) -> Option<Extras> {
    let mut extras = Extras::default();
    for (after, key, value) in rows {
        let value: Json = serde_json::from_str(value).ok()?;
        extras.push(after, key, value);
    }
    Some(extras)
}

/// Adds the bytes of the ids under which reports were made.
pub fn encode_operations(operations: &OpIds, into: &mut Vec<u8>) {
    let rows: Vec<(u64, &str, &str, &str, &str)> = operations
        .iter()
        .map(|(seq, operation)| {
            let Operation {
                id,
                event,
                item,
                phase,
            } = operation;
            (
                seq.get(),
                id.as_str(),
                event.as_str(),
                item.as_str(),
                phase.as_str(),
            )
        })
        .collect();
    put(&rows, into);
}

/// The ids that these bytes are; `None` if they are none.
pub fn decode_operations(bytes: &[u8]) -> Option<OpIds> {
    let rows: Vec<(u64, &str, &str, &str, &str)> = postcard::from_bytes(bytes).ok()?;
    let mut operations = OpIds::default();
    for (seq, id, event, item, phase) in rows {
        let operation = Operation {
            id: id.to_owned(),
            event: event.to_owned(),
            item: ItemId::new(item).ok()?,
            phase: Phase::new(phase).ok()?,
        };
        operations.note(Seq::new(seq), operation);
    }
    Some(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Option<Timestamp> {
        Timestamp::from_micros(micros)
    }

    fn extras() -> Extras {
        serde_json::from_str(r#"[["","hash",0.90],["id","k",{"b":1e5,"a":[]}]]"#).unwrap()
    }

    /// Every field set, each to something else.
    fn full() -> Item {
        let mut item = Item::new(ItemId::new("100 N Example St\n\u{e9}").unwrap(), 3);
        item.id = Some("AbCd".into());
        (item.created_at, item.last_updated) = (at(-5), at(1_795_398_015_123_456));
        item.hold = Some(Box::new(Hold {
            seq: Seq::new(9),
            reason: Some("asked".into()),
        }));
        item.extras = extras();
        for (seq, change) in [
            (
                30,
                r#"{"source":"a","confidence":0.90,"object":{"b":1,"a":[1e5]}}"#,
            ),
            (31, r#"{"changes":[{"field":"b","old":1,"new":2.0}]}"#),
        ] {
            let change = serde_json::from_str(change).unwrap();
            ItemData::apply(&mut item.data, &change, Seq::new(seq), at(32).unwrap());
        }
        item.extraction = Some(Box::new(ItemExtraction {
            status: Some(ExtractionStatus::Failed),
            last_checked: at(33),
            retry_count: 34,
            since: Seq::new(35),
        }));
        item.phases[1] = PhaseState {
            status: Status::Failed,
            attempts: 1,
            since: Seq::new(4),
            token: Some(Seq::new(u64::MAX)),
            started_at: at(5),
            completed_at: at(6),
            ..PhaseState::default()
        }
        .with(item::Rare {
            retry_count: 2,
            forgiven: 3,
            failed_at: at(7),
            stale_reset_at: at(8),
            due: at(9),
            permanent: true,
            worker: Some("w".into()),
            error_message: Some("it\nbroke".into()),
            lease: Some(Box::new(Lease {
                at: at(10).unwrap(),
                wall_only: true,
                boot: Some(BootInstant {
                    boot: "b".into(),
                    micros: 11,
                    asleep_us: 12,
                }),
                owner: Some(Owner {
                    host: "h".into(),
                    boot: "b2".into(),
                    pidns: "ns".into(),
                    pid: 13,
                    start: 14,
                }),
                progress: Some("page 3".into()),
            })),
            returned: Some(Box::new(Return {
                seq: Seq::new(15),
                token: Some(Seq::new(16)),
                cause: Some(ResetCause::Reboot),
                elapsed_us: 17,
                limit_us: 18,
            })),
            imported_status: Some("complete".into()),
            refused: [19, 20]
                .map(|seq| Refusal {
                    seq: Seq::new(seq),
                    token: Seq::new(seq - 10),
                    of: "completed".into(),
                })
                .into(),
            extras: extras(),
        });
        item.phases[2].attempts = 1;
        item
    }

    #[test]
    fn an_item_comes_back_as_it_was() {
        for item in [full(), Item::new(ItemId::new("x").unwrap(), 0)] {
            let mut bytes = Vec::new();
            encode(&item, &mut bytes);
            assert_eq!(decode(&bytes), Some(item));
            assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_phase_that_nobody_touched_takes_one_byte() {
        let (mut few, mut many) = (Vec::new(), Vec::new());
        encode(&Item::new(ItemId::new("x").unwrap(), 1), &mut few);
        encode(&Item::new(ItemId::new("x").unwrap(), 7), &mut many);
        assert_eq!(many.len() - few.len(), 6);
    }

    #[test]
    fn operations_come_back_as_they_were() {
        let mut operations = OpIds::default();
        for number in [3, 1, 2] {
            let operation = Operation {
                id: format!("op {number}"),
                event: "completed".into(),
                item: ItemId::new("x").unwrap(),
                phase: Phase::new("p").unwrap(),
            };
            operations.note(Seq::new(number), operation);
        }
        let mut bytes = Vec::new();
        encode_operations(&operations, &mut bytes);
        assert_eq!(decode_operations(&bytes), Some(operations));
    }
}
