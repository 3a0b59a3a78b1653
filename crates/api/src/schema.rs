//! The wire: JSON schemas, by noun, and how domain types become them.
//!
//! Responses have every property always; those that may be null are `Option`. Nothing in a response is
//! a closed enumeration, so that a new value breaks no client. Requests document here and are read by
//! [`crate::body::Fields`].

pub(crate) mod account;
pub(crate) mod comment;
pub(crate) mod conversation;
pub(crate) mod gateway;
pub(crate) mod instance;
pub(crate) mod jwks;
pub(crate) mod media;
pub(crate) mod notification;
pub(crate) mod post;
pub(crate) mod report;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod time;
pub(crate) mod user;

use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;

use crate::body::Input as _;

pub(crate) use time::Time;

/// What shows images, on its way to the wire; `links` knows where they are.
pub(crate) trait Linked<T> {
    fn linked(view: T, links: &Links) -> Self;
}

/// Several of them.
pub(crate) fn all_linked<S: Linked<T>, T>(views: Vec<T>, links: &Links) -> Vec<S> {
    views.into_iter().map(|view| S::linked(view, links)).collect()
}

/// The fields of changes that null cannot clear, by schema: not nullable in the document. Null is refused there as
/// `null-not-allowed`; a test compares the two.
pub(crate) const KEPT: &[(&str, &[&str])] = &[
    ("EditMessage", conversation::EditMessage::KEPT),
    ("UpdateComment", comment::UpdateComment::KEPT),
    ("UpdateMe", account::UpdateMe::KEPT),
    ("UpdatePost", post::UpdatePost::KEPT),
];

/// Why a request was refused (RFC 9457).
#[derive(Debug, Object)]
pub(crate) struct Problem {
    /// A page about this kind of problem, relative to the site.
    /// 이 오류를 설명하는 페이지의 사이트 기준 주소.
    r#type: String,
    /// A few words for people.
    /// 사람이 읽는 짧은 제목.
    title: String,
    /// The HTTP status.
    /// HTTP 상태 코드.
    status: u16,
    /// What to do about it.
    /// 해결 방법.
    detail: String,
    /// The path of the request.
    /// 요청 경로.
    instance: String,
    /// The kind of problem, for programs. New kinds may come.
    /// 프로그램이 읽는 오류 코드. 새로운 코드가 추가될 수 있습니다.
    code: String,
    /// What to tell the operators. Also in the header `X-Request-Id`.
    /// 운영자에게 알려 줄 요청 ID. `X-Request-Id` 헤더와 같습니다.
    request_id: String,
    /// Every value that was refused, when `code` is `invalid`, and every file of an upload; else null.
    /// `code`가 `invalid`일 때 거부된 모든 값, 업로드에서는 거부된 모든 파일. 그 밖에는 null입니다.
    errors: Option<Vec<FieldProblem>>,
}

/// A value that was refused.
#[derive(Debug, Object, Serialize)]
pub(crate) struct FieldProblem {
    /// Where it is: a JSON pointer (RFC 6901) into the body, or `/` and the name of a query parameter.
    /// 값의 위치. 본문을 가리키는 JSON 포인터(RFC 6901) 또는 `/`와 쿼리 매개변수 이름입니다.
    pointer: String,
    /// The rule that it breaks, such as `required`, `too-long` or `unknown-field`. New rules may come.
    /// 어긋난 규칙. 새로운 규칙이 추가될 수 있습니다.
    code: String,
    /// What would be accepted.
    /// 허용되는 값.
    detail: String,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use blegram_auth::Registration;
    use blegram_domain::{
        Hashtag, MediaId, MediaKey, Post, PostId, SystemClock, Timestamp, UserId, UserSummary, Username,
        Visibility,
        media::{Variant, VariantName},
        post::Marks,
        user::Status,
    };
    use blegram_persistence::testing::{Backend, TestDatabase};
    use blegram_social::PostView;
    use poem_openapi::types::ToJSON;
    use serde::Serialize;

    use super::{Linked, Links, account, instance::Instance, post::PostPage};
    use crate::page::PageSchema;

    /// What is documented is poem-openapi's view of a type, what is sent is serde's.
    #[track_caller]
    fn assert_alike<T: ToJSON + Serialize>(value: &T) {
        assert_eq!(value.to_json().unwrap(), serde_json::to_value(value).unwrap());
    }

    fn summary(now: Timestamp) -> UserSummary {
        let id = UserId::generate(now);
        UserSummary {
            id,
            username: Username::parse("ann").unwrap(),
            display_name: "Ann".to_owned(),
            avatar: Some(MediaKey::new(true, id, 7)),
            is_private: false,
            status: Status::Active,
        }
    }

    async fn links() -> Links {
        let database = TestDatabase::new(Backend::Sqlite).await;
        let (db, clock) = (database.db().clone(), Arc::new(SystemClock));
        blegram_media::Media::new(db, clock, blegram_media::Config::default()).unwrap().links()
    }

    #[tokio::test]
    async fn what_is_documented_is_what_is_sent() {
        let now = Timestamp::from_micros(1_790_000_000_123_456).unwrap();
        let author = summary(now);
        let post = Post {
            id: PostId::generate(now),
            author: author.id,
            text: "hello".to_owned(),
            media: Vec::new(),
            hashtags: vec![Hashtag::parse("jeju").unwrap()],
            mentions: vec![author.id],
            visibility: Visibility::Public,
            like_count: 1,
            comment_count: 2,
            created_at: now,
            edited_at: Some(now),
            version: 1,
        };
        let viewer = Some(Marks { liked: true, bookmarked: false });
        let media = blegram_domain::Media {
            id: MediaId::generate(now),
            owner: author.id,
            key: MediaKey::new(true, author.id, 8),
            previous_key: None,
            blurhash: "L".to_owned(),
            alt: Some("the sea".to_owned()),
            variants: vec![Variant { name: VariantName::Large, width: 4, height: 3, byte_size: 99 }],
            used: None,
            created_at: now,
            version: 0,
        };
        let view = PostView {
            post,
            author: author.clone(),
            media: vec![media],
            mentions: vec![author.clone()],
            viewer,
        };
        let links = links().await;
        assert_alike(&PostPage::new(vec![Linked::linked(view, &links)], Some("next".to_owned()), None));
        assert_alike(&Instance::new(Registration::Open));
        let user = blegram_domain::User {
            summary: author,
            bio: String::new(),
            post_count: 1,
            follower_count: 2,
            following_count: 3,
            created_at: now,
            version: 0,
        };
        let account = blegram_domain::Account {
            user,
            email: None,
            email_verified: false,
            has_password: true,
            role: blegram_domain::user::Role::User,
            discoverable: true,
            messages_from: blegram_domain::conversation::MessagesFrom::Everyone,
        };
        assert_alike(&account::AuthResult::new(account, None, &links));
        assert_alike(&account::CsrfToken { csrf_token: Some("x".to_owned()) });
    }
}
