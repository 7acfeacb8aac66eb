//! `whynot context`: the role that a live context needs, and how a running explainer knows its cluster.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::policy::inputs;
use super::{Failed, Streams};
use crate::context::args::AccessArgs;
use crate::context::{Kind, Resource, Status, kinds, rbac};
use crate::sources;

/// Somebody waits at a prompt.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Subcommand)]
pub(super) enum ContextCommand {
    /// Prints the `ClusterRole` that `whynot serve --kubernetes` needs for these policies, and nothing beyond it.
    ///
    /// Apply it and bind it to the service account of the explainer's Pods:
    ///   whynot context rbac --policies policies | kubectl apply -f -
    ///   kubectl create clusterrolebinding whynot-context --clusterrole=whynot-context \
    ///     --serviceaccount=NAMESPACE:NAME
    #[command(verbatim_doc_comment)]
    Rbac(RbacArgs),
    /// Prints how well a running explainer knows its cluster: revision, age, and what is watched.
    Get {
        /// The explainer.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
        server: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct RbacArgs {
    /// The policies, as `whynot serve` gets them: their `inventory`, and Gatekeeper's `Config` and `SyncSet`s among them.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// A further kind, as `whynot serve` gets it; repeatable.
    #[arg(long, value_name = "GROUP/VERSION/KIND", value_delimiter = ',')]
    inventory: Vec<Kind>,
    /// Lets Gatekeeper's `Config` and `SyncSet`s be read. What they name in the cluster is not known here: name it with
    /// --inventory.
    #[arg(long)]
    gatekeeper_sync: bool,
    /// The name of the role.
    #[arg(long, value_name = "NAME", default_value = "whynot-context")]
    name: String,
    /// Asks a cluster for the resources of kinds that are not Kubernetes' own.
    #[arg(long)]
    kubernetes: bool,
    #[command(flatten)]
    access: AccessArgs,
}

impl ContextCommand {
    pub(super) fn run(self, streams: &mut Streams<'_>) -> Result<(), Failed> {
        match self {
            Self::Rbac(args) => rbac(&args, streams),
            Self::Get { server } => get(&server, streams),
        }
    }
}

fn rbac(args: &RbacArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let mut wanted: BTreeSet<Kind> = args.inventory.iter().cloned().collect();
    if !args.policies.is_empty() {
        let read = sources::read(&args.policies, &sources::Options::default());
        let read = read.and_then(|sources| inputs::bundle(&sources));
        let of_policies = read.and_then(|bundle| kinds::of_bundle(&bundle)).map_err(|problems| {
            let lines = problems.iter().map(|problem| inputs::line(&args.policies, problem));
            anyhow::anyhow!("the policies cannot be used:\n{}", lines.collect::<Vec<_>>().join("\n"))
        })?;
        wanted.extend(of_policies);
    }
    if args.gatekeeper_sync {
        wanted.extend(Kind::gatekeeper());
    }
    let mut readable = BTreeSet::new();
    let mut others = Vec::new();
    for kind in wanted {
        match rbac::built_in(&kind) {
            Some(resource) => drop(readable.insert(resource)),
            None => others.push(kind),
        }
    }
    if !others.is_empty() {
        if !args.kubernetes && !args.access.is_named() {
            let names: Vec<String> = others.iter().map(ToString::to_string).collect();
            return Err(Failed::Usage(format!(
                "only the cluster knows the resource of {}: add --kubernetes",
                names.join(", ")
            )));
        }
        readable.extend(discovered(args, &others)?);
    }
    write!(streams.out, "{}", rbac::role(&args.name, &readable))?;
    Ok(())
}

fn discovered(args: &RbacArgs, others: &[Kind]) -> Result<Vec<rbac::Readable>, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = args.access.access().client().await?;
        let mut readable = Vec::new();
        for kind in others {
            let found = Resource::discover(&client, kind).await;
            let found = found.map_err(|reason| anyhow::anyhow!("cannot ask the cluster for {kind}: {reason}"))?;
            let resource = found.ok_or_else(|| anyhow::anyhow!("the cluster has no kind {kind}"))?;
            readable.push(rbac::Readable {
                group: kind.group.clone(),
                plural: resource.plural,
            });
        }
        Ok(readable)
    })
}

fn get(server: &str, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let url = format!("{}/v1/context/status", server.trim_end_matches('/'));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .build()
        .into();
    let failed = |error: ureq::Error| {
        anyhow::anyhow!("cannot read {url}: {error}; is it the address of a running `whynot serve`?")
    };
    let mut response = agent.get(&url).call().map_err(failed)?;
    let text = response.body_mut().read_to_string().map_err(failed)?;
    let status: Status = serde_json::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{url} answers what this version does not know: {error}"))?;
    let out = &mut streams.out;
    let revision = status.revision.as_deref().unwrap_or("none yet");
    writeln!(
        out,
        "revision {revision}, {} bytes, {} ms old",
        status.bytes, status.age_ms
    )?;
    for (what, error) in [("API server", &status.api_server_error), ("file", &status.file_error)] {
        if let Some(error) = error {
            writeln!(out, "{what}: {error}")?;
        }
    }
    for kind in &status.kinds {
        let phase = serde_json::to_value(kind.phase)?;
        writeln!(
            out,
            "{} ({}): {}, {} objects, {} bytes, {} restarts, {} errors",
            kind.kind,
            kind.purpose,
            phase.as_str().unwrap_or_default(),
            kind.objects,
            kind.bytes,
            kind.restarts,
            kind.errors
        )?;
        if let (Some(error), Some(at)) = (&kind.last_error, &kind.last_error_at) {
            writeln!(out, "    {at} {error}")?;
        }
    }
    Ok(())
}
