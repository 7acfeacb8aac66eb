//! A change as a unified diff: of the file, where it can be written there; else of the object as YAML. Without secrets.

use std::cell::OnceCell;
use std::fmt::Write as _;

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation};
use serde_json::Value;
use similar::{DiffOp, DiffTag, TextDiff};

use super::judge::Place;
use super::mask::{Line, Masked};
use super::yaml::{Chunk, Document, apply};

/// A document and its text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) chunk: &'a Chunk,
    pub(super) document: &'a Document,
    /// Made for the first diff.
    masked: OnceCell<Masked>,
}

impl<'a> Text<'a> {
    pub(super) fn new(chunk: &'a Chunk, document: &'a Document) -> Self {
        Self {
            chunk,
            document,
            masked: OnceCell::new(),
        }
    }

    /// The text with a change of the object at this place in it; none when it cannot be written there, or when that would take
    /// long: each item of a long list would have all of it written anew.
    pub(super) fn changed(&self, place: &Place, patch: &Patch) -> Option<String> {
        if !place.base.is_empty() && self.chunk.text.len() > MAX_LIST {
            return None;
        }
        apply(&self.chunk.text, &rebased(patch, &place.base)).ok()
    }

    /// The line of a field in the file, or of what is nearest to it.
    pub(super) fn line(&self, pointer: &str) -> usize {
        self.chunk.lines + self.document.line(pointer)
    }
}

/// The longest list whose items are shown as they stand in its text, in bytes.
const MAX_LIST: usize = 64 << 10;

/// The same patch, from further above.
pub(super) fn rebased(patch: &Patch, base: &str) -> Patch {
    if base.is_empty() {
        return patch.clone();
    }
    let moved = |path: &PointerBuf| PointerBuf::parse(format!("{base}{path}")).unwrap_or_else(|_| path.clone());
    let mut patch = patch.clone();
    for operation in &mut patch.0 {
        match operation {
            PatchOperation::Add(operation) => operation.path = moved(&operation.path),
            PatchOperation::Remove(operation) => operation.path = moved(&operation.path),
            PatchOperation::Replace(operation) => operation.path = moved(&operation.path),
            PatchOperation::Test(operation) => operation.path = moved(&operation.path),
            PatchOperation::Move(operation) => {
                operation.from = moved(&operation.from);
                operation.path = moved(&operation.path);
            }
            PatchOperation::Copy(operation) => {
                operation.from = moved(&operation.from);
                operation.path = moved(&operation.path);
            }
        }
    }
    patch
}

/// A change as it is shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    pub(super) diff: String,
    /// Of the file; none when the change cannot be written there.
    pub(super) replacements: Vec<Replacement>,
    /// The change can be made in the file's own text.
    pub(super) is_writable: bool,
}

/// Whole lines that are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replacement {
    /// From 1.
    pub(super) first: usize,
    /// The first line after them.
    pub(super) end: usize,
    pub(super) text: String,
}

/// One fix, which makes this text of the document when it can be written there.
pub(super) fn of_fix(place: &Place, text: &Text<'_>, changed: Option<&str>, before: &Value, after: &Value) -> Shown {
    if let Some(changed) = changed {
        let file = if &*place.file == "-" { "stdin" } else { &*place.file };
        let masked = text.masked.get_or_init(|| Masked::new(&text.chunk.text));
        return Compared::new(masked, &Masked::new(changed)).shown(file, text.chunk.lines);
    }
    let yaml = |value: &Value| Masked::new(&serde_saphyr::to_string(value).unwrap_or_default());
    Shown {
        diff: unified("object.yaml", &yaml(before), &yaml(after), 0),
        replacements: Vec::new(),
        is_writable: false,
    }
}

/// A unified diff, of a part of a file that begins after so many lines.
pub(super) fn unified(file: &str, before: &Masked, after: &Masked, lines: usize) -> String {
    Compared::new(before, after).shown(file, lines).diff
}

/// Lines around a change.
const AROUND: usize = 3;

/// The lines of two texts as they may be shown, and what is different.
struct Compared {
    before: Vec<Line>,
    after: Vec<Line>,
    groups: Vec<Vec<DiffOp>>,
}

impl Compared {
    fn new(before: &Masked, after: &Masked) -> Self {
        let diff = TextDiff::from_lines(before.text(), after.text());
        Self {
            before: before.lines(&diff.iter_old_slices().collect::<Vec<_>>()),
            after: after.lines(&diff.iter_new_slices().collect::<Vec<_>>()),
            groups: diff.grouped_ops(AROUND),
        }
    }

    fn shown(&self, file: &str, lines: usize) -> Shown {
        Shown {
            diff: self.unified(file, lines),
            replacements: self.replacements(lines),
            is_writable: true,
        }
    }

