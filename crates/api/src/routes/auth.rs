use blegram_auth::{Device, ExchangeCode, Exchanged, LoggedIn, Secret};
use blegram_domain::session::Kind;
use blegram_http::{MaybeViewer, client, cookie, headers::RequestHeader};
use blegram_limits::Policy;
use poem::Request;
use poem_openapi::OpenApi;

use crate::{
    App,
    answer::{Answer, ApiResult, Created, MaybeAccepted, SessionEnded, TokenAnswer, WithCookie},
    body::Body,
    operation::{Login, Operation},
    pages::preferred_language,
    problem::{Code, Problem},
    routes::{AppData, Tag},
    schema::{
        account::{AuthResult, CsrfToken, Grant, IssueToken, LogIn, SignUp},
        factor::LoginChallenge,
    },
};

pub(crate) struct AuthApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::write(
        "signUp",
        Login::None,
        &[Code::RegistrationClosed, Code::UsernameTaken, Code::Overloaded],
    )
    .with_body()
    .hashing_password()
    .limited(Policy::SignUp)
    .with_location()
    .setting_cookie(),
    Operation::write(
        "logIn",
        Login::None,
        &[Code::InvalidCredentials, Code::AccountSuspended, Code::Overloaded],
    )
    .with_body()
    .hashing_password()
    .limited(Policy::Login)
    .setting_cookie(),
    Operation::write("logOut", Login::Optional, &[]).ending_session(),
    Operation::write("issueToken", Login::None, &[Code::InvalidGrant, Code::AccountSuspended]).with_body(),
    Operation::read("getCsrfToken", Login::Optional, &[]),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Auth")]
impl AuthApi {
    /// Create an account
    ///
    /// Creates an account and logs it in: the response sets the session cookie, or returns tokens for `client: native`.
    /// Each username can be taken only once, so change it in the example before you run it again.
    /// 가입하면 바로 로그인되어 응답이 세션 쿠키를 설정합니다. `client: native`이면 토큰을 반환합니다. 아이디는 한 번만
    /// 쓸 수 있으니 예제를 다시 실행하려면 아이디를 바꾸세요.
    #[oai(path = "/auth/signup", method = "post", operation_id = "signUp")]
    async fn sign_up(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
        body: Body<SignUp>,
    ) -> ApiResult<WithCookie<Created<AuthResult>>> {
        let mut input = body.0;
        input.device = device(&app, viewer, request, input.device);
        let logged_in = app.auth.sign_up(input).await?;
        let location = Some("/api/v1/me".to_owned());
        with_session(&app, logged_in, |body| Created { location, version: None, body })
    }

    /// Log in
    ///
    /// The response sets a new session cookie on every login. The error does not reveal whether the username or the
    /// password was wrong. Native apps and apps in a web view (Capacitor, Ionic, Tauri) should use `client: native` to
    /// get tokens: a web view does not send a `SameSite=Lax` cookie to the API. If the account has a second factor, the
    /// response is 202 without a session: complete the login with completeLogin.
    /// 로그인할 때마다 응답이 새 세션 쿠키를 설정합니다. 오류는 아이디와 비밀번호 중 무엇이 틀렸는지 알려 주지
    /// 않습니다. 네이티브 앱과 웹뷰 앱(Capacitor, Ionic, Tauri)은 `client: native`로 토큰을 받으세요. 웹뷰에서는
    /// `SameSite=Lax` 쿠키가 API로 전송되지 않습니다. 2단계 인증을 쓰는 계정이면 세션 없이 202를 반환하므로 completeLogin으로
    /// 로그인을 완료하세요.
    #[oai(path = "/auth/login", method = "post", operation_id = "logIn")]
    async fn log_in(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
        body: Body<LogIn>,
    ) -> ApiResult<WithCookie<MaybeAccepted<AuthResult, LoginChallenge>>> {
        let mut input = body.0;
        input.device = device(&app, viewer, request, input.device);
        match app.auth.log_in(input).await? {
            blegram_auth::Login::Complete(logged_in) => with_session(&app, *logged_in, MaybeAccepted::Done),
            blegram_auth::Login::Challenged(challenge) => {
                Ok(WithCookie { cookies: Vec::new(), answer: MaybeAccepted::Accepted(challenge.into()) })
            }
        }
    }

    /// Log out
    ///
    /// Ends the session and removes its cookie. Idempotent.
    /// 세션을 종료하고 쿠키를 삭제합니다. 여러 번 호출해도 결과는 같습니다.
    #[oai(path = "/auth/logout", method = "post", operation_id = "logOut")]
    async fn log_out(&self, app: AppData<'_>, viewer: MaybeViewer) -> ApiResult<SessionEnded> {
        if let Some(session) = viewer.session() {
            app.auth.log_out(session).await?;
        }
        Ok(SessionEnded { cookie: Some(cookie::remove(&app.site)) })
    }

