package general.allowed_registries_test

import data.general.allowed_registries

pod(registries, image) := {
	"parameters": {"registries": registries},
	"request": {"object": {"spec": {"containers": [{"name": "app", "image": image}]}}},
}

test_allows_only_whole_hosts if {
	every image in ["a.io.b.io/x", "a.iox/x", "a.io:5000/x", "xa.io/x", "a.io", "a.ioallowed_registriesb.io/x", "a.io:x"] {
		count(allowed_registries.deny) == 1 with input as pod(["a.io"], image)
	}
}

test_allows_the_host_itself if {
	every image in ["a.io/x", "a.io/x:1", "a.io/x/yallowed_registriessha256:0", "A.io/x"] {
		count(allowed_registries.deny) == 0 with input as pod(["a.io"], image)
	}
}

test_docker_hub_has_many_names if {
	every image in ["x", "x:1", "library/x", "docker.io/x", "docker.io/library/x"] {
		count(allowed_registries.deny) == 0 with input as pod(["docker.io/library"], image)
	}
}

test_nothing_is_listed if {
	count(allowed_registries.deny) == 1 with input as pod([], "x")
}

test_odd_values_are_refused if {
	every image in [1, [], {}, true] {
		count(allowed_registries.deny) == 1 with input as pod(["a.io"], image)
	}
}

test_the_allowed_ones_are_told if {
	some violation in allowed_registries.deny with input as pod(["a.io"], "x")
	violation.details.allowed == ["a.io"]
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
		is_set(allowed_registries.deny) with input as {"request": {"object": object}}
	}
}
