package pod_security.baseline.host_ports_test

import data.pod_security.baseline.host_ports

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_every_port_on_its_own if {
	count(host_ports.deny) == 2 with input as pod({"containers": [{"name": "a", "ports": [{"hostPort": 1}, {"hostPort": 2}, {"hostPort": 0}]}]})
}

test_a_container_without_a_name_is_not_overlooked if {
	count(host_ports.deny) == 1 with input as pod({"containers": [{"ports": [{"hostPort": 1}]}]})
}

test_text_is_a_port_as_well if {
	count(host_ports.deny) == 1 with input as pod({"containers": [{"ports": [{"hostPort": "80"}]}]})
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
		is_set(host_ports.deny) with input as {"request": {"object": object}}
	}
}
