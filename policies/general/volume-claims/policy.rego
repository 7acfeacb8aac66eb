# METADATA
# title: Volume claims must use an allowed storage class, and stay small
# description: >-
#   Storage classes differ in price, speed and in whether anybody makes backups, and a claim never gets smaller again. One typing
#   error in a size can use up what all others share.
# related_resources:
#   - description: Persistent volume claims
#     ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#persistentvolumeclaims
# custom:
#   severity: low
#   remediation: >-
#     Use one of the allowed storage classes, and ask for at most the allowed size. If the data really needs more, ask your
#     platform team.
#   parameters:
#     storageClasses: []     # nothing is allowed until something is listed
#     maximum: 100Gi
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [PersistentVolumeClaim]}, {apiGroups: [apps], kinds: [StatefulSet]}]
package general.volume_claims

maximum := object.get(input, ["parameters", "maximum"], "100Gi")

# A class cannot be changed later. Without the field it is the cluster's own.
deny contains violation if {
	not input.request.operation == "UPDATE"
	some claim in claims
	class := claim.spec.storageClassName
	class != null
	not class in object.get(input, ["parameters", "storageClasses"], [])
	violation := {
		"msg": sprintf(`%s uses the storage class "%v", which is not allowed.`, [claim.who, class]),
		"path": sprintf("%s/storageClassName", [claim.path]),
	}
}

# Claims that were larger already stay as they are.
deny contains violation if {
	some claim in claims
	size := claim.spec.resources.requests.storage
	size != null
	not within(size)
	not size == input.request.oldObject.spec.resources.requests.storage
	violation := {
		"msg": sprintf("%s asks for %v, which is more than %v.", [claim.who, size, maximum]),
		"path": sprintf("%s/resources/requests/storage", [claim.path]),
		"fix": smaller(size),
	}
}

smaller(size) := {"action": "set", "value": maximum} if is_size(size)

smaller(size) := {"action": "set", "value": "10Gi", "placeholder": "how much the data needs"} if not is_size(size)

is_size(size) if units.parse_bytes(sprintf("%v", [size]))

claims contains claim if {
	input.request.kind.kind == "PersistentVolumeClaim"
	claim := {"who": "The claim", "path": "/spec", "spec": input.request.object.spec}
}

# Of a StatefulSet that exists they cannot be changed.
claims contains claim if {
	input.request.kind.kind == "StatefulSet"
	not input.request.operation == "UPDATE"
	some i
	template := input.request.object.spec.volumeClaimTemplates[i]
	claim := {
		"who": sprintf(`The claim "%v"`, [object.get(template, ["metadata", "name"], "")]),
		"path": sprintf("/spec/volumeClaimTemplates/%v/spec", [i]),
		"spec": template.spec,
	}
}

within(size) if units.parse_bytes(sprintf("%v", [size])) <= units.parse_bytes(maximum)
