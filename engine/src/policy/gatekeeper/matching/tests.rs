use serde_json::{Value as Json, json};

use super::*;
use crate::policy::gatekeeper::yaml;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(written: &str) -> Result<Match, String> {
    let nodes = yaml::read("c.yaml", &format!("spec: {{match: {written}}}\n")).unwrap();
    let mut fields = Fields::new("c.yaml");
    let criteria = Match::read(
        &mut fields,
        nodes[0].get("spec").unwrap(),
        &[Operation::Create, Operation::Update, Operation::Delete],
    );
    fields
        .finish(Some(criteria))
        .map_err(|problems| crate::policy::list(&problems))
}

/// A request to create an object, in a namespace whose labels may be known.
struct Case {
    request: Value,
    operation: Operation,
    labels: Option<Value>,
}

impl Case {
    fn new(object: &Json) -> Self {
        let namespace = object.pointer("/metadata/namespace").cloned().unwrap_or_default();
        let version = object["apiVersion"].as_str().unwrap();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let kind = json!({"kind": object["kind"], "group": group});
        Self {
            request: Value::from(&json!({"object": object, "oldObject": null, "namespace": namespace, "kind": kind})),
            operation: Operation::Create,
            labels: None,
        }
    }

    fn labels(mut self, labels: &Json) -> Self {
        self.labels = Some(Value::from(labels));
        self
    }

    fn with(mut self, key: &str, value: &Json) -> Self {
        let Value::Object(members) = &self.request else {
            panic!("no object")
        };
        self.request = Value::Object(members.with(Value::string(key), Value::from(value)).into());
        self
    }

    fn operation(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }

    fn outcome(&self, written: &str) -> Outcome {
        let labels = self.labels.as_ref().map(|labels| Labels(Some(labels)));
        read(written)
            .unwrap()
            .matches(&Subject::new(&self.request, self.operation, labels))
    }

    fn matches(&self, written: &str) -> bool {
        match self.outcome(written) {
            Outcome::Matches => true,
            Outcome::Differs => false,
            Outcome::Unknown(reason) => panic!("{written}: {reason}"),
        }
    }
}

fn pod() -> Case {
    let metadata = json!({"namespace": "shop", "name": "web-1", "labels": {"app": "web"}});
    Case::new(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})).labels(&json!({"team": "a"}))
}

fn namespace() -> Case {
    let metadata = json!({"name": "shop", "labels": {"team": "a"}});
    // The API server puts a Namespace into itself.
    Case::new(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).with("namespace", &json!("shop"))
}

fn cluster_role() -> Case {
    Case::new(
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "admin"}}),
    )
}

#[test]
fn kinds_are_any_when_they_are_not_named() {
    for written in [
        "{}",
        "{kinds: []}",
        "{kinds: [{}]}",
        "{kinds: [{apiGroups: [], kinds: []}]}",
        "{kinds: [{kinds: [Pod]}]}",
        "{kinds: [{apiGroups: ['']}]}",
        "{kinds: [{apiGroups: ['*'], kinds: ['*']}]}",
        "{kinds: [{apiGroups: [apps], kinds: [Pod]}, {apiGroups: [''], kinds: [Service, Pod]}]}",
    ] {
        assert!(pod().matches(written), "{written}");
    }
    for written in [
        "{kinds: [{apiGroups: [apps]}]}",
        "{kinds: [{apiGroups: [apps], kinds: [Pod]}]}",
        "{kinds: [{apiGroups: [''], kinds: [pod]}]}",
        "{kinds: [{apiGroups: [''], kinds: ['Po*']}]}",
    ] {
        assert!(!pod().matches(written), "{written}");
    }
    assert!(cluster_role().matches("{kinds: [{apiGroups: [rbac.authorization.k8s.io], kinds: [ClusterRole]}]}"));
}

#[test]
fn namespaces_are_globs_at_either_end() {
    for (pattern, fits) in [
        ("shop", true),
        ("sho", false),
        ("sh*", true),
        ("*op", true),
        ("*ho*", true),
        ("*", true),
        ("**", true),
        ("*sh", false),
        ("hop*", false),
    ] {
        assert_eq!(
            pod().matches(&format!("{{namespaces: [other, '{pattern}']}}")),
            fits,
            "{pattern}"
        );
        assert_eq!(
            pod().matches(&format!("{{excludedNamespaces: [other, '{pattern}']}}")),
            !fits,
            "{pattern}"
        );
    }
}

