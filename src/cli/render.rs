//! How results are printed: as text, as one JSON document, or as JSON lines.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::pipeline::Timestamp;

use super::failure::Failure;
use super::hints::Shell;
use super::times::Show;

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One document.
    Json,
    /// One line for each element of the document's array.
    JsonLines,
}

/// Something that a command prints.
pub(super) trait Report {
    /// The text for people, with its last newline.
    fn text(&self, style: &Style) -> String;

    /// The document, without `schema_version`, every key present.
    fn json(&self) -> Value;

    /// The key of the document's array, whose elements JSON lines are; without one the document is one line.
    fn array(&self) -> Option<&'static str> {
        None
    }
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) color: bool,
    pub(super) zone: Show,
}

impl Style {
    /// The time for people: local with offset, or UTC.
    pub(super) fn time(&self, at: Timestamp) -> String {
        self.zone.text(at)
    }

    /// The text in a colour, where colour is wanted.
    pub(super) fn paint(&self, color: anstyle::AnsiColor, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let style = anstyle::Style::new().fg_color(Some(color.into()));
        format!("{style}{text}{style:#}")
    }
}

/// Standard output and standard error, with the form of the output.
pub(super) struct Printer<'a> {
    pub(super) format: Format,
    pub(super) style: Style,
    /// How hints call the program.
    pub(super) shell: Shell,
    quiet: bool,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    broken: Option<io::ErrorKind>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(
        format: Format,
        color: bool,
        quiet: bool,
        zone: Show,
        shell: Shell,
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
    ) -> Self {
        let style = Style {
            color: color && format == Format::Text,
            zone,
        };
        Self {
            format,
            style,
            shell,
            quiet,
            out,
            err,
            broken: None,
        }
    }

    /// Prints a report in the form that was asked for.
    pub(super) fn report(&mut self, report: &dyn Report) {
        let text = match self.format {
            Format::Text => report.text(&self.style),
            Format::Json => document(report.json()) + "\n",
            Format::JsonLines => match report.array() {
                None => document(report.json()) + "\n",
                Some(key) => {
                    let mut json = report.json();
                    let elements = json.get_mut(key).map(Value::take).unwrap_or_default();
                    let lines = elements.as_array().into_iter().flatten();
                    lines.fold(String::new(), |mut all, line| {
                        let _ = writeln!(all, "{}", one_line(line));
                        all
                    })
                }
            },
        };
        self.data(text.as_bytes());
    }

    /// Prints one document, or, where it is one of several, one line of them.
    pub(super) fn document(&mut self, body: Value, of_several: bool) {
        match self.format {
            Format::JsonLines if of_several => self.line(&one_line(&body)),
            _ => self.line(&document(body)),
        }
    }

    /// Writes to standard output, which may be closed.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        if self.broken.is_none()
            && let Err(error) = self.out.write_all(bytes)
        {
            self.broken = Some(error.kind());
        }
    }

    /// True if standard output takes nothing more.
    pub(super) fn is_closed(&self) -> bool {
        self.broken.is_some()
    }

    /// Writes a line to standard output.
    pub(super) fn line(&mut self, text: &str) {
        self.data(format!("{text}\n").as_bytes());
    }

    /// Writes a line to standard error: a receipt of a command whose standard output is data.
    pub(super) fn aside(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// Passes on to standard error what somebody else wrote.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let _ = self.err.write_all(bytes);
    }

    /// True if hints and progress are off.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes a `warning:` line to standard error.
    pub(super) fn warning(&mut self, text: &str) {
        let label = self.label(anstyle::AnsiColor::Yellow, "warning:");
        let _ = writeln!(self.err, "{label} {text}");
    }

    /// Shows how far a long command is, in place of what it showed before. For a terminal only.
    pub(super) fn progress(&mut self, text: &str) {
        let _ = write!(self.err, "\r\x1b[K{text}");
        let _ = self.err.flush();
    }

    /// Writes a `hint:` line to standard error, unless hints are off; programs get them inside the JSON.
    pub(super) fn hint(&mut self, text: &str) {
        if !self.quiet && self.format == Format::Text {
            let _ = writeln!(self.err, "hint: {text}");
        }
    }

    /// Pushes out what is buffered.
    pub(super) fn flush(&mut self) {
        if let Err(error) = self.out.flush()
            && self.broken.is_none()
        {
            self.broken = Some(error.kind());
        }
    }

    /// The exit status of a command that was done: standard output that took nothing is a failure, one that was
    /// closed (`| head`) is not.
    pub(super) fn flush_or_fail(&mut self, status: u8) -> u8 {
        self.flush();
        match self.broken {
            None | Some(io::ErrorKind::BrokenPipe) => status,
            Some(kind) => {
                let _ = writeln!(self.err, "error: cannot write to standard output: {kind}");
                1
            }
        }
    }

    /// Prints a failure and gives its exit status.
    pub(super) fn fail(&mut self, failure: &Failure) -> u8 {
        self.flush();
        if self.format == Format::Text {
            let label = self.label(anstyle::AnsiColor::Red, "error:");
            let _ = writeln!(self.err, "{label} {}", escape(&failure.message()));
            let hint = failure.hint(&self.shell);
            self.hint(&hint);
        } else {
            let _ = writeln!(self.err, "{}", failure.to_json(&self.shell));
        }
        failure.code().1
    }

    fn label(&self, color: anstyle::AnsiColor, text: &str) -> String {
        self.style.paint(color, text)
    }
}

