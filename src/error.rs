//! What can go wrong, as the caller of a store sees it. Each variant says what to do next.

use std::io;
use std::path::{Path, PathBuf};

use crate::pipeline::Rejection;
use crate::position::{Offset, SegmentId, Seq};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No store is there. Make one with `init` or `import`.
    #[error("no store at {}", dir.display())]
    NoStore {
        /// Where it was looked for, absolute.
        dir: PathBuf,
        /// A `work_items.json` lies there: it can be imported.
        importable: bool,
    },
    /// A store, or a `work_items.json` that was never imported, is there already.
    #[error("{} {what}", dir.display())]
    StoreExists {
        /// Where.
        dir: PathBuf,
        /// What stands in the way.
        what: &'static str,
    },
    /// The command is refused by the rules of the pipeline; nothing was recorded but the refusal of a stale token.
    #[error("{0}")]
    Rejected(#[source] Box<Rejection>),
    /// An acknowledged record is hurt. Nothing was changed; `verify` shows everything, `repair` what can be done.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// The log's end can be neither proven torn nor proven damaged. `repair` lets a person decide.
    #[error("{0}")]
    AmbiguousTail(Box<Damage>),
    /// The snapshot and the log tell different histories. Put back the one that belongs to the other.
    #[error("{} belongs to another history than wal/: {what}", file.display())]
    OtherLog {
        /// The file that does not fit.
        file: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// Written by a newer version; install that version. Nothing was touched.
    #[error("{} was written by a newer version of phaselog: {what}", file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// The record, if it is one.
        seq: Option<Seq>,
        /// What is not known here.
        what: String,
    },
    /// Somebody held the lock for the whole wait. The same command may be repeated.
    #[error("could not get {} within {waited_secs} s{}", path.display(), holder.as_ref().map(|h| format!(", held by {h}")).unwrap_or_default())]
    LockTimeout {
        /// The lock.
        path: PathBuf,
        /// Who holds it, where the system tells.
        holder: Option<String>,
        /// How long was waited, in seconds.
        waited_secs: f64,
    },
    /// The record could not be written; it does not count. Mend the cause and repeat the command.
    #[error("not recorded ({source}); nothing was changed")]
    NotRecorded {
        /// What the system said.
        source: io::Error,
    },
    /// The record was written and its sync failed: it may or may not survive. Repeat the command with the same token.
    #[error("not acknowledged ({source} at sync); it may or may not survive")]
    NotAcknowledged {
        /// What the system said.
        source: io::Error,
        /// The record in question, if there is one.
        seq: Option<Seq>,
    },
    /// The lock's file was removed or replaced during a write: somebody else may have written there too. Repeat the
    /// command with the same token.
    #[error("not acknowledged ({} was removed or replaced while it was held); it may or may not survive", path.display())]
    LockLost {
        /// The lock.
        path: PathBuf,
    },
    /// A sync of the log failed here, and this process may not clear the flag, or could not.
    #[error("a sync of the log failed ({detail}); nothing is acknowledged until that is cleared")]
    Poisoned {
        /// What the flag says, or what stopped the clearing.
        detail: String,
        /// True if a record of this command was written.
        written: bool,
    },
    /// Somebody else changed a snapshot. Take the changes with `import`, or drop them with `compact --discard-edits`.
    #[error("{} was changed by another program since it was written{}{}", file.display(), unreadable_now(unreadable.as_deref()), and(beyond.as_deref()))]
    Edited {
        /// The file.
        file: PathBuf,
        /// Why it cannot be read any more, if so: then it is to be mended first.
        unreadable: Option<String>,
        /// Why nothing in it can be taken in, if so: what it says of its place in the log is not true.
        beyond: Option<String>,
    },
    /// A file that was changed says that it was written at a place which the log does not have. `compact --discard-edits` sets it
    /// aside, if it is the store's own.
    #[error("{} belongs to another history than wal/: {what}", file.display())]
    NoSuchPlace {
        /// The file that does not fit.
        file: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A file is not what it should be.
    #[error("{}{}: {message}", path.display(), place(*line, *column))]
    Parse {
        /// The file, or `-`.
        path: PathBuf,
        /// Counted from 1; 0 if unknown.
        line: usize,
        /// Counted from 1; 0 if unknown.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// Something is larger than the format allows.
    #[error("{what} is too large: {bytes} bytes, at most {limit}")]
    TooLarge {
        /// What.
        what: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Something in a file is larger than the format allows.
    #[error("{}, line {line}, column {column}: {what} is too large: {bytes} bytes, at most {limit}", path.display())]
    TooLargeAt {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What.
        what: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The store is on a network file system, where locks and syncs promise less.
    #[error("{} is on a network file system ({kind}), where a lock or a sync may not hold", dir.display())]
    NetworkFileSystem {
        /// The store.
        dir: PathBuf,
        /// The kind.
        kind: &'static str,
    },
    /// No such place in the log.
    #[error("there is no record {seq}; the last is {last}")]
    UnknownSeq {
        /// What was asked for.
        seq: Seq,
        /// The last there is.
        last: Seq,
    },
    /// The words of the command make no sense together.
    #[error("{message}")]
    Usage {
        /// Why not.
        message: String,
    },
    /// The system refused something that is neither the write nor the sync of a record.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "open", "list".
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where the log cannot be read, and why that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file, relative to the store: `wal/00000000000000000518.wal`, or `wal`.
    pub file: PathBuf,
    /// The segment.
    pub segment: Option<SegmentId>,
    /// Where reading stopped.
    pub offset: Offset,
    /// The sequence number that was expected there.
    pub seq: Seq,
    /// What is wrong with the bytes.
    pub kind: DamageKind,
    /// What attests that the record was acknowledged; `None` if nothing does (ambiguous).
    pub witness: Option<Witness>,
    /// Items that the hurt bytes still name, as far as they can be read.
    pub items: Vec<String>,
}

/// What is wrong at the place where reading stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// The line is not in the canonical form of a record.
    Malformed(&'static str),
    /// The line's checksum does not match its bytes.
    Checksum,
    /// The record does not follow the one before it.
    Chain,
    /// The sequence number is not the next.
    Sequence,
    /// The last line has no newline.
    Unterminated,
    /// The log ends although more was acknowledged.
    Missing,
    /// The group has no last line.
    UnfinishedGroup,
    /// A segment is missing, or there are none.
    MissingSegment,
    /// A segment's name leads to a directory, a symbolic link, or something else that is no file.
    NoFile,
    /// The system refuses to read the segment. That is no verdict on it.
    Refused {
        /// The system's number for it, if it has one.
        number: Option<i32>,
        /// What it said.
        what: String,
    },
    /// A segment's header is not what it should be.
    Header(String),
    /// The payload is no event.
    Payload(String),
    /// The records are all there, in another order or with lines that stand there twice; `repair` loses nothing.
    Order(Order),
    /// The file is no part of this log: the header of `by` names `before`, which lies before it, as the segment before itself.
    OutOfPlace {
        /// The segment whose header passes the file over.
        by: SegmentId,
        /// The segment that it names.
        before: SegmentId,
    },
    /// So many bytes that are no record stand in front of the record; no record is missing, and `repair` leaves them out.
    Inserted(u64),
}

/// Lines that all verify, and do not stand where the chain of their checksums puts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The records, from one to another, that stand in another order than they were written in.
    pub moved: Option<(Seq, Seq)>,
    /// The first record whose line is there once more.
    pub twice: Option<Seq>,
    /// How many lines are copies of others.
    pub copies: u64,
    /// The last record of these lines; the one before them if they are nothing but copies.
    pub last: Seq,
}

/// What attests that a record was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Witness {
    /// The durable field of this record.
    Record(Seq),
    /// The header of this segment, which says where its predecessor ends.
    Header(SegmentId),
    /// The snapshot at this seq.
    Snapshot(Seq),
    /// The mark at this seq.
    Mark(Seq),
    /// A segment's header gets its name only when it is durable.
    Name(SegmentId),
}

impl std::fmt::Display for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(seq) => write!(f, "record {seq}"),
            Self::Header(id) => write!(f, "the header of {id}"),
            Self::Snapshot(seq) => write!(f, "the snapshot at {seq}"),
            // One that cannot be read counts 0, and still it is there.
            Self::Mark(Seq::NONE) => f.write_str("the mark"),
            Self::Mark(seq) => write!(f, "the mark at {seq}"),
            Self::Name(id) => write!(f, "the name of {id}"),
        }
    }
}

