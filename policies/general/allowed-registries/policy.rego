# METADATA
# title: Images must come from the allowed registries
# description: >-
#   An image is a program that somebody else built. From a registry that your organisation controls, it has been scanned, stays
#   available and cannot be replaced by a stranger.
# related_resources:
#   - description: How image names are read
#     ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
# custom:
#   severity: high
#   remediation: >-
#     Push or mirror the image to one of the allowed registries and use its name there. An image without a registry in its name
#     comes from Docker Hub (docker.io).
#   parameters:
#     registries: []
#   controls: []
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package general.allowed_registries

# Hosts, or hosts with the beginning of a path. Nothing is allowed until something is listed.
registries := object.get(input, ["parameters", "registries"], [])

deny contains violation if {
	some used in images
	image := used.image
	image != null
	image != ""
	not allowed(image)
	violation := {
		"msg": sprintf(`%s uses the image "%v", which is not in an allowed registry.`, [used.by, image]),
		"path": used.path,
		"details": {"allowed": registries},
		"fix": fixes,
	}
}

# Where the image can be put: into its own library, only Docker puts anything.
mirrors := [mirror |
	some registry in registries
	mirror := trim_right(registry, "/")
	mirror != ""
	lower(mirror) != "docker.io/library"
]

default fixes := {"unfixable": "The policy lists no registry to push the image to. Ask your platform team for one."}

fixes := [fix |
	some name in ["{old.path}:{old.tag}@{old.digest}", "{old.path}@{old.digest}", "{old.path}:{old.tag}", "{old.path}"]
	fix := {
		"action": "set",
		"value": sprintf("%s/%s", [mirrors[0], name]),
		"placeholder": "the image's name in the allowed registry, once it is pushed or mirrored there",
	}
] if {
	count(mirrors) > 0
}

images contains used if {
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some i
	container := input.request.object.spec[list][i]
	used := {
		"image": container.image,
		"by": sprintf(`Container "%v"`, [object.get(container, "name", "")]),
		"path": sprintf("/spec/%s/%v/image", [list, i]),
	}
}

images contains used if {
	some i
	volume := input.request.object.spec.volumes[i]
	used := {
		"image": volume.image.reference,
		"by": sprintf(`Volume "%v"`, [object.get(volume, "name", "")]),
		"path": sprintf("/spec/volumes/%v/image/reference", [i]),
	}
}

# Whole parts between slashes are compared: registry.example.com allows neither registry.example.com.evil.io
# nor registry.example.com:5000.
allowed(image) if {
	is_string(image)
	some registry in registries
	beginning := sprintf("%s/", [trim_right(lower(registry), "/")])
	startswith(sprintf("%s/", [repository(image)]), beginning)
}

# The registry and the path, without digest and tag. Names of one part on Docker Hub are in library.
repository(image) := regex.replace(full, `^docker\.io/([^/]+)$`, "docker.io/library/$1") if {
	undigested := regex.replace(image, `@.*$`, "")

	# After the last slash a colon is a tag's; before it, a port's.
	full := with_host(regex.replace(undigested, `:[^/]*$`, ""))
}

with_host(name) := lower(name) if names_host(name)

with_host(name) := sprintf("docker.io/%s", [name]) if not names_host(name)

# A first part with a dot, a colon or a capital is a host, and so is localhost. All else is on Docker Hub.
names_host(name) if regex.match(`^([^/]*[.:A-Z][^/]*|localhost)/`, name)
