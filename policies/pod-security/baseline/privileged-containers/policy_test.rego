package pod_security.baseline.privileged_containers_test

import data.pod_security.baseline.privileged_containers

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_and_says_where if {
	privileged_containers.deny == {{
		"msg": `Container "app" runs privileged.`,
		"path": "/spec/containers/0/securityContext/privileged",
	}} with input as pod({"containers": [{"name": "app", "securityContext": {"privileged": true}}]})
}

test_allows_false_and_null if {
	count(privileged_containers.deny) == 0 with input as pod({"containers": [
		{"name": "a", "securityContext": {"privileged": false}},
		{"name": "b", "securityContext": {"privileged": null}},
	]})
}

test_a_container_without_a_name_is_not_overlooked if {
	count(privileged_containers.deny) == 1 with input as pod({"containers": [{"securityContext": {"privileged": true}}]})
}

test_text_is_not_false if {
	count(privileged_containers.deny) == 1 with input as pod({"containers": [{"securityContext": {"privileged": "false"}}]})
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
		is_set(privileged_containers.deny) with input as {"request": {"object": object}}
	}
}
