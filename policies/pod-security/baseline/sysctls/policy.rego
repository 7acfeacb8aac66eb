# METADATA
# title: Pods must set only safe kernel parameters
# description: >-
#   Most kernel parameters (sysctls) are shared by all Pods of a node: one Pod that changes them can slow down, starve or
#   weaken the others. Only those that stay within the Pod are allowed.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Safe and unsafe sysctls
#     ref: https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
# custom:
#   severity: medium
#   remediation: >-
#     Remove the named entries from securityContext.sysctls. If the program really needs one, ask your platform team to set it
#     on the nodes.
#   controls: ["PSS:baseline/sysctls"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.sysctls

allowed := {
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_notsent_lowat",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_slow_start_after_idle",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.tcp_wmem",
}

deny contains violation if {
	context := input.request.object.spec.securityContext
	sysctls := context.sysctls
	sysctls != null
	kept := [sysctl | sysctl := sysctls[_]; sysctl.name in allowed]
	sysctls != kept
	refused := [sprintf("%v", [name]) |
		some i
		sysctls[i]
		name := object.get(context, ["sysctls", i, "name"], "")
		not name in allowed
	]
	violation := {
		"msg": sprintf("The Pod sets kernel parameters that are not allowed: %s.", [concat(", ", refused)]),
		"path": "/spec/securityContext/sysctls",
		"fix": keeping([sysctl | some written in sysctls; sysctl := with_dots(written); sysctl.name in allowed]),
	}
}

# The kernel knows both spellings, Kubernetes' list one.
with_dots(sysctl) := object.union(sysctl, {"name": replace(sysctl.name, "/", ".")})

# An empty list would pass as well, but nobody would write it.
keeping(kept) := {"action": "remove"} if count(kept) == 0

keeping(kept) := {"action": "set", "value": kept} if count(kept) > 0
