package pod_security.baseline.sysctls_test

import data.pod_security.baseline.sysctls

pod(spec) := {"request": {"object": {"spec": spec}}}

test_keeps_what_is_allowed if {
	some violation in sysctls.deny with input as pod({"securityContext": {"sysctls": [{"name": "kernel.sem"}, {"name": "net.ipv4.tcp_rmem", "value": "1 2 3"}]}})
	violation.fix == {"action": "set", "value": [{"name": "net.ipv4.tcp_rmem", "value": "1 2 3"}]}
}

test_removes_the_list_when_nothing_stays if {
	some violation in sysctls.deny with input as pod({"securityContext": {"sysctls": [{"name": "kernel.sem"}]}})
	violation.fix == {"action": "remove"}
}

test_odd_values_are_refused if {
	every value in ["text", [1], [null], [{}], {"name": "kernel.sem"}] {
		count(sysctls.deny) == 1 with input as pod({"securityContext": {"sysctls": value}})
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
		is_set(sysctls.deny) with input as {"request": {"object": object}}
	}
}
