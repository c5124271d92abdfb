//! Exit statuses that are no error, and the word that hands a status to `eval`.

/// Done.
pub(super) const DONE: u8 = 0;
/// The command that was run failed, and that is recorded.
pub(super) const FAILED: u8 = 1;
/// Done, with findings.
pub(super) const FINDINGS: u8 = 3;
/// There is more to do, only not now.
pub(super) const NOT_NOW: u8 = 4;
/// Readable in part: what could be read was printed.
pub(super) const DAMAGED: u8 = 7;
/// A person pressed Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;
/// Told to end.
pub(super) const TERMINATED: u8 = 143;
/// The terminal is gone.
pub(super) const HUNG_UP: u8 = 129;
/// A person pressed Ctrl-\.
pub(super) const QUIT: u8 = 131;

/// What `eval` takes for a failure.
pub(super) fn shell(status: u8) -> String {
    format!("(exit {status})")
}
