package pod_security.baseline.windows_host_process_test

import data.pod_security.baseline.windows_host_process

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_the_pod_and_the_container if {
	count(windows_host_process.deny) == 2 with input as pod({
		"securityContext": {"windowsOptions": {"hostProcess": true}},
		"containers": [{"securityContext": {"windowsOptions": {"hostProcess": true}}}],
	})
}

test_text_is_not_false if {
	count(windows_host_process.deny) == 1 with input as pod({"securityContext": {"windowsOptions": {"hostProcess": "false"}}})
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
		is_set(windows_host_process.deny) with input as {"request": {"object": object}}
	}
}
