//! Mistakes that tests put into the program on purpose, to see that each is found.
//!
//! Without the feature `seeded-faults`, which is off by default and of use to nobody else, there are none: [`on`] is
//! `false` wherever it is asked, and the compiler leaves the mistake out.

/// A mistake. Those that can be made in the doors of a store, such as a sync left out, need no switch here: tests put
/// them into [`Ports`](crate::Ports).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A line's checksum is not compared.
    ChecksumNotChecked,
    /// A writer does not look whether a successor has sealed its segment.
    WritesBehindASeal,
    /// An answer without a record does not wait for a sync.
    AnswersWithoutSync,
    /// What others wrote while a sync ran counts as durable too.
    ProvesWhatItDidNotRead,
    /// Lines of a group are applied before its last line is there.
    HalfAGroupApplied,
    /// A report counts whatever token it comes with.
    TokenNotCompared,
    /// What timed out is decided before the lock is taken.
    ResetOutsideTheLock,
    /// A sync that failed is tried again.
    SyncRetried,
    /// The flag of a failed sync is not looked at after the write.
    FlagCheckedOnlyBefore,
    /// A second compaction does not put right what the first left before it overwrites `.bak`.
    BakOverwritten,
    /// The mark is written whatever it says already.
    MarkGoesBack,
    /// A reader reads the mark after the log.
    LogReadBeforeMark,
    /// Tokens are not in the snapshot.
    TokensNotInSnapshot,
    /// Holds are not in the snapshot.
    HoldsNotInSnapshot,
    /// The ids of reports are not in the snapshot.
    OpIdsNotInSnapshot,
    /// The flag of a failed sync is taken down without replacing a file.
    ClearedWithoutReplacing,
    /// Reading stops at the first bad record, and that is all.
    StopsAtTheFirstBadRecord,
    /// The mark is not read.
    MarkNotRead,
    /// A sealed segment may be shorter than its successor's header says.
    SealNotCompared,
    /// A reader shows records before they are durable.
    ReaderDoesNotSync,
    /// The mark goes up before the sync.
    MarkBeforeSync,
    /// A record attests the one before it, durable or not.
    AttestsTheUnsynced,
    /// A retry does not take the token away.
    RetryKeepsTheToken,
    /// A short write is taken for a whole one.
    ShortWriteIsWhole,
    /// An error while reading is taken for the end of the file.
    ReadErrorIsTheEnd,
    /// A torn tail is written over instead of sealed.
    TornTailWrittenOver,
    /// A reader raises the mark.
    ReaderWrites,
    /// A recovery leaves a record each time.
    RecoveryLeavesARecord,
}

/// Turns one mistake on, for the whole process and all its threads; `None` turns it off.
#[cfg(feature = "seeded-faults")]
pub fn set(fault: Option<Fault>) {
    let bit = fault.map_or(0, |fault| 1 << fault as u32);
    switch::ON.store(bit, std::sync::atomic::Ordering::Relaxed);
}

/// True if a test has turned that mistake on.
#[cfg(feature = "seeded-faults")]
pub fn on(fault: Fault) -> bool {
    switch::ON.load(std::sync::atomic::Ordering::Relaxed) & (1 << fault as u32) != 0
}

/// False: there are no mistakes in this build.
#[cfg(not(feature = "seeded-faults"))]
#[inline]
pub const fn on(fault: Fault) -> bool {
    let _ = fault;
    false
}

#[cfg(feature = "seeded-faults")]
mod switch {
    /// One bit for each mistake.
    pub(super) static ON: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
}
