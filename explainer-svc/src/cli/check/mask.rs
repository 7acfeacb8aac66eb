//! What of a file's text must not be shown: values that `engine::redact` hides, and what is written beside them.

use std::collections::HashSet;
use std::ops::Range;

use engine::redact;
use serde_json::Value;

use super::yaml::{Scalar, documents};

/// Stands for what is not shown.
const HIDDEN: &str = "(hidden)";

/// So many lines from what is hidden a comment may be about it: the name of a variable stands between them.
const BESIDE: usize = 2;

/// A text, and the parts of it that are not shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Masked {
    text: String,
    /// In bytes, in order.
    hidden: Vec<Range<usize>>,
}

impl Masked {
    /// A text of YAML or JSON. What cannot be read is hidden whole: nobody can tell what it holds.
    pub(super) fn new(text: &str) -> Self {
        let hidden = match scalars(text) {
            Some(scalars) => hidden(text, &scalars),
            None if text.is_empty() => Vec::new(),
            None => std::iter::once(0..text.len()).collect(),
        };
        Self {
            text: text.to_owned(),
            hidden,
        }
    }

    /// All of it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// With another text behind it.
    pub(super) fn push(&mut self, other: &Self) {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        let moved = other
            .hidden
            .iter()
            .map(|range| range.start + offset..range.end + offset);
        self.hidden.extend(moved);
    }

    /// Its lines with their ends, as `similar` cuts them into `slices`.
    pub(super) fn lines(&self, slices: &[&str]) -> Vec<Line> {
        let mut lines = Vec::with_capacity(slices.len());
        let (mut start, mut first) = (0, 0);
        for slice in slices {
            let end = start + slice.len();
            while self.hidden.get(first).is_some_and(|range| range.end <= start) {
                first += 1;
            }
            let here = self.hidden.get(first..).unwrap_or_default();
            let here = here.iter().take_while(|range| range.start < end);
            lines.push(line(
                slice,
                here.map(|range| (range.start.max(start) - start)..(range.end.min(end) - start)),
            ));
            start = end;
        }
        lines
    }
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Something of it is not shown.
    pub(super) is_masked: bool,
}

fn line(text: &str, hidden: impl Iterator<Item = Range<usize>>) -> Line {
    let body = text.trim_end_matches(['\n', '\r']);
    let indent = body.len() - body.trim_start().len();
    let mut shown = String::new();
    let (mut done, mut is_masked) = (0, false);
    for range in hidden {
        let (start, end) = (range.start.max(indent), range.end.min(body.trim_end().len()));
        if start < end {
            shown.push_str(body.get(done..start).unwrap_or_default());
            shown.push_str(HIDDEN);
            (done, is_masked) = (end, true);
        }
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    Line { text: shown, is_masked }
}

/// Every scalar of every document; none when the text cannot be read, or when it is not known where they stand.
fn scalars(text: &str) -> Option<Vec<Scalar>> {
    let documents = documents(text).ok()?;
    let mut all = Vec::new();
    for document in &documents {
        document.scalars(&mut all)?;
    }
    Some(all)
}

fn is_hidden(scalar: &Scalar) -> bool {
    // The name of an environment variable says what its value must not say.
    let is_name = |path: &str| {
        let mut steps = path.rsplit('/');
        steps.next() == Some("name") && steps.nth(1) == Some("env")
    };
    let mut places = scalar.places.iter();
    places.any(|(kind, path)| !is_name(path) && redact::hides(kind, path, &scalar.value))
}

fn hidden(text: &str, scalars: &[Scalar]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = scalars
        .iter()
        .filter(|scalar| is_hidden(scalar))
        .map(|scalar| scalar.span.clone())
        .collect();
    let comments = comments(text, scalars);
    let lines: Vec<Range<usize>> = lines(text).collect();
    let at = |offset: usize| lines.partition_point(|line| line.start <= offset).saturating_sub(1);
    let masked: HashSet<usize> = ranges
        .iter()
        .filter(|range| !range.is_empty())
        .flat_map(|range| at(range.start)..=at(range.end - 1))
        .collect();
    // A comment beside what is hidden may say it, or say what it was: on its line, or in lines of comments next to it.
    let mut near = masked;
    let whole: Vec<usize> = comments
        .iter()
        .map(|comment| (at(comment.start), comment))
        .filter(|(line, comment)| {
            lines
                .get(*line)
                .is_some_and(|line| is_blank(text, line.start..comment.start))
        })
        .map(|(line, _)| line)
        .collect();
    for line in whole.iter().rev().copied() {
        if (line + 1..=line + BESIDE).any(|other| near.contains(&other)) {
            near.insert(line);
        }
    }
    for line in whole {
        if (line.saturating_sub(BESIDE)..line).any(|other| near.contains(&other)) {
            near.insert(line);
        }
    }
    let is_near = |comment: &Range<usize>| near.contains(&at(comment.start));
    let hidden = comments
        .into_iter()
        .filter(|comment| is_near(comment) || text.get(comment.clone()).is_some_and(tells));
    ranges.extend(hidden.map(|comment| {
        let words = text.get(comment.clone()).unwrap_or_default();
        let sign = words.len() - words.trim_start_matches('#').trim_start().len();
        comment.start + sign..comment.end
    }));
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// Whether a comment speaks of what is secret, or is a value that is one by its form.
fn tells(comment: &str) -> bool {
    let words = comment.trim_start_matches('#').trim();
    let is_said = |word: &str| redact::hides("", &format!("/{word}"), &Value::String(word.to_owned()));
    is_said(words) || words.split_whitespace().any(is_said)
}

fn is_blank(text: &str, range: Range<usize>) -> bool {
    text.get(range).is_some_and(|part| part.trim().is_empty())
}

fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut end = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = end;
        end += line.len();
        start..end
    })
}

