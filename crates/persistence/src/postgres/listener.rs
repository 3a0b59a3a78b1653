//! The connection on which this process receives the notifications of others (`LISTEN`).
//!
//! It is one of `database.max_connections`, but not of the pool: sqlx receives notifications only on connections of its
//! own pool, which has this one. A pool of few connections has none to spare; its process never listens.

use std::{convert::Infallible, error::Error, future::pending, time::Duration};

use sea_orm::sqlx::{
    self,
    postgres::{PgListener, PgPoolOptions},
    raw_sql,
};
use tokio::time::{sleep, timeout};

use super::{Pool, timed_out, with_test_timeout};

/// The timeout for connecting and `LISTEN`. Behind a pooler without a free session, the latter waits.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after a failed attempt.
const RETRY: Duration = Duration::from_secs(10);

/// The pause after a connection was lost.
const RECONNECT: Duration = Duration::from_secs(1);

/// The connection is tested when it has been quiet for this long, because nothing else would notice that the network
/// drops its packets.
const TEST_INTERVAL: Duration = Duration::from_secs(30);

/// A process with fewer connections than this does not listen.
const MIN_CONNECTIONS: u32 = 5;

/// What the connection that listens reports.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Received<'a> {
    /// It has begun to listen: notifications before that are lost.
    Begin,
    /// A notification.
    Payload { channel: &'a str, text: &'a str },
    /// The connection was lost.
    End,
}

/// How many of `max_connections` are for listening.
pub(super) const fn count(max_connections: u32) -> u32 {
    if max_connections < MIN_CONNECTIONS { 0 } else { 1 }
}

impl Pool {
    /// Passes the notifications on `channels` to `receive`. Reconnects without end.
    pub(crate) async fn listen(
        &self,
        channels: &[&str],
        receive: impl Fn(Received<'_>) + Sync,
    ) -> Infallible {
        if !self.can_listen {
            return pending().await;
        }
        let mut is_failing = false;
        loop {
            match self.open_listener(channels).await {
                Ok(listener) => {
                    is_failing = false;
                    receive(Received::Begin);
                    let error = self.receive_all(listener, &receive).await;
                    receive(Received::End);
                    tracing::debug!(error = &error as &dyn Error, "lost the connection that listens");
                    sleep(RECONNECT).await;
                }
                Err(error) => {
                    report(&error, std::mem::replace(&mut is_failing, true));
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Whether a connection is reserved for [`Pool::listen`].
    pub(crate) const fn can_listen(&self) -> bool {
        self.can_listen
    }

    async fn open_listener(&self, channels: &[&str]) -> Result<PgListener, sqlx::Error> {
        let options = self.connections.manager().options.clone();
        let only = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let only = only.acquire_timeout(OPEN_TIMEOUT).connect_lazy_with(options);
        let opening = async {
            let mut listener = PgListener::connect_with(&only).await?;
            listener.eager_reconnect(false);
            listener.listen_all(channels.iter().copied()).await?;
            Ok(listener)
        };
        timeout(OPEN_TIMEOUT, opening).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Receives notifications until the connection is lost, and returns the error.
    async fn receive_all(
        &self,
        mut listener: PgListener,
        receive: impl Fn(Received<'_>) + Sync,
    ) -> sqlx::Error {
        loop {
            match timeout(TEST_INTERVAL, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => {
                    let (channel, text) = (notification.channel(), notification.payload());
                    receive(Received::Payload { channel, text });
                }
                Ok(Ok(None)) => return sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into()),
                Ok(Err(error)) => return error,
                Err(_) => {
                    let test = raw_sql("SELECT 1").execute(&mut listener);
                    if let Err(error) = with_test_timeout(self.last_error(), test).await {
                        return error;
                    }
                }
            }
        }
    }
}

/// Logs that listening failed, as a warning unless the attempt before failed as well.
fn report(error: &sqlx::Error, is_known: bool) {
    let error = error as &dyn Error;
    if is_known {
        tracing::debug!(error, "still cannot listen for notifications of other nodes");
    } else {
        tracing::warn!(error, "cannot listen for notifications of other nodes; polling for their jobs");
    }
}
