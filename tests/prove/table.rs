//! What a run went through, a row for each layer.

use super::bench::Effort;

/// What a layer went through and what it found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// The layer.
    pub(crate) layer: &'static str,
    /// How many of what.
    pub(crate) count: u64,
    /// Of what.
    pub(crate) unit: &'static str,
    /// What there has to be in a long run; 0 for as many as there are.
    pub(crate) target: u64,
    /// More that is worth saying.
    pub(crate) more: String,
    /// What was wrong, the first few of it.
    pub(crate) violations: Vec<String>,
    /// A long run was asked for.
    pub(crate) long: bool,
}

impl Row {
    pub(crate) fn holds(&self) -> bool {
        self.violations.is_empty() && !(self.long && self.count < self.target)
    }
}

/// The table, with what is wrong below it; with each row the command that runs its layer again.
pub(crate) fn render(rows: &[(Row, String)], effort: Effort) -> String {
    let mut lines = vec![format!(
        "{:<34} {:>10} {:<16} {:>10} {:>10}  {}",
        "layer", "count", "", "target", "violations", ""
    )];
    for (row, _) in rows {
        let target = match row.target {
            0 => "all".to_owned(),
            target => target.to_string(),
        };
        let (count, found) = (row.count, row.violations.len());
        let line = format!(
            "{:<34} {count:>10} {:<16} {target:>10} {found:>10}  {}",
            row.layer, row.unit, row.more
        );
        lines.push(line.trim_end().to_owned());
    }
    if effort == Effort::Short {
        lines.push("(a part of each layer; targets are those of `--long`)".to_owned());
    }
    for (row, again) in rows {
        if !row.violations.is_empty() {
            lines.push(format!("\n{}: again with\n  {again}", row.layer));
        }
        for violation in row.violations.iter().take(3) {
            lines.push(format!("\n{}: {violation}", row.layer));
        }
        let heads = row.violations.iter().skip(3).take(60);
        lines.extend(heads.map(|it| format!("{}: {}", row.layer, it.lines().next().unwrap_or(""))));
    }
    lines.join("\n")
}
