# METADATA
# title: Containers must drop all capabilities
# description: >-
#   Capabilities are slices of root's power, and every container starts with some of them. Applications rarely need any, so
#   dropping them all costs nothing and takes away what an attacker would use first.
# related_resources:
#   - description: Pod Security Standards, restricted
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
#   - description: Setting capabilities for a container
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#set-capabilities-for-a-container
# custom:
#   severity: medium
#   remediation: >-
#     Set securityContext.capabilities.drop to ["ALL"] for every container. Only NET_BIND_SERVICE may be added again, for
#     programs that listen on a port below 1024.
#   controls: ["PSS:restricted/capabilities", "CIS-Kubernetes-1.10:5.2.8", "CIS-Kubernetes-1.10:5.2.9", "CIS-Kubernetes-1.10:5.2.10"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.restricted.capabilities

deny contains violation if {
	not windows
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	dropped := [name | name := container.securityContext.capabilities.drop[_]]
	not "ALL" in dropped
	violation := {
		"msg": sprintf(`Container "%v" does not drop all capabilities.`, [
			object.get(input.request.object.spec, [list, i, "name"], ""),
		]),
		"path": sprintf("/spec/%s/%v/securityContext/capabilities/drop", [list, i]),
		"fix": {"action": "set", "value": array.concat([name | some name in dropped; lower(name) != "all"], ["ALL"])},
	}
}

deny contains violation if {
	not windows
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	added := container.securityContext.capabilities.add
	added != null
	kept := [name | name := added[_]; name == "NET_BIND_SERVICE"]
	added != kept
	refused := [sprintf("%v", [name]) | name := added[_]; name != "NET_BIND_SERVICE"]
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

# On Windows the field does not exist: the API server refuses it there.
windows if input.request.object.spec.os.name == "windows"
