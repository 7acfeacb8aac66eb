# METADATA
# title: Services must not open ports on every node
# description: >-
#   A NodePort opens the same port on every machine of the cluster, past the load balancer, TLS and access rules that guard
#   the usual way in. The ports are few, too, and shared by everybody.
# related_resources:
#   - description: Service types
#     ref: https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types
#   - description: Gateway API, the usual way in
#     ref: https://kubernetes.io/docs/concepts/services-networking/gateway/
# custom:
#   severity: medium
#   remediation: >-
#     Use the type ClusterIP, without nodePort in the ports, and let people in through an Ingress or a Gateway. If your cloud's
#     load balancer is meant, use the type LoadBalancer.
#   parameters:
#     loadBalancers: false     # true: a LoadBalancer must set allocateLoadBalancerNodePorts to false, too
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [Service]}]
package general.no_node_port

deny contains violation if {
	input.request.object.spec.type == "NodePort"
	violation := {
		"msg": "The Service opens a port on every node (type NodePort).",
		"path": "/spec/type",
	}
}

# Most load balancers of clouds reach the Pods through node ports, so this is for clusters whose load balancers do not.
deny contains violation if {
	input.parameters.loadBalancers == true
	input.request.object.spec.type == "LoadBalancer"
	not input.request.object.spec.allocateLoadBalancerNodePorts == false
	violation := {
		"msg": "The Service opens a port on every node behind its load balancer.",
		"path": "/spec/allocateLoadBalancerNodePorts",
		"fix": {"action": "set", "value": false},
	}
}