#[test]
fn a_namespace_is_matched_by_its_own_name_and_labels() {
    assert!(namespace().matches("{namespaces: [shop]}"));
    assert!(!namespace().matches("{namespaces: [other]}"));
    assert!(!namespace().matches("{excludedNamespaces: [sh*]}"));
    assert!(namespace().matches("{namespaceSelector: {matchLabels: {team: a}}}"));
    assert!(!namespace().matches("{namespaceSelector: {matchLabels: {team: b}}}"));
    assert!(namespace().matches("{scope: Cluster}"));
    assert!(!namespace().matches("{scope: Namespaced}"));
}

#[test]
fn what_is_in_no_namespace_is_not_kept_out_by_one() {
    for written in [
        "{namespaces: [shop]}",
        "{excludedNamespaces: ['*']}",
        "{namespaceSelector: {matchLabels: {team: b}}}",
        "{scope: Cluster}",
        "{scope: '*'}",
    ] {
        assert!(cluster_role().matches(written), "{written}");
    }
    assert!(!cluster_role().matches("{scope: Namespaced}"));
    assert!(pod().matches("{scope: Namespaced}") && !pod().matches("{scope: Cluster}"));
}

#[test]
fn the_namespace_of_the_request_counts() {
    // The options of an exec have no metadata.
    let exec = Case::new(&json!({"apiVersion": "v1", "kind": "PodExecOptions"})).with("namespace", &json!("shop"));
    assert!(exec.matches("{namespaces: [shop], scope: Namespaced}"));
    assert!(!exec.matches("{excludedNamespaces: [shop]}"));
}

#[test]
fn selectors_are_those_of_kubernetes() {
    for (selector, fits) in [
        ("{}", true),
        ("{matchLabels: {app: web}}", true),
        ("{matchLabels: {app: web, tier: x}}", false),
        ("{matchExpressions: [{key: app, operator: In, values: [a, web]}]}", true),
        (
            "{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}",
            false,
        ),
        (
            "{matchExpressions: [{key: tier, operator: NotIn, values: [web]}]}",
            true,
        ),
        ("{matchExpressions: [{key: tier, operator: In, values: [web]}]}", false),
        (
            "{matchExpressions: [{key: app, operator: Exists}, {key: tier, operator: DoesNotExist}]}",
            true,
        ),
        (
            "{matchLabels: {app: web}, matchExpressions: [{key: app, operator: DoesNotExist}]}",
            false,
        ),
    ] {
        assert_eq!(
            pod().matches(&format!("{{labelSelector: {selector}}}")),
            fits,
            "{selector}"
        );
    }
    assert!(pod().matches("{namespaceSelector: {matchLabels: {team: a}}}"));
    assert!(!pod().matches("{namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}"));
}

#[test]
fn an_unknown_namespace_is_unknown_only_when_it_matters() {
    let mut unknown = pod();
    unknown.labels = None;
    let selector = "namespaceSelector: {matchLabels: {team: a}}";
    let outcome = unknown.outcome(&format!("{{{selector}}}"));
    assert!(
        matches!(&outcome, Outcome::Unknown(reason) if reason.contains("\"shop\"")),
        "{outcome:?}"
    );
    assert_eq!(
        unknown.outcome(&format!("{{{selector}, kinds: [{{kinds: [Service]}}]}}")),
        Outcome::Differs
    );
    assert_eq!(
        unknown.outcome(&format!("{{{selector}, name: other}}")),
        Outcome::Differs
    );
    assert!(unknown.matches("{namespaces: [shop]}"));
}

#[test]
fn the_old_object_counts_as_well() {
    let metadata = json!({"namespace": "shop", "name": "web-1", "labels": {"tier": "old"}});
    let old = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
    let update = pod().with("oldObject", &old).operation(Operation::Update);
    assert!(update.matches("{labelSelector: {matchLabels: {tier: old}}}"));
    assert!(update.matches("{labelSelector: {matchLabels: {app: web}}}"));
    assert!(!update.matches("{labelSelector: {matchLabels: {tier: old, app: web}}}"));
    let delete = pod()
        .with("object", &json!(null))
        .with("oldObject", &old)
        .operation(Operation::Delete);
    assert!(delete.matches("{labelSelector: {matchLabels: {tier: old}}}"));
    let nothing = pod().with("object", &json!(null));
    assert!(matches!(nothing.outcome("{}"), Outcome::Unknown(_)));
}

