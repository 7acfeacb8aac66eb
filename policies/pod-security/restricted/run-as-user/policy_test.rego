package pod_security.restricted.run_as_user_test

import data.pod_security.restricted.run_as_user

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_and_says_where if {
	run_as_user.deny == {{
		"msg": `Container "app" runs as root (user 0).`,
		"path": "/spec/containers/0/securityContext/runAsUser",
	}} with input as pod({"containers": [{"name": "app", "securityContext": {"runAsUser": 0}}]})
}

test_odd_values_are_refused if {
	every user in ["0", "root", false, [], {}] {
		count(run_as_user.deny) == 1 with input as pod({"securityContext": {"runAsUser": user}})
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
		is_set(run_as_user.deny) with input as {"request": {"object": object}}
	}
}
