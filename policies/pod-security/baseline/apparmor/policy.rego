# METADATA
# title: Pods must not turn AppArmor protection off
# description: >-
#   On most Linux nodes AppArmor keeps a container away from files and calls that it has no business with. Without it, a bug
#   in the application can reach much further into the node.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Restricting a container with AppArmor
#     ref: https://kubernetes.io/docs/tutorials/security/apparmor/
# custom:
#   severity: medium
#   remediation: >-
#     Set appArmorProfile.type to RuntimeDefault, or to Localhost with a profile that your nodes have. Remove annotations
#     that begin with container.apparmor.security.beta.kubernetes.io.
#   fix:
#     action: set
#     value: RuntimeDefault
#   controls: ["PSS:baseline/apparmor"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.apparmor

annotation_prefix := "container.apparmor.security.beta.kubernetes.io/"

deny contains violation if {
	profile := input.request.object.spec.securityContext.appArmorProfile
	profile != null
	not profile.type == "RuntimeDefault"
	not profile.type == "Localhost"
	violation := {
		"msg": "The Pod turns AppArmor's default protection off.",
		"path": "/spec/securityContext/appArmorProfile/type",
	}
}

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	profile := container.securityContext.appArmorProfile
	profile != null
	not profile.type == "RuntimeDefault"
	not profile.type == "Localhost"
	violation := {
		"msg": sprintf(`Container "%v" turns AppArmor's default protection off.`, [object.get(container, "name", "")]),
		"path": sprintf("/spec/%s/%v/securityContext/appArmorProfile/type", [list, i]),
	}
}

deny contains violation if {
	annotations := input.request.object.metadata.annotations
	is_object(annotations)
	some key, value in annotations
	startswith(key, annotation_prefix)
	not allowed_annotation(value)
	violation := {
		"msg": sprintf(`An annotation turns AppArmor's default protection off for container "%s".`, [
			trim_prefix(key, annotation_prefix),
		]),
		"path": sprintf("/metadata/annotations/%s", [replace(replace(key, "~", "~0"), "/", "~1")]),
		"fix": {"action": "remove"},
	}
}

allowed_annotation(value) if value in {null, "", "runtime/default"}

allowed_annotation(value) if {
	is_string(value)
	startswith(value, "localhost/")
}