/// From each `#` that begins a comment to the end of its line.
fn comments(text: &str, scalars: &[Scalar]) -> Vec<Range<usize>> {
    let mut spans: Vec<&Range<usize>> = scalars.iter().map(|scalar| &scalar.span).collect();
    spans.sort_by_key(|span| span.start);
    let mut comments = Vec::new();
    let mut next = 0;
    for line in lines(text) {
        let whole = text.get(line.clone()).unwrap_or_default();
        let begins = |(offset, _): &(usize, &str)| {
            *offset == 0 || whole.get(..*offset).is_some_and(|before| before.ends_with([' ', '\t']))
        };
        while spans.get(next).is_some_and(|span| span.end <= line.start) {
            next += 1;
        }
        let is_free = |offset: usize| {
            let here = spans.get(next..).unwrap_or_default().iter();
            !here
                .take_while(|span| span.start <= offset)
                .any(|span| span.contains(&offset))
        };
        let mut signs = whole.match_indices('#').filter(begins);
        if let Some((offset, _)) = signs.find(|(offset, _)| is_free(line.start + offset)) {
            comments.push(line.start + offset..line.start + whole.trim_end().len());
        }
    }
    comments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let slices: Vec<&str> = text.split_inclusive('\n').collect();
        Masked::new(text)
            .lines(&slices)
            .into_iter()
            .map(|line| line.text)
            .collect()
    }

    #[test]
    fn values_go_and_lines_stay() {
        let text = "\
apiVersion: v1
kind: Pod
metadata:
  name: web # front
  annotations: {db-password: \"hunter2 # x\", note: fine}
spec:
  containers:
    - name: app
      command: [run, --key=hunter2]
      env:
        # once it was hunter1
        - name: LEVEL
          value: debug # was hunter1
        - {name: KEY, value: |-
            no}
        - name: SCRIPT
          value: |
            # hunter2
            echo hunter2

            exit
      image: web:1 # the token is hunter2
      # see the password in the wiki
      tty: true # why not
";
        insta::assert_snapshot!(shown(&text.replace(
            "{name: KEY, value: |-\n            no}",
            "{name: KEY, value: 'a\n            b'}"
        )), @r"
        apiVersion: v1
        kind: Pod
        metadata:
          name: web # front
          annotations: {db-password: (hidden), note: fine}
        spec:
          containers:
            - name: app
              command: [(hidden), (hidden)]
              env:
                # (hidden)
                - name: LEVEL
                  value: (hidden) # (hidden)
                - {name: KEY, value: (hidden)
                    (hidden)}
                - name: SCRIPT
                  value: |
                    (hidden)
                    (hidden)

                    (hidden)
              image: web:1 # (hidden)
              # (hidden)
              tty: true # why not
        ");
        // The parser does not take a block in a flow.
        assert!(!shown(text).contains("hunter"), "{}", shown(text));
    }

    #[test]
    fn each_object_is_what_it_says_it_is() {
        let text = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata: {name: a}
  data:
    a: aHVudGVyMg== # hunter2
    b: >-
      aHVudGVyMg==
- apiVersion: v1
  kind: Pod
  metadata: {name: b, labels: &labels {app: b}}
  x: &key hunter2
  m: &m {password: hunter2}
  spec: {extra: [{name: API_TOKEN, value: hunter2}], env: [{value: *key}], labels: *labels}
---
stringData: {a: open}
---
apiVersion: v1
kind: Secret
stringData: {? hunter : hunter2}
";
        insta::assert_snapshot!(shown(text), @r"
        apiVersion: v1
        kind: List
        items:
        - apiVersion: v1
          kind: Secret
          metadata: {name: a}
          data:
            a: (hidden) # (hidden)
            b: >-
              (hidden)
        - apiVersion: v1
          kind: Pod
          metadata: {name: b, labels: &labels {app: b}}
          x: &key (hidden)
          m: &m {password: (hidden)}
          spec: {extra: [{name: API_TOKEN, value: (hidden)}], env: [{value: *key}], labels: *labels}
        ---
        stringData: {a: open}
        ---
        apiVersion: v1
        kind: Secret
        stringData: {? hunter : (hidden)}
        ");
    }

    #[test]
    fn what_cannot_be_read_is_hidden() {
        assert_eq!(shown("a: [\n  hunter2\n"), "(hidden)\n  (hidden)\n");
        assert_eq!(shown(""), "");
        assert_eq!(shown("# nothing\n"), "# nothing\n");
        assert_eq!(
            shown("password: h\u{e4}nter2\r\nb: \u{e4} # c\r\n"),
            "password: (hidden)\r\nb: \u{e4} # c\r\n"
        );
        assert_eq!(shown("\u{feff}password: hunter2\n"), "\u{feff}password: (hidden)\n");
        assert_eq!(
            shown("{\n\t\"password\": \"hunter2\",\n\t\"a\": 1}"),
            "{\n\t\"password\": (hidden),\n\t\"a\": 1}"
        );
    }
}
