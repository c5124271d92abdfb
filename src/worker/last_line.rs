//! The last line of what a command wrote to standard output, taken as data.

use crate::pipeline::enrichment::DataPatch;
use crate::pipeline::json::Json;

/// A line longer than this is no data of one item, in bytes.
const MOST: usize = 4 << 20;

/// Keeps the last line that is not blank.
#[derive(Debug, Default)]
pub(super) struct LastLine {
    last: Vec<u8>,
    /// The line that has not ended.
    open: Vec<u8>,
    /// How many bytes of that were too many.
    over: usize,
    last_over: usize,
}

impl LastLine {
    /// Takes what was written.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.add(&rest[..end]);
            self.end();
            rest = &rest[end + 1..];
        }
        self.add(rest);
    }

    fn add(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(MOST - self.open.len());
        self.open.extend_from_slice(&bytes[..fits]);
        self.over += bytes.len() - fits;
    }

    fn end(&mut self) {
        if !self.open.trim_ascii().is_empty() {
            std::mem::swap(&mut self.last, &mut self.open);
            self.last_over = self.over;
        }
        self.open.clear();
        self.over = 0;
    }

    /// The line as a change of the item's data.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn data(mut self) -> Result<DataPatch, String> {
        self.end();
        let what = "the last line of standard output";
        if self.last.is_empty() {
            return Err(format!("{what} should be the data, and there is none"));
        }
        if self.last_over > 0 {
            let bytes = self.last.len() + self.last_over;
            return Err(format!("{what} has {bytes} bytes, at most {MOST} are data"));
        }
        match serde_json::from_slice::<Json>(&self.last) {
            Ok(patch) if patch.as_str().starts_with('{') => Ok(DataPatch {
                patch,
                source: None,
                confidence: None,
            }),
            Ok(_) => Err(format!("{what} is JSON, and no object")),
            Err(error) => Err(format!("{what} is no JSON: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(written: &[&str]) -> Result<String, String> {
        let mut line = LastLine::default();
        for text in written {
            line.take(text.as_bytes());
        }
        line.data().map(|data| data.patch.as_str().to_owned())
    }

    #[test]
    fn the_last_line_is_the_data() {
        let one = || Ok(r#"{"price":0.90}"#.to_owned());
        assert_eq!(data(&["looking\n{\"price\": 0.90}\n"]), one());
        assert_eq!(data(&["{\"pri", "ce\":0.90}"]), one());
        assert_eq!(data(&["{}\n{\"price\":0.90}\r\n \n\n"]), one());
    }

    #[test]
    fn what_is_no_data_is_told() {
        let what = "the last line of standard output";
        let no = |words: &str| Err(format!("{what} {words}"));
        assert_eq!(data(&[]), no("should be the data, and there is none"));
        assert_eq!(
            data(&["\n \n"]),
            no("should be the data, and there is none")
        );
        assert_eq!(data(&["{}\n[1]\n"]), no("is JSON, and no object"));
        assert!(
            data(&["{}\nbye\n"])
                .unwrap_err()
                .starts_with(&format!("{what} is no JSON: "))
        );
        let long = "x".repeat(MOST);
        assert_eq!(
            data(&[&long, "yz\n\n"]),
            no(&format!("has {} bytes, at most {MOST} are data", MOST + 2))
        );
        assert!(data(&[&long, "yz\n", "{}"]).is_ok());
    }
}
