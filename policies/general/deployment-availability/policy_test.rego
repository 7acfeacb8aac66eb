package general.deployment_availability_test

import data.general.deployment_availability

deployment(spec) := {"parameters": {"minimum": 2}, "request": {"object": {"spec": spec}}}

test_denies_and_says_where if {
	deployment_availability.deny == {{
		"msg": "The Deployment asks for 1 of at least 2 replicas.",
		"path": "/spec/replicas",
	}} with input as deployment({})
}

test_replicas if {
	every replicas in [0, 2, 3] {
		count(deployment_availability.deny) == 0 with input as deployment({"replicas": replicas})
	}
	every replicas in [1, -1, null, "2", {}] {
		count(deployment_availability.deny) == 1 with input as deployment({"replicas": replicas})
	}
}

test_at_once if {
	every unavailable in ["100%", 3, 4] {
		spec := {"replicas": 3, "strategy": {"rollingUpdate": {"maxUnavailable": unavailable}}}
		count(deployment_availability.deny) == 1 with input as deployment(spec)
	}
	every unavailable in ["25%", 0, 1, 2, null] {
		spec := {"replicas": 3, "strategy": {"rollingUpdate": {"maxUnavailable": unavailable}}}
		count(deployment_availability.deny) == 0 with input as deployment(spec)
	}
}

test_recreate if {
	count(deployment_availability.deny) == 1 with input as deployment({"replicas": 2, "strategy": {"type": "Recreate"}})
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
		{"spec": {"replicas": "text", "strategy": "text"}},
		{"spec": {"replicas": null, "strategy": {"type": null, "rollingUpdate": "text"}}},
		{"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": {}}}}},
	] {
		is_set(deployment_availability.deny) with input as {"request": {"object": object}}
	}
}
