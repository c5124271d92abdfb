//! `wal/heartbeats`: signs of life that are not worth a record.
//!
//! ```text
//! b690944b phaselog-heartbeat 1 1002 1795398015123456 clock 0000…0001 3600000000 5 "page 3 of 7"            \n
//! crc32                         token at, µs          clock boot      boot_us   asleep_us  progress    to 512 bytes
//! ```
//!
//! One slot of 512 bytes for each piece of work in progress: one sector, so that a slot is old or new. `crc32` covers
//! everything after the space behind it, to the newline. `at` counts microseconds since 1970; `clock` is `given` if the
//! caller gave the time; `boot` is `-` where there is no boot clock; `progress` is a JSON text, cut where it does not fit,
//! or `null`. Slots whose work is over are used again.
//!
//! Never synced, and always safe to delete: a sign of life that is lost makes a reset earlier, and then the token
//! keeps the late worker out. Written under the append lock only; readers take none.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::log::files;
use crate::log::frame::Crc;
use crate::pipeline::lease::Sign;
use crate::pipeline::{BootInstant, Timestamp};
use crate::ports::Disk;
use crate::position::Seq;

use super::dir::WAL;

/// The file's name in `wal/`.
pub(super) const HEARTBEATS: &str = "heartbeats";

const SLOT: usize = 512;

/// More slots than this are not read, nor written.
const MAX_SLOTS: usize = 65_536;

/// Every sign of life that can be read, by token. What cannot be read is not there.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> HashMap<Seq, Sign> {
    let bytes = bytes_of(disk, dir);
    bytes.chunks_exact(SLOT).filter_map(parse).collect()
}

