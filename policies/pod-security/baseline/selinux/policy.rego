# METADATA
# title: Pods must not choose their own SELinux user, role or type
# description: >-
#   On nodes with SELinux, these labels decide which files and processes of the machine a container may touch. A container
#   that picks a powerful one steps over the wall between it and the node.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Assigning SELinux labels
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#assign-selinux-labels-to-a-container
# custom:
#   severity: medium
#   remediation: >-
#     Remove user and role from seLinuxOptions. Remove type as well, or use container_t, container_init_t, container_kvm_t or
#     container_engine_t.
#   fix:
#     action: remove
#   controls: ["PSS:baseline/selinux"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.selinux

allowed := {
	"role": {""},
	"type": {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"},
	"user": {""},
}

deny contains violation if {
	some field, values in allowed
	value := input.request.object.spec.securityContext.seLinuxOptions[field]
	value != null
	not value in values
	violation := {
		"msg": sprintf(`The Pod sets the SELinux %s "%v".`, [field, value]),
		"path": sprintf("/spec/securityContext/seLinuxOptions/%s", [field]),
	}
}

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	some field, values in allowed
	value := container.securityContext.seLinuxOptions[field]
	value != null
	not value in values
	violation := {
		"msg": sprintf(`Container "%v" sets the SELinux %s "%v".`, [object.get(container, "name", ""), field, value]),
		"path": sprintf("/spec/%s/%v/securityContext/seLinuxOptions/%s", [list, i, field]),
	}
}
