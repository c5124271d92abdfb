//! The head of the log: one SHA-256 that stands for the whole history.
//!
//! ```text
//! header 1: null      header 518: SHA-256(bytes of segment 1)      header 901: SHA-256(hex in 518, bytes of segment 518)
//! ```
//!
//! CRC-32 finds accidents. The chain finds a deliberate rewrite, for whoever kept a copy of an earlier head.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ports::File;

/// A SHA-256 as 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sha256Hex([u8; 32]);

impl Sha256Hex {
    /// Reads 64 lower-case hex digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// The SHA-256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Sha256Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 64 lower-case hex digits"))
    }
}

/// The head while it is being computed: feed it a segment's bytes, from the first on.
#[derive(Clone, Debug)]
pub struct Head(Sha256);

impl Head {
    /// Begins with the `sha256` of the segment's own header.
    pub fn of_segment(header_sha256: Option<Sha256Hex>) -> Self {
        let mut hasher = Sha256::new();
        if let Some(sha256) = header_sha256 {
            hasher.update(sha256.to_string().as_bytes());
        }
        Self(hasher)
    }

    /// Takes the segment's next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The head after the bytes taken so far.
    pub fn value(&self) -> Sha256Hex {
        Sha256Hex(self.0.clone().finalize().into())
    }
}

/// The head of the log at the end of a segment's first `end` bytes.
///
/// # Errors
/// As the system says; `UnexpectedEof` if the file has fewer.
pub fn head_at(
    file: &dyn File,
    header_sha256: Option<Sha256Hex>,
    end: u64,
) -> io::Result<Sha256Hex> {
    const BLOCK: u64 = 1 << 18;
    let mut head = Head::of_segment(header_sha256);
    let (mut block, mut at) = (Vec::new(), 0);
    while at < end {
        let wanted = usize::try_from(BLOCK.min(end - at)).expect("a block fits");
        block.resize(wanted, 0);
        if file.read_full_at(at, &mut block)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.update(&block);
        at += wanted as u64;
    }
    Ok(head.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_chains_the_header_and_the_bytes() {
        let mut first = Head::of_segment(None);
        first.update(b"ab");
        first.update(b"c");
        let head = first.value();
        assert_eq!(
            head.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let mut second = Head::of_segment(Some(head));
        second.update(b"d");
        assert_eq!(second.value(), Sha256Hex::of(format!("{head}d").as_bytes()));
        assert_eq!(Sha256Hex::parse(&head.to_string()), Some(head));
    }

    #[test]
    fn only_lower_case_hex_is_a_digest() {
        let text = Sha256Hex::of(b"").to_string();
        for bad in [
            text.to_uppercase(),
            text[1..].to_owned(),
            format!("{text}0"),
        ] {
            assert_eq!(Sha256Hex::parse(&bad), None, "{bad}");
        }
    }
}
