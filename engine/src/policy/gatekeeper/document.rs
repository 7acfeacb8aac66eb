//! A YAML file's documents: templates, constraints, and what is neither.

use super::constraint::{self, Written};
use super::template::{self, Template};
use super::yaml::{self, Content, Node};
use crate::policy::Problem;

/// One object in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A `ConstraintTemplate`.
    Template(Box<Template>),
    /// A constraint, to be checked against its template.
    Constraint(Box<Written>),
    /// Something else.
    Other(Other),
}

/// An object that is neither a template nor a constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// The file.
    pub file: String,
    /// The line of the document.
    pub line: usize,
    /// `apiVersion`, or empty.
    pub api_version: String,
    /// `kind`, or empty.
    pub kind: String,
    /// `metadata.name`, or empty.
    pub name: String,
}

/// What could be read of a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) documents: Vec<Document>,
    pub(super) problems: Vec<Problem>,
    /// The kinds of templates that were refused: their constraints have a template all the same.
    pub(super) refused: Vec<String>,
}

/// Reads all documents of a file; lists are taken apart.
///
/// # Errors
/// Every reason why one of them is refused.
pub fn read(file: &str, text: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let contents = read_all(file, text);
    if contents.problems.is_empty() {
        Ok(contents.documents)
    } else {
        Err(contents.problems)
    }
}

pub(super) fn read_all(file: &str, text: &str) -> Contents {
    let mut contents = Contents::default();
    let lines: Vec<&str> = text.lines().collect();
    match yaml::read(file, text) {
        Ok(nodes) => nodes.iter().for_each(|node| object(&mut contents, file, node, &lines)),
        Err(problem) => contents.problems.push(problem),
    }
    contents
}

fn object(contents: &mut Contents, file: &str, node: &Node, lines: &[&str]) {
    let text = |key: &str| node.text(&[key]).unwrap_or_default();
    if !matches!(node.content, Content::Map(_)) {
        let reason = format!(
            "expected an object with `apiVersion` and `kind`, this is {}",
            node.type_name()
        );
        contents.problems.push(Problem::at(file, node.line, reason));
        return;
    }
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if let (true, Some(Content::List(items))) = (kind.ends_with("List"), node.get("items").map(|items| &items.content))
    {
        return items.iter().for_each(|item| object(contents, file, item, lines));
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let name = node.text(&["metadata", "name"]).unwrap_or_default().to_owned();
    let document = match (group, kind) {
        (template::GROUP, "ConstraintTemplate") => match Template::read(file, node, version, lines) {
            Ok(template) => Document::Template(Box::new(template)),
            Err(problems) => {
                let kind = node.text(&["spec", "crd", "spec", "names", "kind"]);
                contents.refused.extend(kind.map(str::to_owned));
                contents.problems.extend(problems);
                return;
            }
        },
        (constraint::GROUP, kind) if !kind.is_empty() => Document::Constraint(Box::new(Written {
            file: file.to_owned(),
            line: node.line,
            kind: kind.to_owned(),
            name,
            version: version.to_owned(),
            document: node.clone(),
        })),
        _ => Document::Other(Other {
            file: file.to_owned(),
            line: node.line,
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name,
        }),
    };
    contents.documents.push(document);
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const TEMPLATE: &str = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\n\
        metadata: {name: k8sshop}\n\
        spec:\n  crd: {spec: {names: {kind: K8sShop}}}\n  targets:\n    - target: admission.k8s.gatekeeper.sh\n      \
        rego: |\n        package a\n        violation[{\"msg\": \"x\"}] { true }\n";

    #[test]
    fn documents_are_told_apart() {
        let text = format!(
            "# all of it\n---\n{TEMPLATE}---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sShop\n\
             metadata: {{name: a}}\n---\napiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\n\
             metadata: {{name: config}}\n"
        );
        let documents = read("a.yaml", &text).unwrap();
        let [
            Document::Template(template),
            Document::Constraint(constraint),
            Document::Other(other),
        ] = documents.as_slice()
        else {
            panic!("{documents:?}");
        };
        assert_eq!(template.line, 3);
        assert_eq!(template.module.text.lines().nth(10), Some("package template"));
        assert_eq!(
            (constraint.kind.as_str(), constraint.name.as_str(), constraint.line),
            ("K8sShop", "a", 14)
        );
        assert_eq!(
            (other.kind.as_str(), other.api_version.as_str(), other.line),
            ("Config", "config.gatekeeper.sh/v1alpha1", 18)
        );
    }

    #[test]
    fn lists_are_taken_apart() {
        let indented = TEMPLATE.replace('\n', "\n    ");
        let text = format!("apiVersion: v1\nkind: List\nitems:\n  - {}\n", indented.trim_end());
        let documents = read("a.yaml", &text).unwrap();
        let [Document::Template(template)] = documents.as_slice() else {
            panic!("{documents:?}");
        };
        assert_eq!(template.module.text.lines().nth(11), Some("package template"));
        assert_eq!(read("a.yaml", "apiVersion: v1\nkind: List\nitems: []\n").unwrap(), []);
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_line() {
        let problems = read("a.yaml", "---\n---\n- a\n").unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "a.yaml:3: expected an object with `apiVersion` and `kind`, this is array"
        );
        assert_eq!(read("a.yaml", "a: [").unwrap_err()[0].line, 1);
        assert_eq!(read("a.yaml", "# nothing\n").unwrap(), []);
    }
}
