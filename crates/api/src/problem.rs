//! Errors as RFC 9457 problem details. The only place that knows status codes.

use std::{borrow::Cow, io};

use blegram_auth::{Limits, Policy, RateLimited, limit::Standing};
use blegram_domain::{PostText, Violation};
use blegram_media::Refusal;
use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;

use crate::address::{address, in_text};

/// One value that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Where it is: a JSON pointer (RFC 6901) into the body, or `/` and the name of a parameter.
    pub pointer: String,
    /// The rule it broke.
    pub code: &'static str,
    /// What would be accepted.
    pub detail: String,
}

impl Failure {
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }

    pub(crate) fn of(pointer: impl Into<String>, violation: Violation) -> Self {
        Self::new(pointer, violation.code(), violation.to_string())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal, $english:literal, $korean:literal;)*) => {
        /// What went wrong, as programs read it. Each code has a page at `/problems/<code>`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* #[doc = $english] $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status it comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// A few words for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What to do about it.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $english,)* }
            }

            /// The same in Korean.
            pub const fn korean(self) -> &'static str {
                match self { $(Self::$variant => $korean,)* }
            }
        }
    };
}

codes! {
    MalformedRequest = "malformed-request", BAD_REQUEST, "The request cannot be read",
        "Send a JSON object in UTF-8, at most 32 levels deep.",
        "UTF-8로 된 JSON 객체를 32단계 이내의 깊이로 보내세요.";
    CursorInvalid = "cursor-invalid", BAD_REQUEST, "The cursor is not one of this list",
        "A cursor is good for the list and the filters that it came with. Begin again without a cursor.",
        "커서는 그것을 받은 목록과 필터에서만 쓸 수 있습니다. 커서 없이 처음부터 다시 읽으세요.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "You are not logged in",
        "Log in and send the session's cookie, or an access token as Authorization: Bearer. Sessions end when they are not used for long, and after a time in any case.",
        "로그인한 뒤 세션 쿠키를 보내거나 Authorization: Bearer로 액세스 토큰을 보내세요. 세션은 오래 쓰지 않거나 일정 기간이 지나면 끝납니다.";
    InvalidCredentials = "invalid-credentials", UNAUTHORIZED, "The login or the password is wrong",
        "Check both and try again. Which of the two is wrong is not told.",
        "아이디와 비밀번호를 확인하고 다시 시도하세요. 둘 중 무엇이 틀렸는지는 알려 드리지 않습니다.";
    InvalidGrant = "invalid-grant", UNAUTHORIZED, "The grant is not good any more",
        "The refresh token was used before, has ended or was revoked. Log in again.",
        "이미 사용했거나 만료되었거나 취소된 갱신 토큰입니다. 다시 로그인하세요.";
    CsrfRejected = "csrf-rejected", FORBIDDEN, "The request may come from another site",
        "Send it from a page of this site or of a trusted origin. A client that sends neither Sec-Fetch-Site nor Origin adds the X-CSRF-Token of GET /api/v1/auth/csrf.",
        "이 사이트나 신뢰된 출처의 페이지에서 요청을 보내세요. Sec-Fetch-Site와 Origin을 보내지 않는 클라이언트는 GET /api/v1/auth/csrf의 X-CSRF-Token을 함께 보내야 합니다.";
    Forbidden = "forbidden", FORBIDDEN, "You may not do this",
        "You can see this, but this action is not open to you. Most often only the owner may do it.",
        "볼 수는 있지만 이 작업은 할 수 없습니다. 대개 소유자만 할 수 있는 작업입니다.";
    WrongPassword = "wrong-password", FORBIDDEN, "The password is wrong",
        "Send the account's present password. You stay logged in.",
        "계정의 현재 비밀번호를 보내세요. 로그인 상태는 그대로입니다.";
    ReauthenticationRequired = "reauthentication-required", FORBIDDEN, "Log in again for this",
        "The account has no password, so this takes a login of the last ten minutes.",
        "비밀번호가 없는 계정이므로 최근 10분 안에 다시 로그인해야 합니다.";
    AccountSuspended = "account-suspended", FORBIDDEN, "The account is suspended",
        "The password is right, but moderators have suspended the account.",
        "비밀번호는 맞지만 운영진이 계정을 정지했습니다.";
    AccountPrivate = "account-private", FORBIDDEN, "The account is private",
        "Only its followers see this. Ask to follow it.",
        "비공개 계정입니다. 팔로우를 요청해 수락되면 볼 수 있습니다.";
    Blocked = "blocked", FORBIDDEN, "You block this account",
        "Unblock it first. While you block an account you cannot follow it, see its lists or write to it.",
        "차단한 계정입니다. 차단한 동안에는 팔로우하거나 목록을 보거나 메시지를 보낼 수 없으니 먼저 차단을 해제하세요.";
    QuotaExceeded = "quota-exceeded", FORBIDDEN, "The quota is used up",
        "An account may have at most 100 direct uploads, of 500 MiB together, that it has not completed. Complete them, or wait two hours: then they are removed.",
        "완료하지 않은 직접 업로드는 계정당 100개, 합계 500 MiB까지 둘 수 있습니다. 먼저 완료하거나 두 시간을 기다리세요. 그 뒤에는 자동으로 지워집니다.";
    RegistrationClosed = "registration-closed", FORBIDDEN, "Registration is closed",
        "This site does not take new accounts. Ask its operators for one.",
        "이 사이트는 새 계정을 받지 않습니다. 운영자에게 문의하세요.";
    NotFound = "not-found", NOT_FOUND, "There is nothing here",
        "The address names nothing, or nothing that you may see.",
        "이 주소에는 아무것도 없거나, 볼 수 있는 것이 없습니다.";
    UpgradeRequired = "upgrade-required", UPGRADE_REQUIRED, "This address speaks WebSocket",
        "Open a WebSocket (RFC 6455) with the subprotocol `blegram.v1+json`. What it says is at /asyncapi.json.",
        "서브프로토콜 `blegram.v1+json`으로 WebSocket(RFC 6455)을 여세요. 주고받는 내용은 /asyncapi.json에 있습니다.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method does not fit the address",
        "Use one of the methods in the Allow header.",
        "Allow 헤더에 있는 메서드를 쓰세요.";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request came too slowly",
        "Send the whole request at a steady pace, on a better connection.",
        "더 나은 연결에서 요청 전체를 끊김 없이 보내세요.";
    UsernameTaken = "username-taken", CONFLICT, "The username is taken",
        "Somebody has this username, or one that looks like it, or the site keeps it. Choose another.",
        "같거나 비슷해 보이는 아이디를 이미 누가 쓰고 있거나 사이트가 보유하고 있습니다. 다른 아이디를 고르세요.";
    MediaInUse = "media-in-use", CONFLICT, "The image is in use",
        "An image is in one post, or is your picture, and nothing else. Upload it again to use it twice; to remove it, remove what shows it.",
        "이미지는 게시글 하나 또는 프로필 사진에만 쓸 수 있습니다. 두 번 쓰려면 다시 올리고, 지우려면 그것을 보여 주는 게시글이나 프로필 사진을 먼저 지우세요.";
    NotAGroup = "not-a-group", CONFLICT, "This is no group",
        "A direct conversation has two members and no title. Make a group.",
        "1:1 대화에는 제목이나 다른 참여자를 둘 수 없습니다. 그룹을 만드세요.";
    UploadNotArrived = "upload-not-arrived", CONFLICT, "The file has not arrived",
        "PUT it to the upload's URL, with its headers, before `expires_at`; then complete it again.",
        "`expires_at` 전에 업로드의 URL로 지정된 헤더와 함께 파일을 PUT한 뒤 다시 완료하세요.";
    UploadExpired = "upload-expired", CONFLICT, "The upload has expired or is complete",
        "Create a new one, and PUT the file to its URL.",
        "새 업로드를 만들어 그 URL로 파일을 PUT하세요.";
    UploadInProgress = "upload-in-progress", CONFLICT, "The file of this upload is being sent already",
        "One request at a time sends the file of an upload. Wait until the other one ends, or cancel it, and send the file again.",
        "업로드 하나의 파일은 한 번에 한 요청으로만 보낼 수 있습니다. 진행 중인 요청이 끝나기를 기다리거나 취소한 뒤 다시 보내세요.";
    RequestInProgress = "request-in-progress", CONFLICT, "The first request with this key still runs",
        "Wait for its answer, or try again in a moment with the same Idempotency-Key.",
        "첫 요청의 응답을 기다리거나, 잠시 뒤 같은 Idempotency-Key로 다시 시도하세요.";
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "It was changed meanwhile",
        "Read it again, apply your change to what it is now, and send the new `ETag` in If-Match.",
        "다시 읽어 현재 내용에 변경을 적용한 뒤, 새 `ETag`를 If-Match로 보내세요.";
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The request body is too large",
        "A JSON body has at most 64 KiB, an upload of images at most ten files of 20 MiB.",
        "JSON 본문은 64 KiB까지, 이미지 업로드는 20 MiB 파일 열 개까지 보낼 수 있습니다.";
    MediaTooLarge = "media-too-large", PAYLOAD_TOO_LARGE, "The file is too large",
        "A file has at most 20 MiB, and as many bytes as were announced. Send a smaller version of the image.",
        "파일은 20 MiB까지, 그리고 미리 알린 크기까지만 받습니다. 더 작은 이미지를 보내세요.";
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "The file has no such part",
        "Ask for bytes that it has; Content-Range tells how many those are.",
        "파일에 있는 범위를 요청하세요. Content-Range가 전체 크기를 알려 줍니다.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body has a type that is not taken here",
        "Send JSON as Content-Type: application/json and images as multipart/form-data with a boundary, without Content-Encoding.",
        "Content-Encoding 없이 JSON은 application/json으로, 이미지는 boundary가 있는 multipart/form-data로 보내세요.";
    MediaUnsupported = "media-unsupported", UNSUPPORTED_MEDIA_TYPE, "The file is no image that is taken here",
        "Send a JPEG, PNG, WebP or GIF. What a file is, is read from its content; its name and the Content-Type of its part do not count. HEIC and AVIF photos: on an iPhone, choose Settings › Camera › Formats › Most Compatible, or share the photo as JPEG; on Android, turn off HEIF (high efficiency) pictures in the camera's settings, or save a copy as JPEG. SVG, TIFF, RAW, JPEG XL and videos are not taken.",
        "JPEG, PNG, WebP, GIF 이미지를 보내세요. 파일 형식은 이름이나 Content-Type이 아니라 내용으로 판단합니다. HEIC·AVIF 사진은 iPhone에서는 설정 › 카메라 › 포맷에서 '높은 호환성'을 선택하거나 JPEG로 공유하고, Android에서는 카메라 설정에서 HEIF(고효율) 사진을 끄거나 JPEG로 저장해 보내세요. SVG, TIFF, RAW, JPEG XL, 동영상은 받지 않습니다.";
    MediaTypeMismatch = "media-type-mismatch", UNSUPPORTED_MEDIA_TYPE, "The file has another type than was announced",
        "A file that is uploaded directly must have the type that was announced. Send it with that Content-Type, or create an upload with the type that the file has.",
        "직접 업로드하는 파일은 미리 알린 형식이어야 합니다. 그 형식을 Content-Type으로 보내거나, 파일의 실제 형식으로 업로드를 새로 만드세요.";
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "Some values are not acceptable",
        "Each entry of errors names a value, the rule that it breaks and what would be accepted.",
        "errors의 각 항목이 어떤 값이 어떤 규칙에 어긋나는지, 무엇이 허용되는지 알려 줍니다.";
    MediaEmpty = "media-empty", UNPROCESSABLE_ENTITY, "The file is empty",
        "Send the image itself.",
        "빈 파일입니다. 이미지를 보내세요.";
    MediaTooManyPixels = "media-too-many-pixels", UNPROCESSABLE_ENTITY, "The image has too many pixels",
        "An image has at most 40 megapixels. Send a smaller version.",
        "이미지는 4천만 화소까지 받습니다. 크기를 줄여서 보내세요.";
    MediaBroken = "media-broken", UNPROCESSABLE_ENTITY, "The image is damaged or incomplete",
        "Send it again; if it is refused again, save it anew with another program.",
        "손상되었거나 잘린 이미지입니다. 다시 보내 보고, 계속되면 다른 프로그램으로 다시 저장해 보내세요.";
    MediaTooSlow = "media-too-slow", UNPROCESSABLE_ENTITY, "The image takes too long to decode",
        "Save it anew, as a plain JPEG or PNG, and send that.",
        "디코딩이 너무 오래 걸립니다. 일반 JPEG나 PNG로 다시 저장해 보내세요.";
    UploadMismatch = "upload-mismatch", UNPROCESSABLE_ENTITY, "The file is not the one that was announced",
        "PUT the file whose size and SHA-256 were announced, or create another upload.",
        "미리 알린 크기, SHA-256과 일치하는 파일을 PUT하거나 새 업로드를 만드세요.";
    ClientIdReused = "client-id-reused", UNPROCESSABLE_ENTITY, "The client id belongs to another message",
        "A `client_id` stands for one message, for good. Use a new one for something new.",
        "`client_id` 하나는 메시지 하나에만 쓰입니다. 새 메시지에는 새 `client_id`를 쓰세요.";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The key belongs to another request",
        "An Idempotency-Key stands for one request and its exact body. Use a new one for something new.",
        "Idempotency-Key 하나는 하나의 요청과 그 본문에만 쓰입니다. 새 요청에는 새 키를 쓰세요.";
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests",
        "Come back after the seconds in Retry-After, with some jitter.",
        "Retry-After 헤더의 초만큼 기다린 뒤 약간의 무작위 지연을 더해 다시 시도하세요.";
    HeadersTooLarge = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request line and headers are too large",
        "Send fewer or shorter headers. Old cookies are the usual cause.",
        "헤더를 줄여서 보내세요. 오래된 쿠키가 흔한 원인입니다.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something broke on our side",
        "It may or may not have taken effect: look before you try again. Tell the operators the `request_id`.",
        "반영되었을 수도, 아닐 수도 있으니 다시 시도하기 전에 확인하세요. 운영자에게 `request_id`를 알려 주세요.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is busy",
        "Try again after the seconds in Retry-After.",
        "Retry-After 헤더의 초만큼 기다린 뒤 다시 시도하세요.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Something the server needs is not available",
        "Try again after the seconds in Retry-After.",
        "Retry-After 헤더의 초만큼 기다린 뒤 다시 시도하세요.";
}

