# METADATA
# title: Windows containers must not run as processes of the node
# description: >-
#   A HostProcess container is no container in the usual sense: it runs directly on the Windows node, with access to its files,
#   network and other Pods. It is meant for tools that administer nodes, not for applications.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: HostProcess Pods
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/create-hostprocess-pod/
# custom:
#   severity: critical
#   remediation: Set securityContext.windowsOptions.hostProcess to false, or remove it, for the Pod and for its containers.
#   fix:
#     action: set
#     value: false
#   controls: ["PSS:baseline/windows-host-process", "CIS-Kubernetes-1.10:5.2.11"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.windows_host_process

deny contains violation if {
	value := input.request.object.spec.securityContext.windowsOptions.hostProcess
	value != null
	value != false
	violation := {
		"msg": "The Pod runs as processes of its Windows node.",
		"path": "/spec/securityContext/windowsOptions/hostProcess",
	}
}

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	value := container.securityContext.windowsOptions.hostProcess
	value != null
	value != false
	violation := {
		"msg": sprintf(`Container "%v" runs as a process of its Windows node.`, [object.get(container, "name", "")]),
		"path": sprintf("/spec/%s/%v/securityContext/windowsOptions/hostProcess", [list, i]),
	}
}
