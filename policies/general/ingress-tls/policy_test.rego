package general.ingress_tls_test

import data.general.ingress_tls

ingress(hosts, tls) := {"request": {"object": {"spec": {"rules": [{"host": host} | some host in hosts], "tls": tls}}}}

test_denies_and_says_where if {
	ingress_tls.deny == {{"msg": `The Ingress answers for the host "a.io" without TLS.`, "path": "/spec/tls"}} with input as ingress(["a.io"], [])
}

test_a_wildcard_is_one_part if {
	every host in ["b.a.io", "*.a.io"] {
		count(ingress_tls.deny) == 0 with input as ingress([host], [{"hosts": ["*.a.io"], "secretName": "a"}])
	}
	every host in ["a.io", "c.b.a.io", "b.ba.io", "ba.io"] {
		count(ingress_tls.deny) == 1 with input as ingress([host], [{"hosts": ["*.a.io"], "secretName": "a"}])
	}
}

test_a_certificate_is_named if {
	every name in [null, "", 1, {}] {
		count(ingress_tls.deny) == 1 with input as ingress(["a.io"], [{"hosts": ["a.io"], "secretName": name}])
	}
}

test_every_host_is_no_host if {
	every host in [null, ""] {
		count(ingress_tls.deny) == 1 with input as ingress([host], [{"hosts": ["a.io"], "secretName": "a"}])
		count(ingress_tls.deny) == 0 with input as ingress([host], [{"hosts": [], "secretName": "a"}])
	}
}

test_a_default_backend_alone_answers_for_every_host if {
	count(ingress_tls.deny) == 1 with input as {"request": {"object": {"spec": {"defaultBackend": {}}}}}
}

test_odd_hosts_are_refused if {
	every host in [1, [], {}, true] {
		count(ingress_tls.deny) == 1 with input as ingress([host], [{"hosts": [host], "secretName": "a"}])
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
		{"spec": {"rules": "text", "tls": "text", "defaultBackend": "text"}},
		{"spec": {"rules": [null, "text", 1, [], {}], "tls": [null, "text", 1, [], {}]}},
		{"spec": {"rules": [{"host": "a.io"}], "tls": [{"secretName": "a", "hosts": "text"}, {"secretName": "a", "hosts": [null, 1]}]}},
	] {
		is_set(ingress_tls.deny) with input as {"request": {"object": object}}
	}
}
