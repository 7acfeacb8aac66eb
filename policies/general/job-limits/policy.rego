# METADATA
# title: Jobs must not pile up
# description: >-
#   A finished Job and its Pods stay in the cluster until somebody deletes them, and a CronJob whose run takes longer than its
#   schedule starts another one beside it. Both grow quietly until the cluster or a database has enough.
# related_resources:
#   - description: Cleaning up finished Jobs
#     ref: https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
#   - description: Concurrency of CronJobs
#     ref: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#concurrency-policy
# custom:
#   severity: low
#   action: warn
#   remediation: >-
#     Set ttlSecondsAfterFinished of the Job: so long can its logs be read. Set concurrencyPolicy of the CronJob to Forbid, to let
#     a run finish first, or to Replace, to stop it for the next one.
#   parameters:
#     longest: 604800     # seconds: a week
#   controls: []
#   match:
#     kinds: [{apiGroups: [batch], kinds: [Job, CronJob]}]
package general.job_limits

longest := object.get(input, ["parameters", "longest"], 604800)

deny contains violation if {
	input.request.kind.kind == "Job"
	not owned_by_cron_job
	time_to_live := object.get(input, ["request", "object", "spec", "ttlSecondsAfterFinished"], null)
	not limited(time_to_live)
	violation := {
		"msg": sprintf("The Job stays for %s after it has finished.", [how_long(time_to_live)]),
		"path": "/spec/ttlSecondsAfterFinished",
		"fix": {"action": "set", "value": longest},
	}
}

deny contains violation if {
	input.request.kind.kind == "CronJob"
	not object.get(input, ["request", "object", "spec", "concurrencyPolicy"], null) in {"Forbid", "Replace"}
	violation := {
		"msg": "The CronJob starts another run while one is still running.",
		"path": "/spec/concurrencyPolicy",
	}
}

# Its history limits remove them.
owned_by_cron_job if input.request.object.metadata.ownerReferences[_].kind == "CronJob"

limited(time_to_live) if {
	is_number(time_to_live)
	time_to_live <= longest
}

how_long(time_to_live) := "ever" if time_to_live == null

how_long(time_to_live) := sprintf("%v instead of at most %v seconds", [time_to_live, longest]) if time_to_live != null
