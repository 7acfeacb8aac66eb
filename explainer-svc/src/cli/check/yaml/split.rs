//! A stream of documents, one after the other: a huge file is never in memory whole.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead};

/// The text of one document, or of a stream of JSON values.
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
}

/// Cuts a stream at lines that begin with `---`.
#[derive(Debug)]
pub(in super::super) struct Chunks<R> {
    input: R,
    /// The first line of the next chunk.
    next: String,
    offset: usize,
    lines: usize,
    is_over: bool,
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
        }
    }
}

impl<R: BufRead> Iterator for Chunks<R> {
    type Item = io::Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
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
        Some(Ok(chunk))
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
    fn what_is_no_text_is_refused_with_its_line() {
        let error = Chunks::new(&b"a: 1\n\xff\n"[..]).next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "line 2 is not UTF-8");
    }
}
