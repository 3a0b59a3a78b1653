//! What the planted bugs of this crate do ([`blegram_planted`]). Without the feature none of it runs.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use blegram_domain::{ClientId, Conversation, ConversationId, Message, UserId, event::EventSink};
use blegram_persistence::{Error as StorageError, conversations};
use blegram_planted::{Bug, planted};

use crate::{Chat, Event, Result};

/// Long enough to be hit by a fault, short enough for the deadline of a command.
const DELAY: Duration = Duration::from_millis(150);

/// [`Bug::AckBeforeCommit`]: whether the caller does not wait for the commit, because it is that of a message.
pub(crate) fn acknowledges_first(events: &[Event]) -> bool {
    planted(Bug::AckBeforeCommit) && events.iter().any(is_message)
}

/// [`Bug::AckBeforeCommit`]: gives a fault time to prevent the commit.
/// [`Bug::PublishBeforeCommit`]: publishes the events, and fails one of four transactions with messages.
pub(crate) async fn before_commit(events: &[Event], sink: &dyn EventSink<Event>) -> Result<()> {
    if acknowledges_first(events) {
        tokio::time::sleep(DELAY).await;
    }
    if planted(Bug::PublishBeforeCommit) {
        events.iter().for_each(|event| sink.publish(event.clone()));
        if events.iter().any(is_message) && RandomState::new().hash_one(()).is_multiple_of(4) {
            return Err(StorageError::TimedOut.into());
        }
    }
    Ok(())
}

const fn is_message(event: &Event) -> bool {
    matches!(event, Event::Appended { event, .. } if event.message.is_some())
}

/// [`Bug::SequenceOutsideLock`]: takes the next `count` numbers in a transaction of its own, and returns the conversation
/// as it was before. Needs a second connection to the database.
pub(crate) async fn reserve(chat: &Chat, id: ConversationId, count: usize) -> Result<Option<Conversation>> {
    if !planted(Bug::SequenceOutsideLock) {
        return Ok(None);
    }
    let tx = chat.db.write().await?;
    let Some(before) = conversations::lock(&tx, id).await? else { return Ok(None) };
    let (count, mut after) = (count as u64, before.clone());
    after.last_seq += count;
    after.last_message_no += count;
    conversations::update(&tx, &after, false, chat.clock.now()).await?;
    tx.commit().await?;
    Ok(Some(before))
}

/// Continues with the numbers that [`reserve`] has taken.
pub(crate) fn use_reserved(conversation: &mut Conversation, reserved: Option<Conversation>) {
    if let Some(reserved) = reserved {
        conversation.last_seq = reserved.last_seq;
        conversation.last_message_no = reserved.last_message_no;
    }
}

type ClientKey = (UserId, ClientId);

/// [`Bug::CacheOnlyDeduplication`]: forgets the messages that another process has stored.
pub(crate) fn retain_cached(existing: &mut HashMap<ClientKey, Message>, sending: &[ClientKey]) {
    static CACHE: LazyLock<Mutex<HashSet<ClientKey>>> = LazyLock::new(Mutex::default);
    if planted(Bug::CacheOnlyDeduplication) {
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        existing.retain(|key, _| cache.contains(key));
        cache.extend(sending);
    }
}
