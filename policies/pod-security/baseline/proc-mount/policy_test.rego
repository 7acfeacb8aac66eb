package pod_security.baseline.proc_mount_test

import data.pod_security.baseline.proc_mount

pod(spec) := {"request": {"object": {"spec": spec}}}

test_only_false_is_a_user_namespace if {
	every users in [true, null, "false", 0] {
		count(proc_mount.deny) == 1 with input as pod({"hostUsers": users, "containers": [{"securityContext": {"procMount": "Unmasked"}}]})
	}
}

test_a_user_namespace_allows if {
	count(proc_mount.deny) == 0 with input as pod({"hostUsers": false, "containers": [{"securityContext": {"procMount": "Unmasked"}}]})
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
		is_set(proc_mount.deny) with input as {"request": {"object": object}}
	}
}
