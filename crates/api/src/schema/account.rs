//! The caller's own account: its profile, settings, password and deletion. Signing up and logging in are in `login`,
//! its address and what links in mails do in `email`, tokens in `token`.

mod email;
mod login;
mod token;

use blegram_auth::{EnteredPassword, NewPassword};
use blegram_domain::{Bio, DisplayName, Relation, Username, Violation};
use blegram_media::Links;
use blegram_social::{NewDisplayName, UpdateProfile, UserView};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::{
    email::{ChangeEmail, CompletePasswordReset, RequestPasswordReset, VerifyEmail},
    login::{AuthResult, ClientDevice, CsrfToken, LogIn, SignUp},
    token::{Grant, IssueToken, Tokens},
};
use crate::{
    body::{parse_or, request},
    schema::{
        Render, Time,
        post::parse_media_id,
        user::{User, UserViewerState},
    },
};

/// Your account: your profile and your private settings.
/// 내 계정. 프로필과 나만 볼 수 있는 설정입니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Account {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// Unique username: 3 to 30 characters of a-z, digits, `.`, `_` and Hangul syllables.
    /// 고유한 아이디. 영문 소문자, 숫자, `.`, `_`, 한글 음절 3~30자입니다.
    username: String,
    /// Display name; not unique.
    /// 프로필에 표시되는 이름. 다른 사람과 겹칠 수 있습니다.
    display_name: String,
    /// URL of the avatar: a square WebP image of at most 320 pixels a side; null if there is none.
    /// 프로필 사진의 주소. 한 변이 최대 320픽셀인 정사각형 WebP 이미지이며, 없으면 null입니다.
    avatar_url: Option<String>,
    /// Text about yourself; may be empty.
    /// 자기소개. 비어 있을 수 있습니다.
    bio: String,
    /// Whether only your followers can see your posts.
    /// 팔로워만 내 게시글을 볼 수 있는지 여부.
    is_private: bool,
    /// Number of your posts, whatever their visibility.
    /// 공개 범위와 관계없이 센 내 게시글 수.
    post_count: u64,
    /// Number of followers.
    /// 팔로워 수.
    follower_count: u64,
    /// Number of followed accounts.
    /// 팔로우하는 계정 수.
    following_count: u64,
    /// Creation time of the account.
    /// 계정을 만든 시각.
    created_at: Time,
    /// Your relationship with your own account: every flag is false.
    /// 나 자신과의 관계. 모든 값이 false입니다.
    viewer: Option<UserViewerState>,
    /// Your email address; null if you gave none. A new one replaces a verified one when it is verified.
    /// 등록한 이메일 주소. 없으면 null입니다. 인증한 주소는 새 주소가 인증될 때 바뀝니다.
    email: Option<String>,
    /// Whether the email address is verified. Only then you can log in and reset your password with it.
    /// 이메일 주소를 인증했는지 여부. 인증한 주소로만 로그인하고 비밀번호를 재설정할 수 있습니다.
    email_verified: bool,
    /// Whether you can log in with a password.
    /// 비밀번호로 로그인할 수 있는 계정인지 여부.
    has_password: bool,
    /// Your role: `user`, `moderator` or `admin`. More roles may be added.
    /// 권한: `user`, `moderator`, `admin`. 새로운 역할이 추가될 수 있습니다.
    role: String,
    /// Whether your account can appear in search and suggestions.
    /// 검색과 추천에 내 계정이 나올 수 있는지 여부.
    discoverable: bool,
    /// Who can start a conversation with you: `everyone`, `followed` (accounts that you follow) or `nobody`. More
    /// values may be added.
    /// 나에게 먼저 메시지를 보낼 수 있는 사람: `everyone`(모두), `followed`(내가 팔로우하는 사람), `nobody`(없음). 새로운 값이 추가될 수 있습니다.
    messages_from: String,
    /// Whether logins from new devices are reported to your verified email address.
    /// 새로운 기기의 로그인을 인증한 이메일로 알리는지 여부.
    login_notices: bool,
}

impl Render<blegram_domain::Account> for Account {
    fn render(account: blegram_domain::Account, links: &Links) -> Self {
        let view = UserView { user: account.user, viewer: Some(Relation::default()) };
        let user = User::render(view, links);
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
            login_notices: account.login_notices,
        }
    }
}

