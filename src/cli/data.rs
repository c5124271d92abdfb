//! Data on the command line: `--enrich JSON`, `FIELD=JSON`, and who says so.

use std::borrow::Cow;

use clap::Args;

use crate::error::Error;
use crate::pipeline::members::Members;
use crate::pipeline::{DataPatch, ExtractionStatus, FieldPath, Json};
use crate::snapshot::import;

use super::context::Context;
use super::failure::Failure;
use super::hints::quote;
use super::values;

/// What some programs write before a text in UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Who says what is found out, and how sure they are.
#[derive(Debug, Default, Args)]
pub(super) struct SourceArgs {
    /// Who says so; with a report, if not given, the worker of the phase
    #[arg(long, value_name = "NAME", value_parser = source)]
    source: Option<String>,
    /// How sure they are: a number such as 0.90, or a word
    #[arg(long, value_name = "X", value_parser = confidence)]
    confidence: Option<Json>,
}

/// What a report brings.
#[derive(Debug, Default, Args)]
pub(super) struct FoundArgs {
    /// What was found out, as a JSON merge patch: an object, @FILE, or - for standard input; null takes a field away
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    enrich: Option<String>,
    #[command(flatten)]
    source: SourceArgs,
    /// How the item's image extraction ended
    #[arg(long, value_name = "STATUS")]
    extraction: Option<Ended>,
}

/// How an extraction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Ended {
    /// Done
    Completed,
    /// It went wrong
    Failed,
}

impl FoundArgs {
    /// True if anything is given.
    pub(super) const fn is_given(&self) -> bool {
        self.enrich.is_some() || self.extraction.is_some()
    }

    /// What is given: data, and the end of an extraction.
    pub(super) fn read(
        self,
        context: &mut Context<'_>,
    ) -> Result<(Option<DataPatch>, Option<ExtractionStatus>), Failure> {
        let extraction = self.extraction.map(|ended| match ended {
            Ended::Completed => ExtractionStatus::Completed,
            Ended::Failed => ExtractionStatus::Failed,
        });
        let Some(given) = self.enrich else {
            self.source.refuse_alone("--enrich")?;
            return Ok((None, extraction));
        };
        let patch = object(context, "--enrich", &given)?;
        Ok((Some(self.source.patch(patch)), extraction))
    }
}

impl SourceArgs {
    /// A change that they make.
    pub(super) fn patch(self, patch: Json) -> DataPatch {
        let Self { source, confidence } = self;
        DataPatch {
            patch,
            source,
            confidence,
        }
    }

    fn refuse_alone(&self, what: &str) -> Result<(), Failure> {
        if self.source.is_some() || self.confidence.is_some() {
            return Err(Failure::usage(format!(
                "--source and --confidence say who stands behind {what}, which is not given"
            )));
        }
        Ok(())
    }
}

fn source(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
    plain
        .then(|| text.to_owned())
        .ok_or_else(|| "a source has 1 to 200 bytes, and no control characters".to_owned())
}

fn confidence(text: &str) -> Result<Json, String> {
    match serde_json::from_str::<serde_json::Value>(text) {
        // Not the value: it would spell an exponent in its own way.
        Ok(serde_json::Value::Number(_)) => {
            serde_json::from_str(text).map_err(|error| error.to_string())
        }
        _ => source(text)
            .map(|word| Json::from_value(&word.into()))
            .map_err(|_| "a number, or a word of 1 to 200 bytes".to_owned()),
    }
}

/// A JSON object that was given as text, in a file or on standard input.
///
/// # Errors
/// Usage for what stands on the command line; in a file [`Error::Parse`] with line and column.
pub(super) fn object(context: &mut Context<'_>, flag: &str, given: &str) -> Result<Json, Failure> {
    let file = match given.strip_prefix('@') {
        Some(file) => Some(file),
        None => (given == "-").then_some("-"),
    };
    let text = values::text(context, given)?;
    if text.starts_with(BYTE_ORDER_MARK) {
        // As in a file that is imported: it says nothing, and nobody sees it.
        let what = match file {
            None => flag,
            Some("-") => "standard input",
            Some(file) => file,
        };
        let said = format!("{what} begins with a byte order mark; it was passed over");
        context.print.warning(&said);
    }
    let read = import::strict_json(file.unwrap_or(flag), text.as_bytes());
    let read = read.and_then(|json| match Members::of(json.as_str()) {
        Some(_) => Ok(json),
        None => Err(Error::Parse {
            path: file.unwrap_or(flag).into(),
            line: 1,
            column: 1,
            message: format!(
                "the data of an item is a JSON object, this is {}",
                kind(&json)
            ),
        }),
    });
    read.map_err(|error| {
        if file.is_some() {
            error.into()
        } else {
            misuse(flag, error)
        }
    })
}

