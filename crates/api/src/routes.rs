//! The operations: each unwraps its request, calls one use-case and wraps the answer.

pub(crate) mod auth;
pub(crate) mod bookmarks;
pub(crate) mod comments;
pub(crate) mod conversations;
pub(crate) mod gateway;
pub(crate) mod instance;
pub(crate) mod jwks;
pub(crate) mod likes;
pub(crate) mod media;
pub(crate) mod notifications;
pub(crate) mod people;
pub(crate) mod posts;
pub(crate) mod relations;
pub(crate) mod reports;
pub(crate) mod search;
pub(crate) mod sessions;
pub(crate) mod timelines;
pub(crate) mod users;

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::Tags;

use crate::App;

/// What handlers call.
pub(crate) type AppData<'a> = Data<&'a Arc<App>>;

/// The groups of operations.
#[derive(Tags)]
pub(crate) enum Tag {
    /// What this site is and allows. 이 사이트의 정보와 제한.
    Instance,
    /// Accounts and sessions: sign up, log in, log out. 계정과 세션: 가입, 로그인, 로그아웃.
    Auth,
    /// You and other people. 나와 다른 사람들의 프로필.
    Users,
    /// Posts with hashtags and mentions. 해시태그와 멘션이 있는 게시글.
    Posts,
    /// Comments and replies. 댓글과 답글.
    Comments,
    /// Images: uploading them, and what they show. 이미지 올리기와 설명.
    Media,
    /// Lists of posts, newest first. 최신순 게시글 목록.
    Timelines,
    /// Search, trends and hashtags. 검색, 인기 해시태그.
    Discovery,
    /// Talking with others: direct conversations and groups. 1:1 대화와 그룹 대화.
    Conversations,
    /// What happens, as it happens: messages, posts, notifications over a WebSocket. Described by
    /// [`/asyncapi.json`](/asyncapi.json). 실시간 이벤트: 메시지, 게시글, 알림을 웹소켓으로 받습니다.
    Gateway,
    /// What you are told of what others did. 다른 사람들의 활동 알림.
    Notifications,
    /// Telling the moderators. 운영진에게 신고.
    Reports,
}
