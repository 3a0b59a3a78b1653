use blegram_auth::{Device, GivenPassword, NewPassword};
use blegram_domain::{
    Bio, DeviceName, DisplayName, EmailAddress, Relation, Username, Violation, session::Kind,
};
use blegram_media::Links;
use blegram_social::{Shown, UpdateProfile, UserView};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{Fields, Input},
    schema::{
        Linked, Time,
        post::parse_media_id,
        user::{User, UserViewerState},
    },
};

/// Your account: your profile with what only you see.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Account {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// Unique; 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables.
    /// 고유한 아이디. 영문 소문자, 숫자, `.`, `_`, 한글 음절 3~30자입니다.
    username: String,
    /// The name that the profile shows; not unique.
    /// 프로필에 표시되는 이름. 다른 사람과 겹칠 수 있습니다.
    display_name: String,
    /// A square picture of at most 320 pixels a side, WebP.
    /// 한 변이 최대 320픽셀인 정사각형 WebP 프로필 사진.
    avatar_url: Option<String>,
    /// What you say of yourself; may be empty.
    /// 자기소개. 비어 있을 수 있습니다.
    bio: String,
    /// Whether only followers see your posts.
    /// 팔로워만 내 게시글을 볼 수 있는지 여부.
    is_private: bool,
    /// Your posts, whoever may see them.
    /// 공개 범위와 관계없이 센 내 게시글 수.
    post_count: u64,
    /// Number of followers.
    /// 팔로워 수.
    follower_count: u64,
    /// Number of accounts it follows.
    /// 팔로우하는 계정 수.
    following_count: u64,
    /// When the account was created.
    /// 계정을 만든 시각.
    created_at: Time,
    /// How you stand to yourself.
    /// 나 자신과의 관계.
    viewer: Option<UserViewerState>,
    /// The address you gave.
    /// 등록한 이메일 주소.
    email: Option<String>,
    /// Whether you proved to receive mail there.
    /// 이메일 주소를 인증했는지 여부.
    email_verified: bool,
    /// Whether a password opens the account.
    /// 비밀번호로 로그인할 수 있는 계정인지 여부.
    has_password: bool,
    /// What you may do: `user`, `moderator` or `admin`. New roles may come.
    /// 권한: `user`, `moderator`, `admin`. 새로운 역할이 추가될 수 있습니다.
    role: String,
    /// Whether search and suggestions may show you.
    /// 검색과 추천에 내 계정이 나올 수 있는지 여부.
    discoverable: bool,
    /// Who may write to you first: `everyone`, `followed` (whom you follow) or `nobody`. New values may come.
    /// 나에게 먼저 메시지를 보낼 수 있는 사람: `everyone`(모두), `followed`(내가 팔로우하는 사람), `nobody`(없음). 새로운 값이 추가될 수 있습니다.
    messages_from: String,
}

impl Linked<blegram_domain::Account> for Account {
    fn linked(account: blegram_domain::Account, links: &Links) -> Self {
        let view = UserView { user: account.user, viewer: Some(Relation::default()) };
        let user = User::linked(view, links);
        Self {
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            avatar_url: user.avatar_url,
            bio: user.bio,
            is_private: user.is_private,
            post_count: user.post_count,
            follower_count: user.follower_count,
            following_count: user.following_count,
            created_at: user.created_at,
            viewer: user.viewer,
            email: account.email,
            email_verified: account.email_verified,
            has_password: account.has_password,
            role: account.role.as_str().to_owned(),
            discoverable: account.discoverable,
            messages_from: account.messages_from.as_str().to_owned(),
        }
    }
}

/// You, logged in.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuthResult {
    /// The account that is logged in.
    /// 로그인한 계정.
    account: Account,
    /// Null for browsers, whose session is the cookie.
    /// 세션이 쿠키인 브라우저에는 null입니다.
    tokens: Option<Tokens>,
}

