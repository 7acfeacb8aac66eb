//! Fields of a document, read with every complaint collected.

use super::yaml::{Content, Node};
use crate::policy::Problem;

/// Reads the fields of one document and collects what is wrong with them.
pub(super) struct Fields<'a> {
    file: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self {
            file,
            problems: Vec::new(),
        }
    }

    /// Complains about a field.
    pub(super) fn wrong(&mut self, line: usize, field: &str, reason: &str) {
        self.problems
            .push(Problem::at(self.file, line, format!("{field}: {reason}")));
    }

    /// The value, unless something was wrong.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Problem>> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    /// A member that is an object with none but these fields. `field` is the path of `node`.
    pub(super) fn object<'n>(&mut self, node: &'n Node, field: &str, key: &str, known: &[&str]) -> Option<&'n Node> {
        let child = node.get(key)?;
        let field = join(field, key);
        if !matches!(child.content, Content::Map(_)) {
            self.wrong_type(child, &field, "an object");
            return None;
        }
        self.known(child, &field, known);
        Some(child)
    }

    /// Complains about fields that nobody reads: most often a typing error.
    pub(super) fn known(&mut self, node: &Node, field: &str, known: &[&str]) {
        for member in node
            .members()
            .iter()
            .filter(|member| !known.contains(&member.key.as_str()))
        {
            let nearest = known
                .iter()
                .map(|name| (strsim::damerau_levenshtein(name, &member.key), *name))
                .filter(|(distance, _)| *distance <= 3)
                .min();
            let advice = match nearest {
                Some((_, name)) => format!("unknown field; did you mean {name:?}?"),
                None => format!("unknown field; remove it, or use one of {}", known.join(", ")),
            };
            self.wrong(member.line, &join(field, &member.key), &advice);
        }
    }

    /// A member that is a text.
    pub(super) fn text<'n>(&mut self, node: &'n Node, field: &str, key: &str) -> Option<&'n str> {
        let child = node.get(key)?;
        let text = child.as_str();
        if text.is_none() {
            self.wrong_type(child, &join(field, key), "a string");
        }
        text
    }

    /// A member that is a list; none when it is absent.
    pub(super) fn list<'n>(&mut self, node: &'n Node, field: &str, key: &str) -> &'n [Node] {
        match node.get(key) {
            None => &[],
            Some(Node {
                content: Content::List(items),
                ..
            }) => items,
            Some(other) => {
                self.wrong_type(other, &join(field, key), "an array");
                &[]
            }
        }
    }

    /// A member that is a list of texts; none when it is absent.
    pub(super) fn texts(&mut self, node: &Node, field: &str, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for (place, item) in self.list(node, field, key).iter().enumerate() {
            match item.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.wrong_type(item, &format!("{}[{place}]", join(field, key)), "a string"),
            }
        }
        texts
    }

    /// Complains about a type.
    pub(super) fn wrong_type(&mut self, node: &Node, field: &str, expected: &str) {
        let quote = match node.type_name() {
            "boolean" | "number" | "integer" if expected == "a string" => "; put it in quotes",
            _ => "",
        };
        self.wrong(
            node.line,
            field,
            &format!("expected {expected}, this is {}{quote}", node.type_name()),
        );
    }
}

/// The path of a member.
pub(super) fn join(field: &str, key: &str) -> String {
    if field.is_empty() {
        key.to_owned()
    } else {
        format!("{field}.{key}")
    }
}
