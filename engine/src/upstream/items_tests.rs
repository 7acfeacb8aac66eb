use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn items(text: &str) -> Vec<(String, String)> {
    parse(text)
        .into_iter()
        .map(|item| (item.policy, item.message))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(policy, message): &(&str, &str)| ((*policy).to_owned(), (*message).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn gatekeeper_names_its_constraints() {
    let text = "[all-must-have-owner] you must provide labels: {\"owner\"}\n[prod-repo-is-openpolicyagent] container <nginx> has an \
                invalid image repo <nginx>, allowed repos are [\"openpolicyagent\"]\nsee the handbook\n[x] y";
    assert_eq!(
        items(text),
        pairs(&[
            ("all-must-have-owner", "you must provide labels: {\"owner\"}"),
            (
                "prod-repo-is-openpolicyagent",
                "container <nginx> has an invalid image repo <nginx>, allowed repos are [\"openpolicyagent\"]\nsee the handbook"
            ),
            ("x", "y"),
        ])
    );
    assert_eq!(
        items("admission webhook \"validation.gatekeeper.sh\" denied the request: [denied by ns-must-have-gk] no"),
        pairs(&[("ns-must-have-gk", "no")])
    );
    assert_eq!(items("before\n[a/b_c] b"), pairs(&[("", "before"), ("a/b_c", "b")]));
}

#[test]
fn kyverno_lists_policies_and_rules() {
    let text = "\n\nresource Pod/default/x was blocked due to the following policies \n\nrequire-labels:\n  check-for-labels: \
                'validation error: label ''app'' is required.\n    rule check-for-labels failed at path /metadata/labels/app/'\n  \
                second: plain text\ndisallow-latest-tag:\n  validate-image-tag: |-\n    one line: and\n    another\n";
    assert_eq!(
        items(text),
        pairs(&[
            (
                "require-labels/check-for-labels",
                "validation error: label ''app'' is required.\n    rule check-for-labels failed at path /metadata/labels/app/"
            ),
            ("require-labels/second", "plain text"),
            ("disallow-latest-tag/validate-image-tag", "one line: and\n    another"),
        ])
    );
    let old = "policy Pod/default/nginx for resource violation: \n\nrequire-labels:\n  check: 'no: label'\n";
    assert_eq!(items(old), pairs(&[("require-labels/check", "no: label")]));
}

#[test]
fn policies_of_the_api_server_itself_are_named() {
    let text = "deployments.apps \"nginx\" is forbidden: ValidatingAdmissionPolicy 'demo-policy.example.com' with binding \
                'demo-binding' denied request: failed expression: object.spec.replicas <= 5";
    assert_eq!(
        items(text),
        pairs(&[(
            "demo-policy.example.com",
            "failed expression: object.spec.replicas <= 5"
        )])
    );
}

#[test]
fn pod_security_admission_is_taken_apart() {
    let text = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \
                \"app\" must set securityContext.allowPrivilegeEscalation=false), runAsNonRoot != true (pod or container)";
    assert_eq!(
        items(text),
        pairs(&[
            (
                "PodSecurity",
                "allowPrivilegeEscalation != false (container \"app\" must set securityContext.allowPrivilegeEscalation=false)"
            ),
            ("PodSecurity", "runAsNonRoot != true (pod or container)"),
        ])
    );
}

#[test]
fn a_webhook_of_kubewarden_is_a_policy() {
    let text = "admission webhook \"clusterwide-privileged-pods.kubewarden.admission\" denied the request: Privileged container \
                is not allowed";
    assert_eq!(
        items(text),
        pairs(&[("privileged-pods", "Privileged container is not allowed")])
    );
}

#[test]
fn lists_are_taken_apart_and_plain_text_is_not() {
    assert_eq!(
        items(
            "\nPolaris prevented this deployment due to configuration problems:\n- Container nginx: Image tag\n- Pod: x\n  more\n"
        ),
        pairs(&[("", "Container nginx: Image tag"), ("", "Pod: x\n  more")])
    );
    assert_eq!(
        items("  do not do that - please\n"),
        pairs(&[("", "do not do that - please")])
    );
    assert_eq!(items("- alone"), pairs(&[("", "- alone")]));
    assert_eq!(items(" \n"), pairs(&[]));
    assert_eq!(items("[1, 2] is no name"), pairs(&[("", "[1, 2] is no name")]));
}

/// Texts of pieces that mean something to one reader or another, in any order.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn whatever_is_said_is_a_piece_of_the_text() {
    const PIECES: [&str; 28] = [
        "violates PodSecurity \"",
        "\": x), ",
        "[a-b] ",
        "[denied by c] ",
        "\n",
        "\r\n",
        " ",
        "  ",
        "admission webhook \"",
        "\" denied the request: ",
        "x.kubewarden.admission",
        "was blocked due to the following policies",
        "policy ",
        " for resource ",
        "name:",
        "rule: ",
        "'",
        "\"",
        "|-\n",
        "- ",
        "* ",
        "ValidatingAdmissionPolicy '",
        "' with binding '",
        " denied request: ",
        "\u{e4}\u{1f600}",
        "\u{1b}[2J",
        ":",
        "text",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..20_000 {
        let count = random.usize(..40);
        let text: String = (0..count).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
        let items = parse(&text);
        assert!(items.len() <= MAX_ITEMS);
        let mut at = 0;
        for item in &items {
            assert!(!item.message.trim().is_empty(), "{round}: {text:?}");
            // In the order in which they stand there, none from within another.
            let place = text[at..].find(&item.message);
            at += place.unwrap_or_else(|| panic!("{round}: {item:?} in {text:?}")) + item.message.len();
            assert!(item.policy.len() <= MAX_NAME && !item.policy.chars().any(char::is_control));
        }
        assert_eq!(items.is_empty(), text.trim().is_empty(), "{text:?}");
    }
    let long = "[a] b\n".repeat(100_000);
    assert_eq!(parse(&long).len(), MAX_ITEMS);
    assert_eq!(parse(&"\u{e4}".repeat(MAX_TEXT))[0].message.len(), MAX_TEXT);
}
