package pod_security.restricted.capabilities_test

import data.pod_security.restricted.capabilities

pod(spec) := {"request": {"object": {"spec": spec}}}

test_the_fix_keeps_what_is_dropped_already if {
	some violation in capabilities.deny with input as pod({"containers": [{"securityContext": {"capabilities": {"drop": ["NET_RAW"]}}}]})
	violation.fix == {"action": "set", "value": ["NET_RAW", "ALL"]}
}

test_the_fix_keeps_what_may_be_added if {
	some violation in capabilities.deny with input as pod({"containers": [{"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE"]}}}]})
	violation.fix == {"action": "set", "value": ["NET_BIND_SERVICE"]}
}

test_odd_values_are_refused if {
	every value in ["ALL", 1, {}] {
		count(capabilities.deny) == 2 with input as pod({"containers": [{"securityContext": {"capabilities": {"add": value, "drop": value}}}]})
	}
}

test_odd_containers_are_refused if {
	every container in [null, "text", 1, {"securityContext": "text"}] {
		count(capabilities.deny) == 1 with input as pod({"containers": [container]})
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
		is_set(capabilities.deny) with input as {"request": {"object": object}}
	}
}
