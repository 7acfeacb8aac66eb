//! What the API server's validation adds to the schema: the part of it that a change of an object is likely to break.
//!
//! A rule is called for each object of the type that it is about, wherever that is: a Pod's rules hold in every template. It
//! reads what has the right type and leaves the rest to [`super::check`].

mod access;
mod container;
mod metadata;
mod network;
mod pod;
mod read;
mod security;
mod storage;
mod volume;
mod windows;
mod workload;

use serde_json::{Map, Value};

use super::check::Check;
use super::path::Path;

type Object = Map<String, Value>;

/// Rules about the whole object, before its parts.
pub(super) fn whole<'a>(object: &'a Object, check: &mut Check<'a>) {
    metadata::name(object, check);
    check.claims = workload::claims(object, check.kind);
}

/// Rules about an object of this type.
pub(super) fn part<'a>(of: &str, object: &'a Object, path: &Path<'_>, check: &mut Check<'a>) {
    let rule = match of {
        "ObjectMeta" => metadata::object_meta,
        "LabelSelector" => metadata::label_selector,
        "LabelSelectorRequirement" | "NodeSelectorRequirement" => metadata::requirement,
        "Pod"
        | "PodTemplateSpec"
        | "Deployment"
        | "ReplicaSet"
        | "StatefulSet"
        | "DaemonSet"
        | "Job"
        | "JobTemplateSpec"
        | "CronJob"
        | "PersistentVolumeClaim"
        | "Service"
        | "Ingress" => workload::specified,
        "PodSpec" => pod::spec,
        "PodAffinityTerm" => pod::affinity_term,
        "NodeSelector" => pod::node_selector,
        "Toleration" => pod::toleration,
        "TopologySpreadConstraint" => pod::spread,
        "WeightedPodAffinityTerm" | "PreferredSchedulingTerm" => pod::weight,
        "HostAlias" => pod::host_alias,
        "Container" | "EphemeralContainer" => container::container,
        "ContainerPort" => container::port,
        "EnvVar" => container::variable,
        "EnvVarSource" => container::variable_source,
        "EnvFromSource" => container::variables_source,
        "Probe" => container::probe,
        "LifecycleHandler" => container::handler,
        "HTTPGetAction" | "TCPSocketAction" | "GRPCAction" => container::address,
        "ResourceRequirements" => container::resources,
        "SecurityContext" => security::context,
        "PodSecurityContext" => security::pod_context,
        "SeccompProfile" | "AppArmorProfile" => security::profile,
        "Volume" => volume::volume,
        "VolumeMount" => volume::mount,
        "EmptyDirVolumeSource" => volume::empty_dir,
        "HostPathVolumeSource" => volume::host_path,
        "NFSVolumeSource" => volume::nfs,
        "KeyToPath" | "DownwardAPIVolumeFile" => volume::item,
        "ConfigMapVolumeSource" | "SecretVolumeSource" | "DownwardAPIVolumeSource" | "ProjectedVolumeSource" => {
            volume::files
        }
        "ConfigMapProjection"
        | "SecretProjection"
        | "ConfigMapEnvSource"
        | "SecretEnvSource"
        | "ConfigMapKeySelector"
        | "SecretKeySelector" => storage::reference,
        "VolumeProjection" => volume::projection,
        "EphemeralVolumeSource" => volume::ephemeral,
        "DeploymentSpec" | "ReplicaSetSpec" | "StatefulSetSpec" | "DaemonSetSpec" | "ReplicationControllerSpec" => {
            workload::controller
        }
        "DeploymentStrategy" | "DaemonSetUpdateStrategy" | "StatefulSetUpdateStrategy" => workload::strategy,
        "JobSpec" => workload::job,
        "CronJobSpec" => workload::cron_job,
        "PodDisruptionBudgetSpec" => workload::disruption_budget,
        "HorizontalPodAutoscalerSpec" => workload::autoscaler,
        "MetricSpec" => workload::metric,
        "ServiceSpec" => network::service,
        "ServicePort" => network::service_port,
        "IngressSpec" => network::ingress,
        "HTTPIngressRuleValue" => network::ingress_rule,
        "HTTPIngressPath" => network::ingress_path,
        "IngressBackend" => network::backend,
        "ServiceBackendPort" => network::backend_port,
        "NetworkPolicyPeer" => network::peer,
        "NetworkPolicyPort" => network::policy_port,
        "PolicyRule" => access::rule,
        "Role" => access::role,
        "RoleRef" => access::role_reference,
        "Subject" => access::subject,
        "ConfigMap" | "Secret" => storage::data,
        "PersistentVolumeClaimSpec" => storage::claim,
        _ => return,
    };
    rule(object, path, check);
}
