use blegram_domain::UserRef;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult, MaybeNew, NoContent, Versioned},
    body::Body,
    conditional::IfMatch,
    page::Paged,
    param::{AfterParam, ConversationParam, CursorParam, LimitParam, ListQuery, MessageParam, UserParam},
    problem::Problem,
    routes::{AppData, Tag},
    schema::{
        Linked,
        conversation::{
            AddMembers, Conversation, ConversationEvents, ConversationMute, ConversationPage,
            ConversationRead, CreateConversation, EditMessage, MarkRead, MemberRef, Message, MessagePage,
            SendMessage, SyncResult, UpdateConversation,
        },
    },
    viewer::Viewer,
};

pub(crate) struct ConversationsApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Conversations")]
impl ConversationsApi {
    /// Begin a conversation
    ///
    /// One member without a title is the direct conversation of the two of you: 201 when it is new, 200 when it was there.
    /// They see it from its first message. Anything else is a new group, which its members see at once.
    /// 상대가 한 명이고 제목이 없으면 두 사람의 1:1 대화이며, 이미 있으면 그 대화를 200으로 돌려줍니다. 그 밖에는 새 그룹을 만듭니다.
    #[oai(path = "/conversations", method = "post", operation_id = "createConversation")]
    async fn create_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreateConversation>,
    ) -> ApiResult<MaybeNew<Conversation>> {
        let members = resolve_members(body.0.members, viewer);
        let made = app.chat.create_conversation(viewer.id(), &members, body.0.title).await;
        let (view, is_new) = made.map_err(Problem::from)?;
        let location = Some(format!("/api/v1/conversations/{}", view.conversation.id));
        let version = view.conversation.version;
        Ok(MaybeNew { is_new, location, version, body: Conversation::linked(view, &app.media.links()) })
    }

    /// List your conversations
    ///
    /// Those first in which a message came last. `prev_cursor` leads to those that moved up since the page: a conversation
    /// that you have may come again, at its new place. To keep a whole list current, use `sync`.
    /// 최근에 메시지가 온 대화부터 보여 줍니다. `prev_cursor`는 그 뒤에 위로 올라온 대화로 이어지므로, 이미 받은 대화가 새 위치로
    /// 다시 나올 수 있습니다. 목록 전체를 최신으로 유지하려면 `sync`를 쓰세요.
    #[oai(path = "/conversations", method = "get", operation_id = "listConversations")]
    async fn list_conversations(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<ConversationPage>> {
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.ranked_page("listConversations", &[&viewer.id().to_string(), ""])?;
        let items = app.chat.conversations(viewer.id(), &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(items, &app.media.links()))
    }

    /// Get a conversation of yours
    ///
    /// With its members and how far each has read. 참여자와 각자 읽은 위치를 함께 보여 줍니다.
    #[oai(path = "/conversations/:conversation", method = "get", operation_id = "getConversation")]
    async fn get_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
    ) -> ApiResult<Versioned<Conversation>> {
        let view = app.chat.get_conversation(viewer.id(), conversation.id()?).await.map_err(Problem::from)?;
        Ok(Linked::linked(view, &app.media.links()))
    }

    /// Call a group something else
    ///
    /// Any member may. 참여자 누구나 그룹의 제목을 바꿀 수 있습니다.
    #[oai(path = "/conversations/:conversation", method = "patch", operation_id = "updateConversation")]
    async fn update_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        if_match: IfMatch,
        body: Body<UpdateConversation>,
    ) -> ApiResult<Versioned<Conversation>> {
        let (actor, id) = (viewer.id(), conversation.id()?);
        let updated = app.chat.update_conversation(actor, id, body.0.0, &if_match.0).await;
        Ok(Linked::linked(updated.map_err(Problem::from)?, &app.media.links()))
    }

    /// Let others into a group
    ///
    /// Any member may. They see what comes after. 참여자 누구나 초대할 수 있고, 새 참여자는 그 뒤의 내용만 봅니다.
    #[oai(path = "/conversations/:conversation/members", method = "post", operation_id = "addMembers")]
    async fn add_members(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        body: Body<AddMembers>,
    ) -> ApiResult<Versioned<Conversation>> {
        let members = resolve_members(body.0, viewer);
        let view = app.chat.add_members(viewer.id(), conversation.id()?, &members).await;
        Ok(Linked::linked(view.map_err(Problem::from)?, &app.media.links()))
    }

    /// Leave a conversation, or remove somebody
    ///
    /// `me` leaves; others are removed by the owner of a group. A direct conversation is hidden from you, with what was said,
    /// until the next message.
    /// `me`는 나가기입니다. 다른 사람은 그룹의 소유자만 내보낼 수 있습니다. 1:1 대화는 다음 메시지가 올 때까지 목록에서 사라지고 이전
    /// 내용은 다시 보이지 않습니다.
    #[oai(
        path = "/conversations/:conversation/members/:user",
        method = "delete",
        operation_id = "removeMember"
    )]
    async fn remove_member(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        /// An id, `@username`, or `me`.
        user: Path<UserParam>,
    ) -> ApiResult<NoContent> {
        let id = conversation.id()?;
        let user = app.chat.find_user(&user.user(viewer.into())?).await.map_err(Problem::from)?;
        app.chat.remove_member(viewer.id(), id, user).await.map_err(Problem::from)?;
        Ok(NoContent)
    }

    /// List the messages of a conversation
    ///
    /// The newest first. `last_seq` is where events go on. 최신 메시지부터 보여 주며, `last_seq` 뒤의 일은 이벤트로 이어서 읽습니다.
    #[oai(path = "/conversations/:conversation/messages", method = "get", operation_id = "listMessages")]
    async fn list_messages(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        /// How many items at most, up to 100.
        limit: Query<Option<LimitParam>>,
        /// A cursor of this list, as it came with a page.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Paged<MessagePage>> {
        let id = conversation.id()?;
        let query = ListQuery { limit: limit.0, cursor: cursor.0, since_id: None };
        let page = query.ranked_page("listMessages", &[&id.to_string()])?;
        let (messages, last_seq) = app.chat.messages(viewer.id(), id, &page).await.map_err(Problem::from)?;
        Ok(Paged::linked(messages, &app.media.links()).map(|page: MessagePage| page.with_last_seq(last_seq)))
    }

    /// Send a message
    ///
    /// Under a `client_id` of yours: 201 when it is new, 200 with the message as it is when you sent it before, however much
    /// earlier. `client_id`가 같은 메시지는 한 번만 보내집니다. 처음이면 201, 이미 보냈다면 200으로 그 메시지를 받습니다.
    #[oai(path = "/conversations/:conversation/messages", method = "post", operation_id = "sendMessage")]
    async fn send_message(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        body: Body<SendMessage>,
    ) -> ApiResult<MaybeNew<Message>> {
        let sent = app.chat.send_message(viewer.id(), conversation.id()?, body.0).await;
        let (view, is_new) = sent.map_err(Problem::from)?;
        let version = view.message.version;
        Ok(MaybeNew { is_new, location: None, version, body: Message::linked(view, &app.media.links()) })
    }

    /// Edit a message of yours
    ///
    /// Its images stay. In a direct conversation across a block it is refused, as sending is; deleting your own stays allowed.
    /// The answers to sending and editing have the `ETag` of a message.
    /// 이미지는 그대로 둡니다. 차단된 상대와의 1:1 대화에서는 보내기와 마찬가지로 수정할 수 없지만, 내 메시지를 삭제할 수는 있습니다. 메시지의 `ETag`는
    /// 보내기와 수정의 응답에 있습니다.
    #[oai(
        path = "/conversations/:conversation/messages/:message",
        method = "patch",
        operation_id = "editMessage"
    )]
    async fn edit_message(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        /// The id of a message.
        message: Path<MessageParam>,
        if_match: IfMatch,
        body: Body<EditMessage>,
    ) -> ApiResult<Versioned<Message>> {
        let (conversation, message) = (conversation.id()?, message.id()?);
        let edited = app.chat.edit_message(viewer.id(), conversation, message, body.0, &if_match.0).await;
        Ok(Linked::linked(edited.map_err(Problem::from)?, &app.media.links()))
    }

    /// Unsend a message of yours
    ///
    /// It keeps its place, without content. 내용은 지워지고 자리만 남습니다.
    #[oai(
        path = "/conversations/:conversation/messages/:message",
        method = "delete",
        operation_id = "deleteMessage"
    )]
    async fn delete_message(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        /// The id of a message.
        message: Path<MessageParam>,
        if_match: IfMatch,
    ) -> ApiResult<NoContent> {
        let (conversation, message) = (conversation.id()?, message.id()?);
        let deleted = app.chat.delete_message(viewer.id(), conversation, message, &if_match.0).await;
        deleted.map_err(Problem::from)?;
        Ok(NoContent)
    }

    /// List what happened in a conversation
    ///
    /// After a number that you know, at most 100 things. With `reset` you missed too much: list the messages again.
    /// 알고 있는 번호 뒤에 일어난 일을 최대 100개까지 순서대로 보여 줍니다. `reset`이면 메시지를 처음부터 다시 읽으세요.
    #[oai(
        path = "/conversations/:conversation/events",
        method = "get",
        operation_id = "listConversationEvents"
    )]
    async fn list_conversation_events(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        /// The number of the last thing that you know of; 0 unless given.
        after: Query<Option<AfterParam>>,
    ) -> ApiResult<Answer<ConversationEvents>> {
        let id = conversation.id()?;
        let after = after.0.as_ref().map_or(Ok(0), AfterParam::number)?;
        let changes = app.chat.events(viewer.id(), id, after).await.map_err(Problem::from)?;
        Ok(Answer(ConversationEvents::linked(changes, &app.media.links())))
    }

    /// Mark messages as read
    ///
    /// Up to a number, on every device; it never goes back. 모든 기기에서 그 번호까지 읽음으로 표시하며 뒤로 돌아가지 않습니다.
    #[oai(path = "/conversations/:conversation/read", method = "put", operation_id = "markRead")]
    async fn mark_read(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
        body: Body<MarkRead>,
    ) -> ApiResult<Answer<ConversationRead>> {
        let marked = app.chat.mark_read(viewer.id(), conversation.id()?, body.0).await;
        let (read_no, unread_count) = marked.map_err(Problem::from)?;
        Ok(Answer(ConversationRead { read_no, unread_count }))
    }

    /// Mute a conversation
    ///
    /// It does not count into what you have not read. 읽지 않은 메시지 수에 포함되지 않습니다.
    #[oai(path = "/conversations/:conversation/mute", method = "put", operation_id = "muteConversation")]
    async fn mute_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
    ) -> ApiResult<Answer<ConversationMute>> {
        let id = conversation.id()?;
        app.chat.mute_conversation(viewer.id(), id, true).await.map_err(Problem::from)?;
        Ok(Answer(ConversationMute { is_muted: true }))
    }

    /// Unmute a conversation
    ///
    /// It counts again. 다시 읽지 않은 메시지 수에 포함됩니다.
    #[oai(path = "/conversations/:conversation/mute", method = "delete", operation_id = "unmuteConversation")]
    async fn unmute_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The id of a conversation.
        conversation: Path<ConversationParam>,
    ) -> ApiResult<Answer<ConversationMute>> {
        let id = conversation.id()?;
        app.chat.mute_conversation(viewer.id(), id, false).await.map_err(Problem::from)?;
        Ok(Answer(ConversationMute { is_muted: false }))
    }

    /// Find out what changed
    ///
    /// Since the `cursor` of the last time; without one, everything. While `more` is true, go on at once with the new
    /// cursor. Nothing is missed, whatever clocks say; a conversation that changes meanwhile is listed again. A cursor from
    /// before a restore or a failover of the database lists everything.
    /// 지난번 `cursor` 이후 바뀐 대화를 알려 줍니다. `more`가 true이면 새 커서로 바로 이어서 요청하세요. 서버 시계와 관계없이 빠지는
    /// 것이 없으며, 그 사이 바뀐 대화는 다시 나올 수 있습니다. 데이터베이스를 복원하거나 전환하기 전의 커서로는 전체가 나옵니다.
    #[oai(path = "/sync", method = "get", operation_id = "sync")]
    async fn sync(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The `cursor` of an earlier answer.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Answer<SyncResult>> {
        let cursor = cursor.0.as_ref().map(CursorParam::sync).transpose()?;
        Ok(Answer(app.chat.sync(viewer.id(), cursor).await.map_err(Problem::from)?.into()))
    }
}

/// Whom references mean for `viewer`, in their places.
fn resolve_members(members: Vec<MemberRef>, viewer: Viewer) -> Vec<UserRef> {
    let resolve = |member| match member {
        MemberRef::Me => UserRef::Id(viewer.id()),
        MemberRef::User(user) => user,
    };
    members.into_iter().map(resolve).collect()
}