/// What a native app keeps instead of a cookie.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Tokens {
    /// Sent as `Authorization: Bearer` with every request. Treat it as opaque.
    /// 모든 요청에 `Authorization: Bearer`로 보냅니다. 내용을 해석하지 마세요.
    access_token: String,
    /// `Bearer`.
    /// 항상 `Bearer`입니다.
    token_type: String,
    /// Seconds until the access token ends.
    /// 액세스 토큰이 만료될 때까지의 초.
    expires_in: u64,
    /// Used once, with issueToken, for the next tokens. Keep it where only the app can read it.
    /// 다음 토큰을 받기 위해 issueToken에 한 번만 씁니다. 앱만 읽을 수 있는 곳에 보관하세요.
    refresh_token: String,
    /// Seconds until the refresh token ends.
    /// 갱신 토큰이 만료될 때까지의 초.
    refresh_expires_in: u64,
}

impl AuthResult {
    pub(crate) fn new(account: blegram_domain::Account, tokens: Option<Tokens>, links: &Links) -> Self {
        Self { account: Account::linked(account, links), tokens }
    }
}

impl From<blegram_auth::Tokens> for Tokens {
    fn from(tokens: blegram_auth::Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token.expose().to_owned(),
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
        }
    }
}

/// The proof for requests that name no origin.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CsrfToken {
    /// To be sent as `X-CSRF-Token`; null when you are not logged in, and need none.
    /// `X-CSRF-Token`으로 보낼 값. 로그인하지 않아 필요 없을 때는 null입니다.
    pub(crate) csrf_token: Option<String>,
}

/// What you log in with.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ClientKind {
    /// The session is the cookie `auth-blegram`.
    Browser,
    /// The session is an access token and a refresh token, in the answer. Also for apps in a web view (Capacitor, Ionic,
    /// Tauri): browsers never send a Lax cookie from there to the API.
    Native,
}

/// A new account.
#[derive(Debug, Object)]
pub(crate) struct SignUp {
    /// 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables, in any case; not like a name that is taken.
    /// 영문, 숫자, `.`, `_`, 한글 음절 3~30자. 대소문자는 구분하지 않으며, 이미 쓰이는 아이디와 비슷하면 안 됩니다.
    #[oai(validator(min_length = 3))]
    username: String,
    /// 10 to 128 characters, not easy to guess.
    /// 추측하기 어려운 10~128자.
    #[oai(validator(min_length = 10))]
    password: String,
    /// The name that the profile shows, 1 to 30 characters; the username unless given.
    /// 프로필에 표시되는 이름, 1~30자. 없으면 아이디를 씁니다.
    display_name: Option<String>,
    /// An email address.
    /// 이메일 주소.
    email: Option<String>,
    /// Whether the session is a cookie or tokens.
    /// 세션을 쿠키로 받을지 토큰으로 받을지 정합니다.
    client: ClientKind,
    /// What you call the device, 1 to 60 characters.
    /// 기기 이름, 1~60자.
    device_name: Option<String>,
}

impl Input for SignUp {
    type Parsed = blegram_auth::SignUp;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let username = fields.text("username", |raw| Username::parse(raw.trim()));
        let display_name = fields.optional_text("display_name", DisplayName::parse);
        let email = fields.optional_text("email", EmailAddress::parse);
        let known: Vec<&str> = [
            username.as_ref().map(Username::as_str),
            display_name.as_ref().map(DisplayName::as_str),
            email.as_ref().map(EmailAddress::as_str),
        ]
        .into_iter()
        .flatten()
        .collect();
        let password = fields.text("password", |raw| NewPassword::parse(raw, &known));
        let device = parse_device(fields);
        Some(blegram_auth::SignUp {
            username: username?,
            password: password?,
            display_name,
            email,
            device: device?,
        })
    }
}

/// What opens an account.
#[derive(Debug, Object)]
pub(crate) struct LogIn {
    /// Your username in any case, with or without `@`.
    /// 아이디. 대소문자를 구분하지 않으며 `@`를 붙여도 됩니다.
    login: String,
    /// The account's password.
    /// 계정의 비밀번호.
    password: String,
    /// Whether the session is a cookie or tokens.
    /// 세션을 쿠키로 받을지 토큰으로 받을지 정합니다.
    client: ClientKind,
    /// What you call the device, 1 to 60 characters.
    /// 기기 이름, 1~60자.
    device_name: Option<String>,
}

