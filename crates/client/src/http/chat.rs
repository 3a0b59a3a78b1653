//! Conversations and their messages. A client with a connection to the gateway sends messages there, with
//! [`crate::Gateway::send`].

use uuid::Uuid;

use super::Client;
use crate::{
    core::Page,
    error::Error,
    types::{
        AddMembers, Conversation, ConversationEvents, ConversationPage, CreateConversation, Message,
        MessagePage, SendMessage,
    },
};

/// Page size of the first load. [`FULL_PAGE`] is for loads after a `reset`.
const FIRST_PAGE: u32 = 20;
const FULL_PAGE: u32 = 100;

impl Client {
    /// A page of this account's conversations, the most recent first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn conversations(&self, cursor: Option<&str>) -> Result<ConversationPage, Error> {
        self.get("/conversations").query("cursor", cursor).send().await
    }

    /// A conversation by its id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn conversation(&self, id: Uuid) -> Result<Conversation, Error> {
        self.get(format!("/conversations/{id}")).send().await
    }

    /// Opens the direct conversation with an account (id or `@username`); starts it if there is none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open_direct(&self, with: &str) -> Result<Conversation, Error> {
        let body = CreateConversation { members: vec![with.to_owned()], title: None };
        self.post("/conversations").json(&body).send().await
    }

    /// Creates a group with these members (ids or `@username`s).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_group(&self, title: &str, members: Vec<String>) -> Result<Conversation, Error> {
        let body = CreateConversation { members, title: Some(title.to_owned()) };
        self.post("/conversations").json(&body).send().await
    }

    /// Adds members (ids or `@username`s) to a group.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add_members(&self, group: Uuid, members: Vec<String>) -> Result<Conversation, Error> {
        self.post(format!("/conversations/{group}/members")).json(&AddMembers { members }).send().await
    }

    /// Removes a member from a group; removing oneself is leaving it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove_member(&self, group: Uuid, user: Uuid) -> Result<(), Error> {
        self.delete(format!("/conversations/{group}/members/{user}")).send_unit().await
    }

    /// Sends a message without a connection to the gateway. Its `client_id` makes it repeatable.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send_message(&self, conversation: Uuid, message: &SendMessage) -> Result<Message, Error> {
        self.post(format!("/conversations/{conversation}/messages")).json(message).send().await
    }

    /// A page of messages, the newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn messages(
        &self,
        conversation: Uuid,
        limit: u32,
        cursor: Option<&str>,
    ) -> Result<MessagePage, Error> {
        let request = self.get(format!("/conversations/{conversation}/messages"));
        request.query("limit", Some(limit)).query("cursor", cursor).send().await
    }

    /// The events after a sequence number.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn events(&self, conversation: Uuid, after: u64) -> Result<ConversationEvents, Error> {
        self.get(format!("/conversations/{conversation}/events")).query("after", Some(after)).send().await
    }

    /// The latest messages, oldest first; with `after`, all messages after that number.
    pub(crate) async fn latest(&self, conversation: Uuid, after: Option<u64>) -> Result<Page, Error> {
        let limit = if after.is_some() { FULL_PAGE } else { FIRST_PAGE };
        let mut page = self.messages(conversation, limit, None).await?;
        // From the first page: events that occur while the other pages load must not be missed.
        let last_seq = page.last_seq;
        let mut messages = std::mem::take(&mut page.items);
        while let Some(after) = after
            && messages.last().is_some_and(|oldest| oldest.message_no > after + 1)
            && let Some(cursor) = page.next_cursor.take()
        {
            page = self.messages(conversation, limit, Some(&cursor)).await?;
            messages.append(&mut page.items);
        }
        messages.reverse();
        Ok(Page { messages, last_seq })
    }
}
