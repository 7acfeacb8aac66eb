package pod_security.restricted.volume_types_test

import data.pod_security.restricted.volume_types

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_every_volume_on_its_own if {
	count(volume_types.deny) == 2 with input as pod({"volumes": [{"name": "a", "nfs": {}}, {"name": "b", "rbd": {}}, {"name": "c", "secret": {}}]})
}

test_odd_volumes_are_refused if {
	every volume in [null, "text", 1, [], {"name": "a", "emptyDir": null}] {
		count(volume_types.deny) == 1 with input as pod({"volumes": [volume]})
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
		is_set(volume_types.deny) with input as {"request": {"object": object}}
	}
}
