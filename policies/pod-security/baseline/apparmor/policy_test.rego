package pod_security.baseline.apparmor_test

import data.pod_security.baseline.apparmor

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_fields_and_annotations if {
	count(apparmor.deny) == 2 with input as {"request": {"object": {
		"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}},
		"spec": {"containers": [{"name": "app", "securityContext": {"appArmorProfile": {"type": "Unconfined"}}}]},
	}}}
}

test_the_annotation_is_removed if {
	some violation in apparmor.deny with input as {"request": {"object": {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}}}}}
	violation.fix == {"action": "remove"}
	violation.path == "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1app"
}

test_odd_values_are_refused if {
	every value in ["text", [], {"type": null}, {"type": ["Localhost"]}] {
		count(apparmor.deny) == 1 with input as pod({"securityContext": {"appArmorProfile": value}})
	}
}

test_an_odd_annotation_is_refused if {
	count(apparmor.deny) == 1 with input as {"request": {"object": {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/app": 1}}}}}
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
		is_set(apparmor.deny) with input as {"request": {"object": object}}
	}
}
