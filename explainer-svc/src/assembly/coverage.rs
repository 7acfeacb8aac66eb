//! Which lines of Rego the Rego tests ran.

use std::collections::{BTreeMap, BTreeSet};

use engine::policy::id_of;
use engine::testing::Coverage as Lines;

/// By policy or library, and by file.
#[derive(Debug, Default)]
pub(crate) struct Coverage(BTreeMap<String, BTreeMap<String, Lines>>);

impl Coverage {
    /// What it does not count.
    pub(crate) const NOTE: &str = "lines that Rego tests ran; cases do not count";

    pub(crate) fn add(&mut self, package: &str, file: String, lines: Lines) {
        self.0.entry(id_of(package)).or_default().insert(file, lines);
    }

    /// Each policy or library with its files.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Lines>)> {
        self.0.iter().map(|(id, files)| (id.as_str(), files))
    }

    /// Of everything.
    pub(crate) fn percent(&self) -> usize {
        percent(self.0.values().flat_map(BTreeMap::values))
    }
}

/// From 0 to 100, rounded down: 100 is all of them.
pub(crate) fn percent<'a>(files: impl Iterator<Item = &'a Lines>) -> usize {
    let (covered, all) = files.fold((0, 0), |(covered, all), lines| {
        (
            covered + lines.covered.len(),
            all + lines.covered.len() + lines.missed.len(),
        )
    });
    (covered * 100).checked_div(all).unwrap_or(100)
}

/// `3, 5-7`.
pub(crate) fn ranges(lines: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == *line => *end = *line,
            _ => ranges.push((*line, *line)),
        }
    }
    let range = |(start, end): &(u32, u32)| {
        if start == end {
            start.to_string()
        } else {
            format!("{start}-{end}")
        }
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&BTreeSet::from([3, 5, 6, 7, 9])), "3, 5-7, 9");
    }

    #[test]
    fn a_percentage_is_never_rounded_up() {
        let lines = Lines {
            covered: (1..=199).collect(),
            missed: BTreeSet::from([200]),
        };
        assert_eq!(percent([lines].iter()), 99);
        assert_eq!(percent([].iter()), 100);
    }
}
