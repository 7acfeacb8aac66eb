package pod_security.restricted.privilege_escalation_test

import data.pod_security.restricted.privilege_escalation

pod(spec) := {"request": {"object": {"spec": spec}}}

test_denies_and_says_where if {
	privilege_escalation.deny == {{
		"msg": `Container "app" may gain more rights than it starts with.`,
		"path": "/spec/containers/0/securityContext/allowPrivilegeEscalation",
	}} with input as pod({"containers": [{"name": "app"}]})
}

test_only_false_will_do if {
	every value in [true, null, "false", 0, {}] {
		count(privilege_escalation.deny) == 1 with input as pod({"containers": [{"securityContext": {"allowPrivilegeEscalation": value}}]})
	}
}

test_odd_containers_are_refused if {
	count(privilege_escalation.deny) == 3 with input as pod({"containers": [null, "text", {"securityContext": "text"}]})
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
		is_set(privilege_escalation.deny) with input as {"request": {"object": object}}
	}
}
