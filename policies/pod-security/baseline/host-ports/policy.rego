# METADATA
# title: Containers must not take ports of the node
# description: >-
#   A hostPort opens a port on the machine itself, past network policies, and only one Pod per node can have it: the next
#   replica that wants the same port cannot be scheduled there.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Reaching Pods through a Service
#     ref: https://kubernetes.io/docs/concepts/services-networking/service/
# custom:
#   severity: medium
#   remediation: Remove hostPort and keep containerPort. To be reached from elsewhere, create a Service for the Pod.
#   fix:
#     action: remove
#   controls: ["PSS:baseline/host-ports", "CIS-Kubernetes-1.10:5.2.13"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.host_ports

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i, j
	port := input.request.object.spec[list][i].ports[j].hostPort
	port != null
	port != 0
	violation := {
		"msg": sprintf(`Container "%v" takes port %v of its node.`, [
			object.get(input.request.object.spec, [list, i, "name"], ""),
			port,
		]),
		"path": sprintf("/spec/%s/%v/ports/%v/hostPort", [list, i, j]),
	}
}
