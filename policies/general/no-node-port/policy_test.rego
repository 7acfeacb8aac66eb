package general.no_node_port_test

import data.general.no_node_port

service(parameters, spec) := {"parameters": parameters, "request": {"object": {"spec": spec}}}

test_denies_and_says_where if {
	no_node_port.deny == {{"msg": "The Service opens a port on every node (type NodePort).", "path": "/spec/type"}} with input as service({}, {"type": "NodePort"})
}

test_load_balancers_are_allowed_by_default if {
	count(no_node_port.deny) == 0 with input as service({"loadBalancers": false}, {"type": "LoadBalancer"})
}

test_only_false_allocates_no_ports if {
	every value in [true, null, "false"] {
		count(no_node_port.deny) == 1 with input as service({"loadBalancers": true}, {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": value})
	}
}

# Nothing of this comes from an API server. It must neither fail nor leave deny undefined.
test_odd_objects_have_an_answer if {
	every object in [
		null,
		"text",
		[],
		{},
		{"metadata": null, "spec": null},
		{"metadata": {"annotations": "text", "labels": "text"}, "spec": "text"},
		{"spec": {"containers": null, "initContainers": "text", "ephemeralContainers": 1}},
		{"spec": {"containers": [null, "text", 1, [], {}], "volumes": [null, "text", {}]}},
		{"spec": {"securityContext": null, "containers": [{"name": 1, "securityContext": null}]}},
		{"spec": {"securityContext": "text", "containers": [{"securityContext": "text", "ports": 1, "lifecycle": []}]}},
		{"spec": {"hostUsers": "false", "os": "windows", "volumes": "text", "resources": []}},
	] {
		is_set(no_node_port.deny) with input as {"request": {"object": object}}
	}
}
