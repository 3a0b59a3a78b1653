//! Publishing events to other parts of the system.

/// Receives events: the gateway, a consumer in another service, or a test's recorder.
///
/// `E` is the event type of a feature. The use-case that commits a change publishes the event after the commit.
/// Publishing neither waits nor fails, so only the end of the process can separate the two; data that must not be lost
/// is a stored row that the event merely points at.
pub trait EventSink<E>: Send + Sync {
    /// Publishes `event`.
    fn publish(&self, event: E);
}

/// Discards all events.
impl<E> EventSink<E> for () {
    fn publish(&self, _: E) {}
}