/// A document with its `schema_version` in front.
pub(super) fn document(body: Value) -> String {
    let mut all = Map::new();
    all.insert("schema_version".into(), 1.into());
    match body {
        Value::Object(fields) => all.extend(fields),
        other => drop(all.insert("value".into(), other)),
    }
    one_line(&Value::Object(all))
}

/// The key under which a value carries JSON that is printed as it stands.
const VERBATIM: &str = "\0verbatim";

/// JSON that somebody wrote, as a value that [`one_line`] and [`document`] print as it stands: a number in a [`Value`]
/// would be spelled in another way, `1e+5` for `1E5`.
pub(super) fn verbatim(json: &str) -> Value {
    json!({VERBATIM: json})
}

/// A value as JSON in one line.
pub(super) fn one_line(value: &Value) -> String {
    serde_json::to_string(&Printed(value)).expect("a value is plain JSON")
}

/// A value, with what is to be printed as it stands.
struct Printed<'a>(&'a Value);

impl Serialize for Printed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(all) => serializer.collect_seq(all.iter().map(Printed)),
            Value::Object(fields) => match carried(fields) {
                Some(raw) => raw.serialize(serializer),
                None => serializer.collect_map(fields.iter().map(|(key, it)| (key, Printed(it)))),
            },
            plain => plain.serialize(serializer),
        }
    }
}

/// The JSON that an object made by [`verbatim`] carries.
fn carried(fields: &Map<String, Value>) -> Option<&RawValue> {
    match fields.get(VERBATIM) {
        Some(Value::String(text)) if fields.len() == 1 => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Turns what serde can write into a value.
pub(super) fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("our reports are plain JSON")
}

/// An item as tab-separated lines show it: control characters as `\t \n \r \xNN`.
pub(super) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push_str("\\t"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(shown, "\\x{:02x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Rows of tab-separated fields, or, with `-0`, exact fields each ended by NUL.
pub(super) fn rows<'a, R>(rows: impl IntoIterator<Item = R>, nul: bool) -> Vec<u8>
where
    R: IntoIterator<Item = &'a str>,
{
    let mut bytes = Vec::new();
    for fields in rows {
        for (index, field) in fields.into_iter().enumerate() {
            if nul {
                bytes.extend_from_slice(field.as_bytes());
                bytes.push(0);
                continue;
            }
            if index > 0 {
                bytes.push(b'\t');
            }
            if field.chars().any(char::is_control) {
                bytes.extend_from_slice(escape(field).as_bytes());
            } else {
                bytes.extend_from_slice(field.as_bytes());
            }
        }
        if !nul {
            bytes.push(b'\n');
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_is_printed_as_it_stands() {
        let data = r#"{"n":[1E5,1e-07,0.90,-0,12345678901234567890123],"s":"\u0000"}"#;
        let value = json!({"seq": 7, "data": verbatim(data), "list": [verbatim("1E5"), null]});
        let text = format!(r#"{{"seq":7,"data":{data},"list":[1E5,null]}}"#);
        assert_eq!(one_line(&value), text);
        assert!(document(value).ends_with(&text[1..]));
        // What only looks like it is printed as any other object.
        for other in [
            json!({VERBATIM: "{"}),
            json!({VERBATIM: 1}),
            json!({VERBATIM: "1", "a": 2}),
        ] {
            assert_eq!(one_line(&other), other.to_string());
        }
    }
}
