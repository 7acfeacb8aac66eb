//! Listening, draining, and what runs beside the requests.
//!
//! Not `axum::serve`: it has no time limit for headers, no limit of connections and no bound for a shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::api;
use crate::audit::{self, Log};
use crate::config::{Config, Limits};
use crate::context::LiveContext;
use crate::delivery::{Current, Delivery};
use crate::explain::Explainer;
use crate::gateway::Gateway;
use crate::governance::{self, Governance};
use crate::retention::Retention;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::upstream::Upstreams;
use crate::words::{self, Desk, Mode, Prompts, Verifier, Writer};

/// How long to leave accepting alone when it fails, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that listens, and does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    explainer: Explainer,
    context: LiveContext,
    delivery: Delivery,
    audit: Log,
    upstreams: Upstreams,
    gateway: Option<Gateway>,
    governance: Governance,
    metrics: Metrics,
    config: Config,
}

impl Server {
    /// Opens the ledger and the audit log, takes up policies and listens.
    pub async fn bind(config: Config) -> anyhow::Result<Self> {
        let store = Store::open(&config.database)
            .await
            .with_context(|| format!("cannot open the ledger {}", config.database.display()))?;
        let metrics = Metrics::default();
        let audit = Log::open(&config.audit, metrics.audit().clone()).await?;
        let listener = TcpListener::bind(config.listen).await.with_context(|| {
            format!(
                "cannot listen on {}; choose another address with --listen",
                config.listen
            )
        })?;
        let address = listener.local_addr()?;
        let public_url = config.public_url.clone().unwrap_or_else(|| reachable(address));
        let places = config.limits.concurrency.saturating_mul(2);
        let explainer = Explainer::new(store, config.rules.clone(), &public_url, metrics.clone(), places);
        let delivery = Delivery::open(config.policies.clone(), config.state_dir(), metrics.clone()).await?;
        delivery.record_in(audit.clone());
        delivery.begin().await?;
        let context = LiveContext::start(config.context.clone(), delivery.inventory().await).await?;
        metrics.of_context(context.clone());
        let explainer = explainer.with_audit(audit.clone());
        let prompts = prompts(&config)?;
        let current = delivery.current();
        let revision = current.as_ref().map(|current| current.revision.as_str());
        audit.record(config.event(revision, prompts.as_ref()));
        let upstreams = Upstreams::new(delivery.clone(), context.clone());
        let gateway = match &config.gateway {
            Some(setup) => match setup.open(&config.database, &audit, metrics.gateway().clone()).await {
                Ok(gateway) => Some(gateway),
                Err(error) => {
                    // Why there is none is in the log, and signed.
                    audit.close().await;
                    return Err(error);
                }
            },
            None => None,
        };
        let writer = match &gateway {
            Some(gateway) => prompts.and_then(|prompts| writer(gateway, prompts, &audit, &upstreams, &metrics)),
            None => None,
        };
        let explainer = match writer {
            Some(writer) => explainer.with_words(Desk::new(writer, config.words.clone(), metrics.words().clone())),
            None => explainer,
        };
        let governance = Governance::new(governance::Parts {
            settings: config.governance.clone(),
            log: audit.clone(),
            database: config.audit.database.clone(),
            metrics: metrics.clone(),
            gateway: gateway.clone(),
            public_url,
        })?;
        let state = api::AppState {
            gateway: gateway.clone(),
            governance: governance.clone(),
            delivery: delivery.clone(),
            audit: audit.clone(),
            explainer: explainer.clone(),
            metrics: metrics.clone(),
            context: context.clone(),
            upstreams: upstreams.clone(),
            clients: config.clients.clone(),
            bodies: api::Bodies::new(config.limits.body),
        };
        let router = api::router(state, &config.limits);
        Ok(Self {
            listener,
            address,
            router,
            explainer,
            context,
            delivery,
            audit,
            upstreams,
            gateway,
            governance,
            metrics,
            config,
        })
    }

