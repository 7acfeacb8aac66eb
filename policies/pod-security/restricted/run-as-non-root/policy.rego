# METADATA
# title: Containers must be kept from running as root
# description: >-
#   Root in a container is root for the node's kernel as well: after a break-out it may do anything there. With runAsNonRoot,
#   a container whose image would start as root does not start at all.
# related_resources:
#   - description: Pod Security Standards, restricted
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
#   - description: Setting the user of a Pod
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
# custom:
#   severity: medium
#   remediation: >-
#     Set securityContext.runAsNonRoot to true for the Pod, and use an image that names a numeric user other than 0 (USER in
#     its Dockerfile), or set runAsUser.
#   fix:
#     action: set
#     value: true
#   controls: ["PSS:restricted/run-as-non-root", "CIS-Kubernetes-1.10:5.2.7"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.restricted.run_as_non_root

deny contains violation if {
	not user_namespace
	value := input.request.object.spec.securityContext.runAsNonRoot
	value != null
	value != true
	violation := {
		"msg": "The Pod allows its containers to run as root.",
		"path": "/spec/securityContext/runAsNonRoot",
	}
}

deny contains violation if {
	not user_namespace
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	value := container.securityContext.runAsNonRoot
	value != null
	value != true
	violation := {
		"msg": sprintf(`Container "%v" is allowed to run as root.`, [object.get(container, "name", "")]),
		"path": sprintf("/spec/%s/%v/securityContext/runAsNonRoot", [list, i]),
	}
}

# One field of the Pod answers for all containers that say nothing themselves.
deny contains violation if {
	not user_namespace
	object.get(input, ["request", "object", "spec", "securityContext", "runAsNonRoot"], null) == null
	spec := input.request.object.spec
	open := [sprintf(`container "%v"`, [object.get(spec, [list, i, "name"], "")]) |
		some list in ["containers", "initContainers"]
		some i
		spec[list][i]
		object.get(spec, [list, i, "securityContext", "runAsNonRoot"], null) == null
	]
	count(open) > 0
	violation := {
		"msg": sprintf("Nothing keeps %s from running as root.", [concat(", ", open)]),
		"path": "/spec/securityContext/runAsNonRoot",
	}
}

# A running Pod cannot be changed any more, a debug container that is added to it can.
deny contains violation if {
	not user_namespace
	spec := input.request.object.spec
	not spec.securityContext.runAsNonRoot == true
	some i
	spec.ephemeralContainers[i]
	object.get(spec, ["ephemeralContainers", i, "securityContext", "runAsNonRoot"], null) == null
	name := object.get(spec, ["ephemeralContainers", i, "name"], "")
	violation := {
		"msg": sprintf(`Nothing keeps container "%v" from running as root.`, [name]),
		"path": sprintf("/spec/ephemeralContainers/%v/securityContext/runAsNonRoot", [i]),
	}
}

# Root in a user namespace is an ordinary user on the node.
user_namespace if input.request.object.spec.hostUsers == false
