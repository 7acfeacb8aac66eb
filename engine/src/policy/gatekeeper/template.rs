//! `ConstraintTemplate`: a policy's Rego and the schema of its parameters.

use super::fields::Fields;
use super::modules::{self, Module};
use super::schema::{Complaint, Path, Schema};
use super::yaml::{Content, Node};
use crate::admission::Operation;
use crate::policy::Problem;
use crate::rego::{Dialect, Program, Source};

/// The API group.
pub(super) const GROUP: &str = "templates.gatekeeper.sh";
/// The only target there is: admission requests.
const TARGET: &str = "admission.k8s.gatekeeper.sh";
/// The engine that is spoken here.
const REGO: &str = "Rego";
const OPERATIONS: [Operation; 4] = [
    Operation::Create,
    Operation::Update,
    Operation::Delete,
    Operation::Connect,
];

/// A template, checked; its Rego is not compiled yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The file.
    pub file: String,
    /// The line of the document.
    pub line: usize,
    /// The kind of its constraints.
    pub kind: String,
    /// The kind in small letters.
    pub name: String,
    /// `metadata.gatekeeper.sh/title` of its annotations.
    pub title: Option<String>,
    /// `metadata.gatekeeper.sh/description` of its annotations, else `description`, or as other engines call it.
    pub description: Option<String>,
    /// `targets[0].target`.
    pub target: String,
    /// Of both the module and the libraries.
    pub dialect: Dialect,
    /// Has the rule `violation`, in the package `template`.
    pub module: Module,
    /// In packages below `lib`.
    pub libraries: Vec<Module>,
    /// What is matched; all of them unless the template says otherwise.
    pub operations: Vec<Operation>,
    /// `None`: its constraints have no parameters.
    pub(super) schema: Option<Schema>,
}

