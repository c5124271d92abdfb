//! Where the bytes of a snapshot go: laid out with two spaces, counted, checksummed, passed on in large pieces.

use std::io::{self, Write as _};

use crc32fast::Hasher;

use super::layout::{Level, hidden};
use crate::pipeline::json::Extras;
use crate::pipeline::{Json, Timestamp};
use crate::snapshot::times::TimeWriter;
use crate::snapshot::{Offsets, TimeStyle, crc_text};

/// Bytes that are gathered before they are passed on.
const PIECE: usize = 64 * 1024;

const SPACES: &str = "                                ";

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The length of the whole file.
    pub bytes: u64,
    /// The checksum that stands in its last line.
    pub crc32: u32,
}

/// The bytes on their way out. Only [`Sink::pass_on`] and [`Sink::seal`] can fail; whatever is put in stays in memory
/// until then.
pub(super) struct Sink<'o> {
    pub(super) buffer: Vec<u8>,
    crc: Hasher,
    bytes: u64,
    times: TimeWriter,
    out: &'o mut dyn io::Write,
}

impl<'o> Sink<'o> {
    pub(super) fn new(times: TimeStyle, out: &'o mut dyn io::Write) -> Self {
        Self {
            buffer: Vec::with_capacity(2 * PIECE),
            crc: Hasher::new(),
            bytes: 0,
            times: TimeWriter::new(times),
            out,
        }
    }

