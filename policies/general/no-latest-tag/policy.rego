# METADATA
# title: Images must name a version
# description: >-
#   Without a version, or with "latest", the same Pod can run another program after its next restart. Nobody can tell what is
#   running, and going back to what worked is impossible.
# related_resources:
#   - description: Image names, tags and digests
#     ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
# custom:
#   severity: medium
#   remediation: >-
#     Write the tag of the version that you tested, or better its digest (image@sha256:…), which can never change.
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package general.no_latest_tag

deny contains violation if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	image := container.image
	image != null
	image != ""
	not versioned(image)
	violation := {
		"msg": sprintf(`Container "%v" uses the image "%v", which names no version.`, [
			object.get(container, "name", ""),
			image,
		]),
		"path": sprintf("/spec/%s/%v/image", [list, i]),
	}
}

deny contains violation if {
	some i
	volume := input.request.object.spec.volumes[i]
	image := volume.image.reference
	image != null
	image != ""
	not versioned(image)
	violation := {
		"msg": sprintf(`Volume "%v" uses the image "%v", which names no version.`, [object.get(volume, "name", ""), image]),
		"path": sprintf("/spec/volumes/%v/image/reference", [i]),
	}
}

# A digest.
versioned(image) if {
	is_string(image)
	regex.match(`@[^@/]+$`, image)
}

# A tag: the colon comes after the last slash, since before it a colon is a port's.
versioned(image) if {
	is_string(image)
	regex.match(`:[^:/@]+$`, image)
	not endswith(image, ":latest")
}
