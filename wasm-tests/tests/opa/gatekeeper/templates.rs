//! A template that reports what it sees, in both versions of Rego.

const SCHEMA: &str = r#"
  crd:
    spec:
      names: {kind: K8sReport}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            prefix: {type: string, default: found}
            limits:
              type: object
              default: {}
              properties:
                names: {type: integer, default: 1}
            owners:
              type: array
              items:
                type: object
                required: [key]
                properties:
                  key: {type: string}
                  regex: {type: string, default: "^.+$"}
"#;

const V0: &str = r#"
  targets:
    - target: admission.k8s.gatekeeper.sh
      OPERATIONS
      rego: |
        package k8sreport

        import data.lib.labels.get

        violation[{"msg": msg, "details": {"kind": kind}}] {
          kind := input.review.kind.kind
          name := object.get(input.review.object.metadata, "name", "unnamed")
          msg := sprintf("%v: %v %v by %v", [input.parameters.prefix, kind, name, input.review.userInfo.username])
        }

        violation[{"msg": msg}] {
          owner := input.parameters.owners[_]
          not re_match(owner.regex, get(input.review.object, owner.key))
          msg := sprintf("%v: the label %v is missing or wrong", [input.parameters.prefix, owner.key])
        }

        violation[{"msg": msg}] {
          name := input.review.object.metadata.name
          others := [namespace |
            data.inventory.namespace[namespace][_][input.review.kind.kind][name]
            namespace != input.review.namespace
          ]
          count(others) >= input.parameters.limits.names
          msg := sprintf("%v: %v is also in %v", [input.parameters.prefix, name, concat(", ", sort(others))])
        }

        violation[{"msg": msg}] {
          labels := data.inventory.cluster["v1"].Namespace[input.review.namespace].metadata.labels
          input.review.namespaceObject.metadata.labels.env != labels.env
          msg := sprintf("the namespace was %v and is %v", [labels.env, input.review.namespaceObject.metadata.labels.env])
        }
      libs:
        - |
          package lib.labels

          get(object, key) = value {
            value := object.metadata.labels[key]
          }

          get(object, key) = "" {
            not object.metadata.labels[key]
          }
"#;

pub(super) const V1: &str = r#"
  targets:
    - target: admission.k8s.gatekeeper.sh
      OPERATIONS
      code:
        - engine: Rego
          source:
            version: v1
            rego: |
              package k8sreport

              import data.lib.labels

              violation contains {"msg": msg, "details": {"kind": kind}} if {
                kind := input.review.kind.kind
                name := object.get(input.review.object.metadata, "name", "unnamed")
                msg := sprintf("%v: %v %v by %v", [input.parameters.prefix, kind, name, input.review.userInfo.username])
              }

              violation contains {"msg": msg} if {
                some owner in input.parameters.owners
                not regex.match(owner.regex, labels.get(input.review.object, owner.key))
                msg := sprintf("%v: the label %v is missing or wrong", [input.parameters.prefix, owner.key])
              }

              violation contains {"msg": msg} if {
                name := input.review.object.metadata.name
                others := [namespace |
                  some namespace
                  data.inventory.namespace[namespace][_][input.review.kind.kind][name]
                  namespace != input.review.namespace
                ]
                count(others) >= input.parameters.limits.names
                msg := sprintf("%v: %v is also in %v", [input.parameters.prefix, name, concat(", ", sort(others))])
              }

              violation contains {"msg": msg} if {
                labels := data.inventory.cluster.v1.Namespace[input.review.namespace].metadata.labels
                input.review.namespaceObject.metadata.labels.env != labels.env
                msg := sprintf("the namespace was %v and is %v",
                  [labels.env, input.review.namespaceObject.metadata.labels.env])
              }
            libs:
              - |
                package lib.labels

                default get(_, _) := ""

                get(object, key) := object.metadata.labels[key]
"#;

pub(super) const TEMPLATES: [(&str, &str); 2] = [("v0", V0), ("v1", V1)];

pub(super) fn template(targets: &str, operations: &str) -> String {
    let head = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: k8sreport}\nspec:";
    format!("{head}{SCHEMA}{}", targets.replace("OPERATIONS", operations))
}
