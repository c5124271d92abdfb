//! What an import reports: where, what stood there, and what was made of it.

use serde::Serialize;

use super::place::Places;

/// Something in a file that was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `I-WORD` and so on; codes may be added, not changed.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Counted from 1.
    pub line: Option<u64>,
    /// In characters, counted from 1.
    pub column: Option<u64>,
    /// The item that it concerns.
    pub item: Option<String>,
    /// The phase that it concerns.
    pub phase: Option<String>,
    /// What stood there.
    pub found: String,
    /// What was made of it.
    pub decided: String,
    /// Both in a sentence.
    pub message: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing was lost or chosen.
    Note,
    /// A choice was made that a person should look at.
    Judged,
    /// The file was not taken. This reader returns an error instead; the caller makes the finding.
    Refused,
}

/// A finding before its byte has become a line and a column.
#[derive(Clone, Debug)]
pub(super) struct Remark {
    at: usize,
    finding: Finding,
}

/// The item and the phase that something is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About<'a> {
    pub(super) item: Option<&'a str>,
    pub(super) phase: Option<&'a str>,
}

impl<'a> About<'a> {
    pub(super) const fn item(item: &'a str) -> Self {
        let (item, phase) = (Some(item), None);
        Self { item, phase }
    }

    #[must_use]
    pub(super) const fn phase(self, phase: &'a str) -> Self {
        let (item, phase) = (self.item, Some(phase));
        Self { item, phase }
    }
}

impl Remark {
    pub(super) fn note(code: &'static str, at: usize) -> Self {
        Self::new(code, Severity::Note, at)
    }

    pub(super) fn judged(code: &'static str, at: usize) -> Self {
        Self::new(code, Severity::Judged, at)
    }

    pub(super) fn new(code: &'static str, severity: Severity, at: usize) -> Self {
        let finding = Finding {
            code,
            severity,
            line: None,
            column: None,
            item: None,
            phase: None,
            found: String::new(),
            decided: String::new(),
            message: String::new(),
        };
        Self { at, finding }
    }

    #[must_use]
    pub(super) fn about(mut self, about: About<'_>) -> Self {
        self.finding.item = about.item.map(str::to_owned);
        self.finding.phase = about.phase.map(str::to_owned);
        self
    }

    #[must_use]
    pub(super) fn found(mut self, found: impl Into<String>) -> Self {
        self.finding.found = found.into();
        self
    }

    #[must_use]
    pub(super) fn decided(mut self, decided: impl Into<String>) -> Self {
        self.finding.decided = decided.into();
        self
    }

    #[must_use]
    pub(super) fn says(mut self, message: impl Into<String>) -> Self {
        self.finding.message = message.into();
        self
    }

    /// The findings in the order of the file, with their places.
    pub(super) fn place_all(mut remarks: Vec<Self>, places: &Places<'_>) -> Vec<Finding> {
        remarks.sort_by_key(|remark| remark.at);
        let findings = remarks.into_iter().map(|remark| {
            let place = places.of(remark.at);
            Finding {
                line: Some(place.line as u64),
                column: Some(place.column as u64),
                ..remark.finding
            }
        });
        findings.collect()
    }
}
