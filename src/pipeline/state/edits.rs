//! What `apply` does with a change that was found in a state file.

use crate::pipeline::edit::{Edit, count_of, key, text_of, time_of};
use crate::pipeline::event::{Event, Record};
use crate::pipeline::item::{Item, PhaseState};
use crate::pipeline::status::Status;

impl Edit {
    /// The report that would have come to the same status, if the status was changed.
    fn report(&self) -> Option<Event> {
        let (item, phase) = (self.item.clone(), self.phase.clone()?);
        let (token, late, op) = (None, false, None);
        let event = match (self.change.kind(), self.change.now?) {
            (_, Status::InProgress) => Event::Started {
                item,
                phase,
                worker: None,
                boot: None,
                owner: None,
            },
            (_, Status::Completed) => Event::Completed {
                item,
                phase,
                token,
                late,
                op,
                data: None,
                extraction: None,
            },
            (_, Status::Failed) => Event::Failed {
                item,
                phase,
                token,
                late,
                op,
                error: self.change.error(),
                permanent: false,
                due: None,
            },
            (_, Status::Skipped) => Event::Skipped {
                item,
                phase,
                token,
                late,
                op,
                reason: None,
            },
            ("released", Status::Pending) => Event::Released { item, phase, token },
            (_, Status::Pending) => Event::Retried { item, phase },
        };
        Some(event)
    }

    /// The record that a report of the same would have been; it comes first, the fields over it. `None` if the status
    /// stays.
    pub(super) fn as_report(&self, record: &Record) -> Option<Record> {
        let event = self.report()?;
        // The boot clock knows nothing of what happened in a file.
        let clock_given = true;
        let (seq, at) = (record.seq, record.at);
        Some(Record {
            seq,
            at,
            clock_given,
            event,
        })
    }

    /// Puts the fields into a phase.
    pub(super) fn put_into_phase(&self, phase: &mut PhaseState) {
        let set = &self.change.set;
        for field in set.iter() {
            let value = &field.value;
            match &*field.key {
                key::STARTED_AT => {
                    phase.started_at = time_of(value);
                    let started_at = phase.started_at;
                    if let (Some(lease), Some(at)) = (&mut phase.lease, started_at) {
                        (lease.at, lease.wall_only, lease.boot) = (at, true, None);
                    }
                }
                key::COMPLETED_AT => phase.completed_at = time_of(value),
                key::FAILED_AT => phase.failed_at = time_of(value),
                key::STALE_RESET_AT => phase.stale_reset_at = time_of(value),
                key::ERROR_MESSAGE => phase.error_message = text_of(value).map(Into::into),
                key::IMPORTED_STATUS => phase.imported_status = text_of(value).map(Into::into),
                key::ATTEMPTS => phase.attempts = count_of(value),
                key::RETRY_COUNT => phase.retry_count = count_of(value),
                other => phase.extras.set(&field.after, other, value.clone()),
            }
        }
        for key in &self.change.unset {
            phase.extras.remove(key);
        }
        if self.change.now == Some(Status::Failed) && set.get(key::ERROR_MESSAGE).is_none() {
            // Nothing says why; that is not the same as an error without text.
            phase.error_message = None;
        }
    }

    /// Puts the fields into an item.
    pub(super) fn put_into_item(&self, item: &mut Item) {
        for field in self.change.set.iter() {
            let (after, key) = (&field.after, &field.key);
            item.extras.set(after, key, field.value.clone());
        }
        for key in &self.change.unset {
            item.extras.remove(key);
        }
    }
}
