use blegram_domain::UserRef;
use blegram_http::{Viewer, conditional::IfMatch};
use blegram_limits::Policy;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    answer::{Answer, ApiResult, MaybeNew, NoContent, Versioned},
    body::Body,
    list::List,
    operation::{Login, Operation},
    page::Paged,
    param::{AfterParam, ConversationParam, CursorParam, MessageParam, UserParam},
    problem::Code,
    routes::{AppData, Tag},
    schema::{
        Render,
        conversation::{
            AddMembers, Conversation, ConversationEvents, ConversationMute, ConversationPage,
            ConversationRead, CreateConversation, EditMessage, MarkRead, MemberRef, Message, MessagePage,
            SendMessage, SyncResult, UpdateConversation,
        },
    },
};

pub(crate) struct ConversationsApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write("createConversation", Login::Required, &[Code::NotFound])
        .limited(Policy::Message)
        .with_body()
        .tagged()
        .with_key()
        .with_location(),
    Operation::read("listConversations", Login::Required, &[]).tagged().list(),
    Operation::read("getConversation", Login::Required, &[Code::NotFound]).tagged(),
    Operation::write("updateConversation", Login::Required, &[Code::NotFound, Code::NotAGroup])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("addMembers", Login::Required, &[Code::NotFound, Code::NotAGroup])
        .limited(Policy::Message)
        .with_body()
        .tagged()
        .with_key(),
    Operation::write("removeMember", Login::Required, &[Code::NotFound, Code::NotAGroup, Code::Forbidden])
        .with_key(),
    Operation::read("listMessages", Login::Required, &[Code::NotFound]).tagged().list(),
    Operation::write(
        "sendMessage",
        Login::Required,
        &[
            Code::NotFound,
            Code::Blocked,
            Code::Forbidden,
            Code::ClientIdReused,
            Code::MediaInUse,
            Code::Overloaded,
        ],
    )
    .limited(Policy::Message)
    .with_body()
    .tagged()
    .with_key(),
    Operation::write("editMessage", Login::Required, &[Code::NotFound, Code::Forbidden, Code::Blocked])
        .limited(Policy::Message)
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("deleteMessage", Login::Required, &[Code::NotFound, Code::Forbidden])
        .with_precondition()
        .with_key(),
    Operation::read("listConversationEvents", Login::Required, &[Code::NotFound, Code::Invalid]),
    Operation::write("markRead", Login::Required, &[Code::NotFound]).with_body(),
    Operation::write("muteConversation", Login::Required, &[Code::NotFound]),
    Operation::write("unmuteConversation", Login::Required, &[Code::NotFound]).with_key(),
    Operation::read("sync", Login::Required, &[Code::CursorInvalid]),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Conversations")]
