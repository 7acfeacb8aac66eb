# METADATA
# title: Containers must not choose root as their user
# description: >-
#   User 0 is root, in the container and for the node's kernel. A bug that lets an attacker out of the container then gives
#   them the whole machine.
# related_resources:
#   - description: Pod Security Standards, restricted
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
#   - description: Setting the user of a Pod
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
# custom:
#   severity: medium
#   remediation: >-
#     Remove runAsUser, so that the image's own user applies, or set it to the number of an ordinary user that may read what the
#     program needs.
#   fix:
#     action: remove
#   controls: ["PSS:restricted/run-as-user", "CIS-Kubernetes-1.10:5.2.7"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.restricted.run_as_user

deny contains violation if {
	not user_namespace
	user := input.request.object.spec.securityContext.runAsUser
	user != null
	not ordinary(user)
	violation := {
		"msg": "The Pod runs its containers as root (user 0).",
		"path": "/spec/securityContext/runAsUser",
	}
}

deny contains violation if {
	not user_namespace
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	user := container.securityContext.runAsUser
	user != null
	not ordinary(user)
	violation := {
		"msg": sprintf(`Container "%v" runs as root (user 0).`, [object.get(container, "name", "")]),
		"path": sprintf("/spec/%s/%v/securityContext/runAsUser", [list, i]),
	}
}

# Root in a user namespace is an ordinary user on the node.
user_namespace if input.request.object.spec.hostUsers == false

ordinary(user) if {
	is_number(user)
	user != 0
}