    /// None when one of them would hold what is not shown: it could not be put into the file.
    fn replacements(&self, lines: usize) -> Vec<Replacement> {
        let changed = self
            .groups
            .iter()
            .flatten()
            .filter(|operation| operation.tag() != DiffTag::Equal);
        let all = changed.map(|operation| {
            let new = self.after.get(operation.new_range()).unwrap_or_default();
            (!new.iter().any(|line| line.is_masked)).then(|| Replacement {
                first: lines + operation.old_range().start + 1,
                end: lines + operation.old_range().end + 1,
                text: new.iter().map(|line| line.text.as_str()).collect(),
            })
        });
        all.collect::<Option<_>>().unwrap_or_default()
    }

    fn unified(&self, file: &str, lines: usize) -> String {
        let file = file.trim_start_matches('/');
        let mut out = format!("--- a/{file}\n+++ b/{file}\n");
        for group in &self.groups {
            let group = self.without_masked_ends(group);
            let (Some(first), Some(last)) = (group.first(), group.last()) else {
                continue;
            };
            let range = |from: usize, to: usize| {
                let start = lines + from + usize::from(to > from);
                match to - from {
                    1 => start.to_string(),
                    length => format!("{start},{length}"),
                }
            };
            let old = range(first.old_range().start, last.old_range().end);
            let new = range(first.new_range().start, last.new_range().end);
            // Strings take what is written.
            let _ = writeln!(out, "@@ -{old} +{new} @@");
            for operation in &group {
                let removed = self.before.get(operation.old_range()).unwrap_or_default();
                let added = self.after.get(operation.new_range()).unwrap_or_default();
                if operation.tag() == DiffTag::Equal {
                    write_lines(' ', removed, &mut out);
                } else {
                    write_lines('-', removed, &mut out);
                    write_lines('+', added, &mut out);
                }
            }
        }
        out
    }

    /// A patch with masked lines around its change fits no file: what is around ends where they begin.
    fn without_masked_ends(&self, group: &[DiffOp]) -> Vec<DiffOp> {
        let mut group = group.to_vec();
        let lines = |operation: &DiffOp| self.before.get(operation.old_range()).unwrap_or_default();
        if let Some(first @ DiffOp::Equal { .. }) = group.first_mut() {
            let all = lines(first);
            let kept = all.iter().rev().take_while(|line| !line.is_masked).count();
            *first = part(first, all.len() - kept, kept);
        }
        if let Some(last @ DiffOp::Equal { .. }) = group.last_mut() {
            let kept = lines(last).iter().take_while(|line| !line.is_masked).count();
            *last = part(last, 0, kept);
        }
        group
    }
}

/// A part of lines that are equal.
fn part(operation: &DiffOp, start: usize, length: usize) -> DiffOp {
    DiffOp::Equal {
        old_index: operation.old_range().start + start,
        new_index: operation.new_range().start + start,
        len: length,
    }
}

fn write_lines(sign: char, lines: &[Line], out: &mut String) {
    for line in lines {
        out.push(sign);
        out.push_str(&line.text);
        if !line.text.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(file: &str, before: &str, after: &str, lines: usize) -> String {
        unified(file, &Masked::new(before), &Masked::new(after), lines)
    }

    #[test]
    fn hunks_are_placed_in_the_whole_file() {
        assert_eq!(
            diff("/x/a.yaml", "- a\n- b\n- c\n", "- a\n- d\n- c", 10),
            "--- a/x/a.yaml\n+++ b/x/a.yaml\n@@ -11,3 +11,3 @@\n - a\n-- b\n-- c\n+- d\n+- c\n\\ No newline at end of file\n"
        );
        assert_eq!(diff("a", "x\n", "x\n", 0), "--- a/a\n+++ b/a\n");
    }

    #[test]
    fn what_is_around_a_change_ends_at_a_secret() {
        let before = "a: 1\npassword: z\nb: 1\nc: 1\nd: 1\ntoken: z\ne: 1\nf: 1\n";
        let after = before.replace("c: 1", "c: 2").replace("e: 1", "e: 2");
        assert_eq!(
            diff("a", before, &after, 0),
            "--- a/a\n+++ b/a\n@@ -3,6 +3,6 @@\n b: 1\n-c: 1\n+c: 2\n d: 1\n token: (hidden)\n-e: 1\n+e: 2\n f: 1\n"
        );
        // A line that is written anew with a secret in it.
        let (before, after) = ("{a: 1, password: z}\n", "{a: 2, password: z}\n");
        let shown = Compared::new(&Masked::new(before), &Masked::new(after)).shown("a", 0);
        assert!(
            shown
                .diff
                .ends_with("@@ -1 +1 @@\n-{a: 1, password: (hidden)}\n+{a: 2, password: (hidden)}\n")
        );
        assert_eq!(shown.replacements, []);
    }
}
