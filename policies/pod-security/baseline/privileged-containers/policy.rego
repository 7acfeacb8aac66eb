# METADATA
# title: Containers must not run privileged
# description: >-
#   A privileged container has every right that root has on the node: it can load kernel modules, read all disks and take
#   over the other Pods. Almost no application needs it.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: What a security context can set
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
# custom:
#   severity: critical
#   remediation: >-
#     Set securityContext.privileged to false, or remove it. If the program fails without it, find out which single right
#     it needs and ask your platform team about that one.
#   fix:
#     action: set
#     value: false
#   controls: ["PSS:baseline/privileged-containers", "CIS-Kubernetes-1.10:5.2.2"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.privileged_containers

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	value := container.securityContext.privileged
	value != null
	value != false
	violation := {
		"msg": sprintf(`Container "%v" runs privileged.`, [object.get(container, "name", "")]),
		"path": sprintf("/spec/%s/%v/securityContext/privileged", [list, i]),
	}
}
