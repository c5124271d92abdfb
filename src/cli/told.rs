//! Records as `history` and `log` print them, and what they say of places that cannot be read.

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::pipeline::Json;
use crate::pipeline::members::Members;
use crate::store::history::{Strange, Told};
use crate::store::records::{Ground, Unreadable};

use super::context::Context;
use super::exit;
use super::render::{Style, verbatim};

/// A record as JSON: its place, its checksum, and the payload as it stands.
pub(super) fn element(told: &Told) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("seq".into(), json!(told.seq));
    fields.insert("crc32".into(), told.crc32.to_string().into());
    fields.insert("at".into(), Value::Null);
    fields.insert("event".into(), Value::Null);
    // Checked and without white space; what it carries is printed as it was written.
    let payload = serde_json::from_str::<Json>(&told.payload).ok();
    match payload.as_ref().and_then(|it| Members::of(it.as_str())) {
        Some(members) => {
            for (key, value) in members.iter() {
                if key != "seq" && key != "crc32" {
                    fields.insert(key.to_owned(), verbatim(value));
                }
            }
        }
        None => drop(fields.insert("payload".into(), told.payload.clone().into())),
    }
    fields
}

/// The time of a record, for people.
pub(super) fn time(told: &Told, style: Style) -> String {
    told.at.map_or_else(|| "?".to_owned(), |at| style.time(at))
}

/// Says on standard error what could not be read or understood, and gives the exit status.
pub(super) fn finish(
    context: &mut Context<'_>,
    ground: &Ground,
    unreadable: &[Unreadable],
    strange: Option<&Told>,
) -> u8 {
    for place in unreadable {
        let shown = if place.shown { "" } else { "not shown: " };
        context.print.warning(&format!("{shown}{}", place.message));
    }
    if !unreadable.is_empty() {
        let verify = context.print.shell.command("verify", &[]);
        context.print.hint(&verify);
    } else if let Some(told) = strange {
        let (seq, event) = (told.seq, &told.event);
        let what = match &told.strange {
            Some(Strange::Malformed(message)) => format!("verifies and is no event: {message}"),
            _ => "is of a newer version".to_owned(),
        };
        context.print.warning(&format!(
            "record {seq} ({event:?}) {what}; it is shown as it stands"
        ));
    } else {
        return match &ground.failure {
            // The log is as it should be; what is said to continue it is not.
            Some(error @ (Error::OtherLog { .. } | Error::NewerFormat { seq: None, .. })) => {
                context.print.warning(&error.to_string());
                exit::DAMAGED
            }
            // The snapshot, since the log was read: all that is told here stands in the log.
            Some(error @ (Error::Io { .. } | Error::TooLarge { .. })) => {
                context.print.warning(&error.to_string());
                exit::DONE
            }
            _ => exit::DONE,
        };
    }
    exit::DAMAGED
}