/// The Rego in a template, wherever it was written.
struct Code<'n> {
    dialect: Dialect,
    rego: (&'n Node, String),
    libraries: Vec<(&'n Node, String)>,
}

impl Template {
    /// Reads a document of the kind `ConstraintTemplate`. `yaml` are the lines of the file.
    pub(super) fn read(file: &str, document: &Node, version: &str, yaml: &[&str]) -> Result<Self, Vec<Problem>> {
        let mut fields = Fields::new(file);
        let template = Self::collect(&mut fields, file, document, version, yaml);
        fields.finish(template)
    }

    /// Compiles the Rego.
    ///
    /// # Errors
    /// Everything that is wrong, with the file and its line.
    pub fn compile(&self) -> Result<Program, Vec<Problem>> {
        let modules = std::iter::once(&self.module).chain(&self.libraries);
        let sources = modules.map(|module| Source {
            file: &self.file,
            text: &module.text,
            dialect: self.dialect,
        });
        Program::compile(&sources.collect::<Vec<_>>())
    }

    fn collect(fields: &mut Fields<'_>, file: &str, document: &Node, version: &str, yaml: &[&str]) -> Option<Self> {
        if !["v1", "v1beta1", "v1alpha1"].contains(&version) {
            let reason = format!("the version {version:?} is unknown; use \"{GROUP}/v1\"");
            fields.wrong(document.line, "apiVersion", &reason);
        }
        fields.known(document, "", &["apiVersion", "kind", "metadata", "spec", "status"]);
        let Some(spec) = fields.object(document, "", "spec", &["crd", "targets"]) else {
            fields.wrong(document.line, "spec", "missing");
            return None;
        };
        let (kind, name) = names(fields, document, spec)?;
        let schema = schema(fields, spec, version);
        let target = only_target(fields, spec)?;
        let operations = operations(fields, target);
        let code = code(fields, target);
        let code = code?;
        let (node, field) = code.rego;
        let module = modules::main(node.as_str()?, node, yaml, &field, fields);
        let mut libraries = Vec::new();
        for (node, field) in code.libraries {
            libraries.push(modules::library(node.as_str()?, node, yaml, &field, fields));
        }
        Some(Self {
            file: file.to_owned(),
            line: document.line,
            kind,
            name,
            title: annotation(document, &TITLES),
            description: annotation(document, &DESCRIPTIONS),
            target: TARGET.to_owned(),
            dialect: code.dialect,
            module,
            libraries,
            operations,
            schema,
        })
    }
}

/// Annotations that name a rule, the most exact first.
pub(super) const TITLES: [&str; 2] = ["metadata.gatekeeper.sh/title", "policies.kyverno.io/title"];

/// Annotations that say why there is a rule.
pub(super) const DESCRIPTIONS: [&str; 4] = [
    "metadata.gatekeeper.sh/description",
    "description",
    "policies.kyverno.io/description",
    "kubernetes.io/description",
];

/// The first of these annotations that says something.
pub(super) fn annotation(document: &Node, keys: &[&str]) -> Option<String> {
    let said = |key: &&str| document.text(&["metadata", "annotations", key]).map(str::trim);
    let texts = keys.iter().filter_map(said);
    texts.filter(|text| !text.is_empty()).map(str::to_owned).next()
}

/// The kind that the template defines and the template's name, which has to be the same in small letters.
fn names(fields: &mut Fields<'_>, document: &Node, spec: &Node) -> Option<(String, String)> {
    let name = document.text(&["metadata", "name"]).unwrap_or_default();
    let crd = fields.object(spec, "spec", "crd", &["spec"]);
    let crd = crd.and_then(|crd| fields.object(crd, "spec.crd", "spec", &["names", "validation"]));
    let names = crd.and_then(|crd| fields.object(crd, "spec.crd.spec", "names", &["kind", "shortNames"]));
    let Some(kind) = names.and_then(|names| fields.text(names, "spec.crd.spec.names", "kind")) else {
        let line = names.or(crd).unwrap_or(spec).line;
        fields.wrong(
            line,
            "spec.crd.spec.names.kind",
            "missing; it names the kind of the constraints",
        );
        return None;
    };
    let line = document.line_of(&["metadata".to_owned(), "name".to_owned()]);
    if name != kind.to_lowercase() {
        let reason = format!(
            "has to be the kind in small letters, {:?}, this is {name:?}",
            kind.to_lowercase()
        );
        fields.wrong(line, "metadata.name", &reason);
    }
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let is_kind = kind.starts_with(|letter: char| letter.is_ascii_alphabetic()) && kind.chars().all(fits);
    if !is_kind || kind.len() > 63 || kind.ends_with('-') {
        let reason = format!("{kind:?} is no name of a kind; use up to 63 letters and digits");
        fields.wrong(line, "spec.crd.spec.names.kind", &reason);
    }
    Some((kind.to_owned(), name.to_owned()))
}

/// `None` when constraints take no parameters, and when the schema was complained about.
fn schema(fields: &mut Fields<'_>, spec: &Node, version: &str) -> Option<Schema> {
    const FIELD: &str = "spec.crd.spec.validation";
    let crd = spec.at(&["crd", "spec"])?;
    let known = ["openAPIV3Schema", "legacySchema"];
    let validation = fields.object(crd, "spec.crd.spec", "validation", &known);
    let written = validation.and_then(|validation| {
        let content = validation.get("openAPIV3Schema")?;
        if !matches!(content.content, Content::Map(_)) {
            fields.wrong_type(content, &format!("{FIELD}.openAPIV3Schema"), "an object");
        }
        Some(content)
    });
    let legacy = match validation.and_then(|validation| validation.get("legacySchema")) {
        // The defaults of the template's own CRD.
        None => version != "v1",
        Some(node) => node.to_json().as_bool().unwrap_or_else(|| {
            fields.wrong_type(node, &format!("{FIELD}.legacySchema"), "a boolean");
            false
        }),
    };
    let Some(node) = written else {
        let open = serde_json::Value::Object(serde_json::Map::new());
        return legacy.then(|| Schema::new(open, true).ok()).flatten();
    };
    let complain = |(path, reason): Complaint, fields: &mut Fields<'_>| {
        let field = format!("{FIELD}.openAPIV3Schema{}", dotted(&path));
        fields.wrong(node.line_of(&path), &field, &reason);
    };
    match Schema::new(node.to_json(), legacy) {
        Ok(schema) => Some(schema),
        Err(complaints) => {
            for complaint in complaints {
                complain(complaint, fields);
            }
            None
        }
    }
}

/// A path as fields are written: `.a.b[0]`.
pub(super) fn dotted(path: &Path) -> String {
    path.iter().fold(String::new(), |mut text, key| {
        match key.parse::<usize>() {
            Ok(place) => text.push_str(&format!("[{place}]")),
            Err(_) => text.push_str(&format!(".{key}")),
        }
        text
    })
}

