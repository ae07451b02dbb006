//! Server-sent events, cut out of a stream of bytes without changing any.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// The largest event that is waited for.
const LARGEST_EVENT: usize = 16 << 20;

/// Cuts a stream into whole events.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    waiting: BytesMut,
    /// The first byte of `waiting` that has not been looked at, and where its line begins.
    seen: usize,
    line: usize,
}

/// An event was larger than any should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Splitter {
    /// Takes what has come and gives the events that are whole now, each with the blank line that ends it.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<Bytes>, TooLarge> {
        self.waiting.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(at) = memchr::memchr2(b'\n', b'\r', &self.waiting[self.seen..]).map(|at| self.seen + at) {
            let mut after = at + 1;
            if self.waiting[at] == b'\r' {
                match self.waiting.get(after) {
                    Some(b'\n') => after += 1,
                    Some(_) => {}
                    None => break, // the next byte tells whether the line ends here
                }
            }
            let blank = at == self.line;
            (self.seen, self.line) = (after, after);
            if blank {
                events.push(self.waiting.split_to(after).freeze());
                (self.seen, self.line) = (0, 0);
            }
        }
        if let Some(at) = memchr::memchr2(b'\n', b'\r', &self.waiting[self.seen..]) {
            self.seen += at;
        } else {
            self.seen = self.waiting.len();
        }
        if self.waiting.len() > LARGEST_EVENT { Err(TooLarge) } else { Ok(events) }
    }

    /// Whether the stream has ended within an event.
    pub fn is_within_an_event(&self) -> bool {
        !self.waiting.iter().all(u8::is_ascii_whitespace)
    }
}

/// The data of an event; `None` where it has none, such as a comment.
pub(super) fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut found: Option<Cow<'_, [u8]>> = None;
    for line in event.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let Some(value) = line.strip_prefix(b"data").filter(|rest| rest.is_empty() || rest[0] == b':') else { continue };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        found = Some(match found {
            None => Cow::Borrowed(value),
            Some(before) => {
                let mut joined = before.into_owned();
                joined.push(b'\n');
                joined.extend_from_slice(value);
                Cow::Owned(joined)
            }
        });
    }
    found
}

/// Whether an event is nothing but comments, which clients pass over.
pub(super) fn is_comment(event: &[u8]) -> bool {
    let mut lines = event.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()).peekable();
    lines.peek().is_some() && lines.all(|line| line[0] == b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = Splitter::default();
        chunks.iter().flat_map(|chunk| splitter.push(chunk).unwrap()).map(|event| String::from_utf8(event.to_vec()).unwrap()).collect()
    }

    #[test]
    fn an_event_ends_at_a_blank_line_of_any_spelling() {
        assert_eq!(events(&[b"data: 1\n\ndata: 2\r\n\r\ndata: 3\r\rx"]), ["data: 1\n\n", "data: 2\r\n\r\n", "data: 3\r\r"]);
        assert_eq!(events(&[b"data: 1\r\n\r", b"\ndata:2\n", b"\n"]), ["data: 1\r\n\r\n", "data:2\n\n"]);
        assert_eq!(events(&["data: 中".as_bytes().split_at(7).0, "data: 中".as_bytes().split_at(7).1, b"\n\n"]), ["data: 中\n\n"]);
    }

    #[test]
    fn data_is_read_as_the_standard_says() {
        let check = |event: &str| data(event.as_bytes()).map(|data| String::from_utf8(data.into_owned()).unwrap());
        assert_eq!(check("data: {}\n\n").as_deref(), Some("{}"));
        assert_eq!(check("data:{}\r\n\r\n").as_deref(), Some("{}"));
        assert_eq!(check("event: x\ndata:  a\ndata: b\nid: 4\n\n").as_deref(), Some(" a\nb"));
        assert_eq!(check("data\n\n").as_deref(), Some(""));
        assert_eq!(check("database: 1\n\n"), None);
        assert_eq!(check("retry: 5\n\n"), None);
        assert!(is_comment(b": ping\n\n") && !is_comment(b"retry: 5\n\n") && !is_comment(b"\n"));
    }

    #[test]
    fn no_event_may_fill_the_memory() {
        let mut splitter = Splitter::default();
        assert!((0..17).any(|_| splitter.push(&vec![b'x'; 1 << 20]).is_err()));
    }

    proptest! {
        /// However a stream is cut, its events are the same, and no byte is lost or changed.
        #[test]
        fn cuts_change_nothing(text in "(data: ?[a-z中]{0,5}|:c|id|\n|\r\n|\r){0,40}", cuts in prop::collection::vec(0usize..200, 0..20)) {
            let whole = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(whole.len())).chain([0, whole.len()]).collect();
            cuts.sort_unstable();
            let (mut one, mut many) = (Splitter::default(), Splitter::default());
            let at_once = one.push(whole).unwrap();
            let bit_by_bit: Vec<Bytes> = cuts.windows(2).flat_map(|cut| many.push(&whole[cut[0]..cut[1]]).unwrap()).collect();
            prop_assert_eq!(&at_once, &bit_by_bit);
            prop_assert_eq!(&one.waiting, &many.waiting);
            let mut again: Vec<u8> = at_once.concat();
            again.extend_from_slice(&one.waiting);
            prop_assert_eq!(again, whole);
        }
    }
}
