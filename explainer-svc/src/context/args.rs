//! The arguments by which a command finds a cluster, and what of it is read.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::{Access, ClusterSettings, Kind, Source};

/// A live context.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "A live context")]
pub struct ClusterArgs {
    /// Reads namespaces, and the kinds of --inventory and of the policies' `inventory`, from a cluster, and follows them.
    ///
    /// As the Pod's service account, or with the kubeconfig that kubectl would take. `whynot context rbac` prints the role.
    #[arg(long, env = "WHYNOT_KUBERNETES")]
    pub kubernetes: bool,
    #[command(flatten)]
    access: AccessArgs,
    /// A kind that policies read in `data.inventory`, for example networking.k8s.io/v1/Ingress or v1/Service; repeatable.
    #[arg(
        long,
        env = "WHYNOT_INVENTORY",
        value_name = "GROUP/VERSION/KIND",
        value_delimiter = ','
    )]
    inventory: Vec<Kind>,
    /// Takes the kinds that Gatekeeper's `Config` and `SyncSet`s in the cluster name too.
    #[arg(long, env = "WHYNOT_GATEKEEPER_SYNC")]
    gatekeeper_sync: bool,
    /// How many objects are kept at most.
    #[arg(long, env = "WHYNOT_CONTEXT_MAX_OBJECTS", value_name = "N", default_value_t = 50_000,
        value_parser = clap::value_parser!(u32).range(1..))]
    context_max_objects: u32,
    /// How many bytes of JSON they may have.
    #[arg(long, env = "WHYNOT_CONTEXT_MAX_BYTES", value_name = "BYTES", default_value_t = 64 << 20,
        value_parser = clap::value_parser!(u32).range(1..))]
    context_max_bytes: u32,
}

/// Which cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct AccessArgs {
    /// The kubeconfig of the cluster; says --kubernetes.
    #[arg(long, env = "WHYNOT_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// One of its contexts.
    #[arg(long, env = "WHYNOT_KUBE_CONTEXT", value_name = "NAME")]
    kube_context: Option<String>,
}

impl AccessArgs {
    /// Whether a cluster is named.
    pub(crate) fn is_named(&self) -> bool {
        self.kubeconfig.is_some() || self.kube_context.is_some()
    }

    /// What they say.
    pub(crate) fn access(&self) -> Access {
        Access {
            kubeconfig: self.kubeconfig.clone(),
            context: self.kube_context.clone(),
        }
    }
}

impl ClusterArgs {
    /// Where the context comes from, given its file. `is_needed` when there has to be one, be it empty.
    ///
    /// # Errors
    /// What says nothing without a cluster.
    pub fn source(&self, file: Option<PathBuf>, is_needed: bool) -> Result<Source, String> {
        if self.kubernetes || self.access.is_named() {
            return Ok(Source::Cluster(Box::new(ClusterSettings {
                access: self.access.access(),
                rest: file,
                kinds: self.inventory.iter().cloned().collect::<BTreeSet<_>>(),
                gatekeeper: self.gatekeeper_sync,
                max_objects: usize::try_from(self.context_max_objects).unwrap_or(usize::MAX),
                max_bytes: usize::try_from(self.context_max_bytes).unwrap_or(usize::MAX),
            })));
        }
        if !self.inventory.is_empty() || self.gatekeeper_sync {
            return Err("--inventory and --gatekeeper-sync need a cluster: add --kubernetes".to_owned());
        }
        Ok(match file {
            Some(file) => Source::File(file),
            None if is_needed => Source::Fixed(Box::default()),
            None => Source::Absent,
        })
    }
}
