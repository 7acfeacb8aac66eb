# METADATA
# title: Containers must run under a system call filter
# description: >-
#   Seccomp keeps a container from asking the kernel for things that applications do not need and attackers do. Kubernetes
#   does not switch it on by itself: somebody has to say so.
# related_resources:
#   - description: Pod Security Standards, restricted
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
#   - description: Restricting system calls with seccomp
#     ref: https://kubernetes.io/docs/tutorials/security/seccomp/
# custom:
#   severity: medium
#   remediation: >-
#     Set securityContext.seccompProfile.type to RuntimeDefault for the Pod, or to Localhost with a profile that your nodes have.
#   fix:
#     action: set
#     value: RuntimeDefault
#   controls: ["PSS:restricted/seccomp", "CIS-Kubernetes-1.10:5.7.2"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.restricted.seccomp

deny contains violation if {
	not windows
	profile := input.request.object.spec.securityContext.seccompProfile
	profile != null
	not filters(profile)
	violation := {
		"msg": "The Pod turns the default system call filter (seccomp) off.",
		"path": "/spec/securityContext/seccompProfile/type",
	}
}

deny contains violation if {
	not windows
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	profile := container.securityContext.seccompProfile
	profile != null
	not filters(profile)
	violation := {
		"msg": sprintf(`Container "%v" turns the default system call filter (seccomp) off.`, [
			object.get(container, "name", ""),
		]),
		"path": sprintf("/spec/%s/%v/securityContext/seccompProfile/type", [list, i]),
	}
}

# One field of the Pod answers for all containers that say nothing themselves.
deny contains violation if {
	not windows
	object.get(input, ["request", "object", "spec", "securityContext", "seccompProfile"], null) == null
	spec := input.request.object.spec
	open := [sprintf(`container "%v"`, [object.get(spec, [list, i, "name"], "")]) |
		some list in ["containers", "initContainers"]
		some i
		spec[list][i]
		object.get(spec, [list, i, "securityContext", "seccompProfile"], null) == null
	]
	count(open) > 0
	violation := {
		"msg": sprintf("No system call filter (seccomp) is set for %s.", [concat(", ", open)]),
		"path": "/spec/securityContext/seccompProfile/type",
	}
}

# A running Pod cannot be changed any more, a debug container that is added to it can.
deny contains violation if {
	not windows
	profile := object.get(input, ["request", "object", "spec", "securityContext", "seccompProfile"], null)
	not filters(profile)
	spec := input.request.object.spec
	some i
	spec.ephemeralContainers[i]
	object.get(spec, ["ephemeralContainers", i, "securityContext", "seccompProfile"], null) == null
	name := object.get(spec, ["ephemeralContainers", i, "name"], "")
	violation := {
		"msg": sprintf(`No system call filter (seccomp) is set for container "%v".`, [name]),
		"path": sprintf("/spec/ephemeralContainers/%v/securityContext/seccompProfile/type", [i]),
	}
}

filters(profile) if profile.type == "RuntimeDefault"

filters(profile) if profile.type == "Localhost"

# On Windows the field does not exist: the API server refuses it there.
windows if input.request.object.spec.os.name == "windows"
