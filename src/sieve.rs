//! A string too large to hold, kept out of a JSON answer while the answer is read.
//!
//! XPS answers the booking of 500 shipments with what became of each, and beside it one string of tens of megabytes: the
//! labels. All but that string is needed as JSON, and at once; the string is dropped, or goes to a file as it comes. The
//! call stays what it is: the generated client sees the answer with `""` in the string's place, and an answer that
//! breaks off is no answer.

#[cfg(feature = "labels")]
use std::{path::Path, sync::Arc};

use bytes::Bytes;
use memchr::{memchr, memchr2};
use reqwest::Response;

#[cfg(feature = "labels")]
use crate::{Result, spool::Spooled};

tokio::task_local! {
    /// What is kept out of the answers to the calls of this task.
    static HELD: Held;
}

/// A string of this name that is kept out of an answer, which is an object.
#[derive(Clone)]
pub(crate) enum Held {
    Dropped(&'static str),
    #[cfg(feature = "labels")]
    Spooled(&'static str, Arc<Spooled>),
}

/// Makes a call whose answer is read without the string of this name.
pub(crate) fn without<T>(field: &'static str, call: impl Future<Output = T>) -> impl Future<Output = T> {
    // Boxed here, and below: each future that makes the call would be larger by kilobytes.
    HELD.scope(Held::Dropped(field), Box::pin(call))
}

/// Makes a call whose answer's string of this name, in base64, is written to a file while it is read: what the call gave,
/// and whether the file is whole. That it is not is no failure of the call: an answer is an answer.
#[cfg(feature = "labels")]
pub(crate) fn spooled<T>(
    field: &'static str,
    path: &Path,
    call: impl Future<Output = T>,
) -> impl Future<Output = (T, Result<()>)> {
    let spooled = Arc::new(Spooled::to(path));
    let call = HELD.scope(Held::Spooled(field, spooled.clone()), Box::pin(call));
    async move { (call.await, spooled.outcome()) }
}

impl Held {
    /// What is to be kept out of the answer to the call that this task makes.
    pub(crate) fn of_call() -> Option<Self> {
        HELD.try_with(Clone::clone).ok()
    }

    /// All of an answer but the string.
    pub(crate) async fn read(&self, response: &mut Response) -> reqwest::Result<Bytes> {
        match self {
            Self::Dropped(field) => {
                let (mut sieve, mut json) = (Sieve::new(field), Vec::new());
                while let Some(piece) = response.chunk().await? {
                    sieve.push(&piece, &mut json, |_| ());
                }
                Ok(json.into())
            }
            #[cfg(feature = "labels")]
            Self::Spooled(field, spooled) => spooled.read(Sieve::new(field), response).await,
        }
    }
}

/// Parts a JSON object, in whatever pieces it comes, into one of its strings and all the rest.
pub(crate) struct Sieve {
    field: &'static str,
    state: State,
    /// How many objects and lists are open.
    depth: u32,
    /// Whether the next string of the outermost object is a name.
    at_name: bool,
    /// The last name of the outermost object.
    name: Vec<u8>,
}

#[derive(Clone, Copy)]
enum State {
    /// Between strings.
    Between,
    /// In a string that stays, which may be a name of the outermost object.
    Staying { name: bool },
    /// After a backslash in it.
    Escaped { name: bool },
    /// In the string that is kept out.
    Held,
    /// After a backslash in it.
    HeldEscape,
    /// After `\u` in it, with so many digits of the code to come.
    HeldCode { code: u32, left: u8 },
}

/// Stands for what cannot be in base64, and fails to be decoded.
const NO_LETTER: u8 = 0;

impl Sieve {
    pub(crate) fn new(field: &'static str) -> Self {
        Self { field, state: State::Between, depth: 0, at_name: false, name: Vec::new() }
    }

    /// Takes the next piece. What stays is added to `json`, what does not is given to `held`.
    pub(crate) fn push(&mut self, piece: &[u8], json: &mut Vec<u8>, mut held: impl FnMut(&[u8])) {
        let mut rest = piece;
        while let Some((&byte, after)) = rest.split_first() {
            rest = match self.state {
                State::Between => self.between(rest, json),
                State::Staying { name } => self.staying(name, rest, json),
                State::Escaped { name } => {
                    json.push(byte);
                    self.state = State::Staying { name };
                    after
                }
                State::Held => self.held(rest, json, &mut held),
                State::HeldEscape => {
                    self.held_escape(byte, &mut held);
                    after
                }
                State::HeldCode { code, left } => {
                    self.held_code(code, left, byte, &mut held);
                    after
                }
            };
        }
    }

    fn between<'a>(&mut self, rest: &'a [u8], json: &mut Vec<u8>) -> &'a [u8] {
        let (marks, after) = rest.split_at(memchr(b'"', rest).map_or(rest.len(), |quote| quote + 1));
        json.extend_from_slice(marks);
        for mark in marks {
            match mark {
                b'{' | b'[' => {
                    self.depth = self.depth.saturating_add(1);
                    self.at_name = *mark == b'{';
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b',' => self.at_name = true,
                b':' => self.at_name = false,
                b'"' => self.state = self.string(),
                _ => {}
            }
        }
        after
    }

    /// What the string is that begins here.
    fn string(&mut self) -> State {
        let outermost = self.depth == 1;
        if outermost && self.at_name {
            self.name.clear();
        }
        if outermost && !self.at_name && self.name == self.field.as_bytes() {
            State::Held
        } else {
            State::Staying { name: outermost && self.at_name }
        }
    }

    fn staying<'a>(&mut self, name: bool, rest: &'a [u8], json: &mut Vec<u8>) -> &'a [u8] {
        let end = memchr2(b'"', b'\\', rest);
        let (text, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        json.extend_from_slice(text);
        if name {
            self.name.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
        }
        self.state = match end.map(|end| rest[end]) {
            Some(b'"') => State::Between,
            Some(_) => State::Escaped { name },
            None => State::Staying { name },
        };
        after
    }

