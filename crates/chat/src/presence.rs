//! Typing indicators, and who may see whose presence.

use std::collections::HashSet;

use blegram_domain::{Conversation, ConversationId, UserId, conversation::ConversationKind, user::Status};
use blegram_persistence::{Conn, conversations, relations};

use crate::{Chat, Error, Event, Result};

impl Chat {
    /// Notifies the other members of a conversation that `actor` is typing. Nothing is stored.
    ///
    /// # Errors
    /// [`Error::NotFound`]; in a direct conversation the same errors as [`Chat::send_message`].
    pub async fn start_typing(&self, actor: UserId, id: ConversationId) -> Result<()> {
        let conversation = conversations::find(&self.db, id).await?.ok_or(Error::NotFound)?;
        let mut members = conversations::list_members(&self.db, &[id]).await?.remove(&id).unwrap_or_default();
        let mine = members.iter().position(|member| member.user == actor).ok_or(Error::NotFound)?;
        members.remove(mine);
        let other_members: Vec<UserId> = members.iter().map(|member| member.user).collect();
        check_open(&self.db, &conversation, actor, &other_members).await?;
        // Leaves out members who do not see the conversation before its next message.
        members.retain(|member| member.is_listed(conversation.last_message_no));
        if !members.is_empty() {
            let members = members.into_iter().map(|member| member.user).collect();
            self.events.publish(Event::Typing { conversation: id, user: actor, members });
        }
        Ok(())
    }

    /// Those of `users` (at most 100) whose presence `viewer` may see: users with whom they follow each other, and
    /// members of their conversations. Never the viewer.
    pub async fn list_acquainted(&self, viewer: UserId, users: &[UserId]) -> Result<HashSet<UserId>> {
        let mut people = relations::list_people(&self.db, viewer, users).await?;
        people.retain(|id, (user, relation)| *id != viewer && user.is_visible(*relation));
        let is_friend = |id: &UserId| people[id].1.following && people[id].1.followed_by;
        let (mut acquainted, rest): (HashSet<_>, Vec<_>) = {
            let (friends, rest): (Vec<_>, Vec<_>) = people.keys().copied().partition(is_friend);
            (friends.into_iter().collect(), rest)
        };
        acquainted.extend(conversations::list_sharing_conversation(&self.db, viewer, &rest).await?);
        Ok(acquainted)
    }
}

/// Checks that `actor` may write to the other member of a direct conversation. Groups have no such rule.
///
/// # Errors
/// [`Error::RecipientDeleted`]; [`Error::Blocked`] if the actor blocks them; [`Error::CannotWrite`] if they block the
/// actor or their account is suspended.
pub(crate) async fn check_open(
    conn: &impl Conn,
    conversation: &Conversation,
    actor: UserId,
    other_members: &[UserId],
) -> Result<()> {
    if conversation.kind != ConversationKind::Direct {
        return Ok(());
    }
    let people = relations::list_people(conn, actor, other_members).await?;
    if other_members.is_empty() {
        return Err(Error::RecipientDeleted);
    }
    for member in other_members {
        match people.get(member) {
            None => return Err(Error::RecipientDeleted),
            Some((user, _)) if user.status == Status::Deleted => return Err(Error::RecipientDeleted),
            Some((_, relation)) if relation.blocking => return Err(Error::Blocked),
            Some((user, relation)) if !user.is_visible(*relation) => return Err(Error::CannotWrite),
            Some(_) => {}
        }
    }
    Ok(())
}
