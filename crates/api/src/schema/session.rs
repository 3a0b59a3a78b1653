use blegram_domain::{SessionId, user_agent};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{page::PageSchema, places::Places, schema::Time};

/// An active session of your account.
/// 내 계정의 활성 세션.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Session {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `browser` or `native`. More kinds may be added.
    /// `browser` 또는 `native`. 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// Name of the device, as given at login.
    /// 로그인할 때 정한 기기 이름.
    device_name: Option<String>,
    /// `User-Agent` of the login request.
    /// 로그인할 때 기기가 보낸 User-Agent.
    user_agent: Option<String>,
    /// The device in words, such as `Chrome on Windows`; null if the `User-Agent` does not tell.
    /// `Chrome on Windows`처럼 읽기 쉬운 기기 설명. User-Agent로 알 수 없으면 null입니다.
    device: Option<String>,
    /// The network of the login, shortened to /24 (IPv4) or /48 (IPv6); null if it is unknown.
    /// 로그인한 네트워크. /24(IPv4)나 /48(IPv6)로 줄였으며, 알 수 없으면 null입니다.
    address: Option<String>,
    /// The place of that network, such as `Seoul, South Korea`; null if the site has no database of places, or does not
    /// know the network.
    /// 로그인한 네트워크의 위치. 사이트에 위치 데이터베이스가 없거나 모르는 네트워크이면 null입니다.
    place: Option<String>,
    /// ID of the provider of the login, as in listLoginProviders; null for a password or a passkey.
    /// 로그인에 사용한 외부 서비스의 ID(listLoginProviders 참고). 비밀번호나 패스키로 로그인했으면 null입니다.
    provider: Option<String>,
    /// Login time.
    /// 로그인한 시각.
    created_at: Time,
    /// Time of the last use, to the minute.
    /// 마지막으로 사용한 시각(분 단위).
    last_seen_at: Time,
    /// Whether it is the session of this request.
    /// 이 요청을 보낸 세션인지 여부.
    is_current: bool,
}

impl Session {
    pub(crate) fn new(session: blegram_domain::Session, current: SessionId, places: Option<&Places>) -> Self {
        let network = session.address.as_deref();
        Self {
            place: places.zip(network).and_then(|(places, network)| places.find(network)),
            id: session.id.as_uuid(),
            kind: session.kind.as_str().to_owned(),
            device_name: session.device_name,
            device: session.user_agent.as_deref().and_then(user_agent::describe),
            user_agent: session.user_agent,
            address: session.address,
            provider: session.provider.as_ref().map(ToString::to_string),
            created_at: session.created_at.into(),
            last_seen_at: session.last_seen_at.into(),
            is_current: session.id == current,
        }
    }
}

/// A page of sessions.
/// 세션 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SessionPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Session>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

impl PageSchema for SessionPage {
    type Item = Session;

    fn new(items: Vec<Session>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}