    /// Where it listens: with the port that was taken when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done, then finishes what it has begun, within the configured time.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let retention = Retention {
            explainer: self.explainer.clone(),
            gateway: self.gateway.clone(),
            audit: self.audit.clone(),
            metrics: self.metrics.clone(),
            ledger_days: self.config.retention_days,
            usage_days: self.config.usage_retention_days,
            audit_days: self.config.audit.retention_days,
        };
        let retention = tokio::spawn(retention.run());
        let governing = tokio::spawn(self.governance.clone().run());
        let following = tokio::spawn(self.delivery.clone().follow());
        let watching = tokio::spawn(follow_policies(
            self.delivery.clone(),
            self.context.clone(),
            self.audit.clone(),
        ));
        let tidying = tokio::spawn(self.delivery.clone().tidy());
        let compiling = tokio::spawn(self.upstreams.clone().follow());
        let connections = GracefulShutdown::new();
        tokio::select! {
            () = accept(&self.listener, &self.router, &self.config.limits, &connections) => {}
            () = stop => {}
        }
        governing.abort();
        self.context.close();
        // Before the connections are drained: filters that wait for policies are answered now.
        self.delivery.stop();
        following.abort();
        watching.abort();
        tidying.abort();
        retention.abort();
        compiling.abort();
        drop(self.listener);
        tracing::info!(connections = connections.count(), "shutting down");
        let drained = tokio::time::timeout(self.config.shutdown_timeout, async {
            connections.shutdown().await;
            self.explainer.drained().await;
            if let Some(gateway) = &self.gateway {
                gateway.drained().await;
            }
        });
        if drained.await.is_err() {
            tracing::warn!("requests were still being answered when the time for a shutdown was over");
        }
        if let Some(gateway) = &self.gateway {
            gateway.close().await;
        }
        // SQLite's own wait for a lock bounds this; what is not closed is rolled back when the file is opened again.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.explainer.store().close()).await;
        let _ = tokio::time::timeout(Duration::from_secs(5), self.audit.close()).await;
        Ok(())
    }
}

/// What models are asked for words with; nothing, when none is to be asked.
fn prompts(config: &Config) -> anyhow::Result<Option<Prompts>> {
    if config.gateway.is_none() || config.words.mode == Mode::Off {
        return Ok(None);
    }
    let prompts = match &config.words.prompts {
        Some(folder) => Prompts::load(folder),
        None => Prompts::shipped(),
    };
    Ok(Some(prompts.context("--prompts")?))
}

/// Who asks models for words; nobody, when the gateway's file does not say so.
fn writer(
    gateway: &Gateway,
    prompts: Prompts,
    audit: &Log,
    upstreams: &Upstreams,
    metrics: &Metrics,
) -> Option<Writer> {
    let has_agent = gateway.settings().agents.iter().any(|agent| agent.name == words::AGENT);
    if !has_agent {
        tracing::warn!(
            agent = words::AGENT,
            "the gateway's file has no such agent, so no model is asked for words about denials"
        );
        return None;
    }
    let verifier = Verifier::Live(upstreams.clone());
    let metrics = metrics.words().clone();
    Some(Writer::new(gateway.clone(), prompts, audit.clone(), verifier, metrics))
}

/// Other policies may read other kinds of the cluster's objects, and that there are others is for the audit log.
async fn follow_policies(delivery: Delivery, context: LiveContext, log: Log) {
    let mut changes = delivery.changes();
    if let Some(current) = delivery.current() {
        // What was current when it ended is no news.
        let last = log.reader().latest(audit::Kind::PolicyRolledOut, 0, 1).await;
        let last = last.ok().and_then(|events| Some(events.first()?.subject.clone()));
        if last.as_deref() != Some(current.revision.as_str()) {
            log.record(rolled_out(&current));
        }
    }
    while changes.changed().await.is_ok() {
        context.want(delivery.inventory().await);
        if let Some(current) = delivery.current() {
            log.record(rolled_out(&current));
        }
    }
}

fn rolled_out(current: &Current) -> audit::Event {
    let payload = serde_json::json!({"revision": current.revision, "source": current.source});
    audit::Event::new(audit::Kind::PolicyRolledOut, &current.revision, payload)
}

/// An address that a browser on this machine can open.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        let url = format!("http://localhost:{}", address.port());
        tracing::warn!(
            url,
            "links lead to this machine only; say how people reach this server with --public-url"
        );
        return url;
    }
    format!("http://{address}")
}

async fn accept(listener: &TcpListener, router: &Router, limits: &Limits, connections: &GracefulShutdown) {
    let open = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = serve(stream, router.clone(), limits.headers, connections);
                tokio::spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, until its client or a shutdown ends it.
fn serve(
    stream: TcpStream,
    router: Router,
    headers: Duration,
    connections: &GracefulShutdown,
) -> impl Future<Output = ()> + use<> {
    let watcher = connections.watcher();
    async move {
        // Answers are small and somebody waits for them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot turn off the delay of small packets");
        }
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(headers);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
        let connection = builder
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
            .into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}
