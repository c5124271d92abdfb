//! Aligned columns, for people.

use super::render::{Style, escape};

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows of cells with a title over each column. Control characters in cells are shown as `\n`, `\xNN`.
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell a column.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows
            .push(cells.iter().map(|cell| escape(cell)).collect());
    }

    /// The table with `indent` before each line, empty columns left out. The last cell of a row may be of any length.
    pub(super) fn text(&self, indent: &str, style: Style) -> String {
        let kept: Vec<(usize, usize)> = self
            .widths()
            .filter(|&(column, _)| self.rows.iter().any(|row| !row[column].is_empty()))
            .map(|(column, width)| (column, width.max(self.columns[column].0.len())))
            .collect();
        let mut all = self.line(&kept, indent, |column| self.columns[column].0);
        all = style.paint(anstyle::AnsiColor::BrightBlack, all.trim_end()) + "\n";
        for row in &self.rows {
            all.push_str(&self.line(&kept, indent, |column| &row[column]));
        }
        all
    }

    /// The rows without titles.
    pub(super) fn bare(&self, indent: &str) -> String {
        let kept: Vec<(usize, usize)> = self.widths().collect();
        let lines = self.rows.iter();
        lines
            .map(|row| self.line(&kept, indent, |column| &row[column]))
            .collect()
    }

    fn line<'a>(
        &self,
        kept: &[(usize, usize)],
        indent: &str,
        cell: impl Fn(usize) -> &'a str,
    ) -> String {
        let mut line = indent.to_owned();
        for (place, &(column, width)) in kept.iter().enumerate() {
            let (text, last) = (cell(column), place + 1 == kept.len());
            let pad = width.saturating_sub(text.chars().count());
            let gap = if last { "" } else { "  " };
            let line_end = match self.columns[column].1 {
                Align::Left => format!("{text}{}{gap}", " ".repeat(pad)),
                Align::Right => format!("{}{text}{gap}", " ".repeat(pad)),
            };
            line.push_str(&line_end);
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    }

    /// Each column with the length of its longest cell.
    fn widths(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.columns.len()).map(|column| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            (column, cells.max().unwrap_or(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::times::Show;

    #[test]
    fn columns_stand_in_line_and_empty_ones_are_left_out() {
        let mut table = Table::new(&[
            ("A", Align::Left),
            ("N", Align::Right),
            ("X", Align::Left),
            ("Z", Align::Left),
        ]);
        table.row(&["é".into(), "1".into(), String::new(), "a\tb".into()]);
        table.row(&["long".into(), "100".into(), String::new(), String::new()]);
        let style = Style {
            color: false,
            zone: Show::Utc,
        };
        assert_eq!(
            table.text(" ", style),
            " A       N  Z\n é       1  a\\tb\n long  100\n"
        );
    }
}
