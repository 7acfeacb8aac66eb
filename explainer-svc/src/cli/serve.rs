//! `whynot serve`.

use crate::config::{Config, ServeArgs};
use crate::server::Server;
use crate::telemetry::init_logs;

use super::{Failed, Streams};

pub(crate) fn run(args: ServeArgs, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let (format, level) = args.logs();
    let config = args.config().map_err(Failed::Usage)?;
    init_logs(format, level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, streams))
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
