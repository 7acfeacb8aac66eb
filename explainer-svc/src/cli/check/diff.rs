//! A change as a unified diff: of the file, where it can be written there; else of the object as YAML.

use std::fmt::Write as _;

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::judge::Place;
use super::yaml::{Chunk, Document, apply};

/// A document and its text.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub(super) chunk: &'a Chunk,
    pub(super) document: &'a Document,
}

impl Text<'_> {
    /// The line of a field in the file, or of what is nearest to it.
    pub(super) fn line(&self, pointer: &str) -> usize {
        self.chunk.lines + self.document.line(pointer)
    }
}

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

/// One fix.
pub(super) fn of_fix(place: &Place, text: &Text<'_>, patch: &Patch, before: &Value, after: &Value) -> Shown {
    let file = if &*place.file == "-" { "stdin" } else { &*place.file };
    if let Ok(changed) = apply(&text.chunk.text, &rebased(patch, &place.base)) {
        return Shown {
            diff: unified(file, &text.chunk.text, &changed, text.chunk.lines),
            replacements: replacements(&text.chunk.text, &changed, text.chunk.lines),
        };
    }
    let yaml = |value: &Value| serde_saphyr::to_string(value).unwrap_or_default();
    Shown {
        diff: unified("object.yaml", &yaml(before), &yaml(after), 0),
        replacements: Vec::new(),
    }
}

fn replacements(before: &str, after: &str, lines: usize) -> Vec<Replacement> {
    let diff = TextDiff::from_lines(before, after);
    let changed = diff
        .ops()
        .iter()
        .filter(|operation| operation.tag() != similar::DiffTag::Equal);
    changed
        .map(|operation| Replacement {
            first: lines + operation.old_range().start + 1,
            end: lines + operation.old_range().end + 1,
            text: diff
                .iter_changes(operation)
                .filter(|change| change.tag() == ChangeTag::Insert)
                .map(|change| change.value())
                .collect(),
        })
        .collect()
}

/// A unified diff, of a part of a file that begins after so many lines.
pub(super) fn unified(file: &str, before: &str, after: &str, lines: usize) -> String {
    let diff = TextDiff::from_lines(before, after);
    let file = file.trim_start_matches('/');
    let mut out = format!("--- a/{file}\n+++ b/{file}\n");
    for group in diff.grouped_ops(3) {
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
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            out.push(match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            });
            out.push_str(change.value());
            if !change.value().ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_are_placed_in_the_whole_file() {
        assert_eq!(
            unified("/x/a.yaml", "a\nb\nc\n", "a\nd\nc", 10),
            "--- a/x/a.yaml\n+++ b/x/a.yaml\n@@ -11,3 +11,3 @@\n a\n-b\n-c\n+d\n+c\n\\ No newline at end of file\n"
        );
        assert_eq!(unified("a", "x\n", "x\n", 0), "--- a/a\n+++ b/a\n");
    }
}
