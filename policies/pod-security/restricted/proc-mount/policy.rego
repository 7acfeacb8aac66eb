# METADATA
# title: Containers must keep the default mask over /proc, also in a user namespace
# description: >-
#   Parts of /proc show and change the kernel of the node, so the runtime hides them. Unmasking them is for containers that
#   build or run containers themselves, and that is more than an ordinary application needs.
# related_resources:
#   - description: Pod Security Standards, restricted
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
# custom:
#   severity: medium
#   remediation: Remove securityContext.procMount.
#   fix:
#     action: remove
#   controls: ["PSS:restricted/proc-mount"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.restricted.proc_mount

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	value := container.securityContext.procMount
	value != null
	value != "Default"
	violation := {
		"msg": sprintf(`Container "%v" unmasks /proc.`, [object.get(container, "name", "")]),
		"path": sprintf("/spec/%s/%v/securityContext/procMount", [list, i]),
	}
}