#[test]
fn names_and_generated_names_are_matched() {
    for (name, fits) in [
        ("web-1", true),
        ("web", false),
        ("web*", true),
        ("*-1", true),
        ("", true),
        ("*eb*", true),
    ] {
        assert_eq!(pod().matches(&format!("{{name: '{name}'}}")), fits, "{name}");
    }
    let metadata = json!({"namespace": "shop", "generateName": "web-"});
    let generated = Case::new(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}));
    for (name, fits) in [
        ("web-*", true),
        ("*eb*", true),
        ("web-", false),
        ("*-", false),
        ("web-1*", false),
        ("*", true),
    ] {
        assert_eq!(generated.matches(&format!("{{name: '{name}'}}")), fits, "{name}");
    }
}

#[test]
fn requests_are_original() {
    assert!(pod().matches("{source: All}") && pod().matches("{source: Original}"));
    assert!(!pod().matches("{source: Generated}"));
}

#[test]
fn the_operations_of_the_template_count() {
    assert!(!pod().operation(Operation::Connect).matches("{}"));
}

#[test]
fn exact_kinds_are_listed_and_others_are_not() {
    let criteria = read("{kinds: [{apiGroups: [apps, ''], kinds: [B, A]}, {apiGroups: [apps], kinds: [A]}]}").unwrap();
    assert_eq!(
        criteria.exact_kinds().unwrap(),
        [("", "A"), ("", "B"), ("apps", "A"), ("apps", "B")]
    );
    for any in [
        "{}",
        "{kinds: [{kinds: [Pod]}]}",
        "{kinds: [{apiGroups: ['*'], kinds: [Pod]}]}",
        "{kinds: [{apiGroups: ['']}]}",
    ] {
        assert_eq!(read(any).unwrap().exact_kinds(), None, "{any}");
    }
}

#[test]
fn mistakes_are_all_named() {
    let written = "{kind: x, scope: cluster, source: any, namespaces: ['a*b', UP], excludedNamespaces: kube-system, \
        name: 'A', kinds: [{apigroups: ['']}, {kinds: [true]}], labelSelector: {matchLabels: {a: true, '-': x}, \
        matchExpressions: [{key: a, operator: in, values: [x]}, {key: a, operator: In}, \
        {key: a, operator: Exists, values: [x]}]}, \
        namespaceSelector: {matchLabel: {}}}";
    let problems = read(written).unwrap_err();
    for part in [
        "spec.match.kind: unknown field; did you mean",
        "spec.match.scope: \"cluster\" is none of",
        "spec.match.source: \"any\" is none of",
        "spec.match.namespaces: \"a*b\" is no name",
        "spec.match.namespaces: \"UP\" is no name",
        "spec.match.excludedNamespaces: expected an array, this is string",
        "spec.match.name: \"A\" is no name",
        "spec.match.kinds[0].apigroups: unknown field; did you mean \"apiGroups\"?",
        "spec.match.kinds[1].kinds[0]: expected a string, this is boolean; put it in quotes",
        "spec.match.labelSelector.matchLabels.a: expected a string",
        "spec.match.labelSelector.matchLabels.-: \"-\" is no name of a label",
        "spec.match.labelSelector.matchExpressions[0].operator: \"in\" is none of",
        "spec.match.labelSelector.matchExpressions[1].values: In needs at least one value",
        "spec.match.labelSelector.matchExpressions[2].values: Exists takes no values",
        "spec.match.namespaceSelector.matchLabel: unknown field; did you mean \"matchLabels\"?",
    ] {
        assert!(problems.contains(&format!("c.yaml:1: {part}")), "{part}\n{problems}");
    }
}

#[test]
fn criteria_are_told_in_words() {
    let written = "{kinds: [{apiGroups: [apps], kinds: [Deployment]}, {}], scope: Namespaced, namespaces: ['team-*'], \
                   labelSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}, name: web-*}";
    let expected = [
        ("kinds", "Deployment (apps), every kind"),
        ("operations", "CREATE, UPDATE, DELETE"),
        ("scope", "what is in a namespace"),
        ("namespaces", "team-*"),
        ("labelSelector", "app=web, tier"),
        ("name", "web-*"),
    ];
    assert_eq!(
        read(written).unwrap().describe(),
        expected.map(|(name, words)| (name, words.to_owned()))
    );
}
