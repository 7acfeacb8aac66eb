# METADATA
# title: Probes and lifecycle hooks must not name a host
# description: >-
#   The node itself sends probes and lifecycle hooks. With a host of its own choosing, a Pod can make the node call any
#   address that the node can reach, also ones that the Pod cannot.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Configuring probes
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
# custom:
#   severity: medium
#   remediation: >-
#     Remove host: the Pod's own address is then used. Let the program listen on all addresses, not only on localhost. If it
#     needs a name in the request, set a Host entry in httpHeaders.
#   fix:
#     action: remove
#   controls: ["PSS:baseline/host-probes"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.host_probes

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	some probe in ["livenessProbe", "readinessProbe", "startupProbe"]
	some handler in ["httpGet", "tcpSocket"]
	host := container[probe][handler].host
	host != null
	host != ""
	violation := {
		"msg": sprintf(`Container "%v" has a %s for the host "%v" instead of for itself.`, [
			object.get(container, "name", ""),
			probe,
			host,
		]),
		"path": sprintf("/spec/%s/%v/%s/%s/host", [list, i, probe, handler]),
	}
}

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	some hook in ["postStart", "preStop"]
	some handler in ["httpGet", "tcpSocket"]
	host := container.lifecycle[hook][handler].host
	host != null
	host != ""
	violation := {
		"msg": sprintf(`Container "%v" has a %s hook for the host "%v" instead of for itself.`, [
			object.get(container, "name", ""),
			hook,
			host,
		]),
		"path": sprintf("/spec/%s/%v/lifecycle/%s/%s/host", [list, i, hook, handler]),
	}
}
