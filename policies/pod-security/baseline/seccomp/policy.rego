# METADATA
# title: Pods must not turn the system call filter off
# description: >-
#   Seccomp keeps a container from asking the kernel for things that applications do not need and attackers do. Turning it
#   off makes every kernel bug reachable from the container.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Restricting system calls with seccomp
#     ref: https://kubernetes.io/docs/tutorials/security/seccomp/
# custom:
#   severity: medium
#   remediation: Set seccompProfile.type to RuntimeDefault, or to Localhost with a profile that your nodes have.
#   fix:
#     action: set
#     value: RuntimeDefault
#   controls: ["PSS:baseline/seccomp", "CIS-Kubernetes-1.10:5.7.2"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.seccomp

deny contains violation if {
	profile := input.request.object.spec.securityContext.seccompProfile
	profile != null
	not profile.type == "RuntimeDefault"
	not profile.type == "Localhost"
	violation := {
		"msg": "The Pod turns the default system call filter (seccomp) off.",
		"path": "/spec/securityContext/seccompProfile/type",
	}
}

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	profile := container.securityContext.seccompProfile
	profile != null
	not profile.type == "RuntimeDefault"
	not profile.type == "Localhost"
	violation := {
		"msg": sprintf(`Container "%v" turns the default system call filter (seccomp) off.`, [
			object.get(container, "name", ""),
		]),
		"path": sprintf("/spec/%s/%v/securityContext/seccompProfile/type", [list, i]),
	}
}
