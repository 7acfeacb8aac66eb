# METADATA
# title: Deployments must stay up while a node or a version changes
# description: >-
#   With one Pod, every drained node and every crash is an outage. So is a rollout that stops all old Pods before new ones run.
# related_resources:
#   - description: Strategies of a Deployment
#     ref: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy
#   - description: Disruptions
#     ref: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
# custom:
#   severity: low
#   action: warn
#   remediation: >-
#     Run at least the asked number of replicas and update them one after the other (RollingUpdate). If the program can run only
#     once, say so to your platform team: it needs another way to survive the loss of a node.
#   parameters:
#     minimum: 2
#   controls: []
#   match:
#     kinds: [{apiGroups: [apps], kinds: [Deployment]}]
package general.deployment_availability

minimum := object.get(input, ["parameters", "minimum"], 2)

# Without the field there is one Pod.
replicas := object.get(input, ["request", "object", "spec", "replicas"], 1)

deny contains violation if {
	not enough
	violation := {
		"msg": sprintf("The Deployment asks for %v of at least %v replicas.", [replicas, minimum]),
		"path": "/spec/replicas",
	}
}

deny contains violation if {
	input.request.object.spec.strategy.type == "Recreate"
	violation := {
		"msg": "The Deployment stops all Pods before it starts new ones (Recreate).",
		"path": "/spec/strategy/type",
	}
}

deny contains violation if {
	unavailable := input.request.object.spec.strategy.rollingUpdate.maxUnavailable
	all_of_them(unavailable)
	violation := {
		"msg": sprintf("The Deployment may stop all Pods at once during a rollout (maxUnavailable %v).", [unavailable]),
		"path": "/spec/strategy/rollingUpdate/maxUnavailable",
		"fix": {"action": "set", "value": "25%"}, # Kubernetes' own default
	}
}

# Zero is switched off on purpose.
enough if replicas == 0

enough if {
	is_number(replicas)
	replicas >= minimum
}

all_of_them(unavailable) if unavailable == "100%"

all_of_them(unavailable) if {
	is_number(unavailable)
	unavailable > 0
	unavailable >= replicas
}
