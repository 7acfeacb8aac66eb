package general.ingress_hosts_test

import data.general.ingress_hosts

ingress(domains, host) := {"parameters": {"domains": domains}, "request": {"object": {"spec": {"rules": [{"host": host}]}}}}

test_denies_and_says_where if {
	ingress_hosts.deny == {{
		"msg": `The Ingress answers for the host "a.org", which is in none of the allowed domains.`,
		"path": "/spec/rules/0/host",
	}} with input as ingress(["a.io"], "a.org")
}

test_the_domain_and_what_is_below_it if {
	every host in ["a.io", "b.a.io", "c.b.a.io", "*.a.io"] {
		count(ingress_hosts.deny) == 0 with input as ingress(["a.io"], host)
	}
	every host in ["ba.io", "a.io.org", "io", "", null, 1, [], {}] {
		count(ingress_hosts.deny) == 1 with input as ingress(["a.io"], host)
	}
}

test_nothing_is_listed if {
	every domains in [[], [""]] {
		count(ingress_hosts.deny) == 1 with input as ingress(domains, "a.io")
	}
}

test_certificates_count if {
	violations := ingress_hosts.deny with input as {
		"parameters": {"domains": ["a.io"]},
		"request": {"object": {"spec": {"tls": [{"hosts": ["b.a.io", "a.org"]}]}}},
	}
	{violation.path | some violation in violations} == {"/spec/tls/0/hosts/1"}
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
		{"spec": {"rules": "text", "tls": "text", "defaultBackend": "text"}},
		{"spec": {"rules": [null, "text", 1, [], {}], "tls": [null, "text", {"hosts": [null, 1]}, {"hosts": "text"}]}},
	] {
		is_set(ingress_hosts.deny) with input as {"request": {"object": object}}
	}
}