/// A refused request: becomes the answer at the edge, which knows its path and id.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.code.as_str())]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    failures: Vec<Failure>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    /// What to tell operators, and nobody else.
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// How to log in (RFC 9110, 11.6.1): apps with a bearer, browsers with the cookie.
const CHALLENGES: &str = "Bearer realm=\"blegram\", Cookie realm=\"blegram\"";

/// How long somebody should wait for a server that is busy or lacks something.
const PAUSE_SECONDS: u64 = 2;

/// How long an account that sends too many files at the same time should wait.
const UPLOAD_PAUSE_SECONDS: u64 = 5;

impl Problem {
    /// A problem of `code`.
    pub fn new(code: Code) -> Self {
        let problem = Self { code, detail: None, failures: Vec::new(), headers: Vec::new(), cause: None };
        match code {
            Code::Unauthenticated | Code::InvalidCredentials | Code::InvalidGrant => {
                problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGES))
            }
            Code::UpgradeRequired => problem
                .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
                .with_header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            Code::Overloaded | Code::Unavailable => {
                problem.with_header(header::RETRY_AFTER, PAUSE_SECONDS.into())
            }
            _ => problem,
        }
    }

    /// A problem of `code` with a challenge of its own.
    pub(crate) fn with_challenge(code: Code, challenge: HeaderValue) -> Self {
        let headers = vec![(header::WWW_AUTHENTICATE, challenge)];
        Self { code, detail: None, failures: Vec::new(), headers, cause: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    pub(crate) fn invalid(failures: Vec<Failure>) -> Self {
        Self { failures, ..Self::new(Code::Invalid) }
    }

    /// The same, because of these values.
    pub(crate) fn with_failures(self, failures: Vec<Failure>) -> Self {
        Self { failures, ..self }
    }

    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Code::Internal) }
    }

    pub(crate) fn rate_limited(standing: &Standing) -> Self {
        let detail = format!(
            "the limit {} allows {} in {} s",
            standing.policy.as_str(),
            standing.quota.burst,
            standing.quota.per.as_secs()
        );
        // Rounded up: who comes back then is let in.
        let seconds = standing.reset.as_micros().div_ceil(1_000_000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX).max(1);
        standing_headers(standing)
            .into_iter()
            .fold(Self::new(Code::RateLimited), |problem, (name, value)| problem.with_header(name, value))
            .with_header(header::RETRY_AFTER, seconds.into())
            .with_detail(detail)
    }

    /// Says more than the code does.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        // The first one is of whoever refused, and knows best.
        if !self.headers.iter().any(|(other, _)| *other == name) {
            self.headers.push((name, value));
        }
        self
    }

    /// This problem as that of one value among others. What only operators should know is logged here.
    pub(crate) fn failure(&self, pointer: String, request_id: &str) -> Failure {
        self.log(request_id);
        Failure::new(pointer, self.code.as_str(), self.detail.as_deref().unwrap_or(self.code.english()))
    }

    /// This problem as the refusal of a command. What only operators should know is logged here.
    pub(crate) fn into_refusal(self, connection: &str) -> blegram_gateway::Refusal {
        self.log(connection);
        let seconds = self.headers.iter().find(|(name, _)| *name == header::RETRY_AFTER);
        let seconds = seconds.and_then(|(_, value)| value.to_str().ok()?.parse::<u64>().ok());
        blegram_gateway::Refusal {
            code: self.code.as_str(),
            detail: self.detail.unwrap_or_else(|| self.code.english().to_owned()),
            errors: (!self.failures.is_empty())
                .then(|| serde_json::to_value(&self.failures).unwrap_or_default()),
            retry_after_ms: seconds.map(|seconds| seconds * 1000),
        }
    }

    fn log(&self, request_id: &str) {
        if let Some(cause) = &self.cause {
            tracing::error!(
                request_id,
                code = self.code.as_str(),
                error = &**cause as &dyn std::error::Error,
                "the request failed"
            );
        }
    }

    /// Whether the same request would be refused again: neither a failure of ours nor a matter of waiting, nor of an
    /// `If-Match` that its sender corrects.
    pub(crate) fn is_final(&self) -> bool {
        let status = self.code.status();
        let may_pass = [StatusCode::TOO_MANY_REQUESTS, StatusCode::PRECONDITION_FAILED].contains(&status);
        !status.is_server_error() && !may_pass
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// The answer to the request `request_id` for `path` on a site below `base_path`. What only operators should know is
    /// logged here, and nowhere else.
    pub fn into_response(self, base_path: &str, path: &str, request_id: &str) -> Response {
        self.log(request_id);
        let mut response = Response::builder()
            .status(self.code.status())
            .content_type("application/problem+json")
            .body(serde_json::to_vec(&self.body(base_path, path, request_id)).unwrap_or_default());
        response.headers_mut().extend(self.headers);
        response.set_data(self.code);
        response
    }

    fn body<'a>(&'a self, base_path: &str, path: &str, request_id: &'a str) -> Body<'a> {
        Body {
            r#type: address(base_path, &format!("/problems/{}", self.code.as_str())),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: in_text(base_path, self.detail.as_deref().unwrap_or(self.code.english())),
            instance: address(base_path, path),
            code: self.code.as_str(),
            request_id,
            errors: (self.code == Code::Invalid || !self.failures.is_empty()).then_some(&self.failures),
        }
    }

    /// What the body of an answer with `code` looks like, for the document.
    pub(crate) fn example(code: Code) -> serde_json::Value {
        let problem = match code {
            Code::Invalid => Self::invalid(vec![
                Failure::of("/text", Violation::TooLong { max: PostText::MAX_GRAPHEMES, unit: "characters" }),
                Failure::of("/media_ids/0", NO_IMAGE),
            ]),
            Code::RateLimited => {
                let quota = Limits::default().login_per_address;
                Self::rate_limited(&Standing { policy: Policy::Login, quota, remaining: 0, reset: quota.per })
            }
            _ => Self::new(code),
        };
        let body = problem.body("", "/api/v1/posts", "019aaf4c-8d21-7f30-9a41-2b3c4d5e6f70");
        serde_json::to_value(body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: Cow<'a, str>,
    instance: String,
    code: &'a str,
    request_id: &'a str,
    errors: Option<&'a Vec<Failure>>,
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
pub(crate) fn standing_headers(standing: &Standing) -> Vec<(header::HeaderName, HeaderValue)> {
    let name = standing.policy.as_str();
    let policy = format!("\"{name}\";q={};w={}", standing.quota.burst, standing.quota.per.as_secs());
    let reset = standing.reset.as_micros().div_ceil(1_000_000);
    let state = format!("\"{name}\";r={};t={reset}", standing.remaining);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    [("ratelimit-policy", value(&policy)), ("ratelimit", value(&state))]
        .into_iter()
        .filter_map(|(name, value)| Some((header::HeaderName::from_static(name), value?)))
        .collect()
}

impl poem::error::ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.code.status()
    }
}

fn storage(cause: blegram_auth::StorageError) -> Problem {
    let code = if cause.is_transient() { Code::Unavailable } else { Code::Internal };
    Problem { cause: Some(cause.into()), ..Problem::new(code) }
}

impl From<blegram_auth::Error> for Problem {
    fn from(error: blegram_auth::Error) -> Self {
        match error {
            blegram_auth::Error::UsernameTaken => Self::new(Code::UsernameTaken),
            blegram_auth::Error::RegistrationClosed => Self::new(Code::RegistrationClosed),
            blegram_auth::Error::InvalidCredentials => Self::new(Code::InvalidCredentials),
            blegram_auth::Error::AccountSuspended => Self::new(Code::AccountSuspended),
            blegram_auth::Error::WrongPassword => Self::new(Code::WrongPassword),
            blegram_auth::Error::ReauthenticationRequired => Self::new(Code::ReauthenticationRequired),
            blegram_auth::Error::WeakPassword(violation) => {
                Self::invalid(vec![Failure::of("/new_password", violation)])
            }
            blegram_auth::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_auth::Error::InvalidGrant => Self::new(Code::InvalidGrant),
            blegram_auth::Error::SessionEnded => Self::new(Code::Unauthenticated),
            blegram_auth::Error::SessionNotFound | blegram_auth::Error::AccountNotFound => Self::not_found(),
            blegram_auth::Error::RateLimited(limited) => limited.into(),
            blegram_auth::Error::Overloaded => Self::new(Code::Overloaded),
            blegram_auth::Error::Hashing(cause) | blegram_auth::Error::Signing(cause) => {
                Self::internal(cause)
            }
            blegram_auth::Error::Storage(cause) => storage(cause),
        }
    }
}

impl From<RateLimited> for Problem {
    fn from(RateLimited(standing): RateLimited) -> Self {
        Self::rate_limited(&standing)
    }
}

impl From<blegram_social::Error> for Problem {
    fn from(error: blegram_social::Error) -> Self {
        match error {
            blegram_social::Error::PostNotFound
            | blegram_social::Error::CommentNotFound
            | blegram_social::Error::MessageNotFound
            | blegram_social::Error::SearchNotFound
            | blegram_social::Error::UserNotFound => Self::not_found(),
            blegram_social::Error::ParentNotFound => Self::invalid(vec![Failure::of(
                "/parent_id",
                Violation::NotFound("names no comment on this post that takes replies"),
            )]),
            blegram_social::Error::MediaNotFound(places) => Self::invalid(
                places.into_iter().map(|at| Failure::of(format!("/media_ids/{at}"), NO_IMAGE)).collect(),
            ),
            blegram_social::Error::AvatarNotFound => {
                Self::invalid(vec![Failure::of("/avatar_media_id", NO_IMAGE)])
            }
            blegram_social::Error::MediaInUse => Self::new(Code::MediaInUse),
            blegram_social::Error::PostBlank => Self::invalid(vec![Failure::of("/text", Violation::Blank)]),
            blegram_social::Error::Blocked => Self::new(Code::Blocked),
            blegram_social::Error::AccountPrivate => Self::new(Code::AccountPrivate),
            blegram_social::Error::Oneself => {
                Self::invalid(vec![Failure::new("/user", "self", "must not be yourself")])
            }
            blegram_social::Error::OwnReported => {
                Self::invalid(vec![Failure::new("", "self", "must not be yours")])
            }
            blegram_social::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_social::Error::NotAuthor | blegram_social::Error::NotModerator => {
                Self::new(Code::Forbidden)
            }
            blegram_social::Error::Storage(cause) => storage(cause),
        }
    }
}

const NO_IMAGE: Violation = Violation::NotFound("names no image of yours");

impl From<blegram_media::Error> for Problem {
    fn from(error: blegram_media::Error) -> Self {
        match error {
            blegram_media::Error::Refused(refusal) => {
                Self::new(refused_image(refusal)).with_detail(refusal.to_string())
            }
            blegram_media::Error::NotFound | blegram_media::Error::AccountNotFound => Self::not_found(),
            blegram_media::Error::InUse => Self::new(Code::MediaInUse),
            blegram_media::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_media::Error::NotArrived => Self::new(Code::UploadNotArrived),
            blegram_media::Error::Expired => Self::new(Code::UploadExpired),
            blegram_media::Error::RangeNotSatisfiable(size) => {
                let problem = Self::new(Code::RangeNotSatisfiable);
                match HeaderValue::from_str(&format!("bytes */{size}")) {
                    Ok(range) => problem.with_header(header::CONTENT_RANGE, range),
                    Err(_) => problem,
                }
            }
            blegram_media::Error::InProgress => {
                Self::new(Code::UploadInProgress).with_header(header::RETRY_AFTER, PAUSE_SECONDS.into())
            }
            // When one of them ends is up to the client.
            blegram_media::Error::TooManyAtOnce(_) => Self::new(Code::RateLimited)
                .with_header(header::RETRY_AFTER, UPLOAD_PAUSE_SECONDS.into())
                .with_detail(error.to_string()),
            blegram_media::Error::TooManyPending { .. } => {
                Self::new(Code::QuotaExceeded).with_detail(error.to_string())
            }
            blegram_media::Error::Overloaded => Self::new(Code::Overloaded),
            blegram_media::Error::BrokeOff(cause) => broken_off(&cause),
            blegram_media::Error::Internal(cause) | blegram_media::Error::Configuration(cause) => {
                Self::internal(cause)
            }
            blegram_media::Error::Unavailable(cause) => {
                Self { cause: Some(cause), ..Self::new(Code::Unavailable) }
            }
            error @ blegram_media::Error::ForeignStorage(_) => {
                Self { cause: Some(error.into()), ..Self::new(Code::Unavailable) }
            }
            blegram_media::Error::Storage(cause) => storage(cause),
        }
    }
}

impl From<blegram_chat::Error> for Problem {
    fn from(error: blegram_chat::Error) -> Self {
        let each = |places: Vec<usize>, list: &str, violation: Violation| {
            Self::invalid(places.iter().map(|at| Failure::of(format!("/{list}/{at}"), violation)).collect())
        };
        match error {
            blegram_chat::Error::NotFound | blegram_chat::Error::AccountNotFound => Self::not_found(),
            blegram_chat::Error::MembersNotFound(places) => {
                each(places, "members", Violation::NotFound("names nobody whom you can write to"))
            }
            blegram_chat::Error::Oneself => {
                Self::invalid(vec![Failure::new("/members", "self", "must name somebody else")])
            }
            blegram_chat::Error::TooManyMembers => {
                let max = blegram_domain::Conversation::MAX_MEMBERS;
                Self::invalid(vec![Failure::of("/members", Violation::TooMany { max, what: "members" })])
            }
            blegram_chat::Error::NotAGroup => Self::new(Code::NotAGroup),
            blegram_chat::Error::Forbidden => Self::new(Code::Forbidden),
            blegram_chat::Error::Blocked => Self::new(Code::Blocked),
            blegram_chat::Error::CannotWrite => {
                Self::new(Code::Forbidden).with_detail("You cannot write to this account.")
            }
            blegram_chat::Error::RecipientGone => Self::new(Code::Forbidden)
                .with_detail("The account is gone. What was said stays, and nothing new can be."),
            blegram_chat::Error::ClientIdReused => Self::new(Code::ClientIdReused),
            blegram_chat::Error::ReplyNotFound => Self::invalid(vec![Failure::of(
                "/reply_to",
                Violation::NotFound("names no message of this conversation"),
            )]),
            blegram_chat::Error::MediaNotFound(places) => each(places, "media_ids", NO_IMAGE),
            blegram_chat::Error::MediaInUse => Self::new(Code::MediaInUse),
            blegram_chat::Error::MessageBlank => Self::invalid(vec![Failure::of("/text", Violation::Blank)]),
            blegram_chat::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_chat::Error::Busy => Self::new(Code::Overloaded),
            blegram_chat::Error::Storage(cause) => storage(cause),
        }
    }
}

const fn refused_image(refusal: Refusal) -> Code {
    match refusal {
        Refusal::Empty => Code::MediaEmpty,
        Refusal::TooLarge(_) => Code::MediaTooLarge,
        Refusal::WrongSize | Refusal::WrongHash => Code::UploadMismatch,
        Refusal::Unsupported(_) => Code::MediaUnsupported,
        Refusal::WrongType { .. } => Code::MediaTypeMismatch,
        Refusal::TooManyPixels => Code::MediaTooManyPixels,
        Refusal::Broken => Code::MediaBroken,
        Refusal::TooSlow => Code::MediaTooSlow,
    }
}

/// A body that did not come to its end.
pub(crate) fn broken_off(error: &io::Error) -> Problem {
    if is_timeout(error) {
        Problem::new(Code::RequestTimeout)
    } else {
        Problem::new(Code::MalformedRequest).with_detail(format!("the body broke off: {error}"))
    }
}

// poem and others wrap the listener's error in their own.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_own =
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    is_own || inner.is_some_and(|inner| is_timeout(inner)) || error.source().is_some_and(is_timeout)
}

impl From<blegram_domain::page::CursorInvalid> for Problem {
    fn from(_: blegram_domain::page::CursorInvalid) -> Self {
        Self::new(Code::CursorInvalid)
    }
}