impl ConversationsApi {
    /// Start a conversation
    ///
    /// With one member and no title, starts your direct conversation with that user (201), or returns the existing one
    /// (200). The other user sees it from its first message on. Otherwise creates a group, which its members see
    /// immediately.
    /// 참여자가 한 명이고 제목이 없으면 그 사용자와의 1:1 대화를 시작하고(201), 이미 있으면 그 대화를 반환합니다(200).
    /// 상대에게는 첫 메시지부터 보입니다. 그 밖에는 새 그룹을 만들며, 참여자에게 바로 보입니다.
    #[oai(path = "/conversations", method = "post", operation_id = "createConversation")]
    async fn create_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        body: Body<CreateConversation>,
    ) -> ApiResult<MaybeNew<Conversation>> {
        let members = resolve_members(body.0.members, viewer);
        let result = app.chat.create_conversation(viewer.id(), &members, body.0.title).await;
        let (view, is_new) = result?;
        let location = Some(format!("/api/v1/conversations/{}", view.conversation.id));
        let version = view.conversation.version;
        Ok(MaybeNew { is_new, location, version, body: Conversation::render(view, &app.media.links()) })
    }

    /// List conversations
    ///
    /// Most recent message first. `prev_cursor` leads to the conversations that have moved up since this page, so one
    /// that you already have can appear again at its new position. To keep the whole list up to date, use `sync`.
    /// 최근에 메시지가 온 대화부터 반환합니다. `prev_cursor`는 그 뒤에 위로 올라온 대화로 이어지므로, 이미 받은 대화가
    /// 새 위치로 다시 나올 수 있습니다. 목록 전체를 최신으로 유지하려면 `sync`를 사용하세요.
    #[oai(path = "/conversations", method = "get", operation_id = "listConversations")]
    async fn list_conversations(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        list: List,
    ) -> ApiResult<Paged<ConversationPage>> {
        let page = list.ranked_page(&[&viewer.id().to_string(), ""])?;
        let items = app.chat.conversations(viewer.id(), &page).await?;
        Ok(Paged::render_with(items, &app.media.links()))
    }

    /// Get a conversation
    ///
    /// Includes the members and how far each has read.
    /// 참여자와 각자 읽은 위치를 포함합니다.
    #[oai(path = "/conversations/:conversation", method = "get", operation_id = "getConversation")]
    async fn get_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
    ) -> ApiResult<Versioned<Conversation>> {
        let view = app.chat.get_conversation(viewer.id(), conversation.id()?).await?;
        Ok(Render::render(view, &app.media.links()))
    }

    /// Update a group conversation
    ///
    /// Changes the title. Any member can do this.
    /// 그룹의 제목을 바꿉니다. 참여자 누구나 할 수 있습니다.
    #[oai(path = "/conversations/:conversation", method = "patch", operation_id = "updateConversation")]
    async fn update_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        if_match: IfMatch,
        body: Body<UpdateConversation>,
    ) -> ApiResult<Versioned<Conversation>> {
        let (actor, id) = (viewer.id(), conversation.id()?);
        let updated = app.chat.update_conversation(actor, id, body.0.0, &if_match.0).await;
        Ok(Render::render(updated?, &app.media.links()))
    }

    /// Add members to a group
    ///
    /// Any member can add others. New members see only what comes after they join.
    /// 참여자 누구나 다른 사용자를 추가할 수 있습니다. 새 참여자는 참여한 뒤의 내용만 볼 수 있습니다.
    #[oai(path = "/conversations/:conversation/members", method = "post", operation_id = "addMembers")]
    async fn add_members(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        body: Body<AddMembers>,
    ) -> ApiResult<Versioned<Conversation>> {
        let members = resolve_members(body.0, viewer);
        let view = app.chat.add_members(viewer.id(), conversation.id()?, &members).await;
        Ok(Render::render(view?, &app.media.links()))
    }

    /// Remove a member, or leave
    ///
    /// `me` leaves the conversation. Only the owner of a group can remove other members. Leaving a direct conversation
    /// hides it until the next message; its earlier messages do not come back.
    /// `me`이면 대화에서 나갑니다. 다른 참여자는 그룹의 소유자만 내보낼 수 있습니다. 1:1 대화에서 나가면 다음 메시지가
    /// 올 때까지 목록에서 사라지고, 이전 메시지는 다시 보이지 않습니다.
    #[oai(
        path = "/conversations/:conversation/members/:user",
        method = "delete",
        operation_id = "removeMember"
    )]
    async fn remove_member(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        /// A user ID, `@username`, or `me`. 사용자 ID, `@아이디` 또는 `me`.
        user: Path<UserParam>,
    ) -> ApiResult<NoContent> {
        let id = conversation.id()?;
        let user = app.chat.find_user(&user.user(viewer.into())?).await?;
        app.chat.remove_member(viewer.id(), id, user).await?;
        Ok(NoContent)
    }

    /// List messages in a conversation
    ///
    /// Newest first. To follow later changes, list the conversation's events after `last_seq`.
    /// 최신 메시지부터 반환합니다. 이후의 변경은 `last_seq` 뒤의 이벤트로 이어서 읽으세요.
    #[oai(path = "/conversations/:conversation/messages", method = "get", operation_id = "listMessages")]
    async fn list_messages(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        list: List,
    ) -> ApiResult<Paged<MessagePage>> {
        let id = conversation.id()?;
        let page = list.ranked_page(&[&id.to_string()])?;
        let (messages, last_seq) = app.chat.messages(viewer.id(), id, &page).await?;
        Ok(Paged::render_with(messages, &app.media.links())
            .map(|page: MessagePage| page.with_last_seq(last_seq)))
    }

    /// Send a message
    ///
    /// Idempotent by `client_id`: a new message returns 201; if you already sent a message with this `client_id`,
    /// however long ago, the response is 200 with that message in its current state.
    /// `client_id`가 같은 메시지는 한 번만 전송됩니다. 새 메시지이면 201을, 같은 `client_id`로 이미 보낸 메시지이면
    /// 시간이 얼마나 지났든 200과 함께 그 메시지의 현재 상태를 반환합니다.
    #[oai(path = "/conversations/:conversation/messages", method = "post", operation_id = "sendMessage")]
    async fn send_message(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        body: Body<SendMessage>,
    ) -> ApiResult<MaybeNew<Message>> {
        let sent = app.chat.send_message(viewer.id(), conversation.id()?, body.0).await;
        let (view, is_new) = sent?;
        let version = view.message.version;
        Ok(MaybeNew { is_new, location: None, version, body: Message::render(view, &app.media.links()) })
    }

    /// Edit a message
    ///
    /// Changes the text of your own message; its images stay. In a direct conversation across a block, editing is
    /// rejected just as sending is, but you can still delete your own messages. The responses to sending and editing
    /// contain the message's `ETag`.
    /// 내 메시지의 본문을 바꿉니다. 이미지는 그대로 둡니다. 차단 관계인 상대와의 1:1 대화에서는 보내기와 마찬가지로
    /// 수정할 수 없지만, 내 메시지를 삭제할 수는 있습니다. 메시지의 `ETag`는 보내기와 수정의 응답에 있습니다.
    #[oai(
        path = "/conversations/:conversation/messages/:message",
        method = "patch",
        operation_id = "editMessage"
    )]
    async fn edit_message(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        /// The ID of the message. 메시지 ID.
        message: Path<MessageParam>,
        if_match: IfMatch,
        body: Body<EditMessage>,
    ) -> ApiResult<Versioned<Message>> {
        let (conversation, message) = (conversation.id()?, message.id()?);
        let edited = app.chat.edit_message(viewer.id(), conversation, message, body.0, &if_match.0).await;
        Ok(Render::render(edited?, &app.media.links()))
    }

    /// Delete (unsend) a message
    ///
    /// Deletes the content of your own message. The message keeps its position in the conversation.
    /// 내 메시지의 내용을 삭제합니다. 메시지의 자리는 대화에 남습니다.
    #[oai(
        path = "/conversations/:conversation/messages/:message",
        method = "delete",
        operation_id = "deleteMessage"
    )]
    async fn delete_message(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        /// The ID of the message. 메시지 ID.
        message: Path<MessageParam>,
        if_match: IfMatch,
    ) -> ApiResult<NoContent> {
        let (conversation, message) = (conversation.id()?, message.id()?);
        let deleted = app.chat.delete_message(viewer.id(), conversation, message, &if_match.0).await;
        deleted?;
        Ok(NoContent)
    }

    /// List conversation events
    ///
    /// Returns at most 100 events after a sequence number, in order. If `reset` is true, events in between are no
    /// longer available to you: list the messages again.
    /// 지정한 번호 뒤의 이벤트를 최대 100개까지 순서대로 반환합니다. `reset`이 true이면 그 사이의 이벤트를 더는 받을 수
    /// 없으니 메시지 목록을 다시 읽으세요.
    #[oai(
        path = "/conversations/:conversation/events",
        method = "get",
        operation_id = "listConversationEvents"
    )]
    async fn list_conversation_events(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        /// Returns only events after this sequence number; 0 by default.
        /// 이 번호 뒤의 이벤트만 반환합니다. 기본값은 0입니다.
        after: Query<Option<AfterParam>>,
    ) -> ApiResult<Answer<ConversationEvents>> {
        let id = conversation.id()?;
        let after = after.0.as_ref().map_or(Ok(0), AfterParam::number)?;
        let changes = app.chat.events(viewer.id(), id, after).await?;
        Ok(Answer(ConversationEvents::render(changes, &app.media.links())))
    }

    /// Mark messages as read
    ///
    /// Marks all messages up to a number as read, on every device. The mark never moves back.
    /// 지정한 번호까지의 메시지를 모든 기기에서 읽음으로 표시합니다. 읽은 위치는 뒤로 돌아가지 않습니다.
    #[oai(path = "/conversations/:conversation/read", method = "put", operation_id = "markRead")]
    async fn mark_read(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
        body: Body<MarkRead>,
    ) -> ApiResult<Answer<ConversationRead>> {
        let marked = app.chat.mark_read(viewer.id(), conversation.id()?, body.0).await;
        let (read_no, unread_count) = marked?;
        Ok(Answer(ConversationRead { read_no, unread_count }))
    }

    /// Mute a conversation
    ///
    /// Excludes the conversation from your total number of unread messages.
    /// 이 대화를 읽지 않은 메시지 합계에서 제외합니다.
    #[oai(path = "/conversations/:conversation/mute", method = "put", operation_id = "muteConversation")]
    async fn mute_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
    ) -> ApiResult<Answer<ConversationMute>> {
        let id = conversation.id()?;
        app.chat.mute_conversation(viewer.id(), id, true).await?;
        Ok(Answer(ConversationMute { is_muted: true }))
    }

    /// Unmute a conversation
    ///
    /// Includes the conversation in your total number of unread messages again.
    /// 이 대화를 읽지 않은 메시지 합계에 다시 포함합니다.
    #[oai(path = "/conversations/:conversation/mute", method = "delete", operation_id = "unmuteConversation")]
    async fn unmute_conversation(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The ID of the conversation. 대화 ID.
        conversation: Path<ConversationParam>,
    ) -> ApiResult<Answer<ConversationMute>> {
        let id = conversation.id()?;
        app.chat.mute_conversation(viewer.id(), id, false).await?;
        Ok(Answer(ConversationMute { is_muted: false }))
    }

    /// Sync conversations
    ///
    /// Lists the conversations that changed since `cursor`, or all conversations without one. While `more` is true,
    /// request the next part immediately with the new cursor. No change is missed, whatever the clocks of the servers
    /// say; a conversation that changes during the walk is listed again. A cursor from before a restore or a failover
    /// of the database lists everything.
    /// `cursor` 이후 바뀐 대화를 반환합니다. `cursor`가 없으면 모든 대화를 반환합니다. `more`가 true이면 새 커서로 바로
    /// 이어서 요청하세요. 서버 시계와 관계없이 빠지는 변경이 없으며, 그 사이 바뀐 대화는 다시 나올 수 있습니다.
    /// 데이터베이스를 복원하거나 전환하기 전의 커서로 요청하면 모든 대화를 반환합니다.
    #[oai(path = "/sync", method = "get", operation_id = "sync")]
    async fn sync(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        /// The `cursor` of the previous response. 이전 응답의 `cursor`.
        cursor: Query<Option<CursorParam>>,
    ) -> ApiResult<Answer<SyncResult>> {
        let cursor = cursor.0.as_ref().map(CursorParam::sync).transpose()?;
        Ok(Answer(app.chat.sync(viewer.id(), cursor).await?.into()))
    }
}

/// Resolves `me` to the viewer; the order stays, because errors refer to positions.
fn resolve_members(members: Vec<MemberRef>, viewer: Viewer) -> Vec<UserRef> {
    let resolve = |member| match member {
        MemberRef::Me => UserRef::Id(viewer.id()),
        MemberRef::User(user) => user,
    };
    members.into_iter().map(resolve).collect()
}
