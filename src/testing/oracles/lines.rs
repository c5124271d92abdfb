//! The log as anybody can read it with a checksum and a ruler: it shares no code with `log`.

use std::path::Path;

use crate::ports::Ports;

/// A segment is never longer in a test; a longer one is read this far.
const MAX_BYTES: u64 = 1 << 30;

/// One record, as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// Its place in the log.
    pub seq: u64,
    /// Its payload, as text. In a group each line but the last begins with `{"more":true,`.
    pub payload: String,
}

impl Line {
    /// The payload as it was before it became part of a group.
    pub fn own_payload(&self) -> String {
        match self.payload.strip_prefix(MORE) {
            Some(rest) => format!("{{{rest}"),
            None => self.payload.clone(),
        }
    }

    /// True if its group goes on with the next line.
    pub fn goes_on(&self) -> bool {
        self.payload.starts_with(MORE)
    }
}

const MORE: &str = "{\"more\":true,";

/// Reads the log of the store in `dir`: line by line, as far as each follows the one before.
///
/// # Errors
/// What the disk says, as text.
pub fn read_lines(ports: &Ports, dir: &Path) -> Result<Vec<Line>, String> {
    let wal = dir.join("wal");
    let names = ports
        .disk
        .list(&wal)
        .map_err(|error| format!("list {}: {error}", wal.display()))?;
    let mut segments = Vec::new();
    for name in names.iter().filter(|name| is_segment(name)) {
        let bytes = ports.disk.read(&wal.join(name), MAX_BYTES);
        segments.push(bytes.map_err(|error| format!("read {name}: {error}"))?);
    }
    Ok(follow(segments.iter().map(Vec::as_slice)))
}

/// True for the name of a segment: twenty digits and `.wal`.
pub fn is_segment(name: &str) -> bool {
    let digits = name.strip_suffix(".wal").unwrap_or_default();
    digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The records in the bytes of these segments, in order.
///
/// A line counts if its checksum is right, it names the checksum of the line before and the next number. Where a
/// segment stops, the next one goes on; a group without its last line does not count. A first line that says what was
/// given up (`lost`) may go on further up.
pub fn follow<'b>(segments: impl Iterator<Item = &'b [u8]>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut last_crc = "00000000".to_owned();
    for bytes in segments {
        let mut group = Vec::new();
        let mut crc = last_crc.clone();
        for (at, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let Some((own, previous, found)) = parse(line) else {
                break;
            };
            let next = lines.len() + group.len();
            let last = if next == 0 {
                0
            } else {
                last_seq(&lines, &group)
            };
            let goes_on = found.seq == last + 1;
            let after_loss = at == 0 && found.seq > last && gives_up(&found.payload);
            if previous != crc || !(goes_on || after_loss) {
                break;
            }
            crc = own;
            let whole = !found.goes_on();
            group.push(found);
            if whole {
                lines.append(&mut group);
                last_crc.clone_from(&crc);
            }
        }
    }
    lines
}

fn last_seq(lines: &[Line], group: &[Line]) -> u64 {
    group.last().or(lines.last()).map_or(0, |line| line.seq)
}

/// True for a header that says that something before it was given up.
fn gives_up(payload: &str) -> bool {
    payload.contains("\"event\":\"segment\"") && !payload.contains("\"lost\":[]")
}

/// Takes a line apart: its checksum, the one of the line before, and the record.
fn parse(line: &[u8]) -> Option<(String, String, Line)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (crc, rest) = line.split_at_checked(8)?;
    if crc != format!("{:08x}", crc32fast::hash(rest.as_bytes())) {
        return None;
    }
    let mut fields = rest.strip_prefix(' ')?.splitn(4, ' ');
    let (previous, seq) = (fields.next()?, fields.next()?.parse().ok()?);
    let (_durable, payload) = (fields.next()?, fields.next()?);
    let payload = payload.to_owned();
    Some((crc.to_owned(), previous.to_owned(), Line { seq, payload }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(previous: &str, seq: u64, payload: &str) -> (String, String) {
        let rest = format!(" {previous} {seq} 0 {payload}");
        let crc = format!("{:08x}", crc32fast::hash(rest.as_bytes()));
        (format!("{crc}{rest}\n"), crc)
    }

    fn seqs(segments: &[String]) -> Vec<u64> {
        let bytes = segments.iter().map(String::as_bytes);
        follow(bytes).iter().map(|line| line.seq).collect()
    }

    #[test]
    fn a_log_is_followed_over_segments_and_stops_where_it_breaks() {
        let (one, crc) = line("00000000", 1, "{\"event\":\"segment\",\"lost\":[]}");
        let (two, crc) = line(&crc, 2, "{\"more\":true,\"event\":\"a\"}");
        let (three, crc) = line(&crc, 3, "{\"event\":\"b\"}");
        let (four, crc) = line(&crc, 4, "{\"event\":\"segment\",\"lost\":[]}");
        let (five, _) = line(&crc, 5, "{\"event\":\"c\"}");
        let first = format!("{one}{two}{three}");
        assert_eq!(
            seqs(&[first.clone(), format!("{four}{five}")]),
            [1, 2, 3, 4, 5]
        );
        // What stands behind a seal does not count, nor does half a group.
        assert_eq!(
            seqs(&[format!("{first}junk"), format!("{four}{five}")]),
            [1, 2, 3, 4, 5]
        );
        assert_eq!(seqs(&[format!("{one}{two}")]), [1]);
        assert_eq!(seqs(&[first, five]), [1, 2, 3]);
        let hurt = three.replace("\"b\"", "\"x\"");
        assert_eq!(seqs(&[format!("{one}{two}{hurt}")]), [1]);
    }

    #[test]
    fn a_header_that_says_what_was_lost_goes_on_further_up() {
        let (one, crc) = line("00000000", 1, "{\"event\":\"segment\",\"lost\":[]}");
        let (nine, _) = line(&crc, 9, "{\"event\":\"segment\",\"lost\":[{}]}");
        assert_eq!(seqs(&[one, nine]), [1, 9]);
    }
}
