package general.volume_claims_test

import data.general.volume_claims

claim(operation, spec) := {
	"parameters": {"storageClasses": ["standard"], "maximum": "10Gi"},
	"request": {
		"kind": {"kind": "PersistentVolumeClaim"},
		"operation": operation,
		"object": {"spec": spec},
		"oldObject": {"spec": {"resources": {"requests": {"storage": "20Gi"}}}},
	},
}

size(amount) := {"resources": {"requests": {"storage": amount}}}

test_denies_and_says_where if {
	volume_claims.deny == {{
		"msg": `The claim uses the storage class "fast", which is not allowed.`,
		"path": "/spec/storageClassName",
	}} with input as claim("CREATE", {"storageClassName": "fast"})
}

test_a_class_is_asked_for_once if {
	count(volume_claims.deny) == 1 with input as claim("CREATE", {"storageClassName": ""})
	count(volume_claims.deny) == 0 with input as claim("CREATE", {"storageClassName": null})
	count(volume_claims.deny) == 0 with input as claim("UPDATE", {"storageClassName": "fast"})
}

test_sizes if {
	every amount in ["10Gi", "1Mi", "10G", 1024] {
		count(volume_claims.deny) == 0 with input as claim("CREATE", size(amount))
	}
	every amount in ["11Gi", "1Ti", 10737418241, "much", {}] {
		count(volume_claims.deny) == 1 with input as claim("CREATE", size(amount))
	}
}

test_what_was_larger_stays if {
	count(volume_claims.deny) == 0 with input as claim("UPDATE", size("20Gi"))
	count(volume_claims.deny) == 1 with input as claim("UPDATE", size("30Gi"))
}

test_templates_of_stateful_sets if {
	violations := volume_claims.deny with input as {
		"parameters": {"storageClasses": ["standard"], "maximum": "10Gi"},
		"request": {"kind": {"kind": "StatefulSet"}, "object": {"spec": {"volumeClaimTemplates": [
			{"metadata": {"name": "a"}, "spec": size("1Gi")},
			{"metadata": {"name": "b"}, "spec": size("20Gi")},
		]}}},
	}
	violations == {{
		"msg": `The claim "b" asks for 20Gi, which is more than 10Gi.`,
		"path": "/spec/volumeClaimTemplates/1/spec/resources/requests/storage",
		"fix": {"action": "set", "value": "10Gi"},
	}}
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
		{"spec": {"volumeClaimTemplates": "text"}},
		{"spec": {"volumeClaimTemplates": [null, "text", 1, {}, {"metadata": "text", "spec": "text"}, {"spec": {"resources": "text"}}]}},
	] {
		is_set(volume_claims.deny) with input as {"request": {"object": object, "kind": {"kind": "StatefulSet"}}}
	}
}
