package pod_security.restricted.proc_mount_test

import data.pod_security.restricted.proc_mount

pod(spec) := {"request": {"object": {"spec": spec}}}

test_a_user_namespace_changes_nothing if {
	count(proc_mount.deny) == 1 with input as pod({"hostUsers": false, "containers": [{"securityContext": {"procMount": "Unmasked"}}]})
}

test_text_of_any_kind_is_refused if {
	every value in ["default", "", 1, {}] {
		count(proc_mount.deny) == 1 with input as pod({"containers": [{"securityContext": {"procMount": value}}]})
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
		is_set(proc_mount.deny) with input as {"request": {"object": object}}
	}
}