fn only_target<'n>(fields: &mut Fields<'_>, spec: &'n Node) -> Option<&'n Node> {
    let targets = fields.list(spec, "spec", "targets");
    let [target] = targets else {
        let line = spec.line_of(&["targets".to_owned()]);
        let reason = format!("a template has exactly one target, this one has {}", targets.len());
        fields.wrong(line, "spec.targets", &reason);
        return None;
    };
    fields.known(
        target,
        "spec.targets[0]",
        &["target", "rego", "libs", "code", "operations"],
    );
    match fields.text(target, "spec.targets[0]", "target") {
        Some(TARGET) => {}
        other => {
            let reason = format!("has to be {TARGET:?}, this is {:?}", other.unwrap_or_default());
            fields.wrong(target.line, "spec.targets[0].target", &reason);
        }
    }
    Some(target)
}

fn operations(fields: &mut Fields<'_>, target: &Node) -> Vec<Operation> {
    const FIELD: &str = "spec.targets[0].operations";
    let written = fields.texts(target, "spec.targets[0]", "operations");
    let line = target.line_of(&["operations".to_owned()]);
    if written.iter().any(|operation| operation == "*") && written.len() > 1 {
        fields.wrong(line, FIELD, "\"*\" stands for all operations; write it alone");
    }
    if written.is_empty() || written.iter().any(|operation| operation == "*") {
        return OPERATIONS.to_vec();
    }
    let mut operations = Vec::new();
    for name in written {
        if let Some(operation) = OPERATIONS.iter().find(|operation| operation.as_str() == name) {
            operations.push(*operation);
        } else {
            let reason = format!("{name:?} is none of CREATE, UPDATE, DELETE, CONNECT and \"*\"");
            fields.wrong(line, FIELD, &reason);
        }
    }
    operations
}

/// The Rego: `rego` of the target itself goes before that in `code`, as it does for Gatekeeper.
fn code<'n>(fields: &mut Fields<'_>, target: &'n Node) -> Option<Code<'n>> {
    const FIELD: &str = "spec.targets[0]";
    let legacy = fields.text(target, FIELD, "rego");
    let entries = fields.list(target, FIELD, "code");
    let mut engines = Vec::new();
    let mut sources = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let field = format!("{FIELD}.code[{place}]");
        fields.known(entry, &field, &["engine", "source"]);
        match fields.text(entry, &field, "engine") {
            Some(REGO) => sources.push((entry, field)),
            Some(engine) => engines.push(engine),
            None => fields.wrong(entry.line, &field, "`engine` is missing; write `engine: Rego`"),
        }
    }
    if let Some((entry, field)) = sources.get(1) {
        fields.wrong(
            entry.line,
            field,
            "there is Rego already; an engine can stand there once",
        );
    }
    if legacy.is_some_and(|rego| !rego.is_empty()) {
        return Some(Code {
            dialect: Dialect::V0,
            rego: (target.get("rego")?, format!("{FIELD}.rego")),
            libraries: libraries(fields, target, FIELD),
        });
    }
    let Some((entry, field)) = sources.first() else {
        let reason = match engines.as_slice() {
            [] => "there is no Rego; write it below `code[].source.rego` with `engine: Rego`".to_owned(),
            engines => format!(
                "only the engine {} is there, which whynot does not evaluate; add the policy in Rego (`engine: Rego`)",
                engines.join(", ")
            ),
        };
        fields.wrong(target.line, &format!("{FIELD}.code"), &reason);
        return None;
    };
    let Some(source) = fields.object(entry, field, "source", &["rego", "version", "libs"]) else {
        fields.wrong(entry.line, &format!("{field}.source"), "missing");
        return None;
    };
    let field = format!("{field}.source");
    let dialect = match fields.text(source, &field, "version") {
        None | Some("" | "v0") => Dialect::V0,
        Some("v1") => Dialect::V1,
        Some(other) => {
            let reason = format!("{other:?} is no version of Rego; use \"v0\" or \"v1\"");
            fields.wrong(
                source.line_of(&["version".to_owned()]),
                &format!("{field}.version"),
                &reason,
            );
            return None;
        }
    };
    if fields.text(source, &field, "rego").is_none() {
        fields.wrong(source.line, &format!("{field}.rego"), "missing");
    }
    Some(Code {
        dialect,
        rego: (source.get("rego")?, format!("{field}.rego")),
        libraries: libraries(fields, source, &field),
    })
}

