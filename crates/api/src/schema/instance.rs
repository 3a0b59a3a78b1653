use blegram_auth::{Auth, NewPassword, Registration};
use blegram_domain::{
    AltText, Bio, CommentText, Conversation, ConversationTitle, DeviceName, DisplayName, EmailAddress,
    Hashtag, Media, MessageText, PostText, ReportNote, Username,
    analysis::Analysis,
    media::{ImageType, quota::Quota},
    page,
};
use blegram_limits::{Policy, Quotas};
use poem_openapi::Object;
use serde::Serialize;

use crate::{App, body};

/// Information about this site.
/// 사이트 정보.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Instance {
    /// Name of the site.
    /// 사이트 이름.
    name: String,
    /// Version of blegram.
    /// blegram의 버전.
    version: String,
    /// Whether new accounts can be created: `open` or `closed`. More values may be added.
    /// 가입을 받는지 여부: `open` 또는 `closed`. 새로운 값이 추가될 수 있습니다.
    registration: String,
    /// Limits of input values.
    /// 입력값의 제한.
    limits: InstanceLimits,
    /// Rate limits. More may be added.
    /// 요청 횟수 제한. 새로운 제한이 추가될 수 있습니다.
    rate_limits: Vec<InstanceRateLimit>,
    /// Available features.
    /// 사용할 수 있는 기능.
    features: InstanceFeatures,
    /// External providers that users can log in with.
    /// 로그인에 사용할 수 있는 외부 서비스.
    login_providers: Vec<Provider>,
}

/// A rate limit: a number of requests at once, refilled evenly over a period.
/// 요청 횟수 제한. 한꺼번에 보낼 수 있는 요청 수와, 그만큼 다시 채워지는 기간입니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct InstanceRateLimit {
    /// Name in `RateLimit-Policy`. Two limits with different subjects can have the same name.
    /// `RateLimit-Policy`에 쓰이는 이름. 세는 대상이 다르면 이름이 같을 수 있습니다.
    name: String,
    /// Whose requests are counted together: `address`, `user` (the logged-in user, otherwise the address), `account` (the
    /// account of a login, whether it exists or not) or `recipient` (the email address that mails are sent to). More
    /// values may be added.
    /// 함께 세는 대상: `address`(주소), `user`(로그인한 사용자, 로그인하지 않았으면 주소), `account`(로그인하려는 계정),
    /// `recipient`(메일을 받는 이메일 주소). 새로운 값이 추가될 수 있습니다.
    subject: String,
    /// Number of requests at once, and per period.
    /// 한꺼번에, 그리고 한 기간에 보낼 수 있는 요청 수.
    requests: u32,
    /// Length of the period, in seconds.
    /// 기간의 길이(초).
    seconds: u32,
}

impl InstanceRateLimit {
    fn new(policy: Policy, quotas: &Quotas) -> Self {
        let quota = quotas.of(policy);
        let subject = match policy {
            Policy::LoginAccount
            | Policy::LoginAccountAddress
            | Policy::SecondFactorAccount
            | Policy::SecondFactorAddress => "account",
            Policy::Mail | Policy::MailNotice => "recipient",
            _ if policy.is_per_address() => "address",
            _ => "user",
        };
        Self {
            name: policy.as_str().to_owned(),
            subject: subject.to_owned(),
            requests: quota.burst.get(),
            seconds: u32::try_from(quota.per.as_secs()).unwrap_or(u32::MAX),
        }
    }
}

