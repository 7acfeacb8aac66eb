# METADATA
# title: Containers must not add powerful capabilities
# description: >-
#   Capabilities are slices of root's power. The ones outside the allowed list (NET_ADMIN or SYS_ADMIN, for example) let a
#   container change the node's network, mount disks or trace other programs, which is a short way to own the node.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Setting capabilities for a container
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#set-capabilities-for-a-container
# custom:
#   severity: high
#   remediation: >-
#     Remove the named capabilities from securityContext.capabilities.add. To listen on a port below 1024, NET_BIND_SERVICE
#     is allowed.
#   controls: ["PSS:baseline/capabilities", "CIS-Kubernetes-1.10:5.2.8", "CIS-Kubernetes-1.10:5.2.9"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.capabilities

allowed := {
	"AUDIT_WRITE",
	"CHOWN",
	"DAC_OVERRIDE",
	"FOWNER",
	"FSETID",
	"KILL",
	"MKNOD",
	"NET_BIND_SERVICE",
	"SETFCAP",
	"SETGID",
	"SETPCAP",
	"SETUID",
	"SYS_CHROOT",
}

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	added := container.securityContext.capabilities.add
	added != null
	kept := [name | name := added[_]; name in allowed]
	added != kept
	refused := [sprintf("%v", [name]) | name := added[_]; not name in allowed]
	violation := {
		"msg": sprintf(`Container "%v" adds capabilities that are not allowed: %s.`, [
			object.get(container, "name", ""),
			concat(", ", refused),
		]),
		"path": sprintf("/spec/%s/%v/securityContext/capabilities/add", [list, i]),
		"fix": keeping(kept),
	}
}

# An empty list would pass as well, but nobody would write it.
keeping(kept) := {"action": "remove"} if count(kept) == 0

keeping(kept) := {"action": "set", "value": kept} if count(kept) > 0
