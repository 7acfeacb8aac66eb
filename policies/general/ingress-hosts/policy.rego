# METADATA
# title: Ingresses must answer only for hosts of the allowed domains
# description: >-
#   Whoever answers for a host gets its requests. An Ingress for somebody else's name, or for every name, takes requests away
#   from the application that they were meant for, cookies and passwords included.
# related_resources:
#   - description: Hosts of an Ingress
#     ref: https://kubernetes.io/docs/concepts/services-networking/ingress/#hostname-wildcards
# custom:
#   severity: medium
#   remediation: >-
#     Use a host of an allowed domain in the rules and in tls. If the host is right, ask your platform team to add its domain.
#   parameters:
#     domains: []
#   controls: []
#   match:
#     kinds: [{apiGroups: [networking.k8s.io], kinds: [Ingress]}]
package general.ingress_hosts

# The domains themselves and what is below them. Nothing is allowed until something is listed.
domains := object.get(input, ["parameters", "domains"], [])

deny contains violation if {
	spec := input.request.object.spec
	some i
	spec.rules[i]
	host := object.get(spec, ["rules", i, "host"], null)
	not allowed(host)
	violation := {"msg": sprintf("The Ingress answers for %s.", [words(host)]), "path": sprintf("/spec/rules/%v/host", [i])}
}

deny contains violation if {
	some i, j
	host := input.request.object.spec.tls[i].hosts[j]
	not allowed(host)
	violation := {
		"msg": sprintf("The Ingress offers a certificate for %s.", [words(host)]),
		"path": sprintf("/spec/tls/%v/hosts/%v", [i, j]),
	}
}

deny contains violation if {
	object.get(input, ["request", "object", "spec", "defaultBackend"], null) != null
	violation := {
		"msg": "The Ingress answers for every host that no rule names.",
		"path": "/spec/defaultBackend",
		"fix": ruled,
	}
}

# Beside rules it can go. Alone it becomes a rule.
default ruled := {"action": "remove"}

ruled := {
	"target": "/spec",
	"action": "set",
	"value": object.union(object.remove(spec, ["defaultBackend"]), {"rules": [{
		"host": sprintf("{name}.%s", [domains[0]]),
		"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": spec.defaultBackend}]},
	}]}),
	"placeholder": "the host that the Ingress is for, in an allowed domain",
} if {
	spec := input.request.object.spec
	object.get(spec, "rules", null) in {null, []}
}

words(host) := "every host" if host in {"", null}

words(host) := sprintf(`the host "%v", which is in none of the allowed domains`, [host]) if not host in {"", null}

allowed(host) if {
	is_string(host)
	some domain in domains
	domain != ""
	endswith(sprintf(".%s", [host]), sprintf(".%s", [domain]))
}
