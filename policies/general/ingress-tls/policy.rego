# METADATA
# title: Ingresses must answer under TLS
# description: >-
#   Without TLS, passwords, cookies and orders cross every network between the user and the cluster in plain text, and anybody
#   on the way can read and change them.
# related_resources:
#   - description: TLS of an Ingress
#     ref: https://kubernetes.io/docs/concepts/services-networking/ingress/#tls
# custom:
#   severity: medium
#   remediation: >-
#     Name the host in an entry of spec.tls, with the Secret that holds its certificate in secretName. A wildcard stands for one
#     part of a name: *.example.com covers shop.example.com, not a.shop.example.com.
#   example: |
#     tls:
#       - hosts: [shop.example.com]
#         secretName: shop-tls
#   fix:
#     avoid: [/spec/rules/*/host]     # who is answered is not at fault
#   controls: []
#   match:
#     kinds: [{apiGroups: [networking.k8s.io], kinds: [Ingress]}]
package general.ingress_tls

deny contains violation if {
	spec := input.request.object.spec
	some i
	spec.rules[i]
	host := object.get(spec, ["rules", i, "host"], null)
	not covered(host)
	violation := {"msg": sprintf("The Ingress answers for %s without TLS.", [words(host)]), "path": "/spec/tls"}
}

# Without rules, everything goes to the default backend.
deny contains violation if {
	object.get(input, ["request", "object", "spec", "defaultBackend"], null) != null
	object.get(input, ["request", "object", "spec", "rules"], null) in {null, []}
	not covered(null)
	violation := {"msg": "The Ingress answers for every host without TLS.", "path": "/spec/tls"}
}

words(host) := "every host" if every_host(host)

words(host) := sprintf(`the host "%v"`, [host]) if not every_host(host)

every_host(host) if host in {"", null}

# Where no host is named, neither does the entry name one.
covered(host) if {
	every_host(host)
	some i
	entry := input.request.object.spec.tls[i]
	certified(entry)
	object.get(entry, "hosts", null) in {null, []}
}

covered(host) if {
	is_string(host)
	some i
	entry := input.request.object.spec.tls[i]
	certified(entry)
	covers(entry.hosts[_], host)
}

certified(entry) if {
	is_string(entry.secretName)
	entry.secretName != ""
}

covers(name, host) if name == host

covers(name, host) if {
	startswith(name, "*.")
	parts := split(host, ".")
	concat(".", array.slice(parts, 1, count(parts))) == trim_prefix(name, "*.")
}