impl Input for LogIn {
    type Parsed = blegram_auth::LogIn;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let login = fields.text("login", |raw| {
            let max = EmailAddress::MAX_BYTES;
            if raw.len() > max { Err(Violation::TooLong { max, unit: "bytes" }) } else { Ok(raw.to_owned()) }
        });
        let password = fields.text("password", GivenPassword::parse);
        let device = parse_device(fields);
        Some(blegram_auth::LogIn { login: login?, password: password?, device: device? })
    }
}

/// A new password.
#[derive(Debug, Object)]
pub(crate) struct ChangePassword {
    /// The present one; null or absent only for an account without one.
    /// 현재 비밀번호. 비밀번호가 없는 계정에서만 null이거나 생략할 수 있습니다.
    current_password: Option<String>,
    /// 10 to 128 characters, not easy to guess.
    /// 추측하기 어려운 10~128자.
    #[oai(validator(min_length = 10))]
    new_password: String,
}

impl Input for ChangePassword {
    type Parsed = blegram_auth::ChangePassword;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let current = fields.optional_text("current_password", GivenPassword::parse);
        let new = fields.text("new_password", |raw| NewPassword::parse(raw, &[]));
        Some(blegram_auth::ChangePassword { current, new: new? })
    }
}

/// A change of your profile; what is absent stays.
#[derive(Debug, Object)]
pub(crate) struct UpdateMe {
    /// 1 to 30 characters; null for the username.
    /// 1~30자. null이면 아이디를 씁니다.
    display_name: Option<String>,
    /// Plain text, at most 300 characters; null for none.
    /// 일반 텍스트, 최대 300자. null이면 비웁니다.
    bio: Option<String>,
    /// An image of yours that is used for nothing yet; null for none. The one before is removed.
    /// 아직 쓰이지 않은 내 이미지. null이면 프로필 사진을 없앱니다. 이전 사진은 삭제됩니다.
    avatar_media_id: Option<Uuid>,
    /// Whether only followers see your posts.
    /// 팔로워만 내 게시글을 볼 수 있는지 여부.
    is_private: Option<bool>,
    /// Whether search and suggestions may show you.
    /// 검색과 추천에 내 계정이 나올 수 있는지 여부.
    discoverable: Option<bool>,
    /// Who may write to you first, or add you to groups.
    /// 나에게 먼저 메시지를 보내거나 나를 그룹에 추가할 수 있는 사람.
    messages_from: Option<MessagesFrom>,
}

/// Who may write to somebody first.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MessagesFrom {
    /// Everybody.
    Everyone,
    /// Those whom you follow.
    Followed,
    /// Nobody.
    Nobody,
}

impl Input for UpdateMe {
    type Parsed = UpdateProfile;

    const KEPT: &'static [&'static str] = &["is_private", "discoverable", "messages_from"];

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let display_name = fields.patch_nullable("display_name", DisplayName::parse);
        Some(UpdateProfile {
            display_name: display_name.map(|name| name.map_or(Shown::Username, Shown::Name)),
            bio: fields.patch_text("bio", Bio::parse),
            avatar: fields.patch_nullable("avatar_media_id", parse_media_id),
            is_private: fields.patch_flag("is_private"),
            discoverable: fields.patch_flag("discoverable"),
            messages_from: fields.optional_text("messages_from", |raw| {
                let rule = "must be \"everyone\", \"followed\" or \"nobody\"";
                raw.parse().map_err(|_| Violation::OutOfRange(rule))
            }),
        })
    }
}

/// Another name.
#[derive(Debug, Object)]
pub(crate) struct ChangeUsername {
    /// 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables, in any case; not like a name that is taken.
    /// 영문, 숫자, `.`, `_`, 한글 음절 3~30자. 대소문자는 구분하지 않으며, 이미 쓰이는 아이디와 비슷하면 안 됩니다.
    #[oai(validator(min_length = 3))]
    username: String,
}

