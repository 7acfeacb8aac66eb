//! What a policy set evaluates with beside the review: the context, what is known of single namespaces, and what is not known.
//!
//! Nothing here decides how old a context may be, since the engine has no clock. Whoever has one says that it is too old; then it
//! is not used at all, and a policy that needs it fails instead of judging with less than it asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::context::{Context, Namespace};
use crate::document::Document;
use crate::policy::format::Form;
use crate::rego::Read;
use crate::rego::value::Value;

/// A context, ready to evaluate with: made once, shared by all sets that use it.
#[derive(Debug, Clone, Default)]
pub struct Prepared(Arc<Known>);

#[derive(Debug)]
struct Known {
    context: Context,
    revision: Option<String>,
    /// `data.context` and `data.inventory`.
    document: Value,
    inventory: Value,
}

impl Default for Known {
    fn default() -> Self {
        let context = Context::default();
        Self {
            document: context.document().0,
            inventory: Value::Null,
            revision: None,
            context,
        }
    }
}

impl Prepared {
    /// Makes the documents of a context. Its revision, when it has one, is named in answers.
    pub fn new(context: Context, revision: Option<String>) -> Self {
        Self(Arc::new(Known {
            document: context.document().0,
            inventory: Value::from(&context.inventory),
            revision,
            context,
        }))
    }

    /// Its revision.
    pub fn revision(&self) -> Option<&str> {
        self.0.revision.as_deref()
    }

    /// What it was made from.
    pub fn context(&self) -> &Context {
        &self.0.context
    }
}

/// What of its surroundings a policy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The context as a whole: `data.context`, `data.inventory`, the team of a namespace.
    pub context: bool,
    /// The namespace of the object: its labels or annotations, in a rule or in a selector.
    pub namespace: bool,
}

impl Needs {
    /// From what the rules read. Where that cannot be told, everything is needed.
    pub(crate) fn of<'a>(form: Form, reads: impl IntoIterator<Item = &'a Read>, selects_namespaces: bool) -> Self {
        let mut needs = Self {
            context: false,
            namespace: selects_namespaces,
        };
        for read in reads {
            let path: Vec<&str> = read.path.iter().map(smol_str::SmolStr::as_str).collect();
            match (read.is_input, form, path.as_slice()) {
                (true, Form::Admission, [] | ["namespace"]) => {
                    needs.context = true;
                    needs.namespace = true;
                }
                (false, _, [] | ["context" | "inventory", ..]) | (true, Form::Admission, ["namespace", "team", ..]) => {
                    needs.context = true;
                }
                (true, Form::Admission, ["namespace", "name", ..]) => {}
                (true, Form::Admission, ["namespace", ..])
                | (true, Form::Gatekeeper, [] | ["review"] | ["review", "namespaceObject", ..]) => {
                    needs.namespace = true;
                }
                _ => {}
            }
        }
        needs
    }
}

/// What a set evaluates with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    prepared: Prepared,
    /// Namespaces that were asked for one by one, because the context does not have them.
    found: BTreeMap<String, Namespace>,
    /// Those that could not be asked for, and why.
    unknown: BTreeMap<String, String>,
    /// Why the context is not used.
    unused: Option<String>,
}

impl Surroundings {
    pub(crate) fn new(prepared: &Prepared) -> Self {
        Self {
            prepared: prepared.clone(),
            ..Self::default()
        }
    }

    /// Without the context.
    pub(crate) fn without_context(&self, reason: &str) -> Self {
        Self {
            prepared: Prepared::default(),
            unused: Some(reason.to_owned()),
            ..self.clone()
        }
    }

    /// With a namespace that the context does not have, or why nobody knows it.
    pub(crate) fn with_namespace(mut self, name: &str, namespace: Result<Namespace, String>) -> Self {
        match namespace {
            Ok(namespace) => drop(self.found.insert(name.to_owned(), namespace)),
            Err(reason) => drop(self.unknown.insert(name.to_owned(), reason)),
        }
        self
    }

    pub(crate) fn is_without_context(&self) -> bool {
        self.unused.is_some()
    }

    pub(crate) fn context(&self) -> &Context {
        self.prepared.context()
    }

    pub(crate) fn revision(&self) -> Option<&str> {
        self.prepared.revision()
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.found.get(name).or_else(|| self.context().namespaces.get(name))
    }

    /// Why a policy cannot be evaluated on an object in this namespace, which is empty when nothing of one is needed.
    pub(crate) fn lacks(&self, needs: Needs, namespace: &str) -> Option<String> {
        if let Some(reason) = self.unused.as_ref().filter(|_| needs.context) {
            return Some(reason.clone());
        }
        let is_needed = needs.namespace && !namespace.is_empty() && self.namespace(namespace).is_none();
        if !is_needed {
            return None;
        }
        let unknown = |reason: &String| format!("the namespace {namespace:?} is not known: {reason}");
        self.unknown.get(namespace).map(unknown).or_else(|| self.unused.clone())
    }

    /// `data`, with what the bundle brings.
    pub(crate) fn data(&self, own: &Value) -> Value {
        let mut members: Vec<(Value, Value)> = own
            .as_object()
            .map(|object| object.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            .unwrap_or_default();
        members.push((Value::string("context"), self.document()));
        members.push((Value::string("inventory"), self.prepared.0.inventory.clone()));
        Value::object(members)
    }

    fn document(&self) -> Value {
        let document = &self.prepared.0.document;
        let Some(object) = document.as_object().filter(|_| !self.found.is_empty()) else {
            return document.clone();
        };
        let mut namespaces: Vec<(Value, Value)> = document
            .member("namespaces")
            .and_then(Value::as_object)
            .map(|known| known.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            .unwrap_or_default();
        for (name, namespace) in &self.found {
            let members = [
                ("labels", Document::from(&namespace.labels)),
                ("annotations", Document::from(&namespace.annotations)),
            ];
            let key = Value::string(name);
            namespaces.retain(|(known, _)| *known != key);
            namespaces.push((key, Document::object(members).0));
        }
        Value::Object(Arc::new(
            object.with(Value::string("namespaces"), Value::object(namespaces)),
        ))
    }
}
