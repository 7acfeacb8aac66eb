package general.resource_limits_test

import data.general.resource_limits

pod(parameters, spec) := {"parameters": parameters, "request": {"object": {"spec": spec}}}

test_asks_for_what_the_parameters_say if {
	count(resource_limits.deny) == 4 with input as pod({"limits": ["cpu", "memory"], "requests": ["cpu", "memory"]}, {"containers": [{"name": "app"}]})
}

test_a_limit_is_a_request_too if {
	count(resource_limits.deny) == 0 with input as pod({"requests": ["cpu"]}, {"containers": [{"resources": {"limits": {"cpu": "1"}}}]})
}

test_a_request_is_no_limit if {
	count(resource_limits.deny) == 1 with input as pod({"limits": ["cpu"]}, {"containers": [{"resources": {"requests": {"cpu": "1"}}}]})
}

test_odd_containers_are_refused if {
	every container in [null, "text", 1, {"resources": "text"}] {
		count(resource_limits.deny) == 1 with input as pod({"limits": ["cpu"]}, {"containers": [container]})
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
		is_set(resource_limits.deny) with input as {"request": {"object": object}}
	}
}
