# METADATA
# title: Load balancers must stay inside the network
# description: >-
#   In most clouds a load balancer is on the Internet unless an annotation says otherwise. A forgotten one opens an application
#   that was written for colleagues to everybody.
# related_resources:
#   - description: Internal load balancers
#     ref: https://kubernetes.io/docs/concepts/services-networking/service/#internal-load-balancer
# custom:
#   severity: high
#   remediation: >-
#     Add the named annotation to the Service. To be reached from the Internet, use an Ingress or a Gateway.
#   parameters:
#     annotations: {}     # names and values: all of them are asked for
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [Service]}]
package general.internal_load_balancers

deny contains violation if {
	input.request.object.spec.type == "LoadBalancer"
	some name, value in object.get(input, ["parameters", "annotations"], {})
	object.get(input, ["request", "object", "metadata", "annotations", name], null) != value
	violation := {
		"msg": sprintf(`The load balancer is not kept inside: the annotation "%s" is not "%v".`, [name, value]),
		"path": sprintf("/metadata/annotations/%s", [replace(replace(name, "~", "~0"), "/", "~1")]),
		"fix": {"action": "set", "value": value},
	}
}
