package pod_security.baseline.host_path_volumes_test

import data.pod_security.baseline.host_path_volumes

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_and_says_where if {
	host_path_volumes.deny == {{
		"msg": `Volume "run" mounts a directory of the node.`,
		"path": "/spec/volumes/1/hostPath",
	}} with input as pod({"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "run", "hostPath": {"path": "/run"}}]})
}

test_text_is_a_path_as_well if {
	count(host_path_volumes.deny) == 1 with input as pod({"volumes": [{"hostPath": "/run"}]})
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
		is_set(host_path_volumes.deny) with input as {"request": {"object": object}}
	}
}