impl std::fmt::Display for DamageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "is no record ({what})"),
            Self::Checksum => f.write_str("does not match its checksum"),
            Self::Chain => f.write_str("does not follow the record before it"),
            Self::Sequence => f.write_str("is out of sequence"),
            Self::Unterminated => f.write_str("is cut off"),
            Self::Missing => f.write_str("is missing"),
            Self::UnfinishedGroup => f.write_str("is missing from its group"),
            Self::MissingSegment => f.write_str("is missing with its segment"),
            Self::NoFile => f.write_str("is missing, for its segment is no regular file"),
            Self::Refused { what, .. } => write!(f, "cannot be read ({what})"),
            Self::Header(what) => write!(f, "is no header that fits ({what})"),
            Self::Payload(what) => write!(f, "is no event ({what})"),
            Self::Order(order) => write!(f, "is not in its place: {order}"),
            Self::OutOfPlace { by, before } => write!(
                f,
                "is no part of this log: the header of {by} names {before} as the segment before it, so this file is of another history, or was put back after a repair had given it up"
            ),
            Self::Inserted(bytes) => {
                write!(f, "has {bytes} bytes in front of it that are no record")
            }
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((from, to)) = self.moved {
            write!(f, "records {from}..{to} are all there, in the wrong order")?;
        }
        let Some(twice) = self.twice else {
            return Ok(());
        };
        if self.moved.is_some() {
            f.write_str(", and ")?;
        }
        match self.copies {
            ..=1 => write!(f, "the line of record {twice} is there twice"),
            copies => write!(
                f,
                "{copies} lines are there once more, that of record {twice} first"
            ),
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (file, seq, byte) = (self.file.display(), self.seq, self.offset);
        match &self.witness {
            _ if let DamageKind::Order(order) = self.kind => {
                write!(f, "{file} byte {byte}: {order}")?;
                if self.witness.is_none() {
                    f.write_str(", and nothing tells whether another record stood there")?;
                }
            }
            _ if let DamageKind::OutOfPlace { .. } = self.kind => {
                write!(f, "{file} {}", self.kind)?;
            }
            _ if let DamageKind::Inserted(bytes) = self.kind => write!(
                f,
                "{file} byte {byte}: {bytes} bytes that are no record stand in front of record {seq}; no record is missing for that"
            )?,
            Some(witness) => write!(
                f,
                "{file} byte {byte}: record {seq} is damaged: it {}; {witness} attests that it was acknowledged",
                self.kind
            )?,
            None => write!(
                f,
                "{file} byte {byte}: record {seq} {}, and nothing tells whether it was ever acknowledged",
                self.kind
            )?,
        }
        if !self.items.is_empty() {
            write!(f, "; items hit: {}", self.items.join("; "))?;
        }
        f.write_str("; nothing was changed")
    }
}

impl Error {
    /// Makes an [`Error::Io`] out of what the system said.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

/// What follows in a message where a file cannot be read any more.
fn and(what: Option<&str>) -> String {
    what.map_or_else(String::new, |what| format!("; {what}"))
}

fn unreadable_now(why: Option<&str>) -> String {
    why.map_or_else(String::new, |why| {
        format!(", and cannot be read any more: {why}")
    })
}

fn place(line: usize, column: usize) -> String {
    match (line, column) {
        (0, _) => String::new(),
        (line, 0) => format!(", line {line}"),
        (line, column) => format!(", line {line}, column {column}"),
    }
}
