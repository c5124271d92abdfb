//! What few items and few phases have, as it stands in a row.

use serde::{Deserialize, Serialize};

use super::super::event::{Owner, ResetCause};
use super::super::extraction::{ExtractionStatus, ItemExtraction};
use super::super::item::{Hold, Item, Lease, PhaseState, Rare, Refusal, Return};
use super::super::json::{Extras, Json};
use super::super::time::{BootInstant, Timestamp};
use super::{micros, time};
use crate::position::Seq;

/// Key before, key, value.
type ExtraRow<'a> = (&'a str, &'a str, &'a str);

/// Record, token, cause, elapsed, limit.
type ReturnRow = (u64, Option<u64>, Option<u8>, u64, u64);

/// What few items have.
#[derive(Serialize, Deserialize)]
pub(super) struct RareOfItem<'a> {
    id: Option<&'a str>,
    hold: Option<(u64, Option<&'a str>)>,
    /// Status, last checked, failures, record.
    extraction: Option<(Option<u8>, Option<i64>, u32, u64)>,
    #[serde(borrow)]
    extras: Vec<ExtraRow<'a>>,
}

/// What few phases have.
#[derive(Serialize, Deserialize)]
pub(super) struct RareOfPhase<'a> {
    retry_count: u32,
    forgiven: u32,
    failed_at: Option<i64>,
    stale_reset_at: Option<i64>,
    due: Option<i64>,
    permanent: bool,
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

impl<'a> RareOfItem<'a> {
    /// True if an item has anything of it.
    pub(super) fn is_in(item: &Item) -> bool {
        let own = item.id.is_some() || item.hold.is_some() || item.extraction.is_some();
        own || !item.extras.is_empty()
    }

    /// `None` if it has nothing of it.
    pub(super) fn of(item: &'a Item) -> Option<Self> {
        let Item {
            id,
            hold,
            extraction,
            extras,
            name: _,
            created_at: _,
            last_updated: _,
            phases: _,
            data: _,
        } = item;
        if !Self::is_in(item) {
            return None;
        }
        let extraction = extraction.as_deref().map(|extraction| {
            let ItemExtraction {
                status,
                last_checked,
                retry_count,
                since,
            } = extraction;
            let status = status.map(|status| status as u8);
            (status, micros(*last_checked), *retry_count, since.get())
        });
        let hold = hold.as_deref();
        Some(Self {
            id: id.as_deref(),
            hold: hold.map(|hold| (hold.seq.get(), hold.reason.as_deref())),
            extraction,
            extras: extra_rows(extras),
        })
    }

    /// `None` if there can be no such item.
    pub(super) fn put_into(self, item: &mut Item) -> Option<()> {
        item.id = self.id.map(Into::into);
        item.hold = self.hold.map(|(seq, reason)| {
            let (seq, reason) = (Seq::new(seq), reason.map(str::to_owned));
            Box::new(Hold { seq, reason })
        });
        item.extraction = match self.extraction {
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
        };
        item.extras = extras_of(self.extras)?;
        Some(())
    }
}

impl<'a> RareOfPhase<'a> {
    /// `None` if it has nothing of it.
    pub(super) fn of(phase: &'a PhaseState) -> Option<Self> {
        if !phase.has_rare() {
            return None;
        }
        let rare: &Rare = phase;
        // Named one by one: a field that is added must be added here.
        let Rare {
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
        let refused = refused.iter().map(|refusal| {
            let Refusal { seq, token, of } = refusal;
            (seq.get(), token.get(), &**of)
        });
        Some(Self {
            retry_count: *retry_count,
            forgiven: *forgiven,
            failed_at: micros(*failed_at),
            stale_reset_at: micros(*stale_reset_at),
            due: micros(*due),
            permanent: *permanent,
            worker: worker.as_deref(),
            error_message: error_message.as_deref(),
            lease: lease.as_deref().map(lease_row),
            returned: returned.as_deref().map(return_row),
            imported_status: imported_status.as_deref(),
            refused: refused.collect(),
            extras: extra_rows(extras),
        })
    }

    /// `None` if there can be no such phase.
    pub(super) fn read(self) -> Option<Rare> {
        let refused = self.refused.into_iter().map(|(seq, token, of)| Refusal {
            seq: Seq::new(seq),
            token: Seq::new(token),
            of: of.into(),
        });
        Some(Rare {
            retry_count: self.retry_count,
            forgiven: self.forgiven,
            failed_at: time(self.failed_at)?,
            stale_reset_at: time(self.stale_reset_at)?,
            due: time(self.due)?,
            permanent: self.permanent,
            worker: self.worker.map(Into::into),
            error_message: self.error_message.map(Into::into),
            lease: match self.lease {
                Some(row) => Some(Box::new(lease_of(&row)?)),
                None => None,
            },
            returned: match self.returned {
                Some(row) => Some(Box::new(return_of(row)?)),
                None => None,
            },
            imported_status: self.imported_status.map(Into::into),
            refused: refused.collect(),
            extras: extras_of(self.extras)?,
        })
    }
}

fn return_row(how: &Return) -> ReturnRow {
    let Return {
        seq,
        token,
        cause,
        elapsed_us,
        limit_us,
    } = how;
    let cause = cause.and_then(|cause| CAUSES.iter().position(|one| *one == cause));
    let cause = cause.and_then(|index| u8::try_from(index).ok());
    let token = token.map(Seq::get);
    (seq.get(), token, cause, *elapsed_us, *limit_us)
}

fn return_of((seq, token, cause, elapsed_us, limit_us): ReturnRow) -> Option<Return> {
    Some(Return {
        seq: Seq::new(seq),
        token: token.map(Seq::new),
        cause: match cause {
            Some(index) => Some(*CAUSES.get(usize::from(index))?),
            None => None,
        },
        elapsed_us,
        limit_us,
    })
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
