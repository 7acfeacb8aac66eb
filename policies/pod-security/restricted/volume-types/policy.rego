# METADATA
# title: Pods must use only volume types that stay within the cluster's storage
# description: >-
#   Volume types that name a server, a disk or a directory of the node let anybody who can create a Pod reach that storage.
#   The allowed types go through objects whose access the cluster controls.
# related_resources:
#   - description: Pod Security Standards, restricted
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
#   - description: Persistent volumes
#     ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/
# custom:
#   severity: medium
#   remediation: >-
#     Use a persistentVolumeClaim, or one of configMap, csi, downwardAPI, emptyDir, ephemeral, image, projected and secret.
#     For storage that exists already, ask for a PersistentVolume that stands for it.
#   controls: ["PSS:restricted/volume-types"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.restricted.volume_types

allowed := [
	"configMap",
	"csi",
	"downwardAPI",
	"emptyDir",
	"ephemeral",
	"image",
	"persistentVolumeClaim",
	"projected",
	"secret",
]

deny contains violation if {
	volumes := input.request.object.spec.volumes
	some i
	volume := volumes[i]
	count([type | some type in allowed; volume[type] != null]) == 0
	types := [type | some type; volume[type] != null; type != "name"]
	violation := {
		"msg": sprintf(`Volume "%v" is of a type that is not allowed: %v.`, [
			object.get(input.request.object.spec, ["volumes", i, "name"], ""),
			array.concat(types, ["unknown"])[0],
		]),
		"path": concat("/", array.concat([sprintf("/spec/volumes/%v", [i])], array.slice(types, 0, 1))),
		"fix": fix(i, types),
	}
}

# What names no type is meant to be empty. A directory of the node is not the Pod's. Other storage goes through a claim.
fix(i, types) := {"target": sprintf("/spec/volumes/%v/emptyDir", [i]), "action": "set", "value": {}} if {
	count(types) == 0
} else := {"action": "remove-element"} if {
	types[0] == "hostPath"
} else := {
	"target": sprintf("/spec/volumes/%v", [i]),
	"action": "set",
	"value": {"name": "{old.name}", "persistentVolumeClaim": {"claimName": "change-me"}},
	"placeholder": "the claim that holds the data",
}
