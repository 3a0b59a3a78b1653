//! The queues of messages that wait to be written, one per conversation.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blegram_domain::{ClientId, ConversationId, UserId};

use super::PendingMessage;
use crate::{Error, Result};

/// The maximum number of messages per transaction.
const BATCH: usize = 64;

/// The maximum text of a transaction in bytes, unless its first message is larger: the events of one batch must not
/// overflow the outbox of members that keep up.
const BATCH_BYTES: usize = 64 * 1024;

/// The maximum number of messages that wait in a conversation.
const MAX_QUEUED: usize = 16 * BATCH;

/// A conversation has an entry while a task writes its messages.
#[derive(Clone, Default)]
pub(crate) struct WriteQueues(Arc<Mutex<HashMap<ConversationId, VecDeque<PendingMessage>>>>);

/// The right to write in a conversation, at most one per conversation and process. Dropping it drops the queued
/// messages, and their senders send them alone.
pub(super) struct WriterLease {
    queues: WriteQueues,
    conversation: ConversationId,
    is_released: bool,
}

impl WriteQueues {
    /// Queues a message. Returns the right to write if no task writes in this conversation yet.
    ///
    /// # Errors
    /// [`Error::Busy`] if the queue is full.
    pub(super) fn add(
        &self,
        conversation: ConversationId,
        pending: PendingMessage,
    ) -> Result<Option<WriterLease>> {
        match self.lock().entry(conversation) {
            Entry::Occupied(queue) if queue.get().len() >= MAX_QUEUED => Err(Error::Busy),
            Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(pending);
                Ok(None)
            }
            Entry::Vacant(entry) => {
                entry.insert(VecDeque::from([pending]));
                Ok(Some(WriterLease { queues: self.clone(), conversation, is_released: false }))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, VecDeque<PendingMessage>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriterLease {
    /// Renews the lease if messages wait. If none wait, removes the queue, ends the lease, and returns `false`.
    pub(super) fn renew(&mut self) -> bool {
        let mut queues = self.queues.lock();
        let is_empty = queues.get(&self.conversation).is_none_or(VecDeque::is_empty);
        if is_empty {
            queues.remove(&self.conversation);
            self.is_released = true;
        }
        !is_empty
    }

    /// Takes the oldest messages that one transaction can write: without images (which are locked one message at a
    /// time), with distinct client ids, and within the limits. A message with images is taken alone.
    pub(super) fn take_batch(&mut self) -> Vec<PendingMessage> {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(&self.conversation) else { return Vec::new() };
        let mut batch: Vec<PendingMessage> = queue.pop_front().into_iter().collect();
        let mut client_keys: HashSet<_> = batch.iter().map(PendingMessage::client_key).collect();
        let mut bytes: usize = batch.iter().map(PendingMessage::bytes).sum();
        let is_plain = |pending: &PendingMessage| pending.sending.input.media.is_empty();
        if batch.iter().all(is_plain) {
            while let Some(next) = queue.front()
                && batch.len() < BATCH
                && bytes + next.bytes() <= BATCH_BYTES
                && is_plain(next)
                && client_keys.insert(next.client_key())
            {
                bytes += next.bytes();
                batch.extend(queue.pop_front());
            }
        }
        batch
    }

    /// Takes all queued messages.
    pub(super) fn take_all(&mut self) -> VecDeque<PendingMessage> {
        self.queues.lock().get_mut(&self.conversation).map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for WriterLease {
    fn drop(&mut self) {
        if !self.is_released {
            self.queues.lock().remove(&self.conversation);
        }
    }
}

impl PendingMessage {
    fn bytes(&self) -> usize {
        self.sending.input.text.as_str().len()
    }

    fn client_key(&self) -> (UserId, ClientId) {
        (self.sending.actor, self.sending.input.client_id)
    }
}
