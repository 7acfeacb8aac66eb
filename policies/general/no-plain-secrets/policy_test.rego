package general.no_plain_secrets_test

import data.general.no_plain_secrets

pod(name, value) := {
	"parameters": {"names": ["PASSWORD", "TOKEN"]},
	"request": {"object": {"spec": {"containers": [{"name": "app", "env": [{"name": name, "value": value}]}]}}},
}

test_denies_and_says_where_but_not_what if {
	no_plain_secrets.deny == {{
		"msg": `Container "app" has the secret "DATABASE_PASSWORD" written out in its environment.`,
		"path": "/spec/containers/0/env/0/value",
	}} with input as pod("DATABASE_PASSWORD", "swordfish")
}

test_names if {
	every name in ["PASSWORD", "password", "dbPassword", "API_TOKEN"] {
		count(no_plain_secrets.deny) == 1 with input as pod(name, "x")
	}
	every name in ["PASSWORD_FILE", "TOKEN_TTL", "USER", ""] {
		count(no_plain_secrets.deny) == 0 with input as pod(name, "x")
	}
}

test_values if {
	every value in ["", null, "$(DATABASE_TOKEN)"] {
		count(no_plain_secrets.deny) == 0 with input as pod("PASSWORD", value)
	}
	every value in ["$(A", "$(A)b", "$(A)$(B)", 1, {}, ["a"]] {
		count(no_plain_secrets.deny) == 1 with input as pod("PASSWORD", value)
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
		{"spec": {"containers": [null, "text", 1, [], {}, {"env": "text"}, {"env": [null, "text", {}]}]}},
		{"spec": {"containers": [{"env": [{"name": 1, "value": "a"}, {"name": null}]}]}},
	] {
		is_set(no_plain_secrets.deny) with input as {"request": {"object": object}}
	}
}
