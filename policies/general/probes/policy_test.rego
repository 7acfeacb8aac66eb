package general.probes_test

import data.general.probes

pod(template, spec) := {
	"parameters": {"probes": ["livenessProbe", "readinessProbe"]},
	"request": {"object": {"spec": spec}},
	"template": template,
}

test_templates_of_jobs_are_not_asked if {
	every kind in ["Job", "CronJob"] {
		count(probes.deny) == 0 with input as pod({"kind": kind}, {"containers": [{"name": "app"}]})
	}
}

test_other_templates_are if {
	every kind in ["DaemonSet", "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"] {
		count(probes.deny) == 2 with input as pod({"kind": kind}, {"containers": [{"name": "app"}]})
	}
}

test_a_probe_that_does_not_exist_is_missed if {
	count(probes.deny) == 1 with input as {
		"parameters": {"probes": ["aliveProbe"]},
		"request": {"object": {"spec": {"containers": [{"name": "app", "livenessProbe": {}}]}}},
	}
}

test_odd_containers_are_refused if {
	every container in [null, "text", 1] {
		count(probes.deny) == 2 with input as pod({"kind": "Deployment"}, {"containers": [container]})
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
		is_set(probes.deny) with input as {"request": {"object": object}}
	}
}