fn libraries<'n>(fields: &mut Fields<'_>, parent: &'n Node, field: &str) -> Vec<(&'n Node, String)> {
    // Complains about those that are no texts.
    fields.texts(parent, field, "libs");
    let nodes = match parent.get("libs").map(|libs| &libs.content) {
        Some(Content::List(items)) => items.as_slice(),
        _ => &[],
    };
    let texts = nodes.iter().enumerate().filter(|(_, node)| node.as_str().is_some());
    texts
        .map(|(place, node)| (node, format!("{field}.libs[{place}]")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::gatekeeper::yaml;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const REGO_LINES: &str = "|\n        package a\n        violation[{\"msg\": \"x\"}] { true }\n";

    fn read(text: &str) -> Result<Template, String> {
        let nodes = yaml::read("t.yaml", text).unwrap();
        let version = nodes[0]
            .text(&["apiVersion"])
            .unwrap()
            .split_once('/')
            .unwrap()
            .1
            .to_owned();
        let lines: Vec<&str> = text.lines().collect();
        Template::read("t.yaml", &nodes[0], &version, &lines).map_err(|problems| crate::policy::list(&problems))
    }

    fn written(version: &str, crd: &str, target: &str) -> String {
        format!(
            "apiVersion: templates.gatekeeper.sh/{version}\nkind: ConstraintTemplate\nmetadata:\n  name: k8sshop\n  \
             annotations: {{metadata.gatekeeper.sh/title: Shop, description: Why}}\nspec:\n  crd:\n    spec:\n      \
             names: {{kind: K8sShop}}\n{crd}  targets:\n    - target: admission.k8s.gatekeeper.sh\n{target}"
        )
    }

    #[test]
    fn the_legacy_form_is_read() {
        let target =
            format!("      rego: {REGO_LINES}      libs:\n        - |\n          package lib.x\n          p = 1\n");
        let template = read(&written("v1beta1", "", &target)).unwrap();
        assert_eq!((template.kind.as_str(), template.dialect), ("K8sShop", Dialect::V0));
        assert_eq!(template.title.as_deref(), Some("Shop"));
        assert_eq!(template.description.as_deref(), Some("Why"));
        assert_eq!(template.module.text.lines().nth(12), Some("package template"));
        assert_eq!(template.libraries[0].text.lines().nth(16), Some("package lib.x"));
        assert_eq!(template.operations.len(), 4);
        // v1beta1 is legacy unless it says otherwise: any parameters.
        assert!(
            template
                .schema
                .unwrap()
                .apply(Some(serde_json::json!({"a": {"b": 1}})))
                .is_ok()
        );
    }

    #[test]
    fn rego_is_taken_among_several_engines() {
        let target = "      code:\n        - engine: K8sNativeValidation\n          source: {validations: []}\n        \
                      - engine: Rego\n          source:\n            version: v1\n            rego: |\n              \
                      package a\n              violation contains {\"msg\": \"x\"} if true\n";
        let template = read(&written("v1", "", target)).unwrap();
        assert_eq!(template.dialect, Dialect::V1);
        assert_eq!(template.module.text.lines().nth(18), Some("package template"));
        assert!(template.schema.is_none());
    }

    #[test]
    fn other_engines_alone_are_refused() {
        let target = "      code:\n        - engine: K8sNativeValidation\n          source: {validations: []}\n";
        let problem = read(&written("v1", "", target)).unwrap_err();
        assert!(problem.contains("only the engine K8sNativeValidation"), "{problem}");
        assert!(read(&written("v1", "", "")).unwrap_err().contains("there is no Rego"));
    }

    #[test]
    fn a_schema_is_read_with_its_lines() {
        let crd = "      validation:\n        openAPIV3Schema:\n          type: object\n          \
                   properties:\n            labels: {type: array}\n";
        let problem = read(&written("v1", crd, &format!("      rego: {REGO_LINES}"))).unwrap_err();
        assert!(
            problem.starts_with("t.yaml:14: spec.crd.spec.validation.openAPIV3Schema.properties.labels.items: missing"),
            "{problem}"
        );
        let legacy = crd.replace("openAPI", "legacySchema: true\n        openAPI");
        assert!(
            read(&written("v1", &legacy, &format!("      rego: {REGO_LINES}")))
                .unwrap()
                .schema
                .is_some()
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let target = format!("      operation: [CREATE]\n      operations: [CREATE, PATCH]\n      rego: {REGO_LINES}");
        let text = written("v2", "", &target)
            .replace("k8sshop", "shop")
            .replace("admission.k8s", "other");
        let problems = read(&text).unwrap_err();
        for part in [
            "t.yaml:1: apiVersion: the version \"v2\"",
            "t.yaml:4: metadata.name: has to be the kind in small letters, \"k8sshop\"",
            "t.yaml:11: spec.targets[0].target: has to be",
            "t.yaml:12: spec.targets[0].operation: unknown field; did you mean \"operations\"?",
            "t.yaml:13: spec.targets[0].operations: \"PATCH\" is none of",
        ] {
            assert!(problems.contains(part), "{part}\n{problems}");
        }
    }
}
