package pod_security.baseline.capabilities_test

import data.pod_security.baseline.capabilities

pod(spec) := {"request": {"object": {"spec": spec}}}

test_keeps_what_is_allowed if {
	capabilities.deny == {{
		"msg": `Container "app" adds capabilities that are not allowed: NET_ADMIN.`,
		"path": "/spec/containers/0/securityContext/capabilities/add",
		"fix": {"action": "set", "value": ["CHOWN"]},
	}} with input as pod({"containers": [{"name": "app", "securityContext": {"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}}}]})
}

test_removes_the_list_when_nothing_stays if {
	some violation in capabilities.deny with input as pod({"containers": [{"securityContext": {"capabilities": {"add": ["ALL"]}}}]})
	violation.fix == {"action": "remove"}
}

test_a_list_of_other_things_is_refused if {
	every added in ["NET_ADMIN", {"0": "CHOWN"}, [1], [null]] {
		count(capabilities.deny) == 1 with input as pod({"containers": [{"securityContext": {"capabilities": {"add": added}}}]})
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
