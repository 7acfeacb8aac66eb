//! Why a rule matters: its author's words, and when there are none, what is known of the field that it is about.

use super::fields;
use super::wire::ExplainRequest;
use crate::verdict::Violation;

/// A reason, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason<'a> {
    /// The words; empty when nothing is known, since a made-up reason helps nobody.
    pub text: &'a str,
    /// The rule's own words, not ours.
    pub is_authors: bool,
}

/// Why this rule matters.
pub fn reason<'a>(request: &ExplainRequest, violation: &'a Violation) -> Reason<'a> {
    let authors = violation.why.trim();
    if !authors.is_empty() {
        return Reason {
            text: authors,
            is_authors: true,
        };
    }
    Reason {
        text: derived(request, violation).unwrap_or_default(),
        is_authors: false,
    }
}

/// From where the rule points, what it says, what its fix changes, and last what it is called.
fn derived(request: &ExplainRequest, violation: &Violation) -> Option<&'static str> {
    let said = format!("{} {}", violation.message, violation.title);
    let found = || violation.found.iter().map(|found| found.path.as_str());
    let changed = changed(request, violation);
    let changed = || changed.iter().map(String::as_str);
    let called = violation.policy.replace(['/', '-', '_'], " ");
    found()
        .find_map(|path| fields::at(path, &said))
        .or_else(|| fields::named(&violation.message))
        .or_else(|| only(changed().filter_map(|path| fields::at(path, &said))))
        .or_else(|| fields::named(&violation.title))
        .or_else(|| fields::named(&called))
        .or_else(|| found().chain(changed()).find_map(|path| fields::around(path, &said)))
}

/// The one that all of them are: a change of several fields does not say which one the rule is about.
fn only(mut reasons: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let first = reasons.next()?;
    reasons.all(|other| other == first).then_some(first)
}

/// What is changed for this rule alone; a change for several does not say which part is for which.
fn changed(request: &ExplainRequest, violation: &Violation) -> Vec<String> {
    let own = request
        .fix
        .as_ref()
        .filter(|fix| fix.policies == [violation.policy.as_str()]);
    let operations = own.and_then(|fix| fix.patch.as_array());
    operations
        .into_iter()
        .flatten()
        .filter_map(|operation| {
            let path = operation.get("path")?.as_str()?;
            let value = operation.get("value");
            Some(below(path, value))
        })
        .collect()
}

/// The path of a value that is added with all around it: `{"privileged": false}` at a security context is about `privileged`.
fn below(path: &str, value: Option<&serde_json::Value>) -> String {
    let mut path = path.to_owned();
    let mut value = value;
    while let Some(members) = value.and_then(serde_json::Value::as_object)
        && members.len() == 1
        && let Some((key, member)) = members.iter().next()
    {
        path.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
        value = Some(member);
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[expect(clippy::needless_pass_by_value, reason = "json! at every call")]
    fn why(violation: Value, fix: Value) -> String {
        let mut whole = json!({"policy": "a/b", "action": "deny", "message": "No."});
        for (key, value) in violation.as_object().unwrap() {
            whole[key] = value.clone();
        }
        let mut request = json!({
            "apiVersion": "whynot.dev/v1", "revision": "r", "decision": "deny", "deadlineMs": 0,
            "review": {"uid": "u", "operation": "CREATE", "kind": {"kind": "Pod"}}, "violations": [whole],
        });
        if !fix.is_null() {
            request["fix"] = fix.clone();
        }
        let request: ExplainRequest = serde_json::from_value(request).unwrap();
        reason(&request, &request.violations[0]).text.to_owned()
    }

    #[test]
    fn the_authors_words_come_first() {
        let own = json!({"why": " Because. ", "found": [{"path": "/spec/hostNetwork"}]});
        assert_eq!(why(own, Value::Null), "Because.");
    }

    #[test]
    fn without_them_the_field_is_looked_up() {
        let network = why(json!({"found": [{"path": "/spec/hostNetwork"}]}), Value::Null);
        assert!(network.starts_with("On its node's network"), "{network}");
        let said = json!({"message": "hostPID is not allowed", "found": [{"path": "/spec"}]});
        assert!(why(said, Value::Null).starts_with("With the node's process ids"));
        let called = json!({"policy": "k8spspprivileged/no-privileged"});
        assert!(why(called, Value::Null).starts_with("A privileged container"));
    }

    #[test]
    fn a_change_for_this_rule_alone_says_what_it_is_about() {
        let fix = |policies: &[&str]| {
            json!({"patch": [{"op": "add", "path": "/spec/securityContext", "value": {"runAsNonRoot": true}}],
                "snippet": "", "policies": policies, "complete": true})
        };
        assert!(why(json!({}), fix(&["a/b"])).starts_with("A process that is root"));
        assert_eq!(why(json!({}), fix(&["a/b", "c/d"])), "");
    }

    #[test]
    fn nothing_is_said_when_nothing_is_known() {
        assert_eq!(
            why(
                json!({"title": "Our way", "found": [{"path": "/spec/color"}]}),
                Value::Null
            ),
            ""
        );
    }
}
