//! Who waits for a message to be sent, by conversation.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use blegram_domain::{ClientId, ConversationId, UserId};

use super::Waiting;
use crate::{Error, Result};

/// How many messages a transaction writes at most.
const BATCH: usize = 64;

/// How much text a transaction writes at most, in bytes, beyond one message: what is told of it at once must not be too much
/// for members that keep up.
const BATCH_BYTES: usize = 64 * 1024;

/// How many wait in a conversation at most.
const WAITING: usize = 16 * BATCH;

/// A conversation is here while somebody writes in it.
#[derive(Clone, Default)]
pub(crate) struct Queues(Arc<Mutex<HashMap<ConversationId, VecDeque<Waiting>>>>);

/// The right to write in a conversation: one at a time in a process. Dropped, nobody waits any more.
pub(super) struct Turn {
    queues: Queues,
    conversation: ConversationId,
    is_over: bool,
}

impl Queues {
    /// Lets somebody wait for whoever writes there; `Some` if nobody does.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many wait.
    pub(super) fn add(&self, conversation: ConversationId, waiting: Waiting) -> Result<Option<Turn>> {
        match self.lock().entry(conversation) {
            Entry::Occupied(queue) if queue.get().len() >= WAITING => Err(Error::Busy),
            Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(waiting);
                Ok(None)
            }
            Entry::Vacant(place) => {
                place.insert(VecDeque::from([waiting]));
                Ok(Some(Turn { queues: self.clone(), conversation, is_over: false }))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, VecDeque<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Whether somebody waits. If not, the turn is over.
    pub(super) fn goes_on(&mut self) -> bool {
        let mut queues = self.queues.lock();
        let is_empty = queues.get(&self.conversation).is_none_or(VecDeque::is_empty);
        if is_empty {
            queues.remove(&self.conversation);
            self.is_over = true;
        }
        !is_empty
    }

    /// Takes those who wait for longest and whose messages can be written together: without images, which are held one
    /// message after the other, no two called alike, and not too much.
    pub(super) fn take(&mut self) -> Vec<Waiting> {
        let mut queues = self.queues.lock();
        let Some(queue) = queues.get_mut(&self.conversation) else { return Vec::new() };
        let mut batch: Vec<Waiting> = queue.pop_front().into_iter().collect();
        let mut called: HashSet<_> = batch.iter().map(Waiting::called).collect();
        let mut bytes: usize = batch.iter().map(Waiting::bytes).sum();
        let is_plain = |waiting: &Waiting| waiting.sending.input.media.is_empty();
        if batch.iter().all(is_plain) {
            while let Some(next) = queue.front()
                && batch.len() < BATCH
                && bytes + next.bytes() <= BATCH_BYTES
                && is_plain(next)
                && called.insert(next.called())
            {
                bytes += next.bytes();
                batch.extend(queue.pop_front());
            }
        }
        batch
    }

    /// Takes everybody who waits.
    pub(super) fn take_all(&mut self) -> VecDeque<Waiting> {
        self.queues.lock().get_mut(&self.conversation).map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            self.queues.lock().remove(&self.conversation);
        }
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.sending.input.text.as_str().len()
    }

    fn called(&self) -> (UserId, ClientId) {
        (self.sending.actor, self.sending.input.client_id)
    }
}
