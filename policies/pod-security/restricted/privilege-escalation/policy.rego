# METADATA
# title: Containers must not be able to gain rights
# description: >-
#   Unless this is switched off, a program in the container can become more powerful than the one that started it, for example
#   through sudo or another set-user-ID file. Attackers use exactly that step.
# related_resources:
#   - description: Pod Security Standards, restricted
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
#   - description: What a security context can set
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/
# custom:
#   severity: medium
#   remediation: Set securityContext.allowPrivilegeEscalation to false for every container. Start the program without sudo or su.
#   fix:
#     action: set
#     value: false
#   controls: ["PSS:restricted/privilege-escalation", "CIS-Kubernetes-1.10:5.2.6"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.restricted.privilege_escalation

deny contains violation if {
	# On Windows the field does not exist: the API server refuses it there.
	not input.request.object.spec.os.name == "windows"
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	not container.securityContext.allowPrivilegeEscalation == false
	violation := {
		"msg": sprintf(`Container "%v" may gain more rights than it starts with.`, [
			object.get(input.request.object.spec, [list, i, "name"], ""),
		]),
		"path": sprintf("/spec/%s/%v/securityContext/allowPrivilegeEscalation", [list, i]),
	}
}
