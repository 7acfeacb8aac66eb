# METADATA
# title: Pods must not share the node's network, processes or IPC
# description: >-
#   A Pod that shares these with its node can listen to other Pods' traffic, see and signal every process on the machine,
#   and reach services that only listen on the node itself. One compromised container is then a compromised node.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
# custom:
#   severity: high
#   remediation: >-
#     Remove hostNetwork, hostPID and hostIPC, or set them to false. To be reached from outside, use a Service; to talk to
#     another container's processes, put both containers into one Pod and set shareProcessNamespace.
#   fix:
#     action: set
#     value: false
#   controls: ["PSS:baseline/host-namespaces", "CIS-Kubernetes-1.10:5.2.3", "CIS-Kubernetes-1.10:5.2.4", "CIS-Kubernetes-1.10:5.2.5"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.host_namespaces

shared := {
	"hostIPC": "The Pod shares inter-process communication with its node.",
	"hostNetwork": "The Pod uses the network of its node.",
	"hostPID": "The Pod sees all processes of its node.",
}

deny contains violation if {
	some field, message in shared
	value := input.request.object.spec[field]
	value != null
	value != false
	violation := {"msg": message, "path": sprintf("/spec/%s", [field])}
}
