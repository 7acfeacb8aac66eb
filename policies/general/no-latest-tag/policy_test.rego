package general.no_latest_tag_test

import data.general.no_latest_tag

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_what_can_change if {
	every image in ["x", "x:latest", "a.io:5000/x", "a.io/x:", "xno_latest_tag", 1, []] {
		count(no_latest_tag.deny) == 1 with input as pod({"containers": [{"name": "app", "image": image}]})
	}
}

test_allows_what_cannot if {
	every image in ["x:1", "a.io:5000/x:1", "xno_latest_tagsha256:0", "x:latestno_latest_tagsha256:0", "x:latest-1"] {
		count(no_latest_tag.deny) == 0 with input as pod({"containers": [{"name": "app", "image": image}]})
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
		is_set(no_latest_tag.deny) with input as {"request": {"object": object}}
	}
}
