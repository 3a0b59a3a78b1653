//! The connection that receives. It does nothing but pass messages on: Redis disconnects a client that reads too slowly
//! (`client-output-buffer-limit pubsub`). That is a reconnect like any other.

use std::{convert::Infallible, future::pending};

use blegram_planted::{Bug, planted};
use bytes::Bytes;
use futures_util::{StreamExt, future::try_join_all};
use redis::{
    RedisError, Value,
    aio::{PubSub, PubSubSink, PubSubStream},
};
use tokio::time::{Duration, Instant, interval, sleep, timeout};

use super::{
    COMMAND_TIMEOUT, CONNECT_TIMEOUT, Shared, TEST_INTERVAL, backoff::Backoff, subscriptions::Difference,
    timed_out,
};
use crate::{Partition, health::increment, intake::Intake};

/// A connection that lasted this long worked: the next attempt comes soon.
const STABLE: Duration = Duration::from_secs(10);

pub(super) async fn run(shared: &Shared, mut intake: Intake) -> Infallible {
    let mut backoff = Backoff::new();
    loop {
        let begin = Instant::now();
        let error = match connect(shared).await {
            Ok(connection) => receive_all(shared, &mut intake, connection).await,
            Err(error) => error,
        };
        if !planted(Bug::NoResubscription) {
            shared.subscriptions.reset();
        }
        shared.monitor.update(|health| health.cannot_receive = true);
        tracing::debug!(error = &error as &dyn std::error::Error, "lost the connection that receives");
        if begin.elapsed() > STABLE {
            backoff.reset();
        }
        sleep(backoff.next()).await;
    }
}

async fn connect(shared: &Shared) -> Result<PubSub, RedisError> {
    within(CONNECT_TIMEOUT, shared.client.get_async_pubsub()).await
}

async fn in_time<T>(command: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    within(COMMAND_TIMEOUT, command).await
}

async fn within<T>(
    limit: Duration,
    command: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    timeout(limit, command).await.unwrap_or_else(|_| Err(timed_out()))
}

/// Subscribes and receives until the connection is lost, and returns the error.
async fn receive_all(shared: &Shared, intake: &mut Intake, connection: PubSub) -> RedisError {
    let (sink, mut messages) = connection.split();
    let receiving = receive(intake, &mut messages);
    let subscribing = async {
        match tokio::try_join!(follow(shared, &sink), test(&sink)) {
            Ok((never, _)) => match never {},
            Err(error) => error,
        }
    };
    tokio::select! {
        error = receiving => error,
        error = subscribing => error,
    }
}

async fn receive(intake: &mut Intake, messages: &mut PubSubStream) -> RedisError {
    while let Some(message) = messages.next().await {
        intake.accept(&Bytes::copy_from_slice(message.get_payload_bytes()));
    }
    timed_out()
}

/// Makes the subscriptions, and follows their changes.
async fn follow(shared: &Shared, sink: &PubSubSink) -> Result<Infallible, RedisError> {
    let mut changes = shared.subscriptions.changes();
    loop {
        // Before the sets are read, so that no later change is missed.
        changes.mark_unchanged();
        let difference = shared.subscriptions.difference();
        if !difference.is_empty() {
            apply(shared, sink, &difference).await?;
            shared.subscriptions.confirm(&difference);
            continue;
        }
        if shared.monitor.health.borrow().cannot_receive {
            increment(&shared.monitor.subscriptions);
            shared.monitor.update(|health| {
                health.cannot_receive = false;
                health.losses += 1;
            });
        }
        if changes.changed().await.is_err() {
            return pending().await;
        }
    }
}

/// Changes the subscriptions, all in one batch. One command per channel, because the client confirms a command with the
/// answer for its first channel, and would take the others for those of later commands.
async fn apply(shared: &Shared, sink: &PubSubSink, difference: &Difference) -> Result<(), RedisError> {
    let channel = |partition: &Partition| (sink.clone(), shared.channel(*partition));
    let missing = difference.missing.iter().map(channel);
    let subscribing = missing.map(|(mut sink, channel)| async move { sink.subscribe(channel).await });
    let unused = difference.unused.iter().map(channel);
    let unsubscribing = unused.map(|(mut sink, channel)| async move { sink.unsubscribe(channel).await });
    let changing =
        async { tokio::try_join!(try_join_all(subscribing), try_join_all(unsubscribing)).map(drop) };
    in_time(changing).await
}

async fn test(sink: &PubSubSink) -> Result<Infallible, RedisError> {
    let (mut sink, mut ticks) = (sink.clone(), interval(TEST_INTERVAL));
    loop {
        ticks.tick().await;
        in_time(sink.ping::<Value>()).await?;
    }
}