/// Notes a sign of life in the slot of its token, else in one whose token `is_over`, else in a new one. A sign that says
/// nothing of how far the work is leaves standing what the one before said.
///
/// Under the append lock only: nobody else writes then, and what is over is known.
///
/// # Errors
/// As the system says; nothing depends on it.
pub(super) fn write(
    disk: &dyn Disk,
    dir: &Path,
    token: Seq,
    sign: &Sign,
    is_over: impl Fn(Seq) -> bool,
) -> io::Result<()> {
    let bytes = bytes_of(disk, dir);
    let signs: Vec<Option<(Seq, Sign)>> = bytes.chunks_exact(SLOT).map(parse).collect();
    let slots = || signs.iter().map(|sign| sign.as_ref().map(|sign| sign.0));
    let own = slots().position(|found| found == Some(token));
    let free = || slots().position(|found| found.is_none_or(&is_over));
    let slot = own.or_else(free).unwrap_or(bytes.len() / SLOT);
    if slot >= MAX_SLOTS {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let before = own.and_then(|slot| signs[slot].as_ref()?.1.progress.clone());
    let progress = sign.progress.clone().or(before);
    let sign = Sign {
        progress,
        ..sign.clone()
    };
    let file = files::open_or_create(disk, &dir.join(WAL).join(HEARTBEATS))?;
    file.write_full_at((slot * SLOT) as u64, &render(token, &sign))
}

fn bytes_of(disk: &dyn Disk, dir: &Path) -> Vec<u8> {
    let path = dir.join(WAL).join(HEARTBEATS);
    disk.read(&path, (MAX_SLOTS * SLOT) as u64)
        .unwrap_or_default()
}

fn render(token: Seq, sign: &Sign) -> Vec<u8> {
    let (boot, micros, asleep) = match &sign.boot {
        Some(boot) => (boot.boot.as_str(), boot.micros, boot.asleep_us),
        None => ("-", 0, 0),
    };
    let clock = if sign.wall_only { "given" } else { "clock" };
    let at = sign.at.micros();
    let mut text = format!("phaselog-heartbeat 1 {token} {at} {clock} {boot} {micros} {asleep} ");
    // Nine bytes for the checksum and its space, one for the newline.
    let room = (SLOT - 10).saturating_sub(text.len());
    text += &fitting(sign.progress.as_deref(), room);
    text += &" ".repeat((SLOT - 10).saturating_sub(text.len()));
    text.push('\n');
    format!("{} {text}", Crc::of(text.as_bytes())).into_bytes()
}

/// The text as JSON, cut so that it takes at most `room` bytes.
fn fitting(text: Option<&str>, room: usize) -> String {
    let as_json = |text: &str| serde_json::Value::from(text).to_string();
    let Some(text) = text else {
        return "null".to_owned();
    };
    let ends = std::iter::once(text.len()).chain(text.char_indices().rev().map(|(at, _)| at));
    let cut = ends
        .map(|end| as_json(&text[..end]))
        .find(|json| json.len() <= room);
    cut.unwrap_or_else(|| "null".to_owned())
}

fn parse(slot: &[u8]) -> Option<(Seq, Sign)> {
    let (stated, text) = std::str::from_utf8(slot).ok()?.split_once(' ')?;
    if Crc::of(text.as_bytes()).to_string() != stated {
        return None;
    }
    let fields = text.strip_prefix("phaselog-heartbeat 1 ")?;
    let mut fields = fields.splitn(7, ' ');
    let token = fields.next()?.parse().ok().map(Seq::new)?;
    let at = Timestamp::from_micros(fields.next()?.parse().ok()?)?;
    let wall_only = fields.next()? == "given";
    let (boot, micros) = (fields.next()?, fields.next()?.parse().ok()?);
    let asleep_us = fields.next()?.parse().ok()?;
    let boot = (boot != "-").then(|| BootInstant {
        boot: boot.to_owned(),
        micros,
        asleep_us,
    });
    let progress = serde_json::from_str(fields.next()?.trim_ascii_end()).ok()?;
    let sign = Sign {
        at,
        wall_only,
        boot,
        progress,
    };
    Some((token, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(progress: Option<&str>) -> Sign {
        Sign {
            at: Timestamp::from_micros(1_795_398_015_123_456).unwrap(),
            wall_only: false,
            boot: Some(BootInstant {
                boot: "00000000-0000-0000-0000-000000000001".into(),
                micros: 3_600_000_000,
                asleep_us: 5,
            }),
            progress: progress.map(str::to_owned),
        }
    }

    #[test]
    fn golden_slot() {
        let slot = render(Seq::new(1002), &sign(Some("page 3 of 7")));
        let mut expected = b"b690944b phaselog-heartbeat 1 1002 1795398015123456 clock 00000000-0000-0000-0000-000000000001 3600000000 5 \"page 3 of 7\"".to_vec();
        expected.resize(SLOT - 1, b' ');
        expected.push(b'\n');
        assert_eq!(
            String::from_utf8(slot).unwrap(),
            String::from_utf8(expected).unwrap()
        );
    }

    #[test]
    fn what_is_written_is_read_and_what_does_not_fit_is_cut() {
        let long = "é\n".repeat(400);
        let without_boot = Sign {
            boot: None,
            wall_only: true,
            ..sign(None)
        };
        for sign in [
            sign(None),
            sign(Some("")),
            sign(Some("p 3\t")),
            sign(Some(&long)),
            without_boot,
        ] {
            let slot = render(Seq::new(7), &sign);
            assert_eq!(slot.len(), SLOT);
            let (token, read) = parse(&slot).unwrap();
            assert_eq!(
                (token, read.at, &read.boot),
                (Seq::new(7), sign.at, &sign.boot)
            );
            match (&read.progress, &sign.progress) {
                (Some(read), Some(written)) => assert!(written.starts_with(read.as_str())),
                (read, written) => assert_eq!(read, written),
            }
        }
    }

    #[test]
    fn a_hurt_slot_is_no_sign() {
        let whole = render(Seq::new(7), &sign(Some("x")));
        for at in 0..SLOT {
            let mut slot = whole.clone();
            slot[at] ^= 1;
            assert_eq!(parse(&slot), None, "byte {at}");
        }
    }
}
