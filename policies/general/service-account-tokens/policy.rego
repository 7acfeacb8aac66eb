# METADATA
# title: Pods must not mount the token of the default service account
# description: >-
#   The token lets whoever breaks into a container talk to the API server. A program that needs that has a service account of
#   its own, with the rights that it needs; all others need no token.
# related_resources:
#   - description: Opting out of tokens
#     ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting
# custom:
#   severity: medium
#   remediation: >-
#     Set automountServiceAccountToken to false. If the program talks to the API server, make a service account with the rights
#     that it needs and name it in serviceAccountName.
#   fix:
#     action: set
#     value: false
#   controls: ["CIS-Kubernetes-1.10:5.1.5", "CIS-Kubernetes-1.10:5.1.6"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
#     # Of a running Pod the field cannot be changed, so a debug container may be added.
#     subresources: [""]
package general.service_account_tokens

deny contains violation if {
	object.get(input, ["request", "object", "spec", "serviceAccountName"], null) in {"", "default", null}
	not input.request.object.spec.automountServiceAccountToken == false
	violation := {
		"msg": "The Pod mounts the token of the default service account.",
		"path": "/spec/automountServiceAccountToken",
	}
}
