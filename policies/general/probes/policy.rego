# METADATA
# title: Long-running containers must have probes
# description: >-
#   Without a readiness probe, users are sent to a Pod that is still starting or is already stuck. Without a liveness probe,
#   nothing restarts a program that hangs.
# related_resources:
#   - description: Liveness, readiness and startup probes
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
# custom:
#   severity: low
#   action: warn
#   remediation: >-
#     Add the named probe to the container: an HTTP path, a port or a command that says whether the program can answer. Let the
#     liveness probe check the program alone, never its database, or one outage restarts everything.
#   parameters:
#     probes: [readinessProbe, livenessProbe]
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package general.probes

words := {
	"livenessProbe": "liveness probe",
	"readinessProbe": "readiness probe",
	"startupProbe": "startup probe",
}

deny contains violation if {
	long_running
	spec := input.request.object.spec
	some i
	spec.containers[i]
	some probe in object.get(input, ["parameters", "probes"], [])
	object.get(spec, ["containers", i, probe], null) == null
	violation := {
		"msg": sprintf(`Container "%v" has no %s.`, [
			object.get(spec, ["containers", i, "name"], ""),
			object.get(words, probe, probe),
		]),
		"path": sprintf("/spec/containers/%v/%s", [i, probe]),
	}
}

# What ends by itself is not waited for: a Job's Pods, on their own or as a template, and Pods that are not started again.
long_running if {
	not input.template.kind == "Job"
	not input.template.kind == "CronJob"
	not owned_by_job
	object.get(input, ["request", "object", "spec", "restartPolicy"], null) in {"Always", "", null}
}

owned_by_job if input.request.object.metadata.ownerReferences[_].kind == "Job"
