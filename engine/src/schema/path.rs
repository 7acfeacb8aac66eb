//! Where in an object a check is. Nothing is allocated until there is a problem to report.

use std::fmt;

/// One step of the way, and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) const ROOT: Path<'static> = Path {
        before: None,
        step: Step::Root,
    };

    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self {
            before: Some(self),
            step: Step::Key(key),
        }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self {
            before: Some(self),
            step: Step::Index(index),
        }
    }

    /// The name of the field that this is; of an element of a list, the list's.
    pub(super) fn name(&self) -> &'a str {
        match (self.step, self.before) {
            (Step::Key(key), _) => key,
            (Step::Index(_), Some(before)) => before.name(),
            _ => "",
        }
    }

    /// Whether this is the whole object.
    pub(super) fn is_root(&self) -> bool {
        self.before.is_none()
    }

    /// Whether it is in what controllers report, not what anybody wishes.
    pub(super) fn is_status(&self) -> bool {
        match (self.step, self.before) {
            (Step::Key("status"), Some(before)) if before.is_root() => true,
            (_, Some(before)) => before.is_status(),
            _ => false,
        }
    }
}

impl fmt::Display for Path<'_> {
    /// A JSON pointer.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = self.before {
            before.fmt(out)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(out, "/{index}"),
            Step::Key(key) => write!(out, "/{}", key.replace('~', "~0").replace('/', "~1")),
        }
    }
}
