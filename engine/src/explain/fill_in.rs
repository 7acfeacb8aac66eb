//! What a person fills in, field by field: which lines of a change, what belongs there, and where it comes from.
//!
//! The search says of a whole piece (a probe, a reference) that its values are examples. Here each value in it gets its own words;
//! what is known already is not asked for.

use serde_json::Value;

use super::wire::GroupVersionKind;
use crate::fix::Placeholder;
use crate::redact;
use crate::schema::{Form, Type};

/// Stands where no example could be made.
const NO_EXAMPLE: &str = "change-me";

/// More values than this are not listed.
const MAX_VALUES: usize = 6;

/// The longest words for one value, in characters.
const MAX_MEANING: usize = 240;

/// One placeholder a value, each in words that say what kind of value it is.
pub(crate) fn leaves(
    kind: &GroupVersionKind,
    before: &Value,
    after: &Value,
    placeholders: &[Placeholder],
) -> Vec<Placeholder> {
    let mut all: Vec<Placeholder> = Vec::new();
    for placeholder in placeholders {
        let mut own = match after.pointer(&placeholder.path) {
            Some(value) if !is_line(value) => blanks(after, &placeholder.path, value),
            _ => vec![placeholder.path.clone()],
        };
        own.retain(|path| !all.iter().any(|known| known.path == *path));
        let is_whole = own == [placeholder.path.as_str()];
        all.extend(own.into_iter().map(|path| {
            let special = known(&names(&path));
            let meaning = if is_whole && !is_vague(placeholder) {
                placeholder.meaning.clone()
            } else if let Some(meaning) = special {
                meaning
            } else if is_image(&path) {
                image(before, after, &path)
            } else if is_vague(placeholder) {
                by_form(kind, &path)
            } else {
                placeholder.meaning.clone()
            };
            Placeholder { path, meaning }
        }));
    }
    all
}

/// With what a policy's parameters say of the value: `shop or pay`.
pub(crate) fn with_parameters(placeholder: &Placeholder, after: &Value, parameters: &[Value]) -> Placeholder {
    let value = after
        .pointer(&placeholder.path)
        .and_then(Value::as_str)
        .unwrap_or_default();
    let field = names(&placeholder.path).pop().unwrap_or_default();
    let allowed = parameters
        .iter()
        .find_map(|parameters| allowed(parameters, &field, value));
    let meaning = match allowed {
        Some(allowed) if !placeholder.meaning.contains(&allowed) => format!("{}: {allowed}", placeholder.meaning),
        _ => placeholder.meaning.clone(),
    };
    Placeholder {
        path: placeholder.path.clone(),
        meaning: redact::line(&meaning, MAX_MEANING),
    }
}

/// What is one line of YAML: no map in it.
fn is_line(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()),
        _ => true,
    }
}

/// The values of a piece that a person fills in: where there is no example, and what only the program's author knows. All of them
/// when none stands out.
fn blanks(after: &Value, path: &str, value: &Value) -> Vec<String> {
    let mut lines: Vec<(String, &Value)> = Vec::new();
    collect(path, value, &mut lines);
    let is_open = |(path, value): &&(String, &Value)| {
        let is_missing = match value {
            Value::Array(items) => items.iter().any(has_no_example),
            value => has_no_example(value),
        };
        is_missing || (known(&names(path)).is_some() && !is_declared(after, path, value))
    };
    let open: Vec<String> = lines.iter().filter(is_open).map(|(path, _)| path.clone()).collect();
    if open.is_empty() {
        lines.into_iter().map(|(path, _)| path).collect()
    } else {
        open
    }
}

fn has_no_example(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains(NO_EXAMPLE))
}

fn collect<'v>(path: &str, value: &'v Value, lines: &mut Vec<(String, &'v Value)>) {
    if is_line(value) {
        lines.push((path.to_owned(), value));
        return;
    }
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                collect(
                    &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
                    member,
                    lines,
                );
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&format!("{path}/{index}"), item, lines);
            }
        }
        _ => {}
    }
}

/// Whether a probe's port is one that its container declares.
fn is_declared(after: &Value, path: &str, port: &Value) -> bool {
    let Some((container, _)) = path.rsplit_once("Probe/").and_then(|(above, _)| above.rsplit_once('/')) else {
        return false;
    };
    let ports = after.pointer(&format!("{container}/ports")).and_then(Value::as_array);
    path.ends_with("/port")
        && ports
            .into_iter()
            .flatten()
            .any(|known| known.get("name") == Some(port) || known.get("containerPort") == Some(port))
}

