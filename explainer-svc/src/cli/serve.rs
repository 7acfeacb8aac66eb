//! `whynot serve`.

use std::time::Duration;

use crate::config::{Config, ServeArgs};
use crate::server::Server;
use crate::telemetry::init_logs;

use super::{Failed, Streams};

/// For what no request waits for and nothing can end: the compiler at work.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

pub(crate) fn run(args: ServeArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let (format, level) = args.logs();
    // Without a file and a cluster it is empty, and that is what policies are to see.
    let context = args.cluster.source(args.context.clone(), true).map_err(Failed::Usage)?;
    let config = args.config().map_err(Failed::Usage)?;
    let config = Config { context, ..config };
    init_logs(format, level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(config, streams));
    runtime.shutdown_timeout(LEFT_BEHIND);
    served
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
