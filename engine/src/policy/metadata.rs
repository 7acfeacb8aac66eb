//! OPA METADATA annotations, which the evaluator does not expose.
//!
//! An annotation is a comment block that begins with `# METADATA`, holds YAML, and belongs to the statement that follows it:
//! `package` (scope `package` or `subpackages`) or a rule (scope `rule` or `document`).
//! See <https://www.openpolicyagent.org/docs/policy-language#metadata>.

use serde::Deserialize;

use super::Problem;
use crate::verdict::Link;

/// What an annotation applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// This package and those below it. The weakest.
    Subpackages,
    /// This package.
    Package,
    /// All rules of this name in the package.
    Document,
    /// This rule.
    Rule,
}

/// One annotation block.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotation {
    /// What it applies to.
    pub scope: Scope,
    /// The rule's name; empty for packages.
    pub rule: String,
    /// The line of `# METADATA`, from 1.
    pub line: usize,
    /// The line of the statement that it belongs to, from 1.
    pub statement: usize,
    /// What it says.
    pub content: Content,
    /// All of it, as written.
    pub written: serde_json::Value,
}

/// The fields of an annotation that matter here. Others of OPA's (organizations, schemas) are accepted.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Content {
    scope: Option<Scope>,
    entrypoint: Option<bool>,
    /// One line that names the policy.
    pub title: Option<String>,
    /// Why it matters.
    pub description: Option<String>,
    #[serde(default)]
    related_resources: Vec<Related>,
    // In any form: what is no address is no reason to refuse a policy.
    #[serde(default)]
    authors: serde_json::Value,
    /// Everything that is not OPA's own; [`super::custom`] reads it.
    pub custom: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Related {
    Address(String),
    Described {
        #[serde(rename = "ref")]
        reference: String,
        description: Option<String>,
    },
}

/// Where to write to an author, `Platform Team <platform@example.com>` or a map of `name` and `email`; none without an address.
fn author(author: &serde_json::Value) -> Option<Link> {
    let text = |key: &str| author.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let (name, email) = match author.as_str() {
        Some(text) => text.trim().strip_suffix('>')?.split_once('<')?,
        None => (text("name"), text("email")),
    };
    let (name, email) = (name.trim(), email.trim());
    email.contains('@').then(|| Link {
        description: format!("kept by {}", if name.is_empty() { email } else { name }),
        reference: format!("mailto:{email}"),
    })
}

impl Content {
    /// `related_resources`, in either of OPA's two forms, and the addresses of the authors.
    pub fn links(&self) -> Vec<Link> {
        let link = |related: &Related| match related {
            Related::Address(reference) => Link {
                description: String::new(),
                reference: reference.clone(),
            },
            Related::Described { reference, description } => Link {
                description: description.clone().unwrap_or_default(),
                reference: reference.clone(),
            },
        };
        let authors = self.authors.as_array().into_iter().flatten().filter_map(author);
        self.related_resources.iter().map(link).chain(authors).collect()
    }
}

/// The annotations of one file, in order, or everything that is wrong with them.
pub fn parse(file: &str, text: &str) -> Result<Vec<Annotation>, Vec<Problem>> {
    let lines = split(text);
    let mut annotations = Vec::new();
    let mut problems = Vec::new();
    let mut rest = lines.iter().enumerate().peekable();
    while let Some((index, line)) = rest.next() {
        let Line::Comment(comment) = line else { continue };
        if comment.trim() != "METADATA" {
            continue;
        }
        let mut yaml = String::new();
        while let Some((_, Line::Comment(comment))) = rest.peek() {
            yaml.push_str(comment);
            yaml.push('\n');
            rest.next();
        }
        let statement = rest.clone().find_map(|(index, line)| match line {
            Line::Code(code) => Some((index + 1, *code)),
            Line::Comment(_) | Line::Blank => None,
        });
        match annotation(index + 1, &yaml, statement) {
            Ok(annotation) => annotations.push(annotation),
            Err((line, message)) => problems.push(Problem::at(file, line, message)),
        }
    }
    if problems.is_empty() {
        Ok(annotations)
    } else {
        Err(problems)
    }
}

fn annotation(line: usize, yaml: &str, statement: Option<(usize, &str)>) -> Result<Annotation, (usize, String)> {
    let invalid = |error: serde_saphyr::Error| {
        let (row, reason) = super::yaml::located(&error);
        (line + row, format!("METADATA is not valid: {reason}"))
    };
    let content: Content = super::yaml::read(yaml).map_err(invalid)?;
    let written: serde_json::Value = super::yaml::read(yaml).map_err(invalid)?;
    let Some((statement_line, statement)) = statement else {
        return Err((line, "METADATA must be followed by the package or a rule".to_owned()));
    };
    let subject = word(statement);
    if subject == "import" {
        return Err((
            line,
            "METADATA must be followed by the package or a rule, not by an import".to_owned(),
        ));
    }
    let is_package = subject == "package";
    let default = match (is_package, content.entrypoint) {
        (true, _) => Scope::Package,
        (false, Some(true)) => Scope::Document,
        (false, _) => Scope::Rule,
    };
    let scope = content.scope.unwrap_or(default);
    let fits = matches!(scope, Scope::Package | Scope::Subpackages) == is_package;
    if !fits {
        let (scope, place) = (
            format!("{scope:?}").to_lowercase(),
            if is_package { "a package" } else { "a rule" },
        );
        return Err((line, format!("METADATA of scope {scope} cannot stand before {place}")));
    }
    let rule = match subject {
        "package" => "",
        "default" => word(statement.trim_start().trim_start_matches("default")),
        name => name,
    };
    Ok(Annotation {
        scope,
        rule: rule.to_owned(),
        line,
        statement: statement_line,
        content,
        written,
    })
}

