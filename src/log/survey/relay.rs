//! A survey on one core, and what is done with it on another: what it comes upon goes over in batches, in its order.

use std::io;
use std::ops::Range;
use std::sync::mpsc::sync_channel;

use super::{Finding, SegmentFacts, Survey, SurveySink};
use crate::error::{Error, Result};
use crate::log::frame::{Crc, Frame};
use crate::log::header::SegmentHeader;
use crate::log::reader::Entry;
use crate::position::{Offset, SegmentId, Seq};

/// A batch goes over once its payloads have this many bytes,
const BATCH_BYTES: usize = 1 << 17;

/// or there are so many things in it.
const BATCH_LEN: usize = 4096;

/// How many batches may wait to be taken.
const WAITING: usize = 4;

/// Runs `survey` on a thread of its own, and `sink` here.
///
/// # Errors
/// What `sink` returns, which ends the survey; otherwise as `survey`, once `sink` has everything that came before.
pub(super) fn relay<T: Send>(
    survey: impl FnOnce(&mut SurveySink<'_>) -> Result<T> + Send,
    sink: &mut SurveySink<'_>,
) -> Result<T> {
    std::thread::scope(|scope| {
        let (to, from) = sync_channel::<Batch>(WAITING);
        let surveying = scope.spawn(move || {
            let mut batch = Batch::default();
            let end = survey(&mut |what| {
                batch.add(&what);
                if batch.payloads.len() < BATCH_BYTES && batch.told.len() < BATCH_LEN {
                    return Ok(());
                }
                let full = std::mem::take(&mut batch);
                to.send(full).map_err(|_| nobody_listens())
            });
            // If nobody listens, they know why.
            let _ = to.send(batch);
            end
        });
        let told = from.iter().try_for_each(|batch| batch.tell(sink));
        drop(from);
        let end = surveying.join();
        told?;
        end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn nobody_listens() -> Error {
    Error::io("survey", "wal")(io::ErrorKind::BrokenPipe.into())
}

#[derive(Default)]
struct Batch {
    payloads: String,
    told: Vec<Told>,
}

/// A [`Survey`] that borrows nothing.
enum Told {
    Segment {
        id: SegmentId,
        header: Option<SegmentHeader>,
        file_bytes: u64,
        sealed_at: Option<Offset>,
    },
    Record {
        segment: SegmentId,
        offset: Offset,
        crc: Crc,
        previous: Crc,
        seq: Seq,
        durable: Seq,
        payload: Range<usize>,
    },
    Finding(Box<Finding>),
}

impl Batch {
    fn add(&mut self, what: &Survey<'_>) {
        self.told.push(match what {
            Survey::Segment(facts) => Told::Segment {
                id: facts.id,
                header: facts.header.cloned(),
                file_bytes: facts.file_bytes,
                sealed_at: facts.sealed_at,
            },
            Survey::Record(entry) => {
                let begin = self.payloads.len();
                self.payloads.push_str(entry.frame.payload);
                Told::Record {
                    segment: entry.segment,
                    offset: entry.offset,
                    crc: entry.frame.crc,
                    previous: entry.frame.previous,
                    seq: entry.frame.seq,
                    durable: entry.frame.durable,
                    payload: begin..self.payloads.len(),
                }
            }
            Survey::Finding(finding) => Told::Finding(Box::new((*finding).clone())),
        });
    }

    fn tell(&self, sink: &mut SurveySink<'_>) -> Result<()> {
        self.told.iter().try_for_each(|told| match told {
            Told::Segment {
                id,
                header,
                file_bytes,
                sealed_at,
            } => sink(Survey::Segment(SegmentFacts {
                id: *id,
                header: header.as_ref(),
                file_bytes: *file_bytes,
                sealed_at: *sealed_at,
            })),
            Told::Record {
                segment,
                offset,
                crc,
                previous,
                seq,
                durable,
                payload,
            } => sink(Survey::Record(Entry {
                segment: *segment,
                offset: *offset,
                frame: Frame {
                    crc: *crc,
                    previous: *previous,
                    seq: *seq,
                    durable: *durable,
                    payload: &self.payloads[payload.clone()],
                },
            })),
            Told::Finding(finding) => sink(Survey::Finding(finding)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u64) -> Survey<'static> {
        Survey::Segment(SegmentFacts {
            id: SegmentId::starting_at(Seq::new(number)),
            header: None,
            file_bytes: number,
            sealed_at: None,
        })
    }

    fn number(what: &Survey<'_>) -> u64 {
        match what {
            Survey::Segment(facts) => facts.file_bytes,
            other => panic!("{other:?} was never told"),
        }
    }

    fn error() -> Error {
        Error::io("read", "somewhere")(io::ErrorKind::Other.into())
    }

    #[test]
    fn everything_comes_over_in_order() {
        let count = 3 * BATCH_LEN as u64 + 5;
        let mut seen = Vec::new();
        let end = relay(
            |sink| (1..=count).try_for_each(|it| sink(segment(it))),
            &mut |what| {
                seen.push(number(&what));
                Ok(())
            },
        );
        end.unwrap();
        assert_eq!(seen, (1..=count).collect::<Vec<_>>());
    }

    #[test]
    fn what_came_before_an_error_comes_before_it() {
        let mut seen = Vec::new();
        let end = relay(
            |sink| sink(segment(1)).and_then(|()| Err::<(), _>(error())),
            &mut |what| {
                seen.push(number(&what));
                Ok(())
            },
        );
        assert!(matches!(end, Err(Error::Io { .. })));
        assert_eq!(seen, [1]);
    }

    #[test]
    fn who_has_heard_enough_ends_the_survey() {
        let end = relay(
            |sink| (1..).try_for_each(|it| sink(segment(it))),
            &mut |what| match number(&what) {
                10 => Err(Error::Usage {
                    message: "enough".to_owned(),
                }),
                _ => Ok(()),
            },
        );
        assert!(matches!(end, Err(Error::Usage { .. })));
    }
}
