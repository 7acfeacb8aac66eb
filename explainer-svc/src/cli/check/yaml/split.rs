//! A stream of documents, one after the other: a huge file is never in memory whole.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead};

use serde::de::IgnoredAny;

/// The text of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Chunk {
    /// With its `---`, if it has one.
    pub(in super::super) text: String,
    /// Where it begins in the stream, in bytes.
    pub(in super::super) offset: usize,
    /// How many lines are before it.
    pub(in super::super) lines: usize,
}

impl Chunk {
    /// The same for the same text in this process.
    pub(in super::super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        hasher.finish()
    }

    /// Several values of JSON after each other, as jq writes them, are several documents. Anything else is one.
    fn values(self) -> Vec<Self> {
        if !self.text.trim_start().starts_with('{') {
            return vec![self];
        }
        let mut values = serde_json::Deserializer::from_str(&self.text).into_iter::<IgnoredAny>();
        let mut ends = Vec::new();
        while let Some(value) = values.next() {
            if value.is_err() {
                return vec![self];
            }
            ends.push(values.byte_offset());
        }
        // What is behind the last value belongs to it.
        ends.pop();
        ends.push(self.text.len());
        let (mut chunks, mut start, mut lines) = (Vec::new(), 0, self.lines);
        for end in ends {
            let text = self.text.get(start..end).unwrap_or_default().to_owned();
            let own = text.matches('\n').count();
            chunks.push(Self {
                text,
                offset: self.offset + start,
                lines,
            });
            start = end;
            lines += own;
        }
        chunks
    }
}

/// Cuts a stream at lines that begin with `---`, and between values of JSON.
#[derive(Debug)]
pub(in super::super) struct Chunks<R> {
    input: R,
    /// The first line of the next chunk.
    next: String,
    offset: usize,
    lines: usize,
    is_over: bool,
    /// What was cut off already.
    ready: VecDeque<Chunk>,
}

/// The largest document: what is larger is no manifest, and an API server takes no more than a few MiB.
pub(in super::super) const MAX_DOCUMENT: usize = 64 << 20;

impl<R: BufRead> Chunks<R> {
    pub(in super::super) fn new(input: R) -> Self {
        Self {
            input,
            next: String::new(),
            offset: 0,
            lines: 0,
            is_over: false,
            ready: VecDeque::new(),
        }
    }
}

impl<R: BufRead> Iterator for Chunks<R> {
    type Item = io::Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(chunk) = self.ready.pop_front() {
            return Some(Ok(chunk));
        }
        if self.is_over {
            return None;
        }
        let mut text = std::mem::take(&mut self.next);
        let mut lines = usize::from(!text.is_empty());
        loop {
            let mut line = Vec::new();
            if let Err(error) = self.input.read_until(b'\n', &mut line) {
                self.is_over = true;
                return Some(Err(error));
            }
            if line.is_empty() {
                self.is_over = true;
                break;
            }
            let Ok(line) = String::from_utf8(line) else {
                self.is_over = true;
                let reason = format!("line {} is not UTF-8", self.lines + lines + 1);
                return Some(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
            };
            if is_separator(&line) && !text.is_empty() {
                self.next = line;
                break;
            }
            text.push_str(&line);
            lines += 1;
            if text.len() > MAX_DOCUMENT {
                self.is_over = true;
                let reason = format!("a document is larger than {} MiB, the limit", MAX_DOCUMENT >> 20);
                return Some(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
            }
        }
        if text.is_empty() {
            return None;
        }
        let chunk = Chunk {
            offset: self.offset,
            lines: self.lines,
            text,
        };
        self.offset += chunk.text.len();
        self.lines += lines;
        self.ready.extend(chunk.values());
        self.ready.pop_front().map(Ok)
    }
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str) -> Vec<(String, usize, usize)> {
        Chunks::new(text.as_bytes())
            .map(|chunk| chunk.map(|chunk| (chunk.text, chunk.offset, chunk.lines)).unwrap())
            .collect()
    }

    #[test]
    fn documents_know_where_they_begin() {
        assert_eq!(
            chunks("# head\na: 1\n--- # two\nb: |\n  ---\n---\n"),
            [
                ("# head\na: 1\n".to_owned(), 0, 0),
                ("--- # two\nb: |\n  ---\n".to_owned(), 12, 2),
                ("---\n".to_owned(), 33, 5),
            ]
        );
        assert_eq!(chunks("---\na: 1"), [("---\na: 1".to_owned(), 0, 0)]);
        assert_eq!(chunks(""), []);
        assert_eq!(chunks("---x: 1\n").len(), 1);
    }

    #[test]
    fn values_of_json_are_documents() {
        assert_eq!(
            chunks("{\"a\":\n1}\n {\"b\": 2}{}\n"),
            [
                ("{\"a\":\n1}".to_owned(), 0, 0),
                ("\n {\"b\": 2}".to_owned(), 8, 1),
                ("{}\n".to_owned(), 18, 2),
            ]
        );
        for one in ["{a: 1}\n", "{\"a\": 1}\n", "{} x\n", " {}\n# end\n"] {
            assert_eq!(chunks(one), [(one.to_owned(), 0, 0)]);
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let error = Chunks::new(&b"a: 1\n\xff\n"[..]).next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 2 is not UTF-8");
    }
}