request! {
    /// A change of the password.
    /// 비밀번호 변경.
    pub(crate) struct ChangePassword {
        /// Current password; null or absent only if the account has no password.
        /// 현재 비밀번호. 비밀번호가 없는 계정에서만 null이거나 생략할 수 있습니다.
        current_password: Option<String> = text(EnteredPassword::parse),
        /// Password: 10 to 128 characters, not easy to guess.
        /// 추측하기 어려운 10~128자.
        #[oai(validator(min_length = 10))]
        new_password: String = text(|raw| NewPassword::parse(raw, &[])),
    }

    fn parse(fields) -> Option<blegram_auth::ChangePassword> {
        Some(blegram_auth::ChangePassword { current: current_password, new: new_password? })
    }
}

request! {
    /// A change of your profile and settings. Absent fields stay unchanged.
    /// 프로필과 설정 변경. 보내지 않은 필드는 그대로 유지됩니다.
    pub(crate) struct UpdateMe {
        /// Display name, 1 to 30 characters; null resets it to the username.
        /// 프로필에 표시되는 이름, 1~30자. null이면 아이디로 되돌립니다.
        display_name: Option<String> | nullable = patch_nullable(DisplayName::parse),
        /// Text about yourself: plain text, at most 300 characters; null clears it.
        /// 자기소개. 일반 텍스트, 최대 300자. null이면 비웁니다.
        bio: Option<String> | nullable = patch_text(Bio::parse),
        /// Id of one of your uploaded images that is not in use yet; null removes the avatar. The previous avatar image is
        /// deleted.
        /// 업로드했지만 아직 사용하지 않은 내 이미지의 ID. null이면 프로필 사진을 없앱니다. 이전 사진은 삭제됩니다.
        avatar_media_id: Option<Uuid> | nullable = patch_nullable(parse_media_id),
        /// Whether only your followers can see your posts.
        /// 팔로워만 내 게시글을 볼 수 있는지 여부.
        is_private: Option<bool> = flag(),
        /// Whether your account can appear in search and suggestions.
        /// 검색과 추천에 내 계정이 나올 수 있는지 여부.
        discoverable: Option<bool> = flag(),
        /// Who can start a conversation with you or add you to groups.
        /// 나에게 먼저 메시지를 보내거나 나를 그룹에 추가할 수 있는 사람.
        messages_from: Option<MessagesFrom> =
            text(parse_or(Violation::OutOfRange("must be \"everyone\", \"followed\" or \"nobody\""))),
        /// Whether logins from new devices are reported to your verified email address.
        /// 새로운 기기의 로그인을 인증한 이메일로 알릴지 여부.
        login_notices: Option<bool> = flag(),
    }

    fn parse(fields) -> Option<UpdateProfile> {
        Some(UpdateProfile {
            display_name: display_name.map(|name| name.map_or(NewDisplayName::Username, NewDisplayName::Name)),
            bio,
            avatar: avatar_media_id,
            is_private,
            discoverable,
            messages_from,
            login_notices,
        })
    }
}

/// Who can start a conversation with an account or add it to groups.
/// 먼저 메시지를 보내거나 그룹에 추가할 수 있는 사람.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MessagesFrom {
    /// Everyone who is not blocked.
    Everyone,
    /// Accounts that the account follows.
    Followed,
    /// No one.
    Nobody,
}

request! {
    /// A change of the username.
    /// 아이디 변경.
    pub(crate) struct ChangeUsername {
        /// Username: 3 to 30 characters of a-z, digits, `.`, `_` and Hangul syllables, case-insensitive. Must not be
        /// confusable with a taken username.
        /// 영문, 숫자, `.`, `_`, 한글 음절 3~30자. 대소문자는 구분하지 않으며, 이미 쓰이는 아이디와 비슷하면 안 됩니다.
        #[oai(validator(min_length = 3))]
        username: String = text(|raw| Username::parse(raw.trim())),
    }

    fn parse(fields) -> Option<Username> {
        username
    }
}

request! {
    /// Confirmation of the deletion of your account.
    /// 계정 삭제 확인.
    pub(crate) struct DeleteMe {
        /// Your password; null or absent only if the account has no password.
        /// 비밀번호. 비밀번호가 없는 계정에서만 null이거나 생략할 수 있습니다.
        password: Option<String> = text(EnteredPassword::parse),
    }

    fn parse(fields) -> Option<Option<EnteredPassword>> {
        Some(password)
    }
}