/// The limits of input values. Text length is counted in user-perceived characters (grapheme clusters) unless the name
/// says otherwise.
/// 입력값의 제한. 이름에 다른 단위가 없으면 텍스트 길이는 눈에 보이는 글자(자소 클러스터) 단위로 셉니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct InstanceLimits {
    /// Minimum length of a username.
    /// 아이디의 최소 글자 수.
    username_min_chars: usize,
    /// Maximum length of a username.
    /// 아이디의 최대 글자 수.
    username_max_chars: usize,
    /// Maximum length of a display name.
    /// 표시 이름의 최대 글자 수.
    display_name_max_chars: usize,
    /// Maximum length of a display name, in bytes of UTF-8.
    /// 표시 이름의 최대 바이트 수(UTF-8).
    display_name_max_bytes: usize,
    /// Maximum length of a bio.
    /// 자기소개의 최대 글자 수.
    bio_max_chars: usize,
    /// Maximum length of a bio, in bytes of UTF-8.
    /// 자기소개의 최대 바이트 수(UTF-8).
    bio_max_bytes: usize,
    /// Maximum length of a device name.
    /// 기기 이름의 최대 글자 수.
    device_name_max_chars: usize,
    /// Maximum length of a device name, in bytes of UTF-8.
    /// 기기 이름의 최대 바이트 수(UTF-8).
    device_name_max_bytes: usize,
    /// Maximum length of an email address, in bytes.
    /// 이메일 주소의 최대 바이트 수.
    email_max_bytes: usize,
    /// Minimum length of a password, in code points.
    /// 비밀번호의 최소 코드 포인트 수.
    password_min_chars: usize,
    /// Maximum length of a password, in code points.
    /// 비밀번호의 최대 코드 포인트 수.
    password_max_chars: usize,
    /// Maximum length of the text of a post.
    /// 게시글 본문의 최대 글자 수.
    post_max_chars: usize,
    /// Maximum length of the text of a post, in bytes of UTF-8.
    /// 게시글 본문의 최대 바이트 수(UTF-8).
    post_max_bytes: usize,
    /// Maximum number of hashtags in a post.
    /// 게시글 하나의 최대 해시태그 수.
    post_max_hashtags: usize,
    /// Maximum number of mentions in a post.
    /// 게시글 하나의 최대 멘션 수.
    post_max_mentions: usize,
    /// Maximum number of images in a post.
    /// 게시글 하나의 최대 이미지 수.
    post_max_media: usize,
    /// Media types of images that can be uploaded.
    /// 업로드할 수 있는 이미지 형식.
    media_types: Vec<String>,
    /// Maximum size of an image file, in bytes.
    /// 이미지 파일의 최대 바이트 수.
    media_max_bytes: u64,
    /// Maximum size of an image, in pixels (width × height).
    /// 이미지의 최대 픽셀 수(너비 × 높이).
    media_max_pixels: u64,
    /// Maximum size of all images of an account, in bytes. getUsage says what counts.
    /// 계정 하나의 모든 이미지를 더한 최대 바이트 수. 무엇이 포함되는지는 getUsage를 보세요.
    media_quota_bytes: u64,
    /// Maximum number of images of an account.
    /// 계정 하나의 최대 이미지 수.
    media_quota_files: u64,
    /// Maximum size of an account's images that are not in a post, a message or its profile, in bytes.
    /// 게시글, 메시지, 프로필에 쓰지 않은 이미지를 더한 최대 바이트 수.
    media_quota_unattached_bytes: u64,
    /// Maximum number of an account's images that are not in a post, a message or its profile.
    /// 게시글, 메시지, 프로필에 쓰지 않은 이미지의 최대 개수.
    media_quota_unattached_files: u64,
    /// Maximum length of the alt text of an image.
    /// 이미지 설명의 최대 글자 수.
    alt_max_chars: usize,
    /// Maximum length of a comment.
    /// 댓글의 최대 글자 수.
    comment_max_chars: usize,
    /// Maximum length of a comment, in bytes of UTF-8.
    /// 댓글의 최대 바이트 수(UTF-8).
    comment_max_bytes: usize,
    /// Maximum length of a message.
    /// 메시지의 최대 글자 수.
    message_max_chars: usize,
    /// Maximum length of a message, in bytes of UTF-8.
    /// 메시지의 최대 바이트 수(UTF-8).
    message_max_bytes: usize,
    /// Maximum length of a group title.
    /// 그룹 이름의 최대 글자 수.
    conversation_title_max_chars: usize,
    /// Maximum number of members of a group.
    /// 그룹의 최대 인원.
    group_max_members: usize,
    /// Maximum length of the note of a report.
    /// 신고 설명의 최대 글자 수.
    report_note_max_chars: usize,
    /// Maximum length of a hashtag, without `#`.
    /// `#`를 뺀 해시태그의 최대 글자 수.
    hashtag_max_chars: usize,
    /// Maximum number of items on a page.
    /// 한 페이지의 최대 항목 수.
    page_max_items: usize,
    /// Maximum size of a JSON body, in bytes.
    /// JSON 본문의 최대 바이트 수.
    json_body_max_bytes: usize,
}

/// The features of this site.
/// 사이트의 기능.
#[derive(Debug, Object, Serialize)]
pub(crate) struct InstanceFeatures {
    /// Whether posts can have images.
    /// 게시글에 이미지를 넣을 수 있는지 여부.
    media: bool,
    /// Whether conversations are available.
    /// 대화 기능이 있는지 여부.
    chat: bool,
    /// Whether native clients can log in and get tokens.
    /// 네이티브 앱이 로그인해 토큰을 받을 수 있는지 여부.
    native_clients: bool,
    /// Whether the site sends mail: without it, email addresses cannot be verified and passwords cannot be reset.
    /// 메일을 보내는 사이트인지 여부. 보내지 않으면 이메일 주소를 인증하거나 비밀번호를 재설정할 수 없습니다.
    mail: bool,
    /// Whether accounts can have second factors.
    /// 2단계 인증을 쓸 수 있는지 여부.
    second_factors: bool,
    /// Whether accounts can have passkeys.
    /// 패스키를 쓸 수 있는지 여부.
    passkeys: bool,
}

