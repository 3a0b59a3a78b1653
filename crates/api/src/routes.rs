//! The handlers of the API's operations, one module per resource.
//!
//! A handler parses its parameters, calls one use-case of a service crate (`auth`, `social`, `chat`, `media`) and
//! renders the result with a wire type of [`crate::schema`]. Checks that all operations share happen before it, in
//! the gate of `blegram-http`. The doc comments of handlers and their parameters are the texts of the OpenAPI document: a
//! summary, then a description in English and Korean.

pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod bookmarks;
pub(crate) mod comments;
pub(crate) mod conversations;
pub(crate) mod emails;
pub(crate) mod factors;
pub(crate) mod gateway;
pub(crate) mod identities;
pub(crate) mod instance;
pub(crate) mod jwks;
pub(crate) mod likes;
pub(crate) mod media;
pub(crate) mod notifications;
pub(crate) mod people;
pub(crate) mod posts;
pub(crate) mod providers;
pub(crate) mod relations;
pub(crate) mod reports;
pub(crate) mod returning;
pub(crate) mod search;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod timelines;
pub(crate) mod users;

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::{OpenApi, Tags};

use crate::{App, operation::Operation};

/// The handlers, the rows of the operations and the examples of each noun. The modules are declared above, because rustfmt
/// does not find those that a macro declares.
macro_rules! routes {
    ($($noun:ident: $api:ident,)*) => {
        /// The types with the handlers, in the order of the document.
        pub(crate) fn apis() -> impl OpenApi {
            routes!(@nest $($noun::$api,)*)
        }

        /// The rows of the operations, by noun.
        pub(crate) const OPERATIONS: &[&[Operation]] = &[$($noun::OPERATIONS,)*];

        /// The examples, by noun: the files beside the handlers.
        pub(crate) const EXAMPLES: &[&str] =
            &[$(include_str!(concat!("routes/", stringify!($noun), ".json")),)*];
    };
    (@nest $first:path, $($rest:path,)*) => { ($first, routes!(@nest $($rest,)*)) };
    (@nest) => { () };
}

routes! {
    instance: InstanceApi,
    auth: AuthApi,
    providers: ProvidersApi,
    identities: IdentitiesApi,
    sessions: SessionsApi,
    emails: EmailsApi,
    second_factor: SecondFactorApi,
    factors: FactorsApi,
    jwks: JwksApi,
    users: UsersApi,
    relations: RelationsApi,
    people: PeopleApi,
    posts: PostsApi,
    likes: LikesApi,
    bookmarks: BookmarksApi,
    comments: CommentsApi,
    media: MediaApi,
    timelines: TimelinesApi,
    search: SearchApi,
    notifications: NotificationsApi,
    reports: ReportsApi,
    conversations: ConversationsApi,
    gateway: GatewayApi,
    admin: AdminApi,
}

/// The application state, as handlers extract it.
pub(crate) type AppData<'a> = Data<&'a Arc<App>>;

/// The tags that group operations in the OpenAPI document.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Instance information and limits. 사이트 정보와 제한.
    Instance,
    /// Accounts and sessions: sign up, log in, log out. 계정과 세션: 가입, 로그인, 로그아웃.
    Auth,
    /// Second factors: authenticator apps, passkeys and recovery codes. 2단계 인증: 인증 앱, 패스키, 복구 코드.
    #[oai(rename = "Second factor")]
    SecondFactor,
    /// Profiles and relationships: follows, blocks, mutes, suggestions. 프로필과 관계: 팔로우, 차단, 뮤트, 추천.
    Users,
    /// Posts with hashtags and mentions; likes and bookmarks. 해시태그와 멘션이 있는 게시글, 좋아요와 북마크.
    Posts,
    /// Comments and replies. 댓글과 답글.
    Comments,
    /// Image uploads and alt texts. 이미지 업로드와 대체 텍스트.
    Media,
    /// Lists of posts, newest first. 최신순 게시글 목록.
    Timelines,
    /// Search, trends and hashtags. 검색, 트렌드, 해시태그.
    Discovery,
    /// Direct conversations and groups. 1:1 대화와 그룹 대화.
    Conversations,
    /// Realtime events over a WebSocket: messages, posts, notifications. [`/asyncapi.json`](/asyncapi.json) describes the
    /// protocol. 메시지, 게시글, 알림을 웹소켓으로 실시간으로 받습니다. 프로토콜은 `/asyncapi.json`에 있습니다.
    Gateway,
    /// Notifications of other users' activity. 다른 사용자의 활동 알림.
    Notifications,
    /// Reports to the moderators. 운영진에게 보내는 신고.
    Reports,
    /// Administration, for accounts with the role that an operation names. 관리 기능. 각 작업에 적힌 역할이 필요합니다.
    Admin,
}
