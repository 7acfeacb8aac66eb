package general.job_limits_test

import data.general.job_limits

object(kind, spec) := {"parameters": {"longest": 100}, "request": {"kind": {"kind": kind}, "object": {"spec": spec}}}

test_denies_and_says_where if {
	job_limits.deny == {{
		"msg": "The Job stays for 101 instead of at most 100 seconds after it has finished.",
		"path": "/spec/ttlSecondsAfterFinished",
		"fix": {"action": "set", "value": 100},
	}} with input as object("Job", {"ttlSecondsAfterFinished": 101})
}

test_jobs if {
	every seconds in [0, 1, 100] {
		count(job_limits.deny) == 0 with input as object("Job", {"ttlSecondsAfterFinished": seconds})
	}
	every seconds in [null, 101, "1", {}] {
		count(job_limits.deny) == 1 with input as object("Job", {"ttlSecondsAfterFinished": seconds})
	}
}

test_jobs_of_cron_jobs_are_not_asked if {
	count(job_limits.deny) == 0 with input as {"request": {
		"kind": {"kind": "Job"},
		"object": {"metadata": {"ownerReferences": [{"kind": "CronJob"}]}, "spec": {}},
	}}
}

test_cron_jobs if {
	every policy in ["Forbid", "Replace"] {
		count(job_limits.deny) == 0 with input as object("CronJob", {"concurrencyPolicy": policy})
	}
	every policy in ["Allow", "", null, 1] {
		count(job_limits.deny) == 1 with input as object("CronJob", {"concurrencyPolicy": policy})
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
		{"metadata": {"ownerReferences": "text"}, "spec": {"ttlSecondsAfterFinished": [], "concurrencyPolicy": []}},
	] {
		is_set(job_limits.deny) with input as {"request": {"object": object, "kind": {"kind": "Job"}}}
	}
}
