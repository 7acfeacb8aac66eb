use super::*;
use crate::admission::Operation;
use crate::policy::list;
use crate::rego::builtins::Host;
use crate::rego::json;
use crate::rego::value::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

macro_rules! fixture {
    ($path:literal) => {
        (
            $path,
            include_str!(concat!("../../../../wasm-tests/fixtures/gatekeeper/", $path)),
        )
    };
}

const TEMPLATE: &str = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: k8sshop}\n\
    spec:\n  crd: {spec: {names: {kind: K8sShop}}}\n  targets:\n    - target: admission.k8s.gatekeeper.sh\n      \
    rego: |\n        package a\n        violation[{\"msg\": \"x\"}] { true }\n";
const CONSTRAINT: &str = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sShop\nmetadata: {name: a}\n";

#[test]
fn a_wrong_constraint_does_not_hide_its_template() {
    let wrong = format!("{CONSTRAINT}spec: {{enforcementAction: denny}}\n");
    let (loaded, problems) = load_sound([("a.yaml", wrong.as_str()), ("b.yaml", TEMPLATE)]);
    assert_eq!(
        (loaded.templates.len(), loaded.constraints.len(), problems.len()),
        (1, 0, 1)
    );
}

#[test]
fn files_are_read_together() {
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    let loaded = load([("a.yaml", CONSTRAINT), ("b.yaml", TEMPLATE), ("c.yaml", other)]).unwrap();
    assert_eq!(loaded.templates.len(), 1);
    assert_eq!(
        (loaded.constraints[0].kind.as_str(), loaded.constraints[0].name.as_str()),
        ("K8sShop", "a")
    );
    assert_eq!(
        (loaded.others[0].file.as_str(), loaded.others[0].kind.as_str()),
        ("c.yaml", "ConfigMap")
    );
}

#[test]
fn what_is_there_twice_is_refused() {
    let text = list(
        &load([
            ("a.yaml", TEMPLATE),
            ("b.yaml", TEMPLATE),
            ("c.yaml", CONSTRAINT),
            ("d.yaml", CONSTRAINT),
        ])
        .unwrap_err(),
    );
    assert_eq!(
        text,
        "b.yaml:1: K8sShop is defined in a.yaml already; remove one of them\n\
         d.yaml:1: K8sShop a is defined in c.yaml already; remove one of them"
    );
}

#[test]
fn a_refused_template_is_blamed_once() {
    let broken = TEMPLATE.replace("violation[", "violations[");
    let problems = load([("a.yaml", broken.as_str()), ("b.yaml", CONSTRAINT)]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(list(&load([("b.yaml", CONSTRAINT)]).unwrap_err()).contains("no ConstraintTemplate defines"));
}

/// A template and a constraint each, as a platform team has them.
const LIBRARY: [(&str, &str); 12] = [
    fixture!("required-labels/template.yaml"),
    fixture!("required-labels/constraint.yaml"),
    fixture!("allowed-repositories/template.yaml"),
    fixture!("allowed-repositories/constraint.yaml"),
    fixture!("privileged-containers/template.yaml"),
    fixture!("privileged-containers/constraint.yaml"),
    fixture!("host-namespaces/template.yaml"),
    fixture!("host-namespaces/constraint.yaml"),
    fixture!("container-limits/template.yaml"),
    fixture!("container-limits/constraint.yaml"),
    fixture!("unique-ingress-host/template.yaml"),
    fixture!("unique-ingress-host/constraint.yaml"),
];

/// What all constraints that concern a request object to.
fn messages(request: &Value, inventory: &serde_json::Value) -> Vec<String> {
    let loaded = load(LIBRARY).unwrap_or_else(|problems| panic!("{}", list(&problems)));
    let operation = match request.member("operation").and_then(Value::as_str).unwrap() {
        "CREATE" => Operation::Create,
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        _ => Operation::Connect,
    };
    let data = Value::from(&serde_json::json!({"inventory": inventory}));
    let subject = Subject::new(request, operation, Some(Labels(None)));
    let mut messages = Vec::new();
    for constraint in loaded.constraints {
        if constraint.criteria.matches(&subject) != Outcome::Matches {
            continue;
        }
        let template = loaded
            .templates
            .iter()
            .find(|template| template.kind == constraint.kind);
        let program = template
            .unwrap()
            .compile()
            .unwrap_or_else(|problems| panic!("{}", list(&problems)));
        let input = review::input(review::review(request, None).unwrap(), constraint.parameters);
        let mut host = Host::new(10_000_000);
        let found = program
            .eval(ENTRY_POINT, Some(&input), &data, &mut host)
            .unwrap()
            .unwrap();
        for violation in found.as_set().unwrap() {
            let message = violation.member("msg").and_then(Value::as_str).unwrap();
            messages.push(format!("{}: {message}", constraint.name));
        }
    }
    messages
}

fn recorded(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap().member("request").unwrap().clone()
}

// The messages below are those of OPA for the same templates and reviews.

#[test]
fn a_bad_pod_is_objected_to_as_by_opa() {
    let pod = recorded(include_str!(
        "../../../../wasm-tests/fixtures/admission-reviews/03-pod-create-realbad.create-pods.json"
    ));
    let found = messages(&pod, &serde_json::json!({}));
    let privileged = "{\"capabilities\": {\"drop\": [\"ALL\"]}, \"privileged\": true, \
        \"readOnlyRootFilesystem\": true, \"runAsNonRoot\": true}";
    for name in ["app", "init"] {
        let expected = format!("no-privileged-containers: The container {name} is privileged: {privileged}");
        assert!(found.contains(&expected), "{found:#?}");
    }
    for expected in [
        "containers-have-limits: container <app> memory limit <512Mi> is higher than the allowed <256Mi>",
        "no-host-namespaces: Sharing the host namespace is not allowed: realbad",
        "workloads-have-an-owner: The label owner is missing.",
    ] {
        assert!(
            found.iter().any(|message| message == expected),
            "{expected}\n{found:#?}"
        );
    }
}

#[test]
fn a_deleted_deployment_is_seen_as_it_was() {
    let deployment = recorded(include_str!(
        "../../../../wasm-tests/fixtures/admission-reviews/23-deployment-delete.delete-deployments.json"
    ));
    let found = messages(&deployment, &serde_json::json!({}));
    assert_eq!(found, ["workloads-have-an-owner: The label owner is missing."]);
}

#[test]
fn quantities_are_compared_in_every_unit() {
    let limit = |cpu: &str, memory: &str| {
        let container = serde_json::json!({"name": "a", "image": "docker.io/library/web:1",
            "resources": {"limits": {"cpu": cpu, "memory": memory}}});
        let object = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]},
            "metadata": {"name": "p", "namespace": "shop", "labels": {"owner": "shop", "app": "web"}}});
        let request = serde_json::json!({"operation": "CREATE", "namespace": "shop", "object": object,
            "kind": {"group": "", "version": "v1", "kind": "Pod"}});
        messages(&Value::from(&request), &serde_json::json!({}))
    };
    for (cpu, memory) in [
        ("100m", "128Mi"),
        ("0.5", "268435456"),
        ("250m", "1Ki"),
        ("0.1", "100m"),
        ("500m", "0.25Gi"),
    ] {
        assert!(limit(cpu, memory).is_empty(), "{cpu} {memory}");
    }
    let limits = "containers-have-limits: container <a>";
    for memory in ["257Mi", "1Gi", "300M", "1E", "1Ei", "1P", "1Ti", "300000k"] {
        let expected = format!("{limits} memory limit <{memory}> is higher than the allowed <256Mi>");
        assert_eq!(limit("100m", memory), [expected]);
    }
    let expected = format!("{limits} cpu limit <2> is higher than the allowed <500m>");
    assert_eq!(limit("2", "1Mi"), [expected]);
    let expected = ["cpu limit <x>", "memory limit <12Zi>"].map(|what| format!("{limits} {what} could not be parsed"));
    assert_eq!(limit("x", "12Zi"), expected);
}

#[test]
fn the_inventory_is_data() {
    let ingress = |name: &str| {
        serde_json::json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": "shop"}, "spec": {"rules": [{"host": "shop.example.com"}]}})
    };
    let ingresses = serde_json::json!({"networking.k8s.io/v1": {"Ingress": {"web": ingress("web")}}});
    let inventory = serde_json::json!({"namespace": {"shop": ingresses}});
    let created = |name: &str| {
        let request = serde_json::json!({"operation": "CREATE", "namespace": "shop", "object": ingress(name),
            "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}});
        messages(&Value::from(&request), &inventory)
    };
    let expected = "hosts-are-unique: The host shop.example.com is taken by the Ingress shop/web.";
    assert_eq!(created("other"), [expected]);
    assert!(created("web").is_empty());
}

#[test]
fn mistakes_in_rego_have_the_line_of_the_file() {
    let broken = TEMPLATE.replace("{ true }", "{ x == 1 }");
    let loaded = load([("a.yaml", broken.as_str())]).unwrap();
    let problems = loaded.templates[0].compile().unwrap_err();
    assert_eq!(
        (problems[0].file.as_str(), problems[0].line),
        ("a.yaml", 10),
        "{problems:?}"
    );
}