    fn held<'a>(&mut self, rest: &'a [u8], json: &mut Vec<u8>, held: &mut impl FnMut(&[u8])) -> &'a [u8] {
        let Some(end) = memchr2(b'"', b'\\', rest) else {
            held(rest);
            return &[];
        };
        held(&rest[..end]);
        let after = &rest[end + 1..];
        self.state = match (rest[end], after.first()) {
            (b'"', _) => {
                json.push(b'"');
                State::Between
            }
            // Of `\/` the slash is simply the next letter. It is common where it occurs: not to be looked at by itself.
            (_, Some(b'/')) => State::Held,
            _ => State::HeldEscape,
        };
        after
    }

    fn held_escape(&mut self, byte: u8, held: &mut impl FnMut(&[u8])) {
        self.state = State::Held;
        match byte {
            // PHP writes it unless told not to.
            b'/' => held(b"/"),
            // The lines of MIME's base64.
            b'n' | b'r' | b't' => {}
            b'u' => self.state = State::HeldCode { code: 0, left: 4 },
            _ => held(&[NO_LETTER]),
        }
    }

    /// .NET writes `+` so.
    fn held_code(&mut self, code: u32, left: u8, byte: u8, held: &mut impl FnMut(&[u8])) {
        let Some(digit) = char::from(byte).to_digit(16) else {
            held(&[NO_LETTER]);
            self.state = State::Held;
            return;
        };
        let code = code * 16 + digit;
        self.state = State::HeldCode { code, left: left - 1 };
        if left == 1 {
            held(&[u8::try_from(code).unwrap_or(NO_LETTER)]);
            self.state = State::Held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stays and what is kept out of a text that comes in pieces of this size.
    fn sifted(text: &str, piece: usize) -> (String, String) {
        let (mut sieve, mut json, mut held) = (Sieve::new("labelsPdf"), Vec::new(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            sieve.push(piece, &mut json, |letters| held.extend_from_slice(letters));
        }
        (String::from_utf8(json).unwrap(), String::from_utf8(held).unwrap())
    }

    #[test]
    fn the_string_is_kept_out_wherever_the_pieces_break() {
        let text = r#" {"results": [{"labelsPdf": "no", "error": "a \"quote\\"}], "labelsPdf" : "AB\/C\u002bD\r\nE=", "b": "labelsPdf", "c": ["x"]}"#;
        let rest = r#" {"results": [{"labelsPdf": "no", "error": "a \"quote\\"}], "labelsPdf" : "", "b": "labelsPdf", "c": ["x"]}"#;
        for piece in 1..text.len() {
            assert_eq!(sifted(text, piece), (rest.to_owned(), "AB/C+DE=".to_owned()), "{piece}");
        }
    }

    #[test]
    fn what_is_no_such_string_stays() {
        for text in [
            r#"{"labelsPdf":null,"results":[]}"#,
            r#"{"labelsPdf":{"labelsPdf":"a"},"x":["labelsPdf","b"]}"#,
            r#"["labelsPdf","a"]"#,
            r#"{"x\"labelsPdf":"a"}"#,
            "not JSON",
        ] {
            assert_eq!(sifted(text, 3), (text.to_owned(), String::new()));
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_not_made_whole() {
        let (json, held) = sifted(r#"{"results":[],"labelsPdf":"ABCD"#, 5);
        assert_eq!((json.as_str(), held.as_str()), (r#"{"results":[],"labelsPdf":""#, "ABCD"));
    }

    #[test]
    fn what_base64_has_not_is_not_taken_for_a_letter() {
        for text in [r#"{"labelsPdf":"A\bC"}"#, r#"{"labelsPdf":"A\"C"}"#, r#"{"labelsPdf":"A\u0142C"}"#] {
            assert_eq!(sifted(text, 4).1, "A\0C", "{text}");
        }
    }
}