impl Input for ChangeUsername {
    type Parsed = Username;

    fn parse(fields: &mut Fields) -> Option<Username> {
        fields.text("username", |raw| Username::parse(raw.trim()))
    }
}

/// Proof that it is you who deletes the account.
#[derive(Debug, Object)]
pub(crate) struct DeleteMe {
    /// Your password; null or absent only for an account without one.
    /// 비밀번호. 비밀번호가 없는 계정에서만 null이거나 생략할 수 있습니다.
    password: Option<String>,
}

impl Input for DeleteMe {
    type Parsed = Option<GivenPassword>;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        Some(fields.optional_text("password", GivenPassword::parse))
    }
}

/// What a grant is exchanged for tokens with.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum GrantType {
    /// Takes `refresh_token`.
    RefreshToken,
    /// Takes `code`, `code_verifier` and `redirect_uri`, from a login with another provider.
    AuthorizationCode,
}

/// A grant (RFC 6749, 4.1.3 and 6) to be exchanged for tokens.
#[derive(Debug, Object)]
pub(crate) struct IssueToken {
    /// The kind of grant, which decides the other fields.
    /// 권한 부여 방식. 이에 따라 필요한 다른 필드가 달라집니다.
    grant_type: GrantType,
    /// For `refresh_token`.
    /// `refresh_token`일 때 필요합니다.
    refresh_token: Option<String>,
    /// For `authorization_code`.
    /// `authorization_code`일 때 필요합니다.
    code: Option<String>,
    /// For `authorization_code` (RFC 7636).
    /// `authorization_code`일 때 필요합니다(RFC 7636).
    code_verifier: Option<String>,
    /// For `authorization_code`.
    /// `authorization_code`일 때 필요합니다.
    redirect_uri: Option<String>,
}

/// A grant that was sent.
#[derive(Debug)]
pub(crate) enum Grant {
    RefreshToken(String),
    /// No site hands out codes yet, so none is good.
    AuthorizationCode,
}

/// The largest grant in bytes: longer than any that was issued.
const MAX_GRANT_BYTES: usize = 1024;

impl Input for IssueToken {
    type Parsed = Grant;

    fn parse(fields: &mut Fields) -> Option<Grant> {
        let grant_type = fields.text("grant_type", parse_grant_type);
        let is_code = matches!(grant_type, Some(GrantType::AuthorizationCode));
        let is_refresh = matches!(grant_type, Some(GrantType::RefreshToken));
        let refresh_token = fields.text_if(is_refresh, "refresh_token", parse_grant);
        let code =
            ["code", "code_verifier", "redirect_uri"].map(|name| fields.text_if(is_code, name, parse_grant));
        match grant_type? {
            GrantType::RefreshToken => refresh_token.map(Grant::RefreshToken),
            GrantType::AuthorizationCode => {
                code.iter().all(Option::is_some).then_some(Grant::AuthorizationCode)
            }
        }
    }
}

fn parse_grant_type(raw: &str) -> Result<GrantType, Violation> {
    match raw {
        "refresh_token" => Ok(GrantType::RefreshToken),
        "authorization_code" => Ok(GrantType::AuthorizationCode),
        _ => Err(Violation::OutOfRange("must be \"refresh_token\" or \"authorization_code\"")),
    }
}

fn parse_grant(raw: &str) -> Result<String, Violation> {
    if raw.len() > MAX_GRANT_BYTES {
        return Err(Violation::TooLong { max: MAX_GRANT_BYTES, unit: "bytes" });
    }
    Ok(raw.to_owned())
}

fn parse_client(raw: &str) -> Result<Kind, Violation> {
    raw.parse().map_err(|_| Violation::OutOfRange("must be \"browser\" or \"native\""))
}

fn parse_device(fields: &mut Fields) -> Option<Device> {
    let kind = fields.text("client", parse_client);
    let name = fields.optional_text("device_name", DeviceName::parse);
    Some(Device { kind: kind?, name: name.map(String::from), ..Device::default() })
}
