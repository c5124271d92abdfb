//! From one open file to the sink: the scan at work on blocks of a file, and groups given out only when they are whole.

use std::io;

use super::cursor::Cursor;
use super::reader::{Entry, Log, Sink};
use super::segment::{Part, Scan, Step, Stop};
use super::trouble::Trouble;
use super::window::Window;
use crate::error::Error;
use crate::faults::{self, Fault};
use crate::ports::File;
use crate::position::{SegmentId, Seq};

/// Scans one file up to `limit` and gives every record that counts to the sink.
pub(super) fn scan(
    log: &Log,
    window: &mut Window,
    cursor: &mut Cursor,
    file: &dyn File,
    limit: u64,
    sink: &mut Sink<'_>,
) -> Result<Stop, Trouble> {
    let id = cursor.segment;
    let refused = |error| Trouble::Final(Error::io("read", log.segment_path(id))(error));
    // The group that is open: verified once to its last line, then read again and given out. Its size is its author's
    // affair; memory is ours.
    let mut opened: Option<Scan> = None;
    let mut want = 0;
    loop {
        let before = cursor.scan.clone();
        let offset = before.offset().get();
        let (bytes, at_end) = window.at(file, offset, limit, want).map_err(refused)?;
        let given = bytes.len();
        let part = match cursor.scan.step(bytes, at_end) {
            Step::Line(line) => {
                let half = line.part == Part::Open && faults::on(Fault::HalfAGroupApplied);
                if line.part == Part::Whole || half {
                    let entry = Entry {
                        segment: id,
                        offset: line.offset,
                        frame: line.frame,
                    };
                    let attests = line.frame.durable;
                    sink(entry).map_err(Trouble::Final)?;
                    cursor.durable_seen = cursor.durable_seen.max(attests);
                    cursor.name_proven |= attests >= id.first_seq();
                }
                line.part
            }
            Step::Hungry => {
                want = given.max(1) * 2;
                continue;
            }
            Step::Stop(stop) => {
                cursor.scan = cursor.scan.at_group_start();
                return Ok(stop);
            }
        };
        want = 0;
        match part {
            Part::Whole => {}
            Part::Open => {
                opened.get_or_insert(before);
            }
            Part::Last => {
                let start = opened.take().unwrap_or(before);
                let durable = give_group(window, file, id, start, &cursor.scan, sink)
                    .map_err(|trouble| trouble.unwrap_or_else(refused))?;
                cursor.durable_seen = cursor.durable_seen.max(durable);
                cursor.name_proven |= durable >= id.first_seq();
            }
        }
    }
}

/// Gives out a verified group; returns what its lines attest.
fn give_group(
    window: &mut Window,
    file: &dyn File,
    id: SegmentId,
    mut scan: Scan,
    end: &Scan,
    sink: &mut Sink<'_>,
) -> Result<Seq, Failed> {
    let mut durable = Seq::NONE;
    let mut want = 0;
    while scan.offset() < end.offset() {
        let (from, to) = (scan.offset().get(), end.offset().get());
        let (bytes, at_end) = window.at(file, from, to, want).map_err(Failed::Io)?;
        let given = bytes.len();
        match scan.step(bytes, at_end) {
            Step::Line(line) => {
                want = 0;
                durable = line.frame.durable;
                sink(Entry {
                    segment: id,
                    offset: line.offset,
                    frame: line.frame,
                })
                .map_err(Failed::Sink)?;
            }
            Step::Hungry => want = given.max(1) * 2,
            // It verified a moment ago. A disk that says two things about the same bytes is no verdict on them.
            Step::Stop(_) => {
                return Err(Failed::Io(io::Error::other(
                    "its bytes changed while they were read",
                )));
            }
        }
    }
    Ok(durable)
}

/// Why a group could not be given out.
enum Failed {
    Io(io::Error),
    Sink(Error),
}

impl Failed {
    fn unwrap_or_else(self, refused: impl FnOnce(io::Error) -> Trouble) -> Trouble {
        match self {
            Self::Io(error) => refused(error),
            Self::Sink(error) => Trouble::Final(error),
        }
    }
}
