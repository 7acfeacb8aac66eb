//! Pieces of YAML as people see them.

use serde_json::json;

use super::*;

fn shown(before: &Value, patch: Value, placeholders: &[Placeholder], under: &str) -> String {
    let patch: Patch = serde_json::from_value(patch).unwrap();
    let mut after = before.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    let kind = GroupVersionKind {
        group: String::new(),
        version: "v1".into(),
        kind: "Pod".into(),
    };
    let text = render(&Change {
        kind: &kind,
        before,
        after: &after,
        patch: &patch,
        placeholders,
        under,
        is_written: false,
    });
    // The parser takes no key twice.
    if let Err(error) = serde_saphyr::from_str::<Value>(&text) {
        panic!("no YAML: {error}\n{text}");
    }
    text
}

#[test]
fn what_names_an_element_is_written_once_when_it_changes() {
    let before = json!({"subjects": [{"kind": "Group", "name": "devs"}, {"name": "a", "apiGroup": "x"}],
        "ports": [{"port": 22}, {"port": 22, "protocol": "UDP"}]});
    let text = snippet(
        &before,
        json!([
            {"op": "replace", "path": "/ports/1/protocol", "value": "TCP"},
            {"op": "replace", "path": "/ports/1/port", "value": 23},
            {"op": "remove", "path": "/subjects/1/name"},
            {"op": "replace", "path": "/subjects/0/kind", "value": "User"},
            {"op": "replace", "path": "/subjects/0/name", "value": format!("system:{}", "x".repeat(90))}]),
    );
    insta::assert_snapshot!(text.replace(&"x".repeat(90), "X"), @r#"
    ports:
      - port: 23 # was: 22
        protocol: TCP # was: "UDP"
    subjects:
      - # was: "devs"
        name: "system:X"
        kind: User # was: "Group"
      - # remove name: "a"
    "#);
}

fn snippet(before: &Value, patch: Value) -> String {
    shown(before, patch, &[], "")
}

#[test]
fn the_path_around_the_change_is_shown_with_names() {
    let text = snippet(
        &json!({"spec": {"hostNetwork": true, "containers": [
            {"name": "log", "image": "log:1"},
            {"name": "app", "image": "app:1", "securityContext": {"privileged": true}}]}}),
        json!([
            {"op": "add", "path": "/spec/containers/0/securityContext", "value": {"capabilities": {"drop": ["ALL"]}}},
            {"op": "replace", "path": "/spec/containers/1/securityContext/privileged", "value": false},
            {"op": "remove", "path": "/spec/hostNetwork"}]),
    );
    insta::assert_snapshot!(text, @r#"
    spec:
      containers:
        - name: log
          securityContext: # add
            capabilities:
              drop: [ALL]
        - name: app
          securityContext:
            privileged: false # was: true
      # remove hostNetwork: true
    "#);
}

#[test]
fn a_value_added_in_two_steps_is_shown_once_and_whole() {
    let text = snippet(
        &json!({"spec": {}}),
        json!([
            {"op": "add", "path": "/spec/securityContext", "value": {"runAsNonRoot": true}},
            {"op": "add", "path": "/spec/securityContext/runAsUser", "value": 1000}]),
    );
    insta::assert_snapshot!(text, @r"
    spec:
      securityContext: # add
        runAsNonRoot: true
        runAsUser: 1000
    ");
}

#[test]
fn elements_at_the_end_of_a_list_are_shown_whole() {
    let before = json!({"spec": {"tolerations": [{"key": "a"}], "containers": [{"name": "app"}]}});
    let text = snippet(
        &before,
        json!([
            {"op": "add", "path": "/spec/tolerations/-", "value": {"key": "gpu", "operator": "Exists"}},
            {"op": "add", "path": "/spec/tolerations/-", "value": {"key": "spot"}},
            {"op": "add", "path": "/spec/containers/0/volumeMounts", "value": [
                {"name": "tmp", "mountPath": "/tmp"}, {"name": "cache", "mountPath": "/var/cache"}]}]),
    );
    insta::assert_snapshot!(text, @r"
    spec:
      containers:
        - name: app
          volumeMounts: # add
            - mountPath: /tmp
              name: tmp
            - mountPath: /var/cache
              name: cache
      tolerations:
        - # add
          key: gpu
          operator: Exists
        - # add
          key: spot
    ");
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(read.pointer("/spec/tolerations/0/operator"), Some(&json!("Exists")));
    assert_eq!(
        read.pointer("/spec/containers/0/volumeMounts/1/mountPath"),
        Some(&json!("/var/cache"))
    );
}

#[test]
fn an_element_that_goes_is_named() {
    let text = snippet(
        &json!({"spec": {"volumes": [{"name": "runtime", "hostPath": {"path": "/run", "type": ""}}]}}),
        json!([{"op": "remove", "path": "/spec/volumes/0"}]),
    );
    insta::assert_snapshot!(text, @r"
    spec:
      volumes:
        # remove item 0 (name: runtime)
    ");
}

#[test]
fn what_a_person_fills_in_is_marked() {
    let placeholder = |path: &str, meaning: &str| Placeholder {
        path: path.into(),
        meaning: meaning.into(),
    };
    let text = shown(
        &json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "image": "web"}]}}),
        json!([
            {"op": "add", "path": "/metadata/labels", "value": {"owner": "example", "tier": "web"}},
            {"op": "replace", "path": "/spec/containers/0/image", "value": "web:1.0.0"}]),
        &[
            placeholder("/metadata/labels/owner", "the owner of this service"),
            placeholder("/spec/containers/0/image", "the version that was tested"),
        ],
        "/spec/template",
    );
    insta::assert_snapshot!(text, @r#"
    spec:
      template:
        metadata:
          labels: # add
            owner: example # fill in: the owner of this service
            tier: web
        spec:
          containers:
            - name: app
              image: web:1.0.0 # fill in: the version that was tested; was: "web"
    "#);
}

#[test]
fn each_line_of_a_piece_that_a_person_fills_in_is_marked() {
    let placeholder = |path: &str, meaning: &str| Placeholder {
        path: path.into(),
        meaning: meaning.into(),
    };
    let text = shown(
        &json!({"spec": {"containers": [
            {"name": "app", "ports": [{"name": "http", "containerPort": 8080}], "env": [{"name": "DATABASE_URL", "value": "x"}]}]}}),
        json!([
            {"op": "add", "path": "/spec/containers/0/readinessProbe", "value": {"httpGet": {"path": "/ready", "port": "http"}}},
            {"op": "add", "path": "/spec/containers/0/lifecycle", "value": {"preStop": {"exec": {"command": ["sleep", "10"]}}}},
            {"op": "remove", "path": "/spec/containers/0/env/0/value"},
            {"op": "add", "path": "/spec/containers/0/env/0/valueFrom", "value": {
                "secretKeyRef": {"name": "change-me", "key": "database-url"}}},
            {"op": "add", "path": "/spec/containers/0/resources", "value": {"limits": {"memory": "128Mi"}}}]),
        &[
            placeholder(
                "/spec/containers/0/readinessProbe",
                "how the container shows that it works",
            ),
            placeholder("/spec/containers/0/lifecycle", "the right value for lifecycle"),
            placeholder(
                "/spec/containers/0/env/0/valueFrom/secretKeyRef",
                "the right value for secretKeyRef",
            ),
            placeholder(
                "/spec/containers/0/resources/limits/memory",
                "how much memory the container needs",
            ),
        ],
        "",
    );
    insta::assert_snapshot!(text, @r#"
    spec:
      containers:
        - name: app
          env:
            - name: DATABASE_URL
              # remove value
              valueFrom: # add
                secretKeyRef:
                  key: database-url # fill in: the key in that Secret
                  # fill in: the Secret with this value; it has to be in the Pod's namespace
                  name: change-me
          lifecycle: # add
            preStop:
              exec:
                # fill in: what to run before the stop; or how many seconds open requests need
                command: [sleep, "10"]
          readinessProbe: # add
            httpGet:
              path: /ready # fill in: the path that answers once the program can take requests
              port: http
          resources: # add
            limits:
              # fill in: the most memory that it may use, such as 256Mi (kubectl top pod)
              memory: 128Mi
    "#);
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(
        read.pointer("/spec/containers/0/lifecycle/preStop/exec/command/1"),
        Some(&json!("10"))
    );
}

#[test]
fn a_peer_of_a_network_policy_is_marked_where_its_label_is() {
    let text = shown(
        &json!({"spec": {"ingress": [{"from": []}]}}),
        json!([{"op": "replace", "path": "/spec/ingress/0/from", "value": [
            {"podSelector": {"matchLabels": {"app": "change-me"}}}]}]),
        &[Placeholder {
            path: "/spec/ingress/0/from".into(),
            meaning: "the right value for from".into(),
        }],
        "",
    );
    insta::assert_snapshot!(text, @r"
    spec:
      ingress:
        - # item 0
          from: # was: []
            - podSelector:
                matchLabels:
                  app: change-me # fill in: the label of the Pods that may connect
    ");
}

#[test]
fn a_long_comment_stands_above_its_line() {
    let before = json!({"spec": {"containers": [{"name": "app", "image": format!("registry.example.com/{}:1", "a".repeat(48))}]}});
    let text = snippet(
        &before,
        json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "registry.example.com/app:1"}]),
    );
    assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    assert!(
        text.contains("      # was: \"registry") && text.ends_with("      image: registry.example.com/app:1\n"),
        "{text}"
    );
}

#[test]
fn a_default_is_not_shown_as_somebodys_own() {
    let text = snippet(
        &json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration":
            "{\"spec\":{\"dnsPolicy\":\"ClusterFirst\"}}"}},
            "spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}}),
        json!([
            {"op": "replace", "path": "/spec/restartPolicy", "value": "Never"},
            {"op": "replace", "path": "/spec/dnsPolicy", "value": "Default"}]),
    );
    insta::assert_snapshot!(text, @r#"
    spec:
      dnsPolicy: Default # was: "ClusterFirst"
      restartPolicy: Never # instead of the default, "Always"
    "#);
}
