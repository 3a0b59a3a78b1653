//! Creating, listing and updating conversations.

use std::slice;

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, ConversationTitle, Page, PageRequest, Timestamp, UserId,
    UserRef,
    conversation::{ConversationEventKind, ConversationKind, Membership},
    page::Activity,
    version::Precondition,
};
use blegram_persistence::{Inserted, Tx, conversations, relations, users};

use crate::{
    Chat, ConversationView, Error, Result,
    event::{added, publish},
    view::view_conversations,
};

impl Chat {
    /// Starts a conversation of `actor`. One other member and no title is the direct conversation of the two, which
    /// exists once and is returned if it exists; anything else creates a group. Also returns whether the conversation
    /// is new.
    ///
    /// # Errors
    /// [`Error::Oneself`] without another member; [`Error::MembersNotFound`] with the indexes of those whom the actor
    /// may not see or message; [`Error::TooManyMembers`]; [`Error::AccountNotFound`].
    pub async fn create_conversation(
        &self,
        actor: UserId,
        members: &[UserRef],
        title: Option<ConversationTitle>,
    ) -> Result<(ConversationView, bool)> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        lock_actor_shared(&tx, actor).await?;
        let (conversation, created) = match (self.resolve(&tx, actor, members).await?.as_slice(), title) {
            ([], _) => return Err(Error::Oneself),
            ([(other, at)], None) => create_direct(&tx, actor, *other, *at, now).await?,
            (other_users, _) if other_users.len() >= Conversation::MAX_MEMBERS => {
                return Err(Error::TooManyMembers);
            }
            (other_users, title) => {
                check_all(&tx, actor, other_users).await?;
                let other_users = other_users.iter().map(|(user, _)| *user);
                let all: Vec<UserId> = other_users.chain([actor]).collect();
                (create_group(&tx, actor, &all, title, now).await?, Created { is_new: true, added_to: all })
            }
        };
        let events = added(&tx, &conversation, &created.added_to).await?;
        self.commit(tx, events).await?;
        Ok((self.view_one(actor, conversation).await?, created.is_new))
    }

    /// The conversations of `actor`, most recent message first. A page towards newer ones contains every conversation
    /// that has moved up since, regardless of the order in which concurrent messages were committed.
    pub async fn conversations(
        &self,
        actor: UserId,
        page: &PageRequest<Activity>,
    ) -> Result<Page<ConversationView, Activity>> {
        let (page_keys, ids) = conversations::list_of(&self.db, actor, page).await?;
        let found = conversations::list_by_ids(&self.db, &ids).await?;
        let views = view_conversations(&self.db, actor, &found).await?;
        Ok(page_keys.into_page(views))
    }

    /// A conversation of `actor`, even if they have hidden it from their list.
    ///
    /// # Errors
    /// [`Error::NotFound`] also if the actor is not a member.
    pub async fn get_conversation(&self, actor: UserId, id: ConversationId) -> Result<ConversationView> {
        let conversation = conversations::find(&self.db, id).await?.ok_or(Error::NotFound)?;
        self.view_one(actor, conversation).await
    }

    /// Changes the title of a group of `actor`, or removes it (`Some(None)`). An update without a change writes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::NotAGroup`]; [`Error::PreconditionFailed`].
    pub async fn update_conversation(
        &self,
        actor: UserId,
        id: ConversationId,
        title: Option<Option<ConversationTitle>>,
        precondition: &Precondition,
    ) -> Result<ConversationView> {
        let Some(title) = title else {
            let view = self.get_conversation(actor, id).await?;
            check(precondition, view.conversation.version)?;
            return Ok(view);
        };
        let tx = self.db.write().await?;
        let (mut conversation, _) = lock_group(&tx, actor, id).await?;
        check(precondition, conversation.version)?;
        let now = self.clock.now();
        let title = title.map(String::from);
        let mut events = Vec::new();
        if conversation.title != title {
            conversation.title = title;
            conversation.version += 1;
            let event = append_updated(&tx, &mut conversation, now).await?;
            conversations::update(&tx, &conversation, false, now).await?;
            events = publish(&tx, &conversation, vec![event]).await?;
        }
        // Commits even without a change: the read below needs another connection, and this transaction still holds
        // locks.
        self.commit(tx, events).await?;
        self.view_one(actor, conversation).await
    }

    /// Mutes a conversation of `actor`, or unmutes it. Muted conversations do not count towards the unread messages.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn mute_conversation(&self, actor: UserId, id: ConversationId, is_muted: bool) -> Result<()> {
        let tx = self.db.write().await?;
        let (_, membership) = lock(&tx, actor, id).await?;
        let now = self.clock.now();
        conversations::update_member(&tx, &Membership { is_muted, ..membership }, now).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn view_one(
        &self,
        actor: UserId,
        conversation: Conversation,
    ) -> Result<ConversationView> {
        view_conversations(&self.db, actor, &[conversation]).await?.pop().ok_or(Error::NotFound)
    }

    /// Resolves a reference to an account, without checking who may see it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn find_user(&self, user: &UserRef) -> Result<UserId> {
        match user {
            UserRef::Id(id) => Ok(*id),
            UserRef::Username(name) => {
                let user = users::find_by_username(&self.db, name).await?;
                Ok(user.ok_or(Error::NotFound)?.summary.id)
            }
        }
    }

    /// Resolves references to accounts with their index in the list, each account once and without the actor.
    pub(crate) async fn resolve(
        &self,
        tx: &Tx,
        actor: UserId,
        references: &[UserRef],
    ) -> Result<Vec<(UserId, usize)>> {
        let mut names = Vec::new();
        for reference in references {
            if let UserRef::Username(name) = reference {
                names.push(name.clone());
            }
        }
        let named = users::list_by_usernames(tx, &names).await?;
        let id = |reference: &UserRef| match reference {
            UserRef::Id(id) => Some(*id),
            UserRef::Username(name) => named.iter().find(|user| user.username == *name).map(|user| user.id),
        };
        let ids: Vec<Option<UserId>> = references.iter().map(id).collect();
        let missing: Vec<usize> = (0..ids.len()).filter(|at| ids[*at].is_none()).collect();
        if !missing.is_empty() {
            return Err(Error::MembersNotFound(missing));
        }
        let mut found: Vec<(UserId, usize)> = Vec::new();
        for (at, id) in ids.into_iter().flatten().enumerate() {
            if id != actor && !found.iter().any(|(other, _)| *other == id) {
                found.push((id, at));
            }
        }
        Ok(found)
    }
}

