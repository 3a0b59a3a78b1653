use blegram_auth::{Device, LoggedIn, Secret};
use blegram_domain::session::Kind;
use poem::Request;
use poem_openapi::OpenApi;

use crate::{
    App,
    answer::{Answer, ApiResult, Created, NoContent, WithCookie},
    body::Body,
    client, cookie,
    headers::RequestHeader,
    problem::{Code, Problem},
    routes::{AppData, Tag},
    schema::account::{AuthResult, CsrfToken, Grant, IssueToken, LogIn, SignUp, Tokens},
    viewer::MaybeViewer,
};

pub(crate) struct AuthApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Auth")]
impl AuthApi {
    /// Make an account
    ///
    /// You are logged in at once: the answer sets the session's cookie. A username can be taken once: change it in the
    /// example before you run it a second time.
    /// 가입하면 바로 로그인되며, 응답이 세션 쿠키를 설정합니다. 아이디는 한 번만 쓸 수 있으니 예제를 다시 실행하려면 아이디를 바꾸세요.
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
        let logged_in = app.auth.sign_up(input).await.map_err(Problem::from)?;
        let location = Some("/api/v1/me".to_owned());
        Ok(with_session(&app, logged_in, |body| Created { location, version: None, body })?)
    }

    /// Log in
    ///
    /// The answer sets the session's cookie, a new one each time. A wrong name and a wrong password are not told
    /// apart. Native apps, and apps in a web view (Capacitor, Ionic, Tauri), use `client: native` and get tokens: a Lax cookie
    /// never reaches the API from there.
    /// 응답이 매번 새로운 세션 쿠키를 설정합니다. 아이디와 비밀번호 중 무엇이 틀렸는지는 알려 드리지 않습니다. 네이티브 앱과 웹뷰
    /// 앱은 `client: native`로 토큰을 받으세요. 웹뷰에서는 세션 쿠키가 API로 전송되지 않습니다.
    #[oai(path = "/auth/login", method = "post", operation_id = "logIn")]
    async fn log_in(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
        body: Body<LogIn>,
    ) -> ApiResult<WithCookie<Answer<AuthResult>>> {
        let mut input = body.0;
        input.device = device(&app, viewer, request, input.device);
        let logged_in = app.auth.log_in(input).await.map_err(Problem::from)?;
        Ok(with_session(&app, logged_in, Answer)?)
    }

    /// Log out
    ///
    /// Ends the session and removes its cookie. Logging out twice has no further effect.
    /// 세션을 끝내고 쿠키를 지웁니다. 두 번 로그아웃해도 아무 일도 일어나지 않습니다.
    #[oai(path = "/auth/logout", method = "post", operation_id = "logOut")]
    async fn log_out(&self, app: AppData<'_>, viewer: MaybeViewer) -> ApiResult<WithCookie<NoContent>> {
        if let Some(session) = viewer.session() {
            app.auth.log_out(session).await.map_err(Problem::from)?;
        }
        Ok(WithCookie { cookie: Some(cookie::remove(&app.site)), answer: NoContent })
    }

    /// Get new tokens
    ///
    /// For native apps: a refresh token is good once, and the answer has the next. If the answer is lost, use the same
    /// one again: as long as the new ones were not used, you get the same new ones. After that, a second use of it ends
    /// the session, for somebody else may have it. Let one task at a time refresh.
    /// 네이티브 앱용입니다. 갱신 토큰은 한 번만 쓸 수 있고 응답에 다음 토큰이 있습니다. 응답을 받지 못했다면 같은 토큰으로 다시
    /// 요청하세요. 새 토큰을 쓴 뒤에 이전 토큰을 다시 쓰면 도난으로 보고 세션을 끝냅니다.
    #[oai(path = "/auth/token", method = "post", operation_id = "issueToken")]
    async fn issue_token(&self, app: AppData<'_>, body: Body<IssueToken>) -> ApiResult<Answer<Tokens>> {
        match body.0 {
            Grant::RefreshToken(token) => {
                Ok(Answer(app.auth.refresh(&token).await.map_err(Problem::from)?.into()))
            }
            Grant::AuthorizationCode => Err(Problem::new(Code::InvalidGrant).into()),
        }
    }

    /// Get the token for requests that name no origin
    ///
    /// Browsers need none: they say where a request comes from. A client with a cookie that sends neither
    /// `Sec-Fetch-Site` nor `Origin` adds this as `X-CSRF-Token` to everything that changes something.
    /// 브라우저에는 필요 없습니다. `Sec-Fetch-Site`와 `Origin`을 보내지 않는 쿠키 클라이언트는 변경 요청마다 이 값을
    /// `X-CSRF-Token`으로 보내야 합니다.
    #[oai(path = "/auth/csrf", method = "get", operation_id = "getCsrfToken")]
    async fn get_csrf_token(&self, app: AppData<'_>, viewer: MaybeViewer) -> ApiResult<Answer<CsrfToken>> {
        let csrf_token = viewer.cookie_session().map(|session| app.auth.csrf_token(session));
        Ok(Answer(CsrfToken { csrf_token }))
    }
}

fn with_session<R>(
    app: &App,
    logged_in: LoggedIn,
    answer: impl FnOnce(AuthResult) -> R,
) -> Result<WithCookie<R>, Problem> {
    let (cookie, tokens) = match logged_in.secret {
        Secret::Browser(token) => (Some(cookie::of_browser(app, &token)?), None),
        Secret::Native(tokens) => (None, Some(tokens.into())),
    };
    Ok(WithCookie { cookie, answer: answer(AuthResult::new(logged_in.account, tokens, &app.media.links())) })
}

/// What the login comes from, as far as its connection tells.
fn device(app: &App, viewer: MaybeViewer, request: &Request, given: Device) -> Device {
    // An app has no cookie that the login could replace.
    let replaces = viewer.cookie_session().filter(|_| given.kind == Kind::Browser);
    Device {
        user_agent: user_agent(request),
        address: client::address(request, &app.site.trusted_proxies),
        replaces,
        ..given
    }
}

/// What the client calls itself, shortened: it is for its owner to recognise. Apps write their names in any script.
fn user_agent(request: &Request) -> Option<String> {
    let given = String::from_utf8_lossy(RequestHeader::UserAgent.first(request.headers())?);
    let is_deceptive =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    Some(given.chars().filter(|c| !is_deceptive(*c)).take(256).collect())
}
