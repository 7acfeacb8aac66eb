package pod_security.baseline.host_namespaces_test

import data.pod_security.baseline.host_namespaces

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_each_field_on_its_own if {
	every field in ["hostIPC", "hostNetwork", "hostPID"] {
		count(host_namespaces.deny) == 1 with input as pod({field: true})
	}
}

test_allows_what_is_off if {
	count(host_namespaces.deny) == 0 with input as pod({"hostIPC": false, "hostNetwork": null})
}

test_text_is_not_off if {
	count(host_namespaces.deny) == 1 with input as pod({"hostPID": "false"})
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
		is_set(host_namespaces.deny) with input as {"request": {"object": object}}
	}
}
