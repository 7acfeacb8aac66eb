//! The connection to an API server: who we are there, whether it answers, and what its errors say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::{Client, Error};

use super::health::Pulse;
use super::kinds::Kind;

/// How often the API server is asked whether it is there, and how long it may take to say so: together the time after which
/// a connection that hangs is noticed.
const BEAT: Duration = Duration::from_secs(2);

/// Which cluster, as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// A kubeconfig; without one those of `KUBECONFIG` and the home folder, or the Pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// One of the kubeconfig's contexts.
    pub context: Option<String>,
}

impl Access {
    /// A client. Does not connect yet.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = match (&self.kubeconfig, &self.context) {
            (Some(path), _) => {
                let read = Kubeconfig::read_from(path);
                let kubeconfig = read.with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
                config.with_context(|| format!("the kubeconfig {} cannot be used", path.display()))?
            }
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (None, None) => Config::infer()
                .await
                .context("no cluster: neither a kubeconfig nor a Pod's service account; name one with --kubeconfig")?,
        };
        config.connect_timeout = Some(Duration::from_secs(3));
        // The watches' own back-off decides.
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }
}

/// Asks the API server whether it is there, for as long as anybody listens.
pub(super) async fn beat(client: Client, pulse: Arc<Pulse>, broken: impl Fn(tokio::time::Instant)) {
    loop {
        tokio::time::sleep(BEAT).await;
        let asked = tokio::time::timeout(BEAT, client.apiserver_version()).await;
        let failure = match asked {
            Err(_) => Some(format!("the API server did not answer within {} s", BEAT.as_secs())),
            // It refuses, so it is there.
            Ok(Err(Error::Api(status))) if status.code < 500 => None,
            Ok(Err(error)) => Some(reason(&error)),
            Ok(Ok(_)) => None,
        };
        if let Some(reason) = failure {
            if pulse.missed(reason.clone()) {
                tracing::warn!(reason, "the API server does not answer");
            }
        } else {
            // What was open may hang although new connections work. Before the age is that of the watches again.
            if pulse.failure().is_some() {
                broken(pulse.last_beat());
                pulse.reconnect();
            }
            if pulse.beat() {
                tracing::info!("the API server answers again");
            }
        }
    }
}

/// An error in words: what the API server said, or all causes.
pub(super) fn reason(error: &Error) -> String {
    if let Error::Api(status) = error {
        let hint = match status.code {
            401 | 403 => "; `whynot context rbac` prints the role that is needed",
            _ => "",
        };
        return format!("{} ({}){hint}", status.message, status.code);
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Where a kind's objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The name in URLs and roles.
    pub plural: String,
}

impl Resource {
    /// Asks the cluster; `None` when it has no such kind.
    pub async fn discover(client: &Client, kind: &Kind) -> Result<Option<Self>, String> {
        let wanted = kube::core::GroupVersionKind::gvk(&kind.group, &kind.version, &kind.kind);
        match kube::discovery::pinned_kind(client, &wanted).await {
            Ok((resource, capabilities)) => {
                if capabilities.supports_operation(kube::discovery::verbs::WATCH) {
                    let plural = resource.plural;
                    Ok(Some(Self { plural }))
                } else {
                    Err(format!("{kind} cannot be watched"))
                }
            }
            Err(Error::Discovery(_)) => Ok(None),
            Err(Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    /// The path of the objects of all namespaces.
    pub(super) fn path(&self, kind: &Kind) -> String {
        let root = if kind.group.is_empty() { "api" } else { "apis" };
        format!("/{root}/{}/{}", kind.api_version(), self.plural)
    }
}
