//! `whynot serve`.

use std::collections::BTreeSet;

use engine::context::Context;
use engine::policy::compile::compile;

use crate::config::{Config, Document, Published, ServeArgs};
use crate::context::{Kind, kinds};
use crate::server::Server;
use crate::sources;
use crate::telemetry::init_logs;

use super::policy::inputs;
use super::{Failed, Streams, files};

pub(crate) fn run(args: ServeArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let (format, level) = args.logs();
    let context = args
        .cluster
        .source(args.context.clone(), !args.policies.is_empty())
        .map_err(Failed::Usage)?;
    let (published, inventory) = published(&args)?;
    let config = args.config().map_err(Failed::Usage)?;
    let config = Config {
        published,
        context,
        inventory,
        ..config
    };
    init_logs(format, level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, streams))
}

/// The policies that others can ask for, once they fit together with the context, and the kinds that they need.
fn published(args: &ServeArgs) -> Result<(Published, BTreeSet<Kind>), Failed> {
    let context = match &args.context {
        None => Context::default(),
        Some(path) => files::context(path)?,
    };
    let mut published = Published::default();
    let mut inventory = BTreeSet::new();
    if !args.policies.is_empty() {
        let read = sources::read(&args.policies, &sources::Options::default());
        let bundle = read.and_then(|sources| inputs::bundle(&sources));
        let bundle = bundle.and_then(|bundle| compile(&bundle, context).map(|_| bundle));
        let bundle = bundle.and_then(|bundle| {
            inventory = kinds::of_bundle(&bundle)?;
            Ok(bundle)
        });
        let bundle = bundle.map_err(|problems| {
            let lines = problems.iter().map(|problem| inputs::line(&args.policies, problem));
            anyhow::anyhow!("the policies cannot be used:\n{}", lines.collect::<Vec<_>>().join("\n"))
        })?;
        published.policies = Some(Document::named(bundle.to_json(), &bundle.revision));
    }
    Ok((published, inventory))
}

async fn serve(config: Config, streams: &mut Streams<'_>) -> Result<(), Failed> {
    // Before anything that a signal could interrupt.
    let stop = signals()?;
    let database = config.database.clone();
    let server = Server::bind(config).await?;
    let address = server.address();
    writeln!(streams.out, "whynot listens on http://{address}")?;
    streams.out.flush()?;
    tracing::info!(%address, database = %database.display(), version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(server.run(stop).await?)
}

/// Done at the first SIGTERM or SIGINT.
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