/// An external login provider.
/// 외부 로그인 서비스.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Provider {
    /// Id of the provider, as used in paths.
    /// 경로에 쓰는 서비스의 ID.
    id: String,
    /// Display name of the provider.
    /// 사람에게 보이는 서비스 이름.
    pub(crate) name: String,
    /// URL that a browser opens to log in with the provider.
    /// 브라우저가 로그인하러 이동할 주소.
    pub(crate) start_url: String,
}

impl Provider {
    /// The external login providers of the site, in the order of its configuration.
    pub(crate) fn list(app: &App) -> Vec<Self> {
        let provider = |provider: &blegram_auth::Provider| Self {
            id: provider.id().to_string(),
            name: provider.name().to_owned(),
            start_url: format!("{}/api/v1/auth/{}/start", app.site.public_url, provider.id()),
        };
        app.auth.providers().iter().map(provider).collect()
    }
}

/// What the settings of the site decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) registration: Registration,
    pub(crate) mail: bool,
    pub(crate) passkeys: bool,
}

impl Settings {
    pub(crate) fn of(auth: &Auth) -> Self {
        Self { registration: auth.registration(), mail: auth.sends_mail(), passkeys: auth.has_passkeys() }
    }
}

impl Instance {
    /// Builds the document from the constants and settings that the server applies, so that the two cannot differ.
    pub(crate) fn new(settings: Settings, quotas: &Quotas, quota: &Quota) -> Self {
        // Sign-ups over loopback have the name of the others; image processing is no number of requests.
        let is_public = |policy: &Policy| !matches!(policy, Policy::SignUpLoopback | Policy::ImageWork);
        let policies = Policy::ALL.iter().copied().filter(is_public);
        Self {
            name: "blegram".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            registration: match settings.registration {
                Registration::Open => "open".to_owned(),
                Registration::Closed => "closed".to_owned(),
            },
            limits: InstanceLimits {
                username_min_chars: Username::MIN_CHARS,
                username_max_chars: Username::MAX_CHARS,
                display_name_max_chars: DisplayName::MAX_GRAPHEMES,
                display_name_max_bytes: DisplayName::MAX_BYTES,
                bio_max_chars: Bio::MAX_GRAPHEMES,
                bio_max_bytes: Bio::MAX_BYTES,
                device_name_max_chars: DeviceName::MAX_GRAPHEMES,
                device_name_max_bytes: DeviceName::MAX_BYTES,
                email_max_bytes: EmailAddress::MAX_BYTES,
                password_min_chars: NewPassword::MIN_CHARS,
                password_max_chars: NewPassword::MAX_CHARS,
                post_max_chars: PostText::MAX_GRAPHEMES,
                post_max_bytes: PostText::MAX_BYTES,
                post_max_hashtags: Analysis::MAX_HASHTAGS,
                post_max_mentions: Analysis::MAX_MENTIONS,
                post_max_media: Media::MAX_PER_POST,
                media_types: ImageType::ALL.iter().map(|kind| kind.as_str().to_owned()).collect(),
                media_max_bytes: Media::MAX_BYTES,
                media_max_pixels: Media::MAX_PIXELS,
                media_quota_bytes: quota.total.bytes,
                media_quota_files: quota.total.files,
                media_quota_unattached_bytes: quota.unattached.bytes,
                media_quota_unattached_files: quota.unattached.files,
                alt_max_chars: AltText::MAX_GRAPHEMES,
                comment_max_chars: CommentText::MAX_GRAPHEMES,
                comment_max_bytes: CommentText::MAX_BYTES,
                message_max_chars: MessageText::MAX_GRAPHEMES,
                message_max_bytes: MessageText::MAX_BYTES,
                conversation_title_max_chars: ConversationTitle::MAX_GRAPHEMES,
                group_max_members: Conversation::MAX_MEMBERS,
                report_note_max_chars: ReportNote::MAX_GRAPHEMES,
                hashtag_max_chars: Hashtag::MAX_GRAPHEMES,
                page_max_items: page::Limit::MAX.into(),
                json_body_max_bytes: body::MAX_BYTES,
            },
            rate_limits: policies.map(|policy| InstanceRateLimit::new(policy, quotas)).collect(),
            features: InstanceFeatures {
                media: true,
                chat: true,
                native_clients: true,
                mail: settings.mail,
                second_factors: true,
                passkeys: settings.passkeys,
            },
            login_providers: Vec::new(),
        }
    }

    /// Adds the login providers.
    pub(crate) fn with_login_providers(self, login_providers: Vec<Provider>) -> Self {
        Self { login_providers, ..self }
    }
}