    /// Issue or refresh tokens
    ///
    /// For native apps: exchanges a refresh token for new tokens, or the code after a login with a provider for the first
    /// ones; 202 if the new account still needs a username (finishSignUp), or the
    /// account a second factor (completeLogin). A refresh token is valid for one use. If the response
    /// is lost, send the same refresh token again: until the new tokens are used, the server returns the same ones.
    /// Reusing it after that ends the session, because the token may have been stolen. Run only one refresh at a time.
    /// 네이티브 앱용입니다. 갱신 토큰으로 새 토큰을, 로그인 서비스로 로그인한 뒤 받은 코드로 첫 토큰을 받습니다. 새 계정의
    /// 아이디를 정하거나(finishSignUp) 2단계 인증을 해야 하면(completeLogin) 202를 반환합니다. 갱신 토큰은 한 번만 쓸 수 있습니다. 응답을 받지 못했다면
    /// 같은 갱신 토큰을 다시 보내세요. 새 토큰을 쓰기 전까지는 같은 토큰을 반환합니다. 새 토큰을 쓴 뒤에 이전 갱신
    /// 토큰을 다시 쓰면 도난으로 보고 세션을 종료합니다. 갱신 요청은 한 번에 하나만 보내세요.
    #[oai(path = "/auth/token", method = "post", operation_id = "issueToken")]
    async fn issue_token(
        &self,
        app: AppData<'_>,
        request: &Request,
        body: Body<IssueToken>,
    ) -> ApiResult<TokenAnswer> {
        let address = client::address(request, &app.site.trusted_proxies);
        let (code, code_verifier, redirect_uri) = match body.0 {
            Grant::RefreshToken(token) => {
                return Ok(TokenAnswer::Tokens(app.auth.refresh(&token, address).await?.into()));
            }
            Grant::AuthorizationCode { code, code_verifier, redirect_uri } => {
                (code, code_verifier, redirect_uri)
            }
        };
        let native = Device { kind: Kind::Native, ..Device::default() };
        let device = device(&app, MaybeViewer::default(), request, native);
        let exchange = ExchangeCode { code, code_verifier, redirect_uri, device };
        match app.auth.exchange_code(exchange).await? {
            Exchanged::SignUpPending(pending) => Ok(TokenAnswer::Pending(pending.into())),
            Exchanged::Challenged(challenge) => Ok(TokenAnswer::Pending(challenge.into())),
            Exchanged::LoggedIn(logged_in) => match logged_in.secret {
                Secret::Native(tokens) => Ok(TokenAnswer::Tokens(tokens.into())),
                Secret::Browser(_) => Err(Problem::internal("a code opened the session of a browser")),
            },
        }
    }

    /// Get a CSRF token
    ///
    /// Browsers do not need it: they send `Sec-Fetch-Site` or `Origin`. A client that uses the session cookie and sends
    /// neither header must send this token as `X-CSRF-Token` with every write request.
    /// 브라우저는 `Sec-Fetch-Site`나 `Origin`을 보내므로 필요하지 않습니다. 세션 쿠키를 쓰면서 두 헤더를 모두 보내지
    /// 않는 클라이언트는 변경 요청마다 이 토큰을 `X-CSRF-Token`으로 보내야 합니다.
    #[oai(path = "/auth/csrf", method = "get", operation_id = "getCsrfToken")]
    async fn get_csrf_token(&self, app: AppData<'_>, viewer: MaybeViewer) -> ApiResult<Answer<CsrfToken>> {
        let csrf_token = viewer.cookie_session().map(|session| app.auth.csrf_token(session));
        Ok(Answer(CsrfToken { csrf_token }))
    }
}

pub(crate) fn with_session<R>(
    app: &App,
    logged_in: LoggedIn,
    answer: impl FnOnce(AuthResult) -> R,
) -> Result<WithCookie<R>, Problem> {
    let (cookie, tokens) = match logged_in.secret {
        Secret::Browser(token) => (Some(cookie::of_browser(&app.site, &app.auth, &token)?), None),
        Secret::Native(tokens) => (None, Some(tokens.into())),
    };
    let device = logged_in.device.map(|token| cookie::of_device(&app.site, &token)).transpose()?;
    Ok(WithCookie {
        cookies: cookie.into_iter().chain(device).collect(),
        answer: answer(AuthResult::new(logged_in.account, tokens, &app.media.links())),
    })
}

/// Completes `input` with what the connection tells: the user agent, the address, and the session that this login
/// replaces.
pub(crate) fn device(app: &App, viewer: MaybeViewer, request: &Request, input: Device) -> Device {
    // Native apps have no cookie whose session the login could replace.
    let replaces = viewer.cookie_session().filter(|_| input.kind == Kind::Browser);
    Device {
        user_agent: user_agent(request),
        address: client::address(request, &app.site.trusted_proxies),
        language: preferred_language(request),
        token: cookie::device(request.headers(), &app.site).map(ToOwned::to_owned),
        replaces,
        ..input
    }
}

/// The `User-Agent`, for the owner's list of sessions: at most 256 characters of any script, without control characters
/// and bidirectional overrides, which could disguise the rest.
fn user_agent(request: &Request) -> Option<String> {
    let text = String::from_utf8_lossy(RequestHeader::UserAgent.first(request.headers())?);
    let is_deceptive =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    Some(text.chars().filter(|c| !is_deceptive(*c)).take(256).collect())
}