/// The names on the way, without positions.
fn names(path: &str) -> Vec<String> {
    let segments = path
        .split('/')
        .skip(1)
        .filter(|name| name.parse::<usize>().is_err() && *name != "-");
    segments
        .map(|name| name.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Whether the words say no more than that a value is missing: those of the search for fields that it does not know.
fn is_vague(placeholder: &Placeholder) -> bool {
    let names = names(&placeholder.path);
    let last = placeholder.path.rsplit('/').next().unwrap_or_default();
    let said = placeholder.meaning.as_str();
    let of_search = [
        format!("how much {last} the container needs"),
        "the image that is meant, as the policy allows it".to_owned(),
        "a user of the image that is not root".to_owned(),
        "how the container shows that it works".to_owned(),
    ];
    let key = names.last().map_or("", String::as_str);
    of_search.iter().any(|other| other == said)
        || said.starts_with("the right value for ")
        || said == format!("the value of the label {key}")
        || said == format!("the value of the annotation {key}")
}

/// Words for fields of which it is known what a person has to look up.
fn known(names: &[String]) -> Option<String> {
    let mut ends = names.iter().rev().map(String::as_str);
    let last = ends.next()?;
    let (parent, above) = (ends.next().unwrap_or_default(), ends.next().unwrap_or_default());
    let has = |name: &str| names.iter().any(|other| other == name);
    let words = match (above, parent, last) {
        ("readinessProbe", "httpGet", "path") => "the path that answers once the program can take requests",
        (_, "httpGet", "path") => "the path that answers while the program works",
        (_, "httpGet" | "tcpSocket" | "grpc", "port") => "the port on which the program listens",
        ("preStop", "exec", "command") => "what to run before the stop; or how many seconds open requests need",
        (_, "exec", "command") => "a command that succeeds while the program works",
        (_, "secretKeyRef", "name") => "the Secret with this value; it has to be in the Pod's namespace",
        (_, "secretKeyRef", "key") => "the key in that Secret",
        (_, "configMapKeyRef", "name") => "the ConfigMap with this value; it has to be in the Pod's namespace",
        (_, "configMapKeyRef", "key") => "the key in that ConfigMap",
        (_, "imagePullSecrets", "name") => "the Secret with the registry's login (kubectl get secrets)",
        (_, "tls", "secretName") => "the Secret with the certificate for these hosts",
        (_, _, "secretName") => "the Secret that is meant (kubectl get secrets)",
        (_, _, "claimName") => "the volume claim that is meant (kubectl get pvc)",
        (_, "podSelector", "matchLabels") | ("podSelector", "matchLabels", _) if has("from") => {
            "the label of the Pods that may connect"
        }
        ("podSelector", "matchLabels", _) if has("to") => "the label of the Pods that may be reached",
        ("selector" | "labelSelector" | "podSelector", "matchLabels", _) => "the label of the Pods that are meant",
        (_, "requests", "cpu") => "the CPU that it uses as a rule, such as 100m (kubectl top pod)",
        (_, "limits", "cpu") => "the most CPU that it may use, such as 500m (kubectl top pod)",
        (_, "requests", "memory") => "the memory that it uses as a rule, such as 128Mi (kubectl top pod)",
        (_, "limits", "memory") => "the most memory that it may use, such as 256Mi (kubectl top pod)",
        (_, "requests" | "limits", "ephemeral-storage") => "the disk space that it writes to, such as 1Gi",
        (_, "requests" | "limits", "storage") => "how much space the data needs, such as 10Gi",
        (_, _, "sizeLimit") => "how much it may write, such as 1Gi",
        (_, _, "runAsUser") => "the id of a user in the image that is not root, such as 1000",
        (_, _, "runAsGroup") => "the id of a group in the image that is not root, such as 1000",
        (_, _, "loadBalancerSourceRanges") => "the addresses that may connect, such as 10.0.0.0/8",
        (_, _, "cidr") => "a range of addresses, such as 10.0.0.0/8",
        (_, "rules", "host") => "the host name under which it is reached, such as shop.example.com",
        (_, _, "storageClassName") => "a storage class of this cluster (kubectl get storageclass)",
        (_, _, "priorityClassName") => "a priority class of this cluster (kubectl get priorityclass)",
        (_, _, "ingressClassName") => "an ingress class of this cluster (kubectl get ingressclass)",
        (_, _, "runtimeClassName") => "a runtime class of this cluster (kubectl get runtimeclass)",
        (_, _, "serviceAccountName") => "the service account of this program (kubectl get serviceaccounts)",
        (_, "labels" | "annotations", key) => return Some(of_label(parent, key)),
        _ => return None,
    };
    Some(words.to_owned())
}

/// What a label or an annotation is for, by its key.
fn of_label(parent: &str, key: &str) -> String {
    let short = key.rsplit('/').next().unwrap_or(key).to_ascii_lowercase();
    let one = parent.trim_end_matches('s');
    let is = |words: &[&str]| words.iter().any(|word| short == *word);
    let what = if is(&["owner", "owned-by", "team", "squad", "maintainer", "responsible"]) {
        "the team or person that answers for it"
    } else if is(&[
        "contact",
        "email",
        "on-call",
        "oncall",
        "slack",
        "slack-channel",
        "support",
    ]) {
        "where to reach those who answer for it"
    } else if is(&[
        "cost-center",
        "costcenter",
        "cost_center",
        "cost-centre",
        "billing",
        "budget",
    ]) {
        "the cost centre that pays for it"
    } else if is(&["env", "environment", "stage", "tier"]) {
        "where it runs, such as dev or production"
    } else if is(&["app", "name", "component", "part-of", "application", "service"]) {
        "what it is called"
    } else if is(&["version"]) {
        "the version that runs"
    } else {
        return format!("a value for the {one} {key}, as in your other objects");
    };
    format!("{what}, as in your other objects")
}

fn is_image(path: &str) -> bool {
    path.ends_with("/image") || path.contains("/images/")
}

/// What of an image is to be looked up, by what differs.
fn image(before: &Value, after: &Value, path: &str) -> String {
    let text = |object: &Value| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .unwrap_or_default()
    };
    let (old, new) = (text(before), text(after));
    let place = |image: &str| {
        let image = image.split('@').next().unwrap_or_default();
        match image.rsplit_once(':') {
            // `host:5000/web` has a port, and no tag.
            Some((place, tag)) if !tag.contains('/') => place.to_owned(),
            _ => image.to_owned(),
        }
    };
    if new.contains('@') {
        "the digest of the tested image, as the registry shows it".to_owned()
    } else if !old.is_empty() && place(&old) == place(&new) {
        "the version that was tested; the registry lists them".to_owned()
    } else {
        "where this image is in an allowed registry; if it is not there yet, push it first".to_owned()
    }
}

/// Words from the schema: what kind of value it is.
fn by_form(kind: &GroupVersionKind, path: &str) -> String {
    let names = names(path);
    let last = names.last().map_or("this", String::as_str);
    let field = Type::of_kind(&kind.group, &kind.version, &kind.kind).and_then(|of| of.at_pointer(path));
    let Some(field) = field else {
        return format!("the {last} that the rule's message asks for");
    };
    let mut values = field.values();
    if values.len() > 0 {
        let first: Vec<&str> = values.by_ref().take(MAX_VALUES).collect();
        return first.join(" or ");
    }
    match field.form() {
        Form::Boolean => "true or false".to_owned(),
        Form::Int32 | Form::Int64 | Form::Number => format!("a number for {last} that the rule's message allows"),
        Form::IntOrString => format!("a number or percentage for {last} that the rule's message allows"),
        Form::Quantity => format!("an amount of {last}, such as 2 or 1Gi"),
        Form::Time => "a time, such as 2030-01-31T12:00:00Z".to_owned(),
        Form::Bytes => "the value as base64".to_owned(),
        Form::List(_) => format!("the entries of {last} that the rule's message asks for"),
        _ if last.ends_with("Name") || last == "name" => "the name of one that exists in your cluster".to_owned(),
        _ => format!("the {last} that the rule's message asks for"),
    }
}

/// What parameters allow in place of an example: the list that it is from, the beginnings that it has one of, the expression next
/// to the field's name.
fn allowed(parameters: &Value, field: &str, value: &str) -> Option<String> {
    match parameters {
        Value::Array(items) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            let is_choice = texts.len() > 1 && texts.len() == items.len();
            if is_choice && texts.contains(&value) {
                return Some(listed(&texts));
            }
            if is_choice && !value.is_empty() && texts.iter().any(|start| start.len() > 2 && value.starts_with(start)) {
                return Some(format!("begins with {}", listed(&texts)));
            }
            items.iter().find_map(|item| allowed(item, field, value))
        }
        Value::Object(members) => {
            let is_about = ["key", "name", "label", "annotation"]
                .iter()
                .any(|name| members.get(*name).and_then(Value::as_str) == Some(field));
            let pattern = ["allowedRegex", "regex", "pattern", "allowed_regex"]
                .iter()
                .find_map(|name| members.get(*name)?.as_str());
            match pattern {
                Some(pattern) if is_about && !matches!(pattern, "" | ".*" | "^.*$" | ".+") => {
                    Some(format!("matches {}", redact::line(pattern, 80)))
                }
                _ => members.values().find_map(|member| allowed(member, field, value)),
            }
        }
        _ => None,
    }
}

