# METADATA
# title: Containers must not have secrets written out in their environment
# description: >-
#   What is written into a Pod can be read by everybody who may look at Pods, and stays in the history of the repository that it
#   came from. A Secret can be locked away, changed and tracked on its own.
# related_resources:
#   - description: Using Secrets as environment variables
#     ref: https://kubernetes.io/docs/tasks/inject-data-application/distribute-credentials-secure/#define-container-environment-variables-using-secret-data
# custom:
#   severity: high
#   remediation: >-
#     Put the value into a Secret and name it with valueFrom.secretKeyRef, or mount the Secret as a file. Then change the value:
#     it has been seen.
#   example: |
#     env:
#       - name: DATABASE_PASSWORD
#         valueFrom: {secretKeyRef: {name: database, key: password}}
#   parameters:
#     names: [PASSWORD, PASSWD, SECRET, TOKEN, API_KEY, ACCESS_KEY, PRIVATE_KEY, CREDENTIALS]
#   controls: ["CIS-Kubernetes-1.10:5.4.1"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package general.no_plain_secrets

# The value is not told: the message would be one more place to read it.
deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i, j
	container := input.request.object.spec[list][i]
	variable := container.env[j]
	secret(variable.name)
	not empty(object.get(variable, "value", null))
	violation := {
		"msg": sprintf(`Container "%v" has the secret "%s" written out in its environment.`, [
			object.get(container, "name", ""),
			variable.name,
		]),
		"path": sprintf("/spec/%s/%v/env/%v/value", [list, i, j]),
	}
}

# Only ends count: DATABASE_PASSWORD is one, PASSWORD_FILE and TOKEN_TTL are not.
secret(name) if {
	some end in object.get(input, ["parameters", "names"], [])
	endswith(upper(name), end)
}

empty(value) if value in {"", null}

# Another variable's value.
empty(value) if regex.match(`^\$\([^()]+\)$`, value)
