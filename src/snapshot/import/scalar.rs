//! Texts, numbers and the three words of JSON.

use std::borrow::Cow;

use super::parser::Parser;
use super::tree::{Bad, Value};

impl<'a> Parser<'a, '_> {
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Bad> {
        self.open.push(self.at);
        self.at += 1;
        let text = self.text;
        let mut owned: Option<String> = None;
        let mut begin = self.at;
        loop {
            let run = text.as_bytes()[self.at..]
                .iter()
                .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let Some(run) = run else {
                self.at = text.len();
                return Err(self.unexpected("`\"`"));
            };
            self.at += run;
            let plain = &text[begin..self.at];
            match text.as_bytes()[self.at] {
                b'"' => {
                    self.at += 1;
                    self.open.pop();
                    return Ok(match owned {
                        None => Cow::Borrowed(plain),
                        Some(owned) => Cow::Owned(owned + plain),
                    });
                }
                b'\\' => {
                    let sofar = owned.get_or_insert_default();
                    sofar.push_str(plain);
                    let character = self.escape()?;
                    sofar.push(character);
                    begin = self.at;
                }
                _ => return Err(self.unexpected("`\"` or an escape")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Bad> {
        let at = self.at;
        let Some(&kind) = self.text.as_bytes().get(at + 1) else {
            self.at = self.text.len();
            return Err(self.unexpected("an escape"));
        };
        self.at += 2;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(at),
            _ => {
                self.at = at;
                return Err(self.bad("a backslash that begins no escape of JSON"));
            }
        })
    }

    fn unicode_escape(&mut self, at: usize) -> Result<char, Bad> {
        let mut code = self.hex4(at)?;
        if (0xd800..0xdc00).contains(&code) && self.rest().starts_with("\\u") {
            let high = code;
            let low_at = self.at;
            self.at += 2;
            let low = self.hex4(low_at)?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            }
        }
        char::from_u32(code).ok_or_else(|| {
            self.at = at;
            self.bad("half of a surrogate pair, which is no character")
        })
    }

    fn hex4(&mut self, escape: usize) -> Result<u32, Bad> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let Some(digits) = digits else {
            self.at = self.text.len();
            return Err(self.unexpected("four hex digits"));
        };
        let mut code = 0;
        for &digit in digits {
            let Some(value) = char::from(digit).to_digit(16) else {
                self.at = escape;
                return Err(self.bad("`\\u` without four hex digits"));
            };
            code = code * 16 + value;
        }
        self.at += 4;
        Ok(code)
    }

    pub(super) fn number(&mut self) -> Result<Value<'a>, Bad> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        match self.peek() {
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'.' => {
                Err(self.unexpected("the end of the number"))
            }
            _ => Ok(Value::Number),
        }
    }

    fn digits(&mut self) -> Result<(), Bad> {
        let rest = self.text[self.at..].bytes();
        let count = rest.take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        self.at += count;
        Ok(())
    }

    pub(super) fn literal(
        &mut self,
        word: &'static str,
        value: Value<'a>,
    ) -> Result<Value<'a>, Bad> {
        let rest = self.rest();
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        if word.starts_with(rest) {
            self.at = self.text.len();
        }
        Err(self.unexpected("a value"))
    }
}
