package general.service_account_tokens_test

import data.general.service_account_tokens

pod(account, mounts) := {"request": {"object": {"spec": {
	"serviceAccountName": account,
	"automountServiceAccountToken": mounts,
}}}}

test_denies_and_says_where if {
	service_account_tokens.deny == {{
		"msg": "The Pod mounts the token of the default service account.",
		"path": "/spec/automountServiceAccountToken",
	}} with input as {"request": {"object": {"spec": {}}}}
}

test_only_false_mounts_none if {
	every mounts in [true, null, "false", 0] {
		count(service_account_tokens.deny) == 1 with input as pod("default", mounts)
	}
	count(service_account_tokens.deny) == 0 with input as pod("default", false)
}

test_accounts if {
	every account in ["", null, "default"] {
		count(service_account_tokens.deny) == 1 with input as pod(account, true)
	}
	count(service_account_tokens.deny) == 0 with input as pod("web", true)
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
		{"spec": {"serviceAccountName": [], "automountServiceAccountToken": "text"}},
	] {
		is_set(service_account_tokens.deny) with input as {"request": {"object": object}}
	}
}