    /// Passes on what was gathered, if it is enough to be worth a call.
    pub(super) fn pass_on(&mut self) -> io::Result<()> {
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the last line, with the checksum of everything before it, and the end of the document.
    pub(super) fn seal(mut self) -> io::Result<Written> {
        self.put(",\n");
        self.flush()?;
        let crc32 = self.crc.clone().finalize();
        self.put("  \"crc32\": \"");
        self.put(&crc_text(crc32));
        self.put("\"\n}\n");
        self.flush()?;
        let bytes = self.bytes;
        Ok(Written { bytes, crc32 })
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.crc.update(&self.buffer);
        self.bytes += self.buffer.len() as u64;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// The offsets of the times written so far.
    pub(super) fn offsets(&self) -> Offsets {
        self.times.offsets().clone()
    }

    pub(super) fn put(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// Begins a line at that depth.
    pub(super) fn line(&mut self, depth: usize) {
        self.buffer.push(b'\n');
        let mut spaces = 2 * depth;
        while spaces > 0 {
            let some = spaces.min(SPACES.len());
            self.put(&SPACES[..some]);
            spaces -= some;
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.buffer, text).expect("a vector takes all bytes");
    }

    pub(super) fn number(&mut self, number: u64) {
        write!(self.buffer, "{number}").expect("a vector takes all bytes");
    }

    pub(super) fn time(&mut self, time: Option<Timestamp>) {
        let Some(time) = time else {
            return self.put("null");
        };
        self.buffer.push(b'"');
        self.times.put(time, &mut self.buffer);
        self.buffer.push(b'"');
    }

    /// Lays out a value whose first line is at that depth. It works on the text, so that its numbers keep their digits
    /// and its depth costs no stack.
    pub(super) fn json(&mut self, json: &Json, depth: usize) {
        let text = json.as_str().as_bytes();
        let (mut depth, mut quoted, mut escaped) = (depth, false, false);
        for (at, &byte) in text.iter().enumerate() {
            if quoted {
                self.buffer.push(byte);
                quoted = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                continue;
            }
            let next = text.get(at + 1);
            match byte {
                b'{' | b'[' => {
                    self.buffer.push(byte);
                    if !matches!(next, Some(b'}' | b']')) {
                        depth += 1;
                        self.line(depth);
                    }
                }
                b'}' | b']' => {
                    if !matches!(text[at - 1], b'{' | b'[') {
                        depth -= 1;
                        self.line(depth);
                    }
                    self.buffer.push(byte);
                }
                b',' => {
                    self.buffer.push(byte);
                    self.line(depth);
                }
                b':' => self.put(": "),
                _ => {
                    quoted = byte == b'"';
                    self.buffer.push(byte);
                }
            }
        }
    }
}

/// An object that is being written: one key a line, and each field that is not ours behind the key where it stood.
pub(super) struct Object<'s, 'o> {
    pub(super) sink: &'s mut Sink<'o>,
    depth: usize,
    any: bool,
    /// The key of ours written last; its fields come before the next.
    last: &'static str,
    extras: Option<(&'static Level, &'s Extras, Vec<bool>)>,
}

impl<'s, 'o> Object<'s, 'o> {
    /// Begins an object whose keys stand at `depth`.
    pub(super) fn open(sink: &'s mut Sink<'o>, depth: usize) -> Self {
        sink.buffer.push(b'{');
        Self {
            sink,
            depth,
            any: false,
            last: "",
            extras: None,
        }
    }

    /// The object has these fields that are not ours.
    pub(super) fn with(mut self, level: &'static Level, extras: &'s Extras) -> Self {
        if !extras.is_empty() {
            self.extras = Some((level, extras, hidden(level, extras)));
        }
        self
    }

    /// Begins an object as the value of a key.
    pub(super) fn object(&mut self, key: &'static str) -> Object<'_, 'o> {
        self.key(key);
        Object::open(self.sink, self.depth + 1)
    }

    /// Begins an object as the value of a key that is no word of ours.
    pub(super) fn object_named(&mut self, key: &str) -> Object<'_, 'o> {
        let depth = self.depth;
        Object::open(self.named(key), depth + 1)
    }

    /// Begins a line with a key that is no word of ours.
    pub(super) fn named(&mut self, key: &str) -> &mut Sink<'o> {
        self.begin();
        self.sink.text(key);
        self.sink.put(": ");
        self.sink
    }

    /// Begins a line with a key of ours.
    pub(super) fn key(&mut self, key: &'static str) {
        self.extras_behind_last();
        self.last = key;
        self.begin();
        self.sink.buffer.push(b'"');
        self.sink.put(key);
        self.sink.put("\": ");
    }

    fn begin(&mut self) {
        if self.any {
            self.sink.buffer.push(b',');
        }
        self.any = true;
        self.sink.line(self.depth);
    }

    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        self.key(key);
        self.sink.text(text);
    }

    pub(super) fn number(&mut self, key: &'static str, number: u64) {
        self.key(key);
        self.sink.number(number);
    }

    pub(super) fn time(&mut self, key: &'static str, time: Option<Timestamp>) {
        self.key(key);
        self.sink.time(time);
    }

    fn extras_behind_last(&mut self) {
        if let Some((level, ..)) = self.extras
            && level.rank(self.last).is_some()
        {
            let last = self.last;
            self.extras_where(|_, after| after == last);
        }
    }

    /// Writes the fields that stand behind no key of ours.
    pub(super) fn extras_at_end(&mut self) {
        self.extras_behind_last();
        // Whatever key follows, its fields are written.
        self.last = "\n";
        self.extras_where(|level, after| level.rank(after).is_none());
    }

    fn extras_where(&mut self, here: impl Fn(&Level, &str) -> bool) {
        let Some((level, extras, hidden)) = self.extras.take() else {
            return;
        };
        for (extra, hidden) in extras.iter().zip(&hidden) {
            if !hidden && here(level, &extra.after) {
                self.begin();
                self.sink.text(&extra.key);
                self.sink.put(": ");
                self.sink.json(&extra.value, self.depth);
            }
        }
        self.extras = Some((level, extras, hidden));
    }

    /// Ends the object; an empty one is `{}`.
    pub(super) fn close(mut self) {
        if self.last != "\n" {
            self.extras_at_end();
        }
        if self.any {
            self.sink.line(self.depth - 1);
        }
        self.sink.buffer.push(b'}');
    }
}
