//! Items for `init` and `add`: arguments, or a list in a file.
//!
//! | file | items |
//! |---|---|
//! | `.csv` | the column `address`, `full_address` or `item`; `id` if there is one |
//! | `.json` | an array of texts or of objects with such a key |
//! | `.jsonl` | one such text or object a line |
//! | anything else, `-` | one a line |

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::pipeline::{ItemId, NewItem};

use super::context::Context;
use super::failure::Failure;
use super::values;

/// The keys and columns that name an item, the first that is there counts.
const NAMES: [&str; 3] = ["address", "full_address", "item"];

/// The largest list that is read, in bytes.
const MAX_LIST_BYTES: u64 = 1 << 30;

/// Items as arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Items {
    /// Items, each by its exact text
    #[arg(value_name = "ITEM")]
    items: Vec<ItemId>,
    /// A file with items (.csv, .json, .jsonl, else one a line), or - for standard input
    #[arg(long = "items", value_name = "FILE|-")]
    file: Option<PathBuf>,
}

impl Items {
    /// All items given, in order.
    pub(super) fn read(&self, context: &Context<'_>) -> Result<Vec<NewItem>, Failure> {
        let mut items: Vec<NewItem> = self.items.iter().cloned().map(plain).collect();
        if let Some(path) = &self.file {
            let bytes = if path == Path::new("-") {
                values::standard_input()?
            } else {
                values::read_file(context, path, MAX_LIST_BYTES)?
            };
            let text = values::utf8(path, bytes)?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            items.extend(parse(path, text)?);
        }
        Ok(items)
    }
}

/// An item given by name alone.
fn plain(name: ItemId) -> NewItem {
    NewItem { name, id: None }
}

/// The items without repetitions; the first of each counts.
pub(super) fn unique(items: Vec<NewItem>) -> Vec<NewItem> {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .filter(|item| seen.insert(item.name.clone()))
        .collect()
}

fn parse(path: &Path, text: &str) -> Result<Vec<NewItem>, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => parse_csv(path, text),
        Some("json") => {
            let json: Value =
                serde_json::from_str(text).map_err(|error| values::parse_error(path, &error))?;
            let Value::Array(rows) = json else {
                return Err(wrong(path, 1, "an array of items was expected"));
            };
            rows.iter().map(|row| of_json(path, 0, row)).collect()
        }
        Some("jsonl") => {
            let lines = text
                .lines()
                .zip(1..)
                .filter(|(line, _)| !line.trim().is_empty());
            lines
                .map(|(line, number)| {
                    let row = serde_json::from_str(line).map_err(|error| {
                        let (column, message) = (error.column(), values::bare(&error));
                        Error::Parse {
                            path: path.to_owned(),
                            line: number,
                            column,
                            message,
                        }
                    })?;
                    of_json(path, number, &row)
                })
                .collect()
        }
        _ => {
            let lines = text.lines().zip(1..).filter(|(line, _)| !line.is_empty());
            lines
                .map(|(line, number)| named(path, number, line, None))
                .collect()
        }
    }
}

fn parse_csv(path: &Path, text: &str) -> Result<Vec<NewItem>, Failure> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let failed = |error: &csv::Error| {
        let line = error
            .position()
            .map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        wrong(path, line, &error.to_string())
    };
    let header = reader.headers().map_err(|error| failed(&error))?.clone();
    let column = |name: &str| header.iter().position(|cell| cell.trim() == name);
    let Some(name) = NAMES.iter().find_map(|name| column(name)) else {
        return Err(wrong(
            path,
            1,
            "no column is named address, full_address or item",
        ));
    };
    let id = column("id");
    let mut items = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| failed(&error))?;
        let line = row
            .position()
            .map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        let Some(text) = row.get(name) else {
            return Err(wrong(path, line, "the row has no such column"));
        };
        let id = id
            .and_then(|id| row.get(id))
            .filter(|id| !id.is_empty())
            .map(str::to_owned);
        items.push(named(path, line, text, id)?);
    }
    Ok(items)
}

fn of_json(path: &Path, line: usize, row: &Value) -> Result<NewItem, Failure> {
    match row {
        Value::String(text) => named(path, line, text, None),
        Value::Object(fields) => {
            let text = NAMES.iter().find_map(|name| fields.get(*name)?.as_str());
            let text = text.ok_or_else(|| {
                wrong(path, line, "an object has no address, full_address or item")
            })?;
            named(
                path,
                line,
                text,
                fields.get("id").and_then(Value::as_str).map(str::to_owned),
            )
        }
        _ => Err(wrong(path, line, "an item is a text or an object")),
    }
}

fn named(path: &Path, line: usize, text: &str, id: Option<String>) -> Result<NewItem, Failure> {
    match ItemId::new(text) {
        Ok(name) => Ok(NewItem { name, id }),
        Err(error) => Err(wrong(path, line, &error.to_string())),
    }
}

fn wrong(path: &Path, line: usize, message: &str) -> Failure {
    Error::Parse {
        path: path.to_owned(),
        line,
        column: 0,
        message: message.to_owned(),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, text: &str) -> Vec<String> {
        let items = parse(Path::new(path), text).unwrap();
        items
            .into_iter()
            .map(|item| item.name.to_string())
            .collect()
    }

    #[test]
    fn every_kind_of_list_reads() {
        let wanted = ["1 A St, X", "2 B St"];
        assert_eq!(
            names("a.csv", "id,address\n7,\"1 A St, X\"\n,2 B St\n"),
            wanted
        );
        assert_eq!(
            names("a.json", r#"["1 A St, X",{"full_address":"2 B St"}]"#),
            wanted
        );
        assert_eq!(
            names("a.jsonl", "\"1 A St, X\"\n\n{\"item\":\"2 B St\"}\n"),
            wanted
        );
        assert_eq!(names("a.txt", "1 A St, X\r\n2 B St"), wanted);
    }

    #[test]
    fn a_list_without_names_says_where() {
        let error = parse(Path::new("a.csv"), "x,y\n1,2\n").unwrap_err();
        assert!(error.message().contains("line 1"), "{}", error.message());
        assert!(
            parse(Path::new("a.jsonl"), "{\"item\":\"x\"}\n{")
                .unwrap_err()
                .message()
                .contains("line 2")
        );
    }
}
