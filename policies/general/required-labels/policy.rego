# METADATA
# title: Pods must carry the labels that everybody relies on
# description: >-
#   Dashboards, cost reports, network policies and the person who is woken at night find a Pod's application by its labels.
#   A Pod without them belongs to nobody.
# related_resources:
#   - description: Recommended labels
#     ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
# custom:
#   severity: low
#   action: warn
#   remediation: >-
#     Add the missing label to the Pod's metadata.labels. In a Deployment or another workload, that is
#     spec.template.metadata.labels, not the workload's own labels.
#   fix:
#     - target: /metadata/labels/app.kubernetes.io~1name
#       action: set
#       value: "{name}"
#       placeholder: the name of the application
#     - action: set
#       value: change-me
#       placeholder: the value of the label
#   parameters:
#     labels: [app.kubernetes.io/name]
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package general.required_labels

deny contains violation if {
	some label in object.get(input, ["parameters", "labels"], [])
	object.get(input, ["request", "object", "metadata", "labels", label], null) in {"", null}
	violation := {
		"msg": sprintf(`The Pod has no label "%s".`, [label]),
		"path": sprintf("/metadata/labels/%s", [replace(replace(label, "~", "~0"), "/", "~1")]),
	}
}
