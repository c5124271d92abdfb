//! STUB
use crate::error::Result;
use crate::log::*;
use crate::pipeline::Now;
use crate::ports::Ports;
use crate::position::*;
use std::path::Path;
use std::time::Duration;
pub struct LogOptions {
    pub segment_bytes: u64,
    pub lock_wait: Duration,
}
pub struct Writer;
pub struct Locked<'a>(&'a mut Writer);
pub struct Sealed {
    pub segment: SegmentId,
    pub offset: Offset,
    pub bytes: u64,
    pub sealed_by: SegmentId,
}
pub struct Appended {
    pub first: Seq,
    pub last: Seq,
    pub bytes: u64,
}
impl Writer {
    pub fn new(_: &Log, _: LogEnd, _: LogOptions) -> Self {
        Self
    }
    pub fn lock(&mut self) -> Result<Locked<'_>> {
        Ok(Locked(self))
    }
    pub fn known_durable(&self) -> Seq {
        todo!()
    }
    pub fn sync_and_prove(&mut self) -> Result<Seq> {
        todo!()
    }
}
impl Locked<'_> {
    pub fn catch_up(&mut self, _: &mut reader::Sink<'_>) -> Result<&Tail> {
        todo!()
    }
    pub fn position(&self) -> &Position {
        todo!()
    }
    pub fn seal_torn(&mut self, _: &Now) -> Result<Option<Sealed>> {
        todo!()
    }
    pub fn append(&mut self, _: &[String]) -> Result<Appended> {
        todo!()
    }
    pub fn rotate(&mut self, _: &Now) -> Result<SegmentId> {
        todo!()
    }
    pub fn rotate_if_full(&mut self, _: &Now) -> Result<Option<SegmentId>> {
        todo!()
    }
}
pub fn create(
    _: &Ports,
    _: &Path,
    _: &[Vec<String>],
    _: &Now,
    _: LogId,
    _: &LogOptions,
) -> Result<Seq> {
    todo!()
}
pub struct FileLock;
impl FileLock {
    pub fn take(_: &Ports, _: &Path, _: Duration) -> Result<Option<FileLock>> {
        Ok(None)
    }
}
