//! Fields of Kubernetes that rules are made about, and why: data alone.
//!
//! A sentence is true whichever way a rule decides: what the field does, and what goes wrong with it.

/// Why rules about one field exist.
pub(super) struct Known {
    /// The ends of its paths, without the positions in lists.
    pub(super) paths: &'static [&'static str],
    /// Words of a message that mean this field, in small letters. With words and paths, the words choose among those that share a
    /// path; without words it is what holds when none of the others is meant.
    pub(super) words: &'static [&'static str],
    pub(super) why: &'static str,
}

const fn known(paths: &'static [&'static str], words: &'static [&'static str], why: &'static str) -> Known {
    Known { paths, words, why }
}

/// The more special comes before the more general.
pub(super) static KNOWN: &[Known] = &[
    known(
        &["privileged"],
        &["privileged"],
        "A privileged container has all rights on its node: whoever breaks into the program in it controls the node and all \
         that runs there.",
    ),
    known(
        &["hostProcess"],
        &["hostprocess"],
        "A host process container runs on the Windows node itself, with the node's rights.",
    ),
    known(
        &["hostNetwork"],
        &["hostnetwork", "host network"],
        "On its node's network a Pod sees the traffic of others, reaches what listens only on the node, and is outside of \
         network policies.",
    ),
    known(
        &["hostPID"],
        &["hostpid", "host pid", "host process id"],
        "With the node's process ids a container sees every process of the node, can read their environment and stop them.",
    ),
    known(
        &["hostIPC"],
        &["hostipc", "host ipc"],
        "With the node's IPC a container can read and change memory that other processes of the node share.",
    ),
    known(
        &["hostPath"],
        &["hostpath", "host path"],
        "A path of the node inside a container lets it read or change the files of the node and of other Pods, and ties the \
         Pod to that node.",
    ),
    known(
        &["hostPort", "hostIP"],
        &["hostport", "host port", "hostports"],
        "A port of the node serves one Pod per node only, and can be reached past Services and often past network policies.",
    ),
    known(
        &["hostUsers"],
        &["hostusers", "user namespace"],
        "With a user namespace of its own, root in a container is nobody on the node.",
    ),
    known(
        &["shareProcessNamespace"],
        &["shareprocessnamespace"],
        "Containers that share their processes can read each other's memory, environment and secrets.",
    ),
    known(
        &["allowPrivilegeEscalation"],
        &["allowprivilegeescalation", "privilege escalation"],
        "While a process may gain more rights than it was started with, running it as an ordinary user protects little.",
    ),
    known(
        &["runAsNonRoot", "runAsUser"],
        &[
            "runasnonroot",
            "runasuser",
            "non-root",
            "as root",
            "nonroot",
            "root user",
        ],
        "A process that is root in its container has much more to attack the node with once somebody takes it over.",
    ),
    known(
        &["runAsGroup", "fsGroup", "supplementalGroups"],
        &["runasgroup", "fsgroup", "supplementalgroups"],
        "Its groups decide which files, on volumes and on the node, a process can read and change.",
    ),
    known(
        &["capabilities"],
        &["capabilities", "capability"],
        "Capabilities are parts of root's power: each one that a container does not need is a gift to whoever takes it over.",
    ),
    known(
        &["readOnlyRootFilesystem"],
        &[
            "readonlyrootfilesystem",
            "read-only root",
            "read only root",
            "readonly root",
        ],
        "What cannot be written cannot be replaced: nobody who gets in can leave programs behind, and every container stays as \
         its image is.",
    ),
    known(
        &["seccompProfile"],
        &["seccomp", "seccompprofile"],
        "A seccomp profile refuses system calls that ordinary programs do not make, and that attacks on the kernel need.",
    ),
    known(
        &["appArmorProfile"],
        &["apparmor", "apparmorprofile"],
        "AppArmor bounds what a process can do to its node, also one that is root.",
    ),
    known(
        &["seLinuxOptions"],
        &["selinux", "selinuxoptions"],
        "SELinux keeps containers apart from their node and from each other, unless a Pod picks other labels for itself.",
    ),
    known(
        &["procMount"],
        &["procmount"],
        "The usual mount of /proc hides parts of the kernel that a container could read or change.",
    ),
    known(
        &["sysctls"],
        &["sysctl", "sysctls"],
        "Some kernel settings act on the whole node: a Pod that changes them changes them for its neighbours.",
    ),
    known(
        &["automountServiceAccountToken"],
        &["automountserviceaccounttoken", "automount", "service account token"],
        "With a token in it, whoever takes over the Pod can talk to the API server in its name; few programs need one.",
    ),
    known(
        &["serviceAccountName", "serviceAccount"],
        &["serviceaccountname", "service account"],
        "Rights are given to service accounts: Pods that share one share its rights, and nobody can tell which of them acted.",
    ),
    known(
        &["resources/limits"],
        &[
            "memory limit",
            "memory limits",
            "cpu limit",
            "cpu limits",
            "resource limits",
        ],
        "A limit keeps one container from using up what the others on its node need: it is slowed or stopped, and they go on.",
    ),
    known(
        &["requests/storage"],
        &["storage request"],
        "Storage that is claimed is kept and paid for, used or not.",
    ),
    known(
        &["resources/requests"],
        &["resource requests", "cpu request", "memory request"],
        "Pods are placed by what they request: with too little, nodes get too full and Pods are thrown off; with too much, \
         nodes stand empty and are paid for.",
    ),
    known(
        &["resources"],
        &["resources"],
        "What containers request and are limited to decides whether they fit on a node without harm to each other.",
    ),
    known(
        &["livenessProbe"],
        &["livenessprobe", "liveness"],
        "Without a liveness probe a container that hangs stays so until a person notices; with one it is restarted.",
    ),
    known(
        &["readinessProbe"],
        &["readinessprobe", "readiness"],
        "A readiness probe keeps requests away from a Pod that cannot answer yet; without one, users see errors at each rollout.",
    ),
    known(
        &["startupProbe"],
        &["startupprobe"],
        "A startup probe gives a slow program time to start before it is taken for dead.",
    ),
    known(
        &["preStop", "lifecycle", "terminationGracePeriodSeconds"],
        &["prestop", "terminationgraceperiodseconds", "graceful"],
        "Requests still arrive for a moment while a Pod is being stopped: without time to finish them, each rollout breaks some.",
    ),
    known(
        &["image", "images"],
        &["digest", "sha256"],
        "A tag can be moved to another image at any time; a digest names exactly the one that was tested.",
    ),
    known(
        &["image", "images"],
        &["latest", "tag", "tagged", "tags"],
        "A tag such as latest is another image tomorrow: nodes run different versions, and nobody can tell which, or go back.",
    ),
    known(
        &["image", "images"],
        &["registry", "registries", "repo", "repos", "repository", "repositories"],
        "An image is code that runs in the cluster: of one from an unknown registry nobody knows who made it, or whether it \
         was checked.",
    ),
    known(
        &["image", "images"],
        &[],
        "An image is code that runs in the cluster: which one, and from where, decides what can happen there.",
    ),
    known(
        &["imagePullPolicy"],
        &["imagepullpolicy"],
        "The pull policy decides whether a node asks the registry, or runs what it once got: old, or another team's.",
    ),
    known(
        &[
            "pod-security.kubernetes.io/enforce",
            "pod-security.kubernetes.io/warn",
            "pod-security.kubernetes.io/audit",
        ],
        &["pod-security.kubernetes.io"],
        "This label decides which Pods the namespace lets in; a weak level lets in those that can take over their node.",
    ),
    known(
        &["labels"],
        &["owner", "team", "contact", "owned-by", "squad"],
        "When it breaks or costs too much, this is how others find whom to ask.",
    ),
    known(
        &["labels"],
        &["cost", "cost-center", "costcenter", "billing", "budget"],
        "What runs is paid for by somebody: without this label nobody knows by whom.",
    ),
    known(
        &["labels"],
        &[],
        "Selectors, reports and people find objects by their labels: what lacks one is left out.",
    ),
    known(
        &["annotations"],
        &["annotation", "annotations"],
        "Annotations tell tools and people what an object is for and how to treat it.",
    ),
    known(
        &["minReplicas", "maxReplicas"],
        &["minreplicas", "maxreplicas"],
        "The bounds of an autoscaler decide whether the service survives the loss of a Pod, and how much it can come to cost.",
    ),
    known(
        &["replicas"],
        &["replicas", "replica"],
        "The number of replicas decides whether the service survives an update or the loss of a node, and what it costs.",
    ),
    known(
        &["rollingUpdate", "strategy", "updateStrategy"],
        &["rollingupdate", "rolling update", "recreate"],
        "How an update replaces Pods decides whether the service has a gap while it happens.",
    ),
    known(
        &["minAvailable", "maxUnavailable"],
        &[
            "minavailable",
            "maxunavailable",
            "disruption budget",
            "poddisruptionbudget",
        ],
        "This decides how many Pods may be away at once: with too few the nodes cannot be upgraded, with too many the service \
         is down.",
    ),
    known(
        &["topologySpreadConstraints", "affinity", "podAntiAffinity"],
        &[
            "topologyspreadconstraints",
            "anti-affinity",
            "antiaffinity",
            "topology spread",
        ],
        "Pods on one node or in one zone fail together; spread out, some of them go on.",
    ),
    known(
        &["priorityClassName"],
        &["priorityclassname", "priority class"],
        "The priority decides who is thrown off a full node: what is set high pushes out the Pods of others.",
    ),
    known(
        &["tolerations"],
        &["toleration", "tolerations"],
        "A toleration lets Pods onto nodes that are kept for something else: the control plane, GPUs, nodes about to go.",
    ),
    known(
        &["nodeName", "nodeSelector"],
        &["nodename", "nodeselector"],
        "Which nodes a Pod may run on decides what it runs beside, and whether it finds another node when one fails.",
    ),
    known(
        &["revisionHistoryLimit"],
        &["revisionhistorylimit"],
        "Old revisions are what a rollout goes back to; many of them fill the cluster's storage.",
    ),
    known(
        &["spec/type"],
        &["loadbalancer", "load balancer"],
        "A load balancer costs money and may get a public address: what only the cluster needs should have neither.",
    ),
    known(
        &["spec/type", "nodePort"],
        &["nodeport", "node port", "nodeports"],
        "A node port opens a service on every node, past the ingress, its TLS and often the firewall.",
    ),
    known(
        &["spec/type", "externalName"],
        &["externalname"],
        "A service that is another name for a host elsewhere can lead requests out of the cluster, or past its rules.",
    ),
    known(
        &["externalIPs"],
        &["externalips", "external ip", "external ips"],
        "With external IPs a service can draw traffic to itself that is meant for somebody else.",
    ),
    known(
        &["loadBalancerSourceRanges"],
        &["loadbalancersourceranges", "source ranges"],
        "Without ranges of addresses, a load balancer lets everybody in who can reach it.",
    ),
    known(
        &["spec/tls", "tls"],
        &["tls", "https"],
        "Without TLS, requests and what is in them, passwords included, can be read and changed on their way.",
    ),
    known(
        &["rules/host", "tls/hosts", "hostnames"],
        &["hostname", "hostnames", "wildcard host", "ingress host"],
        "The host decides who gets which requests: two objects with one host, or one without any, take those of others.",
    ),
    known(
        &["ingressClassName"],
        &["ingressclassname", "ingress class"],
        "The class decides which controller serves an ingress: the public one, the inner one, or none.",
    ),
    known(
        &["ingress", "egress", "ingress/from", "egress/to", "policyTypes"],
        &["networkpolicy", "network policy"],
        "Whom a network policy lets through decides how far somebody gets who has taken over another Pod.",
    ),
    known(
        &[
            "rules/verbs",
            "rules/resources",
            "rules/apiGroups",
            "rules/nonResourceURLs",
        ],
        &["wildcard", "wildcards", "*"],
        "A wildcard also gives rights to all that is added later; whoever takes over one of the role's holders has them all.",
    ),
    known(
        &[
            "rules/verbs",
            "rules/resources",
            "rules/apiGroups",
            "rules/nonResourceURLs",
        ],
        &[],
        "The rights of a role are an attacker's too, once one of its holders is taken over: the fewer, the better.",
    ),
    known(
        &["subjects", "roleRef"],
        &[
            "cluster-admin",
            "system:anonymous",
            "system:authenticated",
            "system:unauthenticated",
        ],
        "A binding gives all rights of its role to each of its subjects, and to whoever takes over one of them.",
    ),
    known(
        &["env", "envFrom", "data", "stringData"],
        &[
            "secret",
            "secrets",
            "password",
            "passwords",
            "credential",
            "credentials",
            "token",
            "api key",
        ],
        "A secret in a manifest can be read by everybody who sees the object or its repository, and stays in their history.",
    ),
    known(
        &["emptyDir", "sizeLimit"],
        &["sizelimit", "size limit", "emptydir"],
        "Without a limit, what a Pod writes there can fill its node's disk, and other Pods are thrown off.",
    ),
    known(
        &["storageClassName"],
        &["storageclassname", "storage class"],
        "The class decides how fast storage is, what it costs, and whether data is kept when its claim is gone.",
    ),
    known(
        &["accessModes"],
        &["accessmodes", "access mode"],
        "The access mode decides whether Pods on several nodes can write the same data, and which storage can do that.",
    ),
    known(
        &["volumes"],
        &["volume type", "volume types"],
        "The kind of a volume decides what a Pod can reach beside its own files.",
    ),
    known(
        &[
            "backoffLimit",
            "activeDeadlineSeconds",
            "ttlSecondsAfterFinished",
            "startingDeadlineSeconds",
        ],
        &[
            "backofflimit",
            "activedeadlineseconds",
            "ttlsecondsafterfinished",
            "startingdeadlineseconds",
        ],
        "Jobs that never give up or are never cleaned away fill nodes, quotas and the API server.",
    ),
    known(
        &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"],
        &["successfuljobshistorylimit", "failedjobshistorylimit"],
        "Finished Jobs are kept to look at; many of them fill the API server, and none leaves nothing to look at.",
    ),
    known(
        &["concurrencyPolicy"],
        &["concurrencypolicy"],
        "When one run takes longer than the time to the next, this decides whether they pile up.",
    ),
    known(
        &["failurePolicy"],
        &["failurepolicy"],
        "It decides what happens while a webhook is down: requests pass unchecked, or none pass at all.",
    ),
    known(
        &["ephemeralContainers"],
        &["ephemeral container", "ephemeral containers"],
        "A debugging container runs inside a live Pod, next to its data and with its rights.",
    ),
    known(
        &["apiVersion"],
        &["deprecated", "removed api"],
        "Old versions of an API are taken out of Kubernetes: after that upgrade the manifest cannot be applied any more.",
    ),
    known(
        &["metadata/namespace"],
        &["default namespace"],
        "Rights, quotas and rules belong to namespaces: in a shared one, everybody's hold for everybody.",
    ),
];

/// What is said only when nothing better fits: a container of many different fields.
pub(super) static GENERAL: &[Known] = &[known(
    &["securityContext"],
    &["securitycontext", "security context"],
    "The security context decides what a process could do to its node and its neighbours once somebody takes it over.",
)];

/// Fields whose words mean many things by themselves.
pub(super) const AMBIGUOUS: [&str; 8] = [
    "image",
    "labels",
    "annotations",
    "env",
    "resources",
    "rules/verbs",
    "apiVersion",
    "metadata/namespace",
];
