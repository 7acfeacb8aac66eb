package pod_security.baseline.selinux_test

import data.pod_security.baseline.selinux

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_each_field_on_its_own if {
	every field in ["role", "type", "user"] {
		count(selinux.deny) == 1 with input as pod({"securityContext": {"seLinuxOptions": {field: "x"}}})
	}
}

test_odd_values_are_refused if {
	count(selinux.deny) == 3 with input as pod({"containers": [{"securityContext": {"seLinuxOptions": {"role": 1, "type": [], "user": {}}}}]})
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
		is_set(selinux.deny) with input as {"request": {"object": object}}
	}
}
