//! `verify`: read everything, trust nothing, never stop early.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::log::Sha256Hex;
use crate::position::Seq;
use crate::store::verify::{self, Extent, Finding, Verdict, Verified};

use super::context::Context;
use super::exit;
use super::failure::Failure;
use super::hints::Shell;
use super::receipts::count;
use super::render::{Format, Report, Style, escape};

pub(super) const NAME: &str = "verify";

/// Read everything and report whatever is not as it was written
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Rebuild the state from record 1 and compare it with the snapshots
    #[arg(long)]
    deep: bool,
    /// Check that the history is the one that had this head
    #[arg(long, value_name = "HASH", value_parser = hash)]
    expect_head: Option<Sha256Hex>,
    /// The record at which it had that head; the last one without this
    #[arg(long, value_name = "SEQ", requires = "expect_head", value_parser = seq)]
    at: Option<Seq>,
}

fn hash(text: &str) -> Result<Sha256Hex, String> {
    Sha256Hex::parse(text).ok_or_else(|| "not 64 lower-case hex digits".to_owned())
}

fn seq(text: &str) -> Result<Seq, String> {
    let digits = text.strip_prefix('@').unwrap_or(text);
    let number = digits.parse().ok().filter(|&number: &u64| number > 0);
    number
        .map(Seq::new)
        .ok_or_else(|| "not the number of a record".to_owned())
}

pub(super) fn run(args: Args, context: &mut Context<'_>) -> Result<u8, Failure> {
    let head = args.expect_head.map(|head| (head, args.at));
    check(
        context,
        &Extent {
            deep: args.deep,
            head,
        },
    )
}

/// Verifies, prints, and gives the exit status: `verify --deep` and `replay --check` are one.
pub(super) fn check(context: &mut Context<'_>, extent: &Extent) -> Result<u8, Failure> {
    let verified = verify::verify(&context.ports, context.dir(), &context.options, extent)?;
    let verdict = verified.verdict;
    let hurt = |finding: &&Finding| finding.weight >= Verdict::Ambiguous;
    let mut hurt = verified.findings.iter().filter(hurt);
    let only_head = hurt.clone().count() > 0 && hurt.all(|finding| finding.code == "V-HEAD");
    let report = VerifyReport(verified);
    context.print.report(&report);
    if context.print.format == Format::Text {
        context.print.aside(&report.summary());
        if let (true, Some((head, at))) = (only_head, extent.head) {
            context
                .print
                .hint(&other_history(head, at, &context.print.shell));
        } else if verdict >= Verdict::Ambiguous {
            let repair = context.print.shell.command("repair", &[]);
            context.print.hint(&format!(
                "{repair} shows what can be done; it writes nothing"
            ));
        }
    }
    Ok(match verdict {
        Verdict::Clean => exit::DONE,
        Verdict::Warnings | Verdict::Torn => exit::FINDINGS,
        Verdict::Ambiguous | Verdict::Damaged => exit::DAMAGED,
    })
}

/// What can be done about a history that is not the one that was known: no repair brings that one back.
fn other_history(head: Sha256Hex, at: Option<Seq>, shell: &Shell) -> String {
    let backup = Shell {
        store: Some("BACKUP".to_owned()),
    };
    let mut verify = backup.command("verify", &[]);
    let _ = write!(verify, " --expect-head {head}");
    let mut log = shell.command("log", &[]);
    if let Some(at) = at {
        let _ = write!(verify, " --at {at}");
        let _ = write!(log, " --until @{at}");
    }
    format!(
        "no repair brings that history back: {verify} tells whether a copy of the store has it; {log} shows the one that is here"
    )
}

struct VerifyReport(Verified);

impl VerifyReport {
    fn summary(&self) -> String {
        let found = &self.0;
        let segments = count(found.segments, "segment");
        let records = count(
            usize::try_from(found.records).unwrap_or(usize::MAX),
            "record",
        );
        let mut line = format!(
            "{}: {records} in {segments}, the last {}, durable through {}",
            found.verdict.as_str(),
            found.last_seq,
            found.durable_seq
        );
        if let Some(head) = found.head {
            let _ = write!(line, "; head at {}: {head}", found.last_seq);
        }
        line
    }
}

const fn severity(finding: &Finding) -> &'static str {
    match finding.weight {
        Verdict::Ambiguous | Verdict::Damaged => "damage",
        Verdict::Clean => "note",
        _ => "warning",
    }
}

impl Report for VerifyReport {
    fn text(&self, _: &Style) -> String {
        self.0
            .findings
            .iter()
            .fold(String::new(), |mut all, finding| {
                let byte = finding
                    .byte
                    .map(|byte| format!(":{byte}"))
                    .unwrap_or_default();
                let seq = finding.seq.map(|seq| seq.to_string()).unwrap_or_default();
                let items = match &*finding.items {
                    [] => String::new(),
                    items => format!("; items: {}", items.join("; ")),
                };
                let _ = writeln!(
                    all,
                    "{}\t{}\t{}{byte}\t{seq}\t{}",
                    severity(finding),
                    finding.code,
                    escape(&finding.file),
                    escape(&format!("{}{items}", finding.message))
                );
                all
            })
    }

    fn json(&self) -> Value {
        let found = &self.0;
        let findings = found.findings.iter().map(|finding| {
            json!({
                "code": finding.code,
                "severity": severity(finding),
                "file": finding.file,
                "byte": finding.byte,
                "bytes": finding.bytes,
                "seq": finding.seq,
                "items": finding.items,
                "items_certain": finding.items_certain,
                "witness": finding.witness,
                "message": finding.message,
                "next": finding.next,
            })
        });
        json!({
            "verdict": found.verdict.as_str(),
            "deep": found.deep,
            "records": found.records,
            "last_seq": found.last_seq,
            "durable_seq": found.durable_seq,
            "segments": found.segments,
            "head": found.head,
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    fn array(&self) -> Option<&'static str> {
        Some("findings")
    }
}
