//! Telling others what happened.

/// Who is told what happened: the gateway, another service's consumer, a test's recorder.
///
/// Events are `E` of a feature, and are published after the commit of what they tell, by whoever committed it. Publishing
/// neither waits nor fails, so nothing can come between the two but the end of the process; what must not be lost is a row
/// that the event only speaks of, and is found again there.
pub trait EventSink<E>: Send + Sync {
    /// Takes notice of `event`.
    fn publish(&self, event: E);
}

/// Nobody is told.
impl<E> EventSink<E> for () {
    fn publish(&self, _: E) {}
}
