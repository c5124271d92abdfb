//! What an auditor wants beside each record: which attempt it was, how long it took, and the event in words.

use std::collections::HashMap;

use super::event::{Event, Record, ResetCause};
use super::extraction::{ExtractionChange, ExtractionStatus};
use super::names::Phase;
use super::status::Status;
use super::time::{Timestamp, human_duration};

/// What follows from a record and those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derived {
    /// The event in words, one line.
    pub words: String,
    /// The attempt that it belongs to, counted from 1.
    pub attempt: Option<u32>,
    /// Microseconds from the attempt's start to this, where this ends it.
    pub took_us: Option<u64>,
    /// Microseconds since the record told before; `None` for the first.
    pub since_previous_us: Option<u64>,
}

/// Tells the records of one item, one after the other.
#[derive(Debug, Default)]
pub struct Auditor {
    previous: Option<Timestamp>,
    attempts: HashMap<Phase, Attempt>,
}

#[derive(Debug, Default)]
struct Attempt {
    number: u32,
    /// When it began, if that is known.
    began: Option<Timestamp>,
    /// It was given back, reset or reported; only a late report still speaks of it.
    ended: bool,
}

impl Auditor {
    /// Tells the next record.
    pub fn tell(&mut self, record: &Record) -> Derived {
        let at = record.at;
        let since_previous_us = self.pass(at);
        let (attempt, took_us) = self.attempt(record);
        let mut words = words(&record.event, took_us);
        if record.clock_given {
            words.push_str(if words.is_empty() {
                "(time given)"
            } else {
                " (time given)"
            });
        }
        Derived {
            words,
            attempt,
            took_us,
            since_previous_us,
        }
    }

    /// Takes note of a record that cannot be told, and gives the time since the one before, in microseconds.
    pub fn pass(&mut self, at: Timestamp) -> Option<u64> {
        self.previous
            .replace(at)
            .map(|before| at.micros_since(before))
    }

    fn attempt(&mut self, record: &Record) -> (Option<u32>, Option<u64>) {
        let at = record.at;
        if let Event::Added {
            imported: Some(imported),
            ..
        } = &record.event
        {
            for phase in &imported.phases {
                let began = (phase.status == Status::InProgress).then_some(phase.started_at);
                let attempt = Attempt {
                    number: phase.attempts,
                    began: began.flatten(),
                    ended: began.is_none(),
                };
                self.attempts.insert(phase.phase.clone(), attempt);
            }
        }
        let Some(phase) = record.event.phase() else {
            return (None, None);
        };
        let attempt = self.attempts.entry(phase.clone()).or_default();
        let number = |attempt: &Attempt| Some(attempt.number).filter(|&number| number > 0);
        match record.event {
            Event::Started { .. } => {
                *attempt = Attempt {
                    number: attempt.number + 1,
                    began: Some(at),
                    ended: false,
                };
                (number(attempt), None)
            }
            // When it began and ended stands in the file, not here.
            Event::Edited(ref edit) => {
                let starts = edit.change.now == Some(Status::InProgress);
                attempt.number += u32::from(starts);
                if edit.change.now.is_some() {
                    (attempt.began, attempt.ended) = (None, true);
                }
                (number(attempt), None)
            }
            Event::Retried { .. } | Event::Rejected { .. } => (None, None),
            Event::Renewed { .. } => (number(attempt), None),
            _ => {
                let told = !attempt.ended || is_late(&record.event);
                attempt.ended = true;
                let began = attempt.began.filter(|_| told);
                (number(attempt), began.map(|began| at.micros_since(began)))
            }
        }
    }
}

/// True for a report on work whose start was given back or reset before it came.
const fn is_late(event: &Event) -> bool {
    matches!(
        event,
        Event::Completed { late: true, .. }
            | Event::Failed { late: true, .. }
            | Event::Skipped { late: true, .. }
    )
}

