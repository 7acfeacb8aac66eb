# METADATA
# title: Pods must not mount directories of the node
# description: >-
#   A hostPath volume gives the Pod files of the machine it happens to run on. That can expose credentials of the node, break
#   out of the container through a socket, and lose data when the Pod moves to another node.
# related_resources:
#   - description: Pod Security Standards, baseline
#     ref: https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
#   - description: Why hostPath volumes are risky
#     ref: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
# custom:
#   severity: high
#   remediation: >-
#     Replace the volume by one that belongs to the Pod: emptyDir for scratch files, a persistentVolumeClaim for data that must
#     stay, a configMap or secret for configuration. If nothing needs it, remove the volume and its volumeMounts.
#   controls: ["PSS:baseline/host-path-volumes", "CIS-Kubernetes-1.10:5.2.12"]
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package pod_security.baseline.host_path_volumes

deny contains violation if {
	some i
	volume := input.request.object.spec.volumes[i]
	host_path := volume.hostPath
	host_path != null
	violation := {
		"msg": sprintf(`Volume "%v" mounts a directory of the node.`, [object.get(volume, "name", "")]),
		"path": sprintf("/spec/volumes/%v/hostPath", [i]),
	}
}