fn listed(texts: &[&str]) -> String {
    let mut shown: Vec<String> = texts
        .iter()
        .take(MAX_VALUES)
        .map(|text| redact::line(text, 60))
        .collect();
    let last = if texts.len() > MAX_VALUES {
        Some(format!("one of {} more", texts.len() - MAX_VALUES))
    } else {
        shown.pop()
    };
    match last {
        Some(last) if !shown.is_empty() => format!("{} or {last}", shown.join(", ")),
        last => last.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn pod() -> GroupVersionKind {
        GroupVersionKind {
            group: String::new(),
            version: "v1".into(),
            kind: "Pod".into(),
        }
    }

    fn placeholder(path: &str, meaning: &str) -> Placeholder {
        Placeholder {
            path: path.into(),
            meaning: meaning.into(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "json! at every call")]
    fn of(after: Value, path: &str, meaning: &str) -> Vec<(String, String)> {
        let found = leaves(&pod(), &json!({}), &after, &[placeholder(path, meaning)]);
        found.into_iter().map(|found| (found.path, found.meaning)).collect()
    }

    fn pair(path: &str, meaning: &str) -> (String, String) {
        (path.to_owned(), meaning.to_owned())
    }

    #[test]
    fn a_probe_is_asked_for_line_by_line_and_only_for_what_is_not_known() {
        let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}});
        let path = "/spec/containers/0/livenessProbe";
        let vague = "how the container shows that it works";
        let undeclared = json!({"spec": {"containers": [{"livenessProbe": probe.clone()}]}});
        assert_eq!(
            of(undeclared, path, vague),
            [
                pair(
                    "/spec/containers/0/livenessProbe/httpGet/path",
                    "the path that answers while the program works"
                ),
                pair(
                    "/spec/containers/0/livenessProbe/httpGet/port",
                    "the port on which the program listens"
                ),
            ]
        );
        let declared = json!({"spec": {"containers": [{"ports": [{"containerPort": 8080}], "livenessProbe": probe}]}});
        assert_eq!(of(declared, path, vague).len(), 1);
    }

    #[test]
    fn what_was_taken_from_the_object_is_not_asked_for() {
        let after = json!({"spec": {"tls": [{"hosts": ["shop.example.com"], "secretName": "change-me"}]}});
        assert_eq!(
            of(after, "/spec/tls", "the right value for tls"),
            [pair(
                "/spec/tls/0/secretName",
                "the Secret with the certificate for these hosts"
            )]
        );
    }

    #[test]
    fn the_schema_says_what_kind_of_value_it_is() {
        let after = json!({"spec": {"restartPolicy": "Never", "activeDeadlineSeconds": 1, "color": "red"}});
        let say = |path: &str| {
            let vague = format!("the right value for {}", path.rsplit('/').next().unwrap());
            of(after.clone(), path, &vague).remove(0).1
        };
        assert!(say("/spec/activeDeadlineSeconds").starts_with("a number for activeDeadlineSeconds"));
        assert!(say("/spec/color").starts_with("the color that"));
        // The author's own words stay.
        let own = of(after.clone(), "/spec/color", "the colour of the house");
        assert_eq!(own, [pair("/spec/color", "the colour of the house")]);
    }

    #[test]
    fn an_image_says_what_of_it_is_to_be_looked_up() {
        let say = |old: &str, new: &str| {
            let object = |image: &str| json!({"spec": {"containers": [{"image": image}]}});
            let vague = "the image that is meant, as the policy allows it";
            let path = "/spec/containers/0/image";
            leaves(&pod(), &object(old), &object(new), &[placeholder(path, vague)])
                .remove(0)
                .meaning
        };
        assert!(say("web:latest", "web:1.0.0").starts_with("the version"));
        assert!(say("web:1", "web:1@sha256:0").starts_with("the digest"));
        assert!(say("web:1", "registry.example.com:5000/web:1").starts_with("where this image is"));
    }

    #[test]
    fn parameters_say_what_is_allowed() {
        let after = json!({"metadata": {"labels": {"team": "shop", "owner": "jane", "image": "r.example.com/a"}}});
        let say = |field: &str, parameters: Value| {
            let placeholder = placeholder(&format!("/metadata/labels/{field}"), "what");
            with_parameters(&placeholder, &after, &[parameters]).meaning
        };
        assert_eq!(say("team", json!({"teams": ["pay", "shop"]})), "what: pay or shop");
        assert_eq!(
            say(
                "owner",
                json!({"labels": [{"key": "owner", "allowedRegex": "^[a-z]+$"}]})
            ),
            "what: matches ^[a-z]+$"
        );
        assert_eq!(
            say("image", json!({"repos": ["q.example.com/", "r.example.com/"]})),
            "what: begins with q.example.com/ or r.example.com/"
        );
        assert_eq!(say("owner", json!({"other": ["x", "y"]})), "what");
    }
}