/// The identifier at the start of a statement.
fn word(statement: &str) -> &str {
    let statement = statement.trim_start();
    let end = statement
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(statement.len());
    statement.get(..end).unwrap_or_default()
}

enum Line<'a> {
    Blank,
    /// A line that is nothing but a comment: its text after `#`.
    Comment(&'a str),
    Code(&'a str),
}

/// Tells comment lines from code. A `#` inside a raw string that spans lines is no comment.
fn split(text: &str) -> Vec<Line<'_>> {
    let mut in_raw_string = false;
    let classify = |line| {
        let starts_inside = in_raw_string;
        let trimmed = str::trim(line);
        if !starts_inside && trimmed.is_empty() {
            return Line::Blank;
        }
        if !starts_inside && let Some(comment) = trimmed.strip_prefix('#') {
            return Line::Comment(comment);
        }
        in_raw_string = ends_in_raw_string(line, starts_inside);
        Line::Code(line)
    };
    text.lines().map(classify).collect()
}

fn ends_in_raw_string(line: &str, mut raw: bool) -> bool {
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '`' if !quoted => raw = !raw,
            '"' if !raw => quoted = !quoted,
            '\\' if quoted => {
                characters.next();
            }
            '#' if !raw && !quoted => break,
            _ => {}
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn one(text: &str) -> Annotation {
        let mut all = parse("p.rego", text).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn problem(text: &str) -> String {
        parse("p.rego", text).unwrap_err()[0].to_string()
    }

    #[test]
    fn scopes_follow_the_statement() {
        let package = one("# METADATA\n# title: A\npackage a\n");
        assert_eq!((package.scope, package.rule.as_str()), (Scope::Package, ""));
        let rule = one("package a\n# METADATA\n# title: A\n\ndeny contains 1 if true\n");
        assert_eq!((rule.scope, rule.rule.as_str()), (Scope::Rule, "deny"));
        let default = one("package a\n# METADATA\n# scope: document\ndefault allow := false\n");
        assert_eq!((default.scope, default.rule.as_str()), (Scope::Document, "allow"));
        let entry = one("package a\n# METADATA\n# entrypoint: true\nallow if true\n");
        assert_eq!(entry.scope, Scope::Document);
    }

    #[test]
    fn an_author_with_an_address_can_be_asked() {
        let text = "# METADATA\n# authors:\n# - Platform <platform@example.com>\n# - name: Jo\n#   email: jo@example.com\n\
                    # - name: Without\n# - 3\npackage a\n";
        let links = one(text).content.links();
        let shown: Vec<_> = links
            .iter()
            .map(|link| (&*link.description, &*link.reference))
            .collect();
        assert_eq!(
            shown,
            [
                ("kept by Platform", "mailto:platform@example.com"),
                ("kept by Jo", "mailto:jo@example.com")
            ]
        );
    }

    #[test]
    fn links_have_two_forms() {
        let text = "# METADATA\n# related_resources:\n# - https://a.example\n# - ref: https://b.example\n#   description: B\npackage a";
        let links = one(text).content.links();
        assert_eq!(links[0].reference, "https://a.example");
        assert_eq!(
            (links[1].reference.as_str(), links[1].description.as_str()),
            ("https://b.example", "B")
        );
    }

    #[test]
    fn a_hash_in_a_raw_string_is_no_comment() {
        let text = "package a\nx := `\n# METADATA\n# title: no\n`\n# METADATA\n# title: yes\ny := \"`\"\n";
        assert_eq!(one(text).content.title.as_deref(), Some("yes"));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        assert_eq!(
            problem("package a\n# METADATA\n# scope: package\ny := 1\n"),
            "p.rego:2: METADATA of scope package cannot stand before a rule"
        );
        assert_eq!(
            problem("package a\n# METADATA\n# title: x\nimport data.b\n"),
            "p.rego:2: METADATA must be followed by the package or a rule, not by an import"
        );
        assert_eq!(
            problem("package a\n\n# METADATA\n# title: x\n"),
            "p.rego:3: METADATA must be followed by the package or a rule"
        );
        let broken = problem("# METADATA\n# title: [\npackage a\n");
        assert!(
            broken.starts_with("p.rego:") && broken.contains("METADATA is not valid"),
            "{broken}"
        );
        let scope = problem("# METADATA\n# scope: galaxy\npackage a\n");
        assert!(scope.contains("galaxy"), "{scope}");
    }

    #[test]
    fn a_block_ends_where_the_comment_ends() {
        let text = "# METADATA\n# title: A\n\n# an ordinary comment\npackage a\n";
        assert_eq!(one(text).content.title.as_deref(), Some("A"));
    }
}
