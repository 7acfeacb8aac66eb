# METADATA
# title: Containers must keep the default mask over /proc
# description: >-
#   Parts of /proc show and change the kernel of the node, so the runtime hides them. Unmasking them is meant for containers
#   within containers, and is safe only when the Pod has its own user namespace (hostUsers set to false).
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: User namespaces
#     ref: https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/
# custom:
#   severity: medium
#   remediation: >-
#     Remove securityContext.procMount. If the container builds or runs containers itself, set hostUsers to false for the Pod
#     instead.
#   fix:
#     action: remove
#   controls: ["PSS:baseline/proc-mount"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.proc_mount

deny contains violation if {
	not input.request.object.spec.hostUsers == false
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
