# METADATA
# title: Containers must say how much memory and CPU they need
# description: >-
#   A container without a memory limit can use up its node and take its neighbours down. Without a request, the scheduler
#   puts it on nodes that have nothing left to give.
# related_resources:
#   - description: Managing resources for containers
#     ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
# custom:
#   severity: medium
#   action: warn
#   remediation: >-
#     Set the named value under the container's resources: look at what the program really uses, and leave some room. A limit
#     counts as the request too when no request is given, and values for the whole Pod (spec.resources) count for its containers.
#   parameters:
#     limits: [memory]
#     requests: [cpu]
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package general.resource_limits

# Where a value may come from. Kubernetes takes the limit for the request when there is none.
sources := {
	"limits": ["limits"],
	"requests": ["limits", "requests"],
}

words := {
	"limits": "limit",
	"requests": "request",
}

unset := {null, "", "0", 0}

deny contains violation if {
	spec := input.request.object.spec
	some section, places in sources
	some resource in object.get(input, ["parameters", section], [])
	every place in places { object.get(spec, ["resources", place, resource], null) in unset }
	some list in ["containers", "initContainers"]
	some i
	spec[list][i]
	every place in places { object.get(spec, [list, i, "resources", place, resource], null) in unset }
	violation := {
		"msg": sprintf(`Container "%v" has no %s %s.`, [
			object.get(spec, [list, i, "name"], ""),
			resource,
			words[section],
		]),
		"path": sprintf("/spec/%s/%v/resources/%s/%s", [list, i, section, replace(resource, "/", "~1")]),
		"fix": {
			"target": sprintf("/spec/%s/%v/resources/%s/%s", [
				list,
				i,
				settable(section, resource),
				replace(resource, "/", "~1"),
			]),
			"action": "set",
			"value": sample(object.get(spec, [list, i, "resources", "requests", resource], null), resource),
			"placeholder": sprintf("how much %s the container needs", [resource]),
		},
	}
}

# Of what devices offer, only the limit can be set by itself.
settable(section, resource) := section if not contains(resource, "/")

settable(_, resource) := "limits" if contains(resource, "/")

# No less than is asked for already.
sample(requested, _) := requested if not requested in unset

sample(requested, resource) := object.get(samples, resource, "1") if requested in unset

samples := {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "1Gi"}