/// The same error, where the text stands on the command line.
fn misuse(what: &str, error: Error) -> Failure {
    match error {
        Error::Parse {
            line,
            column,
            message,
            ..
        } => Failure::usage(format!("{what}: {message} (line {line}, column {column})")),
        other => other.into(),
    }
}

fn kind(json: &Json) -> &'static str {
    match json.as_str().as_bytes().first() {
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// `FIELD=JSON …` as a merge patch. `a.b=1` is the field b in the object a; a key with a dot in it stands in quotes.
///
/// # Errors
/// Usage, with the way to write it.
pub(super) fn fields(given: &[String]) -> Result<Json, Failure> {
    let mut all: Vec<(FieldPath, Json)> = Vec::new();
    for text in given {
        let Some((field, value)) = split(text) else {
            return Err(Failure::usage(format!(
                "{text:?} is no FIELD=JSON: the name of a field, =, and its value as JSON"
            )));
        };
        let field = FieldPath::parse(field).map_err(|error| Failure::usage(error.to_string()))?;
        let quoted = || {
            let text = serde_json::to_string(value).expect("a text is plain JSON");
            format!(
                "a text needs quotes of its own, and the shell's around them: {}",
                quote(&format!("{field}={text}"))
            )
        };
        if value.is_empty() {
            let what = format!("{field}= has no value behind it");
            return Err(Failure::usage(what).with_hint(quoted()));
        }
        let value = import::strict_json(text, value.as_bytes()).map_err(|error| {
            misuse(&format!("{field}={value} is no JSON"), error).with_hint(quoted())
        })?;
        let clash =
            |(other, _): &&(FieldPath, Json)| field.is_within(other) || other.is_within(&field);
        if let Some((other, _)) = all.iter().find(clash) {
            return Err(Failure::usage(format!(
                "{other} and {field} are both given, and one is in the other: give one of them"
            )));
        }
        all.push((field, value));
    }
    let mut members = Members::default();
    for (field, value) in &all {
        let keys: Vec<Cow<'_, str>> = field.keys();
        members.set(&keys, Some(value.as_str()));
    }
    Ok(members.to_json())
}

/// Field and value: the first `=` that is not in quotes parts them.
fn split(text: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    let at = text.find(|sign: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match sign {
            '\\' if quoted => escaped = !was_escaped,
            '"' if !was_escaped => quoted = !quoted,
            '=' if !quoted => return true,
            _ => {}
        }
        false
    })?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(given: &[&str]) -> Result<String, String> {
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        fields(&given)
            .map(|json| json.to_string())
            .map_err(|failure| failure.message())
    }

    #[test]
    fn fields_make_a_merge_patch() {
        for (given, wanted) in [
            (
                &["list_price=639000", "hoa=null"][..],
                r#"{"list_price":639000,"hoa":null}"#,
            ),
            (
                &["lot.sqft=7405.0", "lot.kind=\"corner\""],
                r#"{"lot":{"sqft":7405.0,"kind":"corner"}}"#,
            ),
            (&[r#""a.b".c=[1, 0.90]"#], r#"{"a.b":{"c":[1,0.90]}}"#),
            (&[r#""a=b"={"x": "="}"#], r#"{"a=b":{"x":"="}}"#),
        ] {
            assert_eq!(patch(given).unwrap(), wanted);
        }
        for bad in [
            &["list_price"][..],
            &["=1"],
            &["a="],
            &["a=hello"],
            &["a=1 2"],
            &["a=1", "a=2"],
            &["a={}", "a.b=2"],
            &[r#"a={"b":1,"b":2}"#],
        ] {
            assert!(patch(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_confidence_is_a_number_as_it_is_written_or_a_word() {
        assert_eq!(confidence("0.90").unwrap().as_str(), "0.90");
        assert_eq!(confidence("1E-1").unwrap().as_str(), "1E-1");
        assert_eq!(confidence("high").unwrap().as_str(), "\"high\"");
        assert_eq!(confidence("true").unwrap().as_str(), "\"true\"");
        assert!(confidence("").is_err());
    }
}
