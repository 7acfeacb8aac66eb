package pod_security.restricted.run_as_non_root_test

import data.pod_security.restricted.run_as_non_root

pod(spec) := {"request": {"object": {"spec": spec}}}

test_one_violation_for_all_containers_that_say_nothing if {
	run_as_non_root.deny == {{
		"msg": `Nothing keeps container "a", container "b" from running as root.`,
		"path": "/spec/securityContext/runAsNonRoot",
	}} with input as pod({"containers": [{"name": "a"}, {"name": "b"}]})
}

test_text_is_not_true if {
	count(run_as_non_root.deny) == 1 with input as pod({"securityContext": {"runAsNonRoot": "true"}, "containers": [{"name": "a"}]})
}

test_odd_containers_are_refused if {
	every container in [null, "text", 1, {"securityContext": "text"}] {
		count(run_as_non_root.deny) == 1 with input as pod({"containers": [container]})
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
		is_set(run_as_non_root.deny) with input as {"request": {"object": object}}
	}
}
