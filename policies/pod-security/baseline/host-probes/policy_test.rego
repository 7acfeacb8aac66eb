package pod_security.baseline.host_probes_test

import data.pod_security.baseline.host_probes

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_probes_and_hooks if {
	count(host_probes.deny) == 2 with input as pod({"containers": [{
		"name": "a",
		"livenessProbe": {"httpGet": {"host": "b"}},
		"lifecycle": {"preStop": {"tcpSocket": {"host": "c"}}},
	}]})
}

test_a_container_without_a_name_is_not_overlooked if {
	count(host_probes.deny) == 1 with input as pod({"containers": [{"startupProbe": {"tcpSocket": {"host": "b"}}}]})
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
		is_set(host_probes.deny) with input as {"request": {"object": object}}
	}
}