/// The outcome of starting a conversation.
struct Created {
    is_new: bool,
    /// The users whose lists the conversation was not in before.
    added_to: Vec<UserId>,
}

async fn create_direct(
    tx: &Tx,
    actor: UserId,
    other: UserId,
    at: usize,
    now: Timestamp,
) -> Result<(Conversation, Created)> {
    if let Some(before) = reopen(tx, actor, other, now).await? {
        return Ok(before);
    }
    check_all(tx, actor, &[(other, at)]).await?;
    let conversation = new(ConversationKind::Direct, None, None, now);
    if conversations::insert(tx, &conversation, Some((actor, other))).await? == Inserted::Existing {
        // Both members started it at the same time.
        return reopen(tx, actor, other, now).await?.ok_or(Error::NotFound);
    }
    // The other member sees the conversation from its first message on.
    for (user, hidden_no) in [(actor, None), (other, Some(0))] {
        let membership = Membership { hidden_no, ..joined(&conversation, user, now) };
        conversations::insert_member(tx, &membership, now).await?;
    }
    Ok((conversation, Created { is_new: true, added_to: vec![actor] }))
}

/// The existing direct conversation, which is listed for the actor again.
async fn reopen(
    tx: &Tx,
    actor: UserId,
    other: UserId,
    now: Timestamp,
) -> Result<Option<(Conversation, Created)>> {
    let Some(found) = conversations::find_direct(tx, actor, other).await? else { return Ok(None) };
    let (conversation, membership) = lock(tx, actor, found.id).await?;
    let is_listed = membership.is_listed(conversation.last_message_no);
    if membership.hidden_no.is_some() {
        conversations::update_member(tx, &Membership { hidden_no: None, ..membership }, now).await?;
    }
    let added_to = if is_listed { Vec::new() } else { vec![actor] };
    Ok(Some((conversation, Created { is_new: false, added_to })))
}

async fn create_group(
    tx: &Tx,
    actor: UserId,
    all: &[UserId],
    title: Option<ConversationTitle>,
    now: Timestamp,
) -> Result<Conversation> {
    let conversation = new(ConversationKind::Group, title.map(String::from), Some(actor), now);
    conversations::insert(tx, &conversation, None).await?;
    for user in all {
        conversations::insert_member(tx, &joined(&conversation, *user, now), now).await?;
    }
    Ok(conversation)
}

