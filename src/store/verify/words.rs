//! What was come upon, as findings: codes and words.

use crate::error::{Damage, DamageKind, Witness};
use crate::log::reader::Entry;
use crate::log::{Severity, survey};
use crate::position::{SegmentId, Seq};
use crate::snapshot::set::ROOT;

use super::super::repair::{RESTORED_JUMP, SeqRange};
use super::{Finding, Verdict};

pub(super) fn snapshot_file() -> String {
    ROOT.to_owned()
}

pub(super) fn wal_file(segment: SegmentId) -> String {
    format!("{}/{segment}", super::super::dir::WAL)
}

pub(super) fn at_record(code: &'static str, weight: Verdict, entry: &Entry<'_>) -> Finding {
    Finding {
        byte: Some(entry.offset.get()),
        bytes: Some(entry.frame.encoded_len()),
        seq: Some(entry.frame.seq),
        ..Finding::of_file(code, weight, wal_file(entry.segment))
    }
}

/// A log without any segment; what is attested reaches through `attested`.
pub(super) fn no_segments(damage: Damage, attested: Seq) -> Finding {
    of_survey(&survey::Finding {
        damage,
        bytes: 0,
        to_seq: Some(attested).filter(|&seq| seq > Seq::NONE),
        severity: Severity::Damaged,
    })
}

/// What the survey of the log says, with code and words.
pub(super) fn of_survey(finding: &survey::Finding) -> Finding {
    let damage = &finding.damage;
    let (code, weight) = match finding.severity {
        Severity::Damaged => (code(&damage.kind), Verdict::Damaged),
        Severity::Ambiguous => ("V-AMBIGUOUS", Verdict::Ambiguous),
        Severity::Unreadable => (code(&damage.kind), Verdict::Ambiguous),
        Severity::Torn(_) | Severity::InFlight => ("V-TORN", Verdict::Torn),
        Severity::Sealed => ("V-SEALED", Verdict::Clean),
        Severity::Beyond => ("V-SEALED", Verdict::Warnings),
        Severity::GivenUp => ("V-LOST", Verdict::Warnings),
    };
    let records = records_of(finding);
    let ends_early =
        damage.kind == DamageKind::Missing && finding.to_seq.is_some_and(|to| to < damage.seq);
    let message = match finding.severity {
        Severity::Damaged | Severity::Ambiguous
            if let DamageKind::Inserted(bytes) = damage.kind =>
        {
            format!(
                "{bytes} bytes that are no record stand in front of record {}; no record is missing for that",
                damage.seq
            )
        }
        Severity::Damaged if let DamageKind::OutOfPlace { .. } = damage.kind => {
            format!("it {}", damage.kind)
        }
        Severity::Damaged if let DamageKind::Order(order) = damage.kind => {
            format!("{order}; no record is missing for that")
        }
        Severity::Ambiguous if let DamageKind::Order(order) = damage.kind => {
            format!("{order}, and nothing tells whether another record stood there")
        }
        Severity::Damaged if ends_early => {
            "it ends before where the next header says; no further record is missing".to_owned()
        }
        Severity::Damaged => {
            let by = damage
                .witness
                .map(|by| format!("; {by} attests that it was acknowledged"));
            format!("{records}: it {}{}", damage.kind, by.unwrap_or_default())
        }
        Severity::Ambiguous => {
            format!(
                "{records}: it {}, and nothing tells whether it was ever acknowledged",
                damage.kind
            )
        }
        Severity::Sealed => format!(
            "{} bytes of a write that a crash cut off, never acknowledged; the log goes on in the next segment",
            finding.bytes
        ),
        Severity::Beyond => format!(
            "{} bytes lie behind where the next header ends this segment, and no crash leaves such bytes; nobody reads them",
            finding.bytes
        ),
        Severity::GivenUp if passes_over(finding) => format!(
            "{records}: given up by a repair, or passed over so that no token is issued again, as later headers declare"
        ),
        Severity::GivenUp => format!("{records}: given up by a repair, as later headers declare"),
        Severity::Unreadable => format!("{records}: it {}, so nothing is said of it", damage.kind),
        _ => format!(
            "{} bytes of a write that a crash cut off, never acknowledged; the next writer goes on in a new segment",
            finding.bytes
        ),
    };
    let next = match weight {
        _ if finding.severity == Severity::Unreadable => None,
        Verdict::Damaged | Verdict::Ambiguous => Some("phaselog repair"),
        Verdict::Torn => Some("phaselog resume"),
        _ => None,
    };
    Finding {
        code,
        weight,
        file: damage.file.display().to_string(),
        byte: Some(damage.offset.get()),
        bytes: Some(finding.bytes),
        seq: Some(match damage.kind {
            DamageKind::Order(order) => order
                .moved
                .map_or(order.twice, |(from, _)| Some(from))
                .unwrap_or(damage.seq),
            _ => damage.seq,
        }),
        items: damage.items.clone(),
        items_certain: false,
        witness: damage.witness.map(|by| match by {
            Witness::Record(seq) => format!("durable field of {seq}"),
            by => by.to_string(),
        }),
        message,
        next,
    }
}

/// What a finding speaks of: records, or what stands there and is none.
fn records_of(finding: &survey::Finding) -> String {
    let damage = &finding.damage;
    match finding.to_seq {
        Some(to) if to > damage.seq && finding.severity == Severity::GivenUp => {
            format!("records {}..{to}", damage.seq)
        }
        Some(to) if to > damage.seq => {
            let from = damage.seq;
            SeqRange { from, to }.told()
        }
        Some(to) if to < damage.seq => match damage.kind {
            DamageKind::Sequence | DamageKind::Chain => "lines that do not belong here".to_owned(),
            _ => "bytes that are no record".to_owned(),
        },
        _ => format!("record {}", damage.seq),
    }
}

/// True if a repair passed over more records there than may have been lost.
fn passes_over(finding: &survey::Finding) -> bool {
    let to = finding.to_seq.unwrap_or(finding.damage.seq);
    to.get().saturating_sub(finding.damage.seq.get()) >= RESTORED_JUMP - 1
}

fn code(kind: &DamageKind) -> &'static str {
    match kind {
        DamageKind::Malformed(_) | DamageKind::Inserted(_) => "V-FORM",
        DamageKind::Checksum => "V-CRC",
        DamageKind::Chain => "V-CHAIN",
        DamageKind::Sequence | DamageKind::Order(_) => "V-SEQUENCE",
        DamageKind::Unterminated => "V-CUT",
        DamageKind::Missing => "V-MISSING",
        DamageKind::UnfinishedGroup => "V-GROUP",
        DamageKind::MissingSegment | DamageKind::NoFile | DamageKind::OutOfPlace { .. } => {
            "V-SEGMENT"
        }
        DamageKind::Header(_) => "V-HEADER",
        DamageKind::Payload(_) => "V-EVENT",
        DamageKind::Refused { .. } => "V-UNREADABLE",
    }
}
