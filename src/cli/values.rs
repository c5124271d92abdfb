//! Values of arguments: items, phases, tokens, and text or JSON from a file or standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::Error;
use crate::pipeline::event::Owner;
use crate::pipeline::{ItemId, Phase, PipelineState, lookup};
use crate::position::Seq;

use super::context::Context;
use super::failure::Failure;

/// The longest text that is taken from a file or from standard input, in bytes.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// Item and phase of a report, both of which may come from the environment.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The item: its exact text, or id:HEX, or index:N
    #[arg(env = "PHASELOG_ITEM", hide_env_values = true)]
    pub(super) item: ItemId,
    /// The phase
    #[arg(env = "PHASELOG_PHASE", hide_env_values = true)]
    pub(super) phase: Phase,
}

/// Who does the work, as everything that starts work is told.
#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// Who does the work
    #[arg(
        long,
        value_name = "NAME",
        env = "PHASELOG_WORKER",
        hide_env_values = true
    )]
    pub(super) worker: Option<String>,
    /// The process that does the work: when it is gone, the work is handed back at once
    #[arg(long, value_name = "N")]
    pid: Option<u32>,
}

impl WorkerArgs {
    /// The process given, so named that it can be told from every other; `None` if none is given.
    ///
    /// # Errors
    /// Usage, if there is no such process, or it cannot be seen from here.
    pub(super) fn owner(&self, context: &Context<'_>) -> Result<Option<Owner>, Failure> {
        let Some(pid) = self.pid else {
            return Ok(None);
        };
        match context.ports.owner(pid) {
            Some(owner) => Ok(Some(owner)),
            None => Err(Failure::usage(format!(
                "--pid {pid}: no such process, or it cannot be seen from here"
            ))),
        }
    }
}

/// The token of a report.
#[derive(Debug, Args)]
pub(super) struct TokenArg {
    /// The token that `start` printed
    #[arg(long, value_name = "N")]
    token: Option<u64>,
}

/// The id of a report.
#[derive(Debug, Default, Args)]
pub(super) struct OpArg {
    /// An id of your own: a report that is repeated under it, because its outcome was unknown, is applied once
    #[arg(long, value_name = "ID", value_parser = op_id)]
    pub(super) op_id: Option<String>,
}

fn op_id(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
    plain
        .then(|| text.to_owned())
        .ok_or_else(|| "an id has 1 to 200 bytes, and no control characters".to_owned())
}

impl TokenArg {
    /// True if it stands on the command line.
    pub(super) const fn is_given(&self) -> bool {
        self.token.is_some()
    }

    /// The token given, else the one of the environment if item and phase are the environment's too.
    pub(super) fn resolve(&self, target: &Target) -> Result<Option<Seq>, Failure> {
        if let Some(token) = self.token {
            return Ok(Some(Seq::new(token)));
        }
        let is = |name, value: &str| std::env::var(name).is_ok_and(|text| text == value);
        if !is("PHASELOG_ITEM", target.item.as_str())
            || !is("PHASELOG_PHASE", target.phase.as_str())
        {
            return Ok(None);
        }
        match std::env::var("PHASELOG_TOKEN") {
            Ok(text) if !text.is_empty() => match text.parse() {
                Ok(token) => Ok(Some(Seq::new(token))),
                Err(_) => Err(Failure::usage(format!(
                    "PHASELOG_TOKEN={text:?} is no token"
                ))),
            },
            _ => Ok(None),
        }
    }
}

/// The exact item that a person means, in a state that was read.
pub(super) fn find_item<'a>(
    state: &'a PipelineState,
    text: &str,
) -> Result<std::borrow::Cow<'a, crate::pipeline::Item>, Failure> {
    Ok(state.item_at(lookup::resolve(state, text)?))
}

/// A text as given, or the content of `@FILE`, or standard input for `-`.
pub(super) fn text(context: &Context<'_>, given: &str) -> Result<String, Failure> {
    match (given, given.strip_prefix('@')) {
        ("-", _) => utf8(Path::new("-"), standard_input()?),
        (_, Some(file)) => {
            let path = PathBuf::from(file);
            utf8(&path, read_file(context, &path, MAX_TEXT_BYTES)?)
        }
        _ => Ok(given.to_owned()),
    }
}

/// The bytes of a file that the user named.
pub(super) fn read_file(
    context: &Context<'_>,
    path: &Path,
    limit: u64,
) -> Result<Vec<u8>, Failure> {
    context.ports.disk.read(path, limit).map_err(|error| {
        if error.kind() == std::io::ErrorKind::FileTooLarge {
            let bytes = context
                .ports
                .disk
                .metadata(path)
                .map_or(0, |found| found.len);
            return Error::TooLarge {
                what: path.display().to_string(),
                bytes,
                limit,
            }
            .into();
        }
        Failure::from(Error::io("read", path)(error))
    })
}

/// All of standard input.
pub(super) fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(MAX_TEXT_BYTES + 1);
    input
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", "-"))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        let (what, bytes) = ("standard input".to_owned(), bytes.len() as u64);
        return Err(Error::TooLarge {
            what,
            bytes,
            limit: MAX_TEXT_BYTES,
        }
        .into());
    }
    Ok(bytes)
}

/// Bytes as text, or the place of the first byte that is none.
pub(super) fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let (bytes, before) = (error.as_bytes(), &error.as_bytes()[..good]);
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        let start = before
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        let message = format!("byte {good} (0x{:02x}) is not UTF-8", bytes[good]);
        Error::Parse {
            path: path.to_owned(),
            line,
            column,
            message,
        }
        .into()
    })
}

/// What serde says of JSON in a file, with its place.
pub(super) fn parse_error(path: &Path, error: &serde_json::Error) -> Failure {
    // At the very end of a text serde counts no column.
    let (line, column) = (error.line(), error.column().max(1));
    Error::Parse {
        path: path.to_owned(),
        line,
        column,
        message: bare(error),
    }
    .into()
}

/// What serde says, without the place that it appends.
pub(super) fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
