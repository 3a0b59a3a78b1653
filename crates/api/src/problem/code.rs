//! The catalogue of problem codes: status, title, and the explanation with its remedy in English and Korean.

use poem::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal, $english:literal, $korean:literal;)*) => {
        /// A problem code, for programs. Each code has a page at `/problems/<code>`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* #[doc = $english] $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as sent to clients, in kebab-case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The HTTP status of the response.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// A short summary for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// The explanation and the remedy, in English.
            pub const fn english(self) -> &'static str {
                match self { $(Self::$variant => $english,)* }
            }

            /// The explanation and the remedy, in Korean.
            pub const fn korean(self) -> &'static str {
                match self { $(Self::$variant => $korean,)* }
            }
        }
    };
}

codes! {
    MalformedRequest = "malformed-request", BAD_REQUEST, "The request is malformed",
        "Send a JSON object in UTF-8 with at most 32 levels of nesting.",
        "UTF-8로 인코딩한 JSON 객체를 32단계 이하의 깊이로 보내세요.";
    CursorInvalid = "cursor-invalid", BAD_REQUEST, "The cursor is invalid",
        "A cursor is valid only for the list and the filters that returned it. Start again without a cursor.",
        "커서는 발급받은 목록과 필터에서만 유효합니다. 커서 없이 처음부터 다시 요청하세요.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "You are not logged in",
        "Log in, then send the session cookie, or an access token as Authorization: Bearer. Sessions expire after long inactivity, and in any case at the end of their maximum lifetime.",
        "로그인한 뒤 세션 쿠키를 보내거나 Authorization: Bearer로 액세스 토큰을 보내세요. 세션은 오래 사용하지 않거나 최대 유효 기간이 지나면 만료됩니다.";
    InvalidCredentials = "invalid-credentials", UNAUTHORIZED, "Username or password is wrong",
        "Check both and try again. The response does not say which of the two is wrong.",
        "아이디와 비밀번호를 확인하고 다시 시도하세요. 둘 중 무엇이 틀렸는지는 알려 드리지 않습니다.";
    LoginChallengeInvalid = "login-challenge-invalid", UNAUTHORIZED, "The login has expired",
        "The login was not completed within five minutes or five attempts, is already complete, or the password was changed. Log in again.",
        "5분 또는 다섯 번의 시도 안에 로그인을 완료하지 않았거나, 이미 완료한 로그인이거나, 비밀번호가 바뀌었습니다. 처음부터 다시 로그인하세요.";
    SecondFactorInvalid = "second-factor-invalid", UNAUTHORIZED, "The code or passkey was not accepted",
        "Send the current code of the authenticator app, an unused recovery code, or a passkey of this account. Each code is valid once; if the code is right, check the clock of the device that shows it.",
        "인증 앱에 표시된 현재 코드나 아직 쓰지 않은 복구 코드, 또는 이 계정의 패스키를 보내세요. 코드는 한 번만 쓸 수 있습니다. 코드가 맞는데도 거부되면 코드를 보여 주는 기기의 시각을 확인하세요.";
    InvalidGrant = "invalid-grant", UNAUTHORIZED, "The token or code is invalid",
        "The refresh token, the code or the sign-up token has already been used, has expired or was revoked, or belongs to another client. Log in again.",
        "이미 사용했거나 만료되었거나 취소되었거나 다른 클라이언트에 발급된 갱신 토큰, 코드, 가입 토큰입니다. 다시 로그인하세요.";
    LoginCancelled = "login-cancelled", BAD_REQUEST, "The login was cancelled",
        "You cancelled the login at the login provider. Begin again to log in.",
        "로그인 서비스에서 로그인을 취소했습니다. 로그인하려면 처음부터 다시 시작하세요.";
    LoginExpired = "login-expired", BAD_REQUEST, "The login has expired",
        "A login with a login provider must end within ten minutes, once, and in the browser in which it began. Begin again.",
        "로그인 서비스를 통한 로그인은 시작한 브라우저에서 10분 안에 한 번만 완료할 수 있습니다. 처음부터 다시 시작하세요.";
    LoginRejected = "login-rejected", BAD_GATEWAY, "The login provider rejected the login",
        "The login provider rejected the login, or its response could not be verified. Begin again. If it fails again, the operators of this site find the reason in the log.",
        "로그인 서비스가 로그인을 거부했거나 응답을 검증할 수 없습니다. 처음부터 다시 시작하세요. 계속되면 운영자가 로그에서 원인을 확인할 수 있습니다.";
    CsrfRejected = "csrf-rejected", FORBIDDEN, "Cross-site request rejected",
        "Send the request from a page of this site or of a trusted origin. A client that sends neither Sec-Fetch-Site nor Origin must send the token from GET /api/v1/auth/csrf in the X-CSRF-Token header.",
        "이 사이트나 신뢰된 출처의 페이지에서 요청을 보내세요. Sec-Fetch-Site와 Origin을 보내지 않는 클라이언트는 GET /api/v1/auth/csrf 요청으로 받은 토큰을 X-CSRF-Token 헤더로 보내야 합니다.";
    Forbidden = "forbidden", FORBIDDEN, "You are not allowed to do this",
        "You can see this resource, but you do not have permission for this action. In most cases only the owner does.",
        "볼 수는 있지만 이 작업을 할 권한이 없습니다. 대개 소유자만 할 수 있는 작업입니다.";
    BrowserRequired = "browser-required", FORBIDDEN, "A browser session is required",
        "A login provider is linked in a browser that is logged in to the account: the provider sends the browser back, and only its session proves whose account it is. Open the site in the browser.",
        "로그인 서비스는 계정에 로그인한 브라우저에서 연결합니다. 브라우저의 세션으로 누구의 계정인지 확인하므로 브라우저에서 사이트를 여세요.";
    WrongPassword = "wrong-password", FORBIDDEN, "The password is wrong",
        "Send the account's current password. You stay logged in.",
        "계정의 현재 비밀번호를 보내세요. 로그인 상태는 유지됩니다.";
    WrongCode = "wrong-code", FORBIDDEN, "The code or passkey was not accepted",
        "Send the current code of the authenticator app, an unused recovery code, or a passkey of this account. Each code is valid once. You stay logged in.",
        "인증 앱에 표시된 현재 코드나 아직 쓰지 않은 복구 코드, 또는 이 계정의 패스키를 보내세요. 코드는 한 번만 쓸 수 있습니다. 로그인 상태는 유지됩니다.";
    SecondFactorRequired = "second-factor-required", FORBIDDEN, "The second factor is missing",
        "The account has a second factor, so the password alone is not enough. Also send a code, or send a passkey.",
        "2단계 인증을 쓰는 계정이므로 비밀번호만으로는 부족합니다. 코드도 함께 보내거나 패스키를 보내세요.";
    ReauthenticationRequired = "reauthentication-required", FORBIDDEN, "A recent login is required",
        "This action requires a login or a confirmation of your identity within the last ten minutes. Call reauthenticate, or log in again, and retry.",
        "최근 10분 이내의 로그인이나 본인 확인이 필요합니다. reauthenticate를 호출하거나 다시 로그인한 뒤 시도하세요.";
    AccountSuspended = "account-suspended", FORBIDDEN, "The account is suspended",
        "The password is correct, but a moderator has suspended the account. Contact the operators of this site.",
        "비밀번호는 맞지만 운영진이 계정을 정지했습니다. 운영자에게 문의하세요.";
    AccountPrivate = "account-private", FORBIDDEN, "The account is private",
        "Only its followers can see this. Send a follow request; once it is accepted, you can see it.",
        "비공개 계정입니다. 팔로우를 요청해 수락되면 볼 수 있습니다.";
    Blocked = "blocked", FORBIDDEN, "You have blocked this account",
        "Unblock the account first. While you block it, you cannot follow it, view its lists or send it messages.",
        "차단한 계정입니다. 차단한 동안에는 팔로우하거나 목록을 보거나 메시지를 보낼 수 없으니 먼저 차단을 해제하세요.";
    QuotaExceeded = "quota-exceeded", FORBIDDEN, "The storage quota is exceeded",
        "`detail` says what your images use and what is allowed, and so does getUsage. Delete posts, messages or unused images to free space, or use images that you uploaded. Unused images are deleted after a day, incomplete direct uploads after two hours.",
        "이미지 사용량과 한도는 `detail`과 getUsage에 있습니다. 게시글이나 메시지, 쓰지 않는 이미지를 삭제하거나, 올려 둔 이미지를 사용하세요. 쓰지 않은 이미지는 하루 뒤에, 완료하지 않은 직접 업로드는 두 시간 뒤에 삭제됩니다.";
    RegistrationClosed = "registration-closed", FORBIDDEN, "Registration is closed",
        "This site does not accept new accounts. Ask its operators for one.",
        "이 사이트는 신규 가입을 받지 않습니다. 계정이 필요하면 운영자에게 문의하세요.";
    MailDisabled = "mail-disabled", FORBIDDEN, "This site sends no mail",
        "Addresses cannot be verified here. `features.mail` of getInstance says so. Ask the operators of this site.",
        "이 사이트는 메일을 보내지 않아 주소를 인증할 수 없습니다. getInstance의 `features.mail`에서 확인할 수 있습니다. 사이트 운영자에게 문의하세요.";
    NotFound = "not-found", NOT_FOUND, "Not found",
        "This address does not exist, or you do not have permission to see what is there. Check the path and the ids in it.",
        "존재하지 않는 주소이거나 볼 권한이 없습니다. 경로와 ID를 확인하세요.";
    UpgradeRequired = "upgrade-required", UPGRADE_REQUIRED, "A WebSocket connection is required",
        "Open a WebSocket (RFC 6455) with the subprotocol `blegram.v1+json`. The protocol description is at /asyncapi.json.",
        "서브프로토콜 `blegram.v1+json`으로 WebSocket(RFC 6455)을 여세요. 프로토콜 설명은 /asyncapi.json에 있습니다.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "Use one of the methods in the Allow header.",
        "Allow 헤더에 있는 메서드를 사용하세요.";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request timed out",
        "The request body did not arrive in time. Send the whole request without pauses, over a faster connection if necessary.",
        "요청 본문이 제한 시간 안에 도착하지 않았습니다. 더 나은 연결에서 요청 전체를 끊김 없이 보내세요.";
    UsernameTaken = "username-taken", CONFLICT, "Username is taken",
        "Another account has, or recently had, this username or one that looks like it, or the username is reserved. Choose another one.",
        "같거나 비슷해 보이는 아이디를 다른 계정이 사용 중이거나 최근까지 사용했거나, 예약된 아이디입니다. 다른 아이디를 선택하세요.";
    EmailTaken = "email-taken", CONFLICT, "Another account uses this email address",
        "Another account has verified this address. Log in to that account and change its address there first, or use another address.",
        "다른 계정에서 이미 인증한 주소입니다. 그 계정으로 로그인해 주소를 먼저 바꾸거나, 다른 주소를 쓰세요.";
    PasskeyInUse = "passkey-in-use", CONFLICT, "The passkey is registered already",
        "This credential belongs to this or another account. Pass `excludeCredentials` of the options to the browser, and create a new passkey.",
        "이 계정이나 다른 계정에 이미 등록된 패스키입니다. 옵션의 `excludeCredentials`를 브라우저에 그대로 전달하고 새 패스키를 만드세요.";
    TooManyPasskeys = "too-many-passkeys", CONFLICT, "The account has too many passkeys",
        "An account can have ten passkeys. Remove one that you no longer use with deleteFactor.",
        "패스키는 계정당 열 개까지 등록할 수 있습니다. 더 이상 쓰지 않는 패스키를 deleteFactor로 제거하세요.";
    IdentityInUse = "identity-in-use", CONFLICT, "The identity is in use",
        "This account at the login provider is linked to another account here, or your account is linked to another one at the same provider. Unlink that one first.",
        "로그인 서비스의 이 계정은 이미 다른 계정에 연결되어 있거나, 내 계정에 같은 서비스의 다른 계정이 연결되어 있습니다. 먼저 그 연결을 해제하세요.";
    LastLoginMethod = "last-login-method", CONFLICT, "This is the last way to log in",
        "Without it you could not log in any more. Set a password or link another login provider first.",
        "연결을 해제하면 더는 로그인할 수 없습니다. 먼저 비밀번호를 설정하거나 다른 로그인 서비스를 연결하세요.";
    MediaInUse = "media-in-use", CONFLICT, "The image is in use",
        "An image can be used only once: in a post, in a message or as your profile picture. To use it again, upload it again. To delete it, first remove it from where it is used.",
        "이미지는 게시글, 메시지, 프로필 사진 중 한 곳에만 쓸 수 있습니다. 다시 쓰려면 새로 업로드하고, 삭제하려면 먼저 이미지를 사용하는 곳에서 제거하세요.";
    NotAGroup = "not-a-group", CONFLICT, "This is not a group",
        "A direct conversation has exactly two members and no title. Create a group instead.",
        "1:1 대화에는 제목이나 다른 참여자를 둘 수 없습니다. 그룹을 만드세요.";
    UploadNotArrived = "upload-not-arrived", CONFLICT, "The file has not been uploaded",
        "PUT the file to the `url` of the upload, with its `headers`, before `expires_at`. Then complete the upload again.",
        "`expires_at` 전에 업로드의 `url`로 지정된 `headers`와 함께 파일을 PUT한 뒤 다시 완료하세요.";
    UploadExpired = "upload-expired", CONFLICT, "The upload has expired or is complete",
        "Create a new upload and PUT the file to its `url`.",
        "업로드를 새로 만들어 그 `url`로 파일을 PUT하세요.";
    UploadInProgress = "upload-in-progress", CONFLICT, "The file is already being uploaded",
        "Only one request at a time can send the file of an upload. Wait until the other request ends, or cancel it, then send the file again.",
        "업로드의 파일은 한 번에 한 요청으로만 보낼 수 있습니다. 진행 중인 요청이 끝나기를 기다리거나 취소한 뒤 다시 보내세요.";
    RequestInProgress = "request-in-progress", CONFLICT, "The first request with this key is still running",
        "Wait for its response, or retry shortly with the same Idempotency-Key.",
        "첫 요청의 응답을 기다리거나, 잠시 뒤 같은 Idempotency-Key로 다시 시도하세요.";
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "The resource has changed",
        "Read it again, apply your change to the current version, and send the new `ETag` in If-Match.",
        "다시 읽어 현재 버전에 변경을 적용한 뒤, 새 `ETag`를 If-Match로 보내세요.";
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The request body is too large",
        "A JSON body can have at most 64 KiB, an image upload at most ten files of 20 MiB each.",
        "JSON 본문은 64 KiB까지, 이미지 업로드는 20 MiB 파일 열 개까지 보낼 수 있습니다.";
    MediaTooLarge = "media-too-large", PAYLOAD_TOO_LARGE, "The file is too large",
        "A file can have at most 20 MiB, and not more bytes than were declared. Send a smaller version of the image.",
        "파일은 20 MiB까지, 그리고 미리 선언한 크기까지만 보낼 수 있습니다. 더 작은 이미지를 보내세요.";
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "The range is outside the file",
        "Request bytes within the file. Content-Range contains its size.",
        "파일 크기 안의 범위를 요청하세요. Content-Range가 전체 크기를 알려 줍니다.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported",
        "Send JSON as Content-Type: application/json and images as multipart/form-data with a boundary, without Content-Encoding.",
        "Content-Encoding 없이 JSON은 application/json으로, 이미지는 boundary가 있는 multipart/form-data로 보내세요.";
    MediaUnsupported = "media-unsupported", UNSUPPORTED_MEDIA_TYPE, "The image format is not supported",
        "Send a JPEG, PNG, WebP or GIF. The format is detected from the content of the file; its name and the Content-Type of its part are ignored. HEIC and AVIF photos: on an iPhone, choose Settings › Camera › Formats › Most Compatible, or share the photo as JPEG; on Android, turn off HEIF (high efficiency) pictures in the camera settings, or save a copy as JPEG. SVG, TIFF, RAW, JPEG XL and videos are not supported.",
        "JPEG, PNG, WebP, GIF 이미지를 보내세요. 파일 형식은 이름이나 Content-Type이 아니라 내용으로 판단합니다. HEIC·AVIF 사진은 iPhone에서는 설정 › 카메라 › 포맷에서 '높은 호환성'을 선택하거나 JPEG로 공유하고, Android에서는 카메라 설정에서 HEIF(고효율) 사진을 끄거나 JPEG로 저장해 보내세요. SVG, TIFF, RAW, JPEG XL, 동영상은 받지 않습니다.";
    MediaTypeMismatch = "media-type-mismatch", UNSUPPORTED_MEDIA_TYPE, "The file does not have the declared type",
        "A directly uploaded file must have the type that was declared. Send a file of that type with that Content-Type, or create a new upload with the actual type of the file.",
        "직접 업로드하는 파일은 미리 선언한 형식이어야 합니다. 선언한 형식의 파일을 그 Content-Type으로 보내거나, 파일의 실제 형식으로 업로드를 새로 만드세요.";
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "Some values are invalid",
        "Each entry of `errors` names a value, the rule that it breaks and what is accepted.",
        "`errors`의 각 항목이 어떤 값이 어떤 규칙에 어긋나는지, 무엇이 허용되는지 알려 줍니다.";
    EmailTokenInvalid = "email-token-invalid", UNPROCESSABLE_ENTITY, "The token is invalid or has expired",
        "The token from the mail has expired, was used, or was replaced by a newer one. Request a new mail.",
        "메일에 있는 토큰이 만료되었거나, 이미 사용되었거나, 더 새로운 토큰으로 바뀌었습니다. 메일을 다시 요청하세요.";
    PasskeyRejected = "passkey-rejected", UNPROCESSABLE_ENTITY, "The new passkey was not accepted",
        "Send `toJSON()` of what `navigator.credentials.create()` returned for the options of startPasskey, on a page of this site, with user verification. Start again with startPasskey.",
        "이 사이트의 페이지에서 startPasskey의 옵션으로 호출한 `navigator.credentials.create()`의 결과를 `toJSON()`으로 보내세요. 사용자 확인(화면 잠금 등)이 필요합니다. startPasskey부터 다시 시작하세요.";
    MediaEmpty = "media-empty", UNPROCESSABLE_ENTITY, "The file is empty",
        "Send a file that contains an image.",
        "빈 파일입니다. 이미지가 담긴 파일을 보내세요.";
    MediaTooManyPixels = "media-too-many-pixels", UNPROCESSABLE_ENTITY, "The image has too many pixels",
        "An image can have at most 40 megapixels, and at most 20,000 pixels on a side. Send a smaller version.",
        "이미지는 4천만 화소, 한 변 20,000픽셀까지 받습니다. 크기를 줄여서 보내세요.";
    MediaBroken = "media-broken", UNPROCESSABLE_ENTITY, "The image is damaged or incomplete",
        "Send it again. If it is rejected again, save it anew with another program.",
        "손상되었거나 잘린 이미지입니다. 다시 보내 보고, 계속되면 다른 프로그램으로 다시 저장해 보내세요.";
    MediaTooSlow = "media-too-slow", UNPROCESSABLE_ENTITY, "The image takes too long to decode",
        "Save it as a plain JPEG or PNG and send that file.",
        "디코딩이 너무 오래 걸립니다. 일반 JPEG나 PNG로 다시 저장해 보내세요.";
    UploadMismatch = "upload-mismatch", UNPROCESSABLE_ENTITY, "The file does not match the upload",
        "PUT the file whose size and SHA-256 were declared, or create a new upload.",
        "미리 선언한 크기, SHA-256과 일치하는 파일을 PUT하거나 업로드를 새로 만드세요.";
    ClientIdReused = "client-id-reused", UNPROCESSABLE_ENTITY, "The client id belongs to another message",
        "A `client_id` identifies one message permanently. Use a new one for every new message.",
        "`client_id` 하나는 메시지 하나에만 쓰입니다. 새 메시지에는 새 `client_id`를 쓰세요.";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The key belongs to another request",
        "An Idempotency-Key identifies one request with its exact body. Use a new one for every new request.",
        "Idempotency-Key 하나는 하나의 요청과 그 본문에만 쓰입니다. 새 요청에는 새 키를 쓰세요.";
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests",
        "Wait for the number of seconds in Retry-After plus a random delay (jitter), then retry.",
        "Retry-After 헤더의 초만큼 기다린 뒤 약간의 무작위 지연을 더해 다시 시도하세요.";
    HeadersTooLarge = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request line and headers are too large",
        "Send fewer or shorter headers. Old cookies are the usual cause.",
        "헤더를 줄여서 보내세요. 오래된 쿠키가 흔한 원인입니다.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal server error",
        "The request may or may not have taken effect; check before you retry. Report the `request_id` to the operators of this site.",
        "요청이 반영되었을 수도, 아닐 수도 있으니 다시 시도하기 전에 확인하세요. 운영자에게 `request_id`를 알려 주세요.";
    ProviderUnavailable = "provider-unavailable", SERVICE_UNAVAILABLE, "The login provider is unavailable",
        "`detail` names the login provider. Retry after the number of seconds in Retry-After, or log in another way.",
        "`detail`에 로그인 서비스의 이름이 있습니다. Retry-After 헤더의 초만큼 기다린 뒤 다시 시도하거나 다른 방법으로 로그인하세요.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is overloaded",
        "Retry after the number of seconds in Retry-After.",
        "Retry-After 헤더의 초만큼 기다린 뒤 다시 시도하세요.";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The service is temporarily unavailable",
        "Retry after the number of seconds in Retry-After.",
        "Retry-After 헤더의 초만큼 기다린 뒤 다시 시도하세요.";
}

impl Code {
    /// Whether the same request can succeed later, without a change by the client.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Internal
                | Self::Overloaded
                | Self::ProviderUnavailable
                | Self::RateLimited
                | Self::RequestInProgress
                | Self::RequestTimeout
                | Self::Unavailable
                | Self::UploadInProgress
        )
    }
}
