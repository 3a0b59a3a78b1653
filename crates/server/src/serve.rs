//! `blegram serve`: opens a [`Node`](crate::Node), serves it until SIGTERM or Ctrl-C, and shuts it down gracefully.

use std::io::{self, Write};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    bugs::VERSION,
    cli::Serve,
    config::{Backend, Config, LogFormat},
    demo,
    node::Opened,
    telemetry::DroppedLines,
};

/// Serves until SIGTERM or Ctrl-C, then finishes the requests in flight. `dropped_lines` are those of the log.
///
/// # Errors
/// When the server cannot start; the message says what to do about it.
pub async fn serve(config: &Config, options: Serve, dropped_lines: DroppedLines) -> anyhow::Result<()> {
    // First, so that a signal does not kill the process in the middle of a migration.
    let signal = shutdown_signal().context("cannot install the signal handlers")?;
    let (config, bound) = free_port(config).await?;
    let config = &config;
    let opened = Opened::new(config).await?;
    if options.demo {
        opened.fill_demo(config).await?;
    }
    let node = opened.into_node(config.clone()).await?.counting_dropped_lines(dropped_lines);
    // Clients can connect now; they wait until the node serves.
    let socket = match bound {
        Some(socket) => socket,
        None => node.listen().await?,
    };
    print_banner(config, options.demo);
    if config.mail_transport().is_none() {
        tracing::warn!(
            "mail is off: addresses cannot be verified and passwords cannot be reset; set mail.host"
        );
    }
    let router = node.router();
    node.serve(socket, router, signal).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Takes a free port if `server.listen` has the port 0: the addresses of the site contain it, so it must be known first.
async fn free_port(config: &Config) -> anyhow::Result<(Config, Option<TcpListener>)> {
    if config.server.listen.port() != 0 {
        return Ok((config.clone(), None));
    }
    let address = config.server.listen;
    let socket = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = socket.local_addr().context("cannot read the port that the system chose")?;
    Ok((config.clone().listening_on(address), Some(socket)))
}

/// Installs the handlers of SIGTERM and SIGINT and returns a future that completes at the first of them. A signal that
/// arrives before the future is polled counts, too: a supervisor may stop the server as soon as it responds.
///
/// # Errors
/// When the system does not allow a handler.
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    // A second signal has no effect: the graceful shutdown has its own time limit.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Reports the URLs and the database: as a log line if logs are JSON, otherwise as a banner on standard output.
fn print_banner(config: &Config, is_demo: bool) {
    let site = config.site();
    let database = match config.database_url().backend() {
        Backend::Sqlite => format!("SQLite in {}", config.server.data_dir.display()),
        Backend::Postgres => "PostgreSQL".to_owned(),
    };
    if config.log.format == LogFormat::Json {
        tracing::info!(version = VERSION, url = site, listen = %config.server.listen, database, "serving");
    } else {
        let banner = format!(
            "\n  blegram {version}\n\n{open}  API         {site}/api/v1\n  Swagger UI  {site}/docs\n  Data        {database}\n\n{logins}  Stop with Ctrl-C.\n\n",
            open = if config.server.web.is_on() { format!("  Open        {site}\n") } else { String::new() },
            logins = if is_demo { format!("{}\n", demo::logins(config)) } else { String::new() },
            version = VERSION,
        );
        // A closed standard output does not stop the server.
        let _ = std::io::stdout().write_all(banner.as_bytes());
    }
}