fn new(kind: ConversationKind, title: Option<String>, owner: Option<UserId>, now: Timestamp) -> Conversation {
    Conversation {
        id: ConversationId::generate(now),
        kind,
        title,
        owner,
        last_seq: 0,
        last_message_no: 0,
        last_message: None,
        created_at: now,
        version: 0,
    }
}

/// The membership of a new member, who sees only what comes after this.
pub(crate) fn joined(conversation: &Conversation, user: UserId, now: Timestamp) -> Membership {
    Membership {
        conversation: conversation.id,
        user,
        joined_at: now,
        since_seq: conversation.last_seq,
        since_no: conversation.last_message_no,
        read_no: conversation.last_message_no,
        delivered_seq: conversation.last_seq,
        hidden_no: None,
        is_muted: false,
    }
}

/// Checks that `actor` may start a conversation with all of `other_users`: no block, and the message policy of each
/// admits the actor. Locks the relations, so that this stays true until the transaction ends.
pub(crate) async fn check_all(tx: &Tx, actor: UserId, other_users: &[(UserId, usize)]) -> Result<()> {
    let ids: Vec<UserId> = other_users.iter().map(|(id, _)| *id).collect();
    relations::lock_shared(tx, actor, ids.iter().copied()).await?;
    let people = relations::list_people(tx, actor, &ids).await?;
    let policies = users::list_messages_from(tx, &ids).await?;
    let is_open = |id: UserId| {
        let person = people.get(&id).filter(|(user, relation)| user.is_visible(*relation));
        person.zip(policies.get(&id)).is_some_and(|((_, relation), policy)| policy.admits(*relation))
    };
    let closed: Vec<usize> = other_users.iter().filter(|(id, _)| !is_open(*id)).map(|(_, at)| *at).collect();
    if closed.is_empty() { Ok(()) } else { Err(Error::MembersNotFound(closed)) }
}

pub(crate) async fn lock_actor_shared(tx: &Tx, actor: UserId) -> Result<()> {
    // A shared lock: transactions that lock the account exclusively wait for this one.
    users::lock_shared(tx, actor)
        .await?
        .filter(blegram_domain::User::is_visible)
        .ok_or(Error::AccountNotFound)?;
    Ok(())
}

/// Checks a precondition against `version` of a locked row.
pub(crate) fn check(precondition: &Precondition, version: u64) -> Result<()> {
    if precondition.is_met(version) { Ok(()) } else { Err(Error::PreconditionFailed) }
}

/// Locks a conversation that `actor` is a member of until the transaction ends.
pub(crate) async fn lock(tx: &Tx, actor: UserId, id: ConversationId) -> Result<(Conversation, Membership)> {
    let conversation = conversations::lock(tx, id).await?.ok_or(Error::NotFound)?;
    let membership = conversations::find_member(tx, id, actor).await?.ok_or(Error::NotFound)?;
    Ok((conversation, membership))
}

/// Locks a group that `actor` is a member of until the transaction ends.
pub(crate) async fn lock_group(
    tx: &Tx,
    actor: UserId,
    id: ConversationId,
) -> Result<(Conversation, Membership)> {
    let (conversation, membership) = lock(tx, actor, id).await?;
    if conversation.kind == ConversationKind::Direct {
        return Err(Error::NotAGroup);
    }
    Ok((conversation, membership))
}

/// Appends an event to the log of a locked conversation. The caller updates the conversation row.
pub(crate) async fn append_event(
    tx: &Tx,
    conversation: &mut Conversation,
    kind: ConversationEventKind,
    now: Timestamp,
) -> Result<ConversationEvent> {
    conversation.last_seq += 1;
    let event =
        ConversationEvent { conversation: conversation.id, seq: conversation.last_seq, kind, at: now };
    conversations::insert_events(tx, slice::from_ref(&event)).await?;
    Ok(event)
}

pub(crate) async fn append_updated(
    tx: &Tx,
    conversation: &mut Conversation,
    now: Timestamp,
) -> Result<ConversationEvent> {
    let kind =
        ConversationEventKind::Updated { title: conversation.title.clone(), owner: conversation.owner };
    append_event(tx, conversation, kind, now).await
}
