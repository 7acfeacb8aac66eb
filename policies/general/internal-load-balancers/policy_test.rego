package general.internal_load_balancers_test

import data.general.internal_load_balancers

service(type, annotations) := {
	"parameters": {"annotations": {"a.io/b": "yes"}},
	"request": {"object": {"metadata": {"annotations": annotations}, "spec": {"type": type}}},
}

test_denies_and_says_where if {
	internal_load_balancers.deny == {{
		"msg": `The load balancer is not kept inside: the annotation "a.io/b" is not "yes".`,
		"path": "/metadata/annotations/a.io~1b",
		"fix": {"action": "set", "value": "yes"},
	}} with input as service("LoadBalancer", {})
}

test_annotations if {
	count(internal_load_balancers.deny) == 0 with input as service("LoadBalancer", {"a.io/b": "yes"})
	every annotations in [null, {"a.io/b": "no"}, {"a.io/b": null}, "text"] {
		count(internal_load_balancers.deny) == 1 with input as service("LoadBalancer", annotations)
	}
}

test_other_types if {
	every type in [null, "", "ClusterIP", "NodePort", "ExternalName"] {
		count(internal_load_balancers.deny) == 0 with input as service(type, {})
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
		{"spec": {"type": {}}},
	] {
		is_set(internal_load_balancers.deny) with input as {"request": {"object": object}}
	}
}
