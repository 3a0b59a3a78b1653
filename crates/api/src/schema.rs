//! Wire types of the HTTP API and the gateway: one module per resource, with the conversions from domain types.
//!
//! Doc comments here become the descriptions in the OpenAPI and AsyncAPI documents, in English and Korean.
//!
//! - Responses always contain every property; nullable ones are `Option`. Enumerations in responses are open strings, so
//!   that a new value does not break clients.
//! - Request types are declared with [`request!`](macro@crate::body::request), which makes their parser, too.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod comment;
pub(crate) mod conversation;
pub(crate) mod factor;
pub(crate) mod gateway;
pub(crate) mod identity;
pub(crate) mod instance;
pub(crate) mod jwks;
pub(crate) mod media;
pub(crate) mod notification;
pub(crate) mod passkey;
pub(crate) mod post;
pub(crate) mod report;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod time;
pub(crate) mod usage;
pub(crate) mod user;

use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;

pub(crate) use time::Time;

/// Conversion of a domain view to a wire type that contains image URLs, which `links` generates.
pub(crate) trait Render<T> {
    fn render(view: T, links: &Links) -> Self;
}

/// Converts a list of views, in order.
pub(crate) fn render_all<S: Render<T>, T>(views: Vec<T>, links: &Links) -> Vec<S> {
    views.into_iter().map(|view| S::render(view, links)).collect()
}

/// An error response (problem details, RFC 9457).
/// 오류 응답(RFC 9457 problem details).
#[derive(Debug, Object)]
pub(crate) struct Problem {
    /// URL of a page that describes this kind of problem, relative to the site.
    /// 이 오류를 설명하는 페이지의 주소(사이트 기준 상대 경로).
    r#type: String,
    /// Short, human-readable title.
    /// 사람이 읽는 짧은 제목.
    title: String,
    /// HTTP status code.
    /// HTTP 상태 코드.
    status: u16,
    /// Human-readable explanation and remedy.
    /// 오류에 대한 설명과 해결 방법.
    detail: String,
    /// Path of the request.
    /// 요청 경로.
    instance: String,
    /// Machine-readable error code. More codes may be added.
    /// 프로그램이 읽는 오류 코드. 새로운 코드가 추가될 수 있습니다.
    code: String,
    /// Request id, to quote when you contact the operators. Same as the `X-Request-Id` header.
    /// 요청 ID. 운영자에게 문의할 때 알려 주세요. `X-Request-Id` 헤더와 같습니다.
    request_id: String,
    /// All rejected values if `code` is `invalid`, or all rejected files of an upload; otherwise null.
    /// `code`가 `invalid`이면 거부된 모든 값, 업로드에서는 거부된 모든 파일. 그 밖에는 null입니다.
    errors: Option<Vec<FieldProblem>>,
}

/// A rejected value.
/// 거부된 값.
#[derive(Debug, Object, Serialize)]
pub(crate) struct FieldProblem {
    /// Location of the value: a JSON pointer (RFC 6901) into the body, or `/` followed by the name of a query parameter.
    /// 값의 위치. 본문을 가리키는 JSON 포인터(RFC 6901) 또는 `/` 뒤에 쿼리 매개변수 이름을 붙인 값입니다.
    pointer: String,
    /// Code of the violated rule, such as `required`, `too-long` or `unknown-field`. More codes may be added.
    /// 위반한 규칙의 코드. 예: `required`, `too-long`, `unknown-field`. 새로운 코드가 추가될 수 있습니다.
    code: String,
    /// Description of the accepted values.
    /// 허용되는 값에 대한 설명.
    detail: String,
}

#[cfg(test)]
mod tests {
    use blegram_limits::Quotas;
    use std::sync::Arc;

    use blegram_auth::Registration;
    use blegram_domain::{
        Hashtag, MediaId, MediaKey, Post, PostId, SystemClock, Timestamp, UserId, UserSummary, Username,
        Visibility,
        media::{Variant, VariantName, quota::Quota},
        post::Marks,
        user::Status,
    };
    use blegram_persistence::testing::{Backend, TestDatabase};
    use blegram_social::PostView;
    use poem_openapi::types::ToJSON;
    use serde::Serialize;

    use super::{
        Links, Render, account,
        instance::{Instance, Settings},
        post::PostPage,
    };
    use crate::page::PageSchema;

    /// poem-openapi documents a type and serde serialises it: both must produce the same JSON.
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
    async fn serialized_values_match_the_document() {
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
        assert_alike(&PostPage::new(vec![Render::render(view, &links)], Some("next".to_owned()), None));
        let settings = Settings { registration: Registration::Open, mail: true, passkeys: true };
        assert_alike(&Instance::new(settings, &Quotas::default(), &Quota::default()));
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
            login_notices: true,
        };
        assert_alike(&account::AuthResult::new(account, None, &links));
        assert_alike(&account::CsrfToken { csrf_token: Some("x".to_owned()) });
    }
}
