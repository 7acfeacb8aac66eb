package general.required_labels_test

import data.general.required_labels

test_names_and_points_at_each_label if {
	required_labels.deny == {{
		"msg": `The Pod has no label "example.com/a~b".`,
		"path": "/metadata/labels/example.com~1a~0b",
	}} with input as {"request": {"object": {"metadata": {}}}, "parameters": {"labels": ["example.com/a~b"]}}
}

test_a_label_that_is_there_passes if {
	count(required_labels.deny) == 0 with input as {"request": {"object": {"metadata": {"labels": {"team": "a"}}}}, "parameters": {"labels": ["team"]}}
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
		is_set(required_labels.deny) with input as {"request": {"object": object}}
	}
}
