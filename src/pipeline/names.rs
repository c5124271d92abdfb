//! The names that people give: items and phases. Valid because they exist.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest item name, in bytes: long enough for any path, short enough for a terminal and a record.
pub const MAX_ITEM_BYTES: usize = 64 * 1024;

/// The longest phase name, in bytes.
pub const MAX_PHASE_BYTES: usize = 255;

/// An item of the pipeline: any non-empty text, an address or an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ItemId(Arc<str>);

/// A phase of the pipeline: `[A-Za-z0-9][A-Za-z0-9._-]*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Phase(Arc<str>);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// An item needs at least one character.
    #[error("an item cannot be empty")]
    EmptyItem,
    /// The item is longer than [`MAX_ITEM_BYTES`].
    #[error("an item of {bytes} bytes is too long (at most {MAX_ITEM_BYTES})")]
    LongItem {
        /// Its length.
        bytes: usize,
    },
    /// The phase does not match `[A-Za-z0-9][A-Za-z0-9._-]*`, or is longer than [`MAX_PHASE_BYTES`].
    #[error("{text:?} is no phase name (letters, digits, '.', '_', '-'; a letter or digit first)")]
    Phase {
        /// What was given.
        text: String,
    },
}

impl ItemId {
    /// Takes the exact text as an item.
    ///
    /// # Errors
    /// The text is empty or longer than [`MAX_ITEM_BYTES`].
    pub fn new(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => Err(NameError::EmptyItem),
            bytes if bytes > MAX_ITEM_BYTES => Err(NameError::LongItem { bytes }),
            _ => Ok(Self(text.into())),
        }
    }

    /// The exact text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that an item has when nobody gave it one: the first 8 hex digits of its SHA-256. Not unique.
    pub fn derived_id(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        format!("{first:08x}")
    }
}

impl Phase {
    /// Takes a text as the name of a phase.
    ///
    /// # Errors
    /// The text has other characters than the pattern allows.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let good = text.len() <= MAX_PHASE_BYTES
            && text
                .bytes()
                .next()
                .is_some_and(|first| first.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if good {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Phase {
                text: text.to_owned(),
            })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! name_impls {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
name_impls!(ItemId);
name_impls!(Phase);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_words() {
        for good in ["phase0_county", "2a", "a.b-c_d"] {
            assert_eq!(Phase::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "_x", "-x", "a b", "a/b", "ä", "a\n"] {
            assert!(Phase::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_item_is_any_text_but_none() {
        assert_eq!(ItemId::new("").unwrap_err(), NameError::EmptyItem);
        let item = ItemId::new("100 N Example St, Phoenix, AZ 85001").unwrap();
        assert_eq!(item.derived_id().len(), 8);
    }
}
