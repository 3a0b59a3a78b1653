//! The connection that publishes.

use std::convert::Infallible;

use redis::{AsyncConnectionConfig, RedisError, aio::MultiplexedConnection};
use tokio::time::{sleep, timeout};

use super::{COMMAND_TIMEOUT, CONNECT_TIMEOUT, Shared, TEST_INTERVAL, backoff::Backoff, timed_out};
use crate::outbox::{Outgoing, Queue};

/// The largest number of envelopes in one pipeline.
const BATCH: usize = 64;

pub(super) async fn run(shared: &Shared, mut queue: Queue) -> Infallible {
    let mut backoff = Backoff::new();
    loop {
        let error = match connect(shared).await {
            Ok(connection) => {
                backoff.reset();
                shared.monitor.update(|health| health.cannot_publish = false);
                send_all(shared, connection, &mut queue).await
            }
            Err(error) => error,
        };
        shared.monitor.update(|health| health.cannot_publish = true);
        tracing::debug!(error = &error as &dyn std::error::Error, "lost the connection that publishes");
        queue.discard();
        sleep(backoff.next()).await;
    }
}

async fn connect(shared: &Shared) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(COMMAND_TIMEOUT));
    let mut connection = shared.client.get_multiplexed_async_connection_with_config(&config).await?;
    test(&mut connection).await?;
    Ok(connection)
}

async fn test(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    redis::cmd("PING").query_async(connection).await
}

/// Sends queued envelopes until the connection is lost, and returns the error.
async fn send_all(shared: &Shared, mut connection: MultiplexedConnection, queue: &mut Queue) -> RedisError {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if let Some(lost) = queue.take_losses()
            && let Err(error) = send(shared, &mut connection, &[lost]).await
        {
            queue.note_loss();
            return error;
        }
        let sent = match timeout(TEST_INTERVAL, queue.receive(&mut batch, BATCH)).await {
            // The handle was dropped; the connection has no more use.
            Ok(false) => std::future::pending().await,
            Ok(true) => send(shared, &mut connection, &batch).await,
            Err(_) => test(&mut connection).await,
        };
        queue.finish(&mut batch, sent.is_ok());
        if let Err(error) = sent {
            return error;
        }
    }
}

async fn send(
    shared: &Shared,
    connection: &mut MultiplexedConnection,
    batch: &[Outgoing],
) -> Result<(), RedisError> {
    let mut pipeline = redis::pipe();
    for outgoing in batch {
        for partition in &outgoing.partitions {
            let channel = shared.channel(*partition);
            pipeline.cmd("PUBLISH").arg(channel).arg(outgoing.bytes.as_slice()).ignore();
        }
    }
    let sending = pipeline.query_async::<()>(connection);
    timeout(COMMAND_TIMEOUT, sending).await.unwrap_or_else(|_| Err(timed_out()))
}