/// `47m12s > 30m`; with all digits where both would be spelled alike.
fn longer_than(elapsed_us: u64, limit_us: u64) -> String {
    let (elapsed, limit) = (human_duration(elapsed_us), human_duration(limit_us));
    if elapsed == limit {
        let (secs, micros) = (elapsed_us / 1_000_000, elapsed_us % 1_000_000);
        return format!("{secs}.{micros:06}s > {limit}");
    }
    format!("{elapsed} > {limit}")
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
fn words(event: &Event, took_us: Option<u64>) -> String {
    let took = took_us.map(human_duration);
    let after = took.as_ref().map(|took| format!("after {took}"));
    let list =
        |parts: Vec<Option<String>>| parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match event {
        Event::Segment => "a segment begins".to_owned(),
        Event::Planned { phases } => format!("{} phases", phases.len()),
        Event::Added { imported: None, .. } => "new".to_owned(),
        Event::Added {
            imported: Some(imported),
            ..
        } => {
            let counted = Status::ALL.map(|status| {
                let has = imported
                    .phases
                    .iter()
                    .filter(|phase| phase.status == status)
                    .count();
                (has > 0).then(|| format!("{has} {}", status.as_str()))
            });
            format!("imported with {}", list(counted.to_vec()))
        }
        Event::Started { worker, .. } => worker
            .as_ref()
            .map(|worker| format!("by {worker}"))
            .unwrap_or_default(),
        Event::Completed {
            late,
            data,
            extraction,
            ..
        } => list(vec![
            took.map(|took| format!("took {took}")),
            late_word(*late),
            data.as_ref().map(|data| one_line(&data.words())),
            extraction.as_deref().map(extraction_words),
        ]),
        Event::Failed {
            late,
            error,
            permanent,
            due,
            ..
        } => list(vec![
            after,
            late_word(*late),
            permanent.then(|| "for good".to_owned()),
            due.map(|due| format!("again from {due}")),
            Some(one_line(error)),
        ]),
        Event::Skipped { late, reason, .. } => {
            list(vec![late_word(*late), reason.as_deref().map(one_line)])
        }
        Event::Released { .. } => after.unwrap_or_default(),
        Event::Reset {
            cause,
            elapsed_us,
            limit_us,
            evidence,
            token,
            ..
        } => {
            let token = token.map(|token| format!("token {token}, "));
            let token = token.unwrap_or_default();
            let cause_word = cause.as_str();
            let rule = match cause {
                ResetCause::Timeout => {
                    format!(": {}", longer_than(*elapsed_us, *limit_us))
                }
                // The limit was not asked: nobody was left to go on.
                ResetCause::OwnerDead | ResetCause::Reboot => {
                    format!(" after {}", human_duration(*elapsed_us))
                }
            };
            format!("{cause_word}{rule}, {token}evidence {evidence}")
        }
        Event::Retried { .. } => "back to pending by hand".to_owned(),
        Event::Held { reason, .. } => reason.as_deref().map(one_line).unwrap_or_default(),
        Event::Unheld { .. } => String::new(),
        Event::Renewed { progress, .. } => match progress {
            Some(progress) => format!("a sign of life: {}", one_line(progress)),
            None => "a sign of life".to_owned(),
        },
        Event::Enriched { data, .. } => one_line(&data.words()),
        Event::Extracted { extraction, .. } => extraction_words(extraction),
        Event::Edited(edit) => edit.change.words(),
        Event::Imported(file) => format!(
            "{} ({} bytes, sha256 {})",
            file.path, file.bytes, file.sha256
        ),
        Event::Compacted { covers } => format!("snapshots through {covers}"),
        Event::Rejected {
            token, of, code, ..
        } => {
            let token = token
                .map(|token| format!(" with token {token}"))
                .unwrap_or_default();
            format!("{of}{token} refused: {code}")
        }
        Event::Noted { note, detail, .. } => {
            let detail = detail
                .as_ref()
                .map(|detail| format!(" {detail}"))
                .unwrap_or_default();
            format!("{note}{detail}")
        }
    }
}

fn extraction_words(change: &ExtractionChange) -> String {
    let status = change.status.map_or("unknown", ExtractionStatus::as_str);
    match &change.imported {
        None => format!("extraction {status}"),
        Some(file) if file.retry_count > 0 => {
            let retries = file.retry_count;
            format!("extraction {status} as imported, {retries} failures before")
        }
        Some(_) => format!("extraction {status} as imported"),
    }
}

fn late_word(late: bool) -> Option<String> {
    late.then(|| "late".to_owned())
}

/// The last line that says something: of a traceback, the error itself.
fn one_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let count = lines.clone().count();
    let last = lines.next_back().unwrap_or_default();
    if count > 1 {
        format!("{last} (last of {count} lines)")
    } else {
        last.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::ItemId;
    use crate::position::Seq;

    fn record(seq: u64, secs: i64, event: Event) -> Record {
        let at = Timestamp::from_micros(secs * 1_000_000).unwrap();
        Record {
            seq: Seq::new(seq),
            at,
            clock_given: false,
            event,
        }
    }

    #[test]
    fn an_attempt_is_counted_and_timed() {
        let (item, phase) = (ItemId::new("a").unwrap(), Phase::new("p").unwrap());
        let started = |worker: &str| Event::Started {
            item: item.clone(),
            phase: phase.clone(),
            worker: Some(worker.to_owned()),
            boot: None,
            owner: None,
        };
        let failed = Event::Failed {
            item: item.clone(),
            phase: phase.clone(),
            token: None,
            late: false,
            op: None,
            error: "Traceback:\n  x\nValueError: no price".to_owned(),
            permanent: false,
            due: None,
        };
        let mut auditor = Auditor::default();
        let told: Vec<Derived> = [
            record(2, 0, started("w1")),
            record(3, 90, failed),
            record(4, 100, started("w2")),
        ]
        .iter()
        .map(|record| auditor.tell(record))
        .collect();
        assert_eq!(
            told[1].words,
            "after 1m30s, ValueError: no price (last of 3 lines)"
        );
        assert_eq!(
            (told[1].attempt, told[1].took_us),
            (Some(1), Some(90_000_000))
        );
        assert_eq!(
            (told[2].attempt, told[2].since_previous_us),
            (Some(2), Some(10_000_000))
        );
    }

    #[test]
    fn a_late_report_tells_how_long_its_work_took() {
        let (item, phase) = (ItemId::new("a").unwrap(), Phase::new("p").unwrap());
        let started = Event::Started {
            item: item.clone(),
            phase: phase.clone(),
            worker: None,
            boot: None,
            owner: None,
        };
        let released = Event::Released {
            item: item.clone(),
            phase: phase.clone(),
            token: Some(Seq::new(2)),
        };
        let completed = |late| Event::Completed {
            item: item.clone(),
            phase: phase.clone(),
            token: Some(Seq::new(2)),
            late,
            op: None,
            data: None,
            extraction: None,
        };
        let mut auditor = Auditor::default();
        let told: Vec<Derived> = [
            record(2, 0, started),
            record(3, 20, released),
            record(4, 90, completed(true)),
            record(5, 99, completed(false)),
        ]
        .iter()
        .map(|record| auditor.tell(record))
        .collect();
        assert_eq!(told[1].took_us, Some(20_000_000));
        assert_eq!(told[2].words, "took 1m30s, late");
        assert_eq!(told[2].took_us, Some(90_000_000));
        // Somebody completed what nobody had started anew: there is no start to count from.
        assert_eq!(told[3].took_us, None);
    }
}
