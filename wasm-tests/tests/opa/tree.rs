//! The text of a program as a tree, so that parts of it can be taken away again.

/// What may stand for what when a program is made smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Has a value.
    Term,
    /// Something that cannot be replaced alone.
    Other,
}

/// Text, or parts that make one.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Text(String),
    Node(Kind, Vec<Tree>),
    /// Items that can be left out, down to a number of them.
    List {
        items: Vec<Tree>,
        separator: &'static str,
        minimum: usize,
    },
}

/// A part that has a value.
macro_rules! term {
    ($($part:expr),+ $(,)?) => {
        $crate::tree::Tree::Node($crate::tree::Kind::Term, vec![$($crate::tree::Tree::from($part)),+])
    };
}

/// Any other part.
macro_rules! tree {
    ($($part:expr),+ $(,)?) => {
        $crate::tree::Tree::Node($crate::tree::Kind::Other, vec![$($crate::tree::Tree::from($part)),+])
    };
}

pub(crate) use {term, tree};

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Tree {
    /// Items between separators; all may be left out.
    pub(crate) fn list(items: Vec<Self>, separator: &'static str) -> Self {
        Self::List {
            items,
            separator,
            minimum: 0,
        }
    }

    /// Statements of a body: one has to stay.
    pub(crate) fn body(items: Vec<Self>) -> Self {
        Self::List {
            items,
            separator: "\n\t",
            minimum: 1,
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Node(_, parts) => parts.iter().for_each(|part| part.write(out)),
            Self::List { items, separator, .. } => {
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push_str(separator);
                    }
                    item.write(out);
                }
            }
        }
    }

    /// Every tree that is this one with one thing left out or made simpler; what changes most comes first.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        match self {
            Self::Text(_) => {}
            Self::Node(kind, parts) => {
                if *kind == Kind::Term {
                    found.extend(self.simple_terms());
                }
                for (place, part) in parts.iter().enumerate() {
                    found.extend(part.smaller().into_iter().map(|part| {
                        let mut parts = parts.clone();
                        parts[place] = part;
                        Self::Node(*kind, parts)
                    }));
                }
            }
            Self::List {
                items,
                separator,
                minimum,
            } => {
                let list = |items| Self::List {
                    items,
                    separator,
                    minimum: *minimum,
                };
                if items.len() > *minimum {
                    for place in 0..items.len() {
                        let mut items = items.clone();
                        items.remove(place);
                        found.push(list(items));
                    }
                }
                for (place, item) in items.iter().enumerate() {
                    found.extend(item.smaller().into_iter().map(|item| {
                        let mut items = items.clone();
                        items[place] = item;
                        list(items)
                    }));
                }
            }
        }
        found
    }

    /// What a term may be replaced by: a term inside of it, or a literal.
    fn simple_terms(&self) -> Vec<Self> {
        let mut terms = Vec::new();
        self.inner_terms(&mut terms);
        if self.text().len() > 1 {
            terms.push(term!["1"]);
        }
        terms
    }

    fn inner_terms(&self, out: &mut Vec<Self>) {
        let parts = match self {
            Self::Text(_) => return,
            Self::Node(_, parts) => parts,
            Self::List { items, .. } => items,
        };
        for part in parts {
            match part {
                Self::Node(Kind::Term, _) => out.push(part.clone()),
                other => other.inner_terms(out),
            }
        }
    }
}
