use std::collections::HashMap;

use blegram_auth::{
    AppRequest, Device, FinishLogin, FinishedLogin, LocalPath, StartLogin,
    external_login::{cookie_suffix, is_challenge},
    provider::{Notice, NoticeReply},
};
use blegram_domain::Violation;
use blegram_http::{MaybeViewer, cookie, headers::RequestHeader};
use blegram_limits::Policy;
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};

use crate::{
    App,
    answer::{Answer, ApiResult, Created, Found, NoticeAnswer, Redirect, SeeOther, WithCookie},
    body::Body,
    operation::{Login, Operation},
    pages::Fields,
    param::ProviderParam,
    problem::{Code, Failure, Problem},
    routes::{
        AppData, Tag,
        auth::{device, with_session},
        returning,
    },
    schema::{
        account::AuthResult,
        identity::{FinishSignUp, PendingSignUp, Providers},
        instance::Provider,
    },
};

pub(crate) struct ProvidersApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("listLoginProviders", Login::None, &[]),
    Operation::read(
        "startLogin",
        Login::None,
        &[Code::NotFound, Code::Invalid, Code::ProviderUnavailable, Code::LoginRejected],
    )
    .limited(Policy::ExternalLogin)
    .setting_cookie(),
    // Its errors are parameters of the address to which the browser goes.
    Operation::read("finishLogin", Login::Optional, &[Code::NotFound])
        .limited(Policy::ExternalLogin)
        .setting_cookie(),
    Operation::read("finishLoginByForm", Login::Foreign, &[Code::NotFound])
        .with_fields()
        .limited(Policy::ExternalLogin),
    Operation::read("getPendingSignUp", Login::None, &[Code::InvalidGrant]),
    Operation::write(
        "finishSignUp",
        Login::None,
        &[Code::InvalidGrant, Code::UsernameTaken, Code::RegistrationClosed, Code::IdentityInUse],
    )
    .with_body()
    .limited(Policy::ExternalLogin)
    .with_location()
    .setting_cookie(),
    Operation::read("receiveUnlinkNotice", Login::Foreign, &[Code::NotFound])
        .with_fields()
        .limited(Policy::UnlinkNotice),
    Operation::read("receiveUnlinkNoticeByQuery", Login::Foreign, &[Code::NotFound])
        .limited(Policy::UnlinkNotice),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Auth")]
impl ProvidersApi {
    /// List login providers
    ///
    /// The providers, such as Kakao or Naver, with whose accounts one can log in here. A browser opens `start_url`.
    /// 카카오, 네이버처럼 계정으로 로그인할 수 있는 서비스의 목록입니다. 브라우저로 `start_url`을 여세요.
    #[oai(path = "/auth/providers", method = "get", operation_id = "listLoginProviders")]
    async fn list_login_providers(&self, app: AppData<'_>) -> ApiResult<Answer<Providers>> {
        Ok(Answer(Providers { items: Provider::list(&app) }))
    }

    /// Start a login with a provider
    ///
    /// Open it as a page, not with a script: it redirects the browser to the provider, and the provider sends the browser
    /// back. Afterwards the browser is logged in and goes to `redirect_to`. If the login fails, it goes there with the
    /// parameter `login_error`, whose value is a problem code, or without `redirect_to` to a page of this site. Apps open it
    /// in the system's browser with `client=native`, and exchange the code that they receive with issueToken (RFC 8252).
    /// 스크립트가 아니라 페이지로 여세요. 브라우저를 로그인 서비스로 보내고, 로그인이 끝나면 `redirect_to`로 이동합니다.
    /// 실패하면 오류 코드를 담은 `login_error` 매개변수와 함께 그 주소로, `redirect_to`가 없으면 이 사이트의 오류 페이지로
    /// 이동합니다. 앱은 시스템 브라우저에서 `client=native`로 열고, 받은 코드를 issueToken으로 교환하세요(RFC 8252).
    #[oai(path = "/auth/:provider/start", method = "get", operation_id = "startLogin")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn start_login(
        &self,
        app: AppData<'_>,
        /// The ID of a provider from listLoginProviders. listLoginProviders에서 받은 서비스 ID.
        provider: Path<ProviderParam>,
        /// `browser` (the default) or `native`. `browser`(기본값) 또는 `native`.
        client: Query<Option<String>>,
        /// The path on this site where the browser goes afterwards. 로그인한 뒤 이동할 이 사이트의 경로.
        redirect_to: Query<Option<String>>,
        /// For apps: where the code is sent; one of the addresses that the operator of the site listed. 앱: 코드를 받을 주소. 사이트 운영자가 등록한 주소여야 합니다.
        redirect_uri: Query<Option<String>>,
        /// For apps: the PKCE challenge, S256 (RFC 7636). 앱: PKCE challenge(S256, RFC 7636).
        code_challenge: Query<Option<String>>,
        /// For apps: a value that is returned with the code. 앱: 코드와 함께 돌려받을 값.
        state: Query<Option<String>>,
    ) -> ApiResult<WithCookie<Found>> {
        let provider = provider.id()?;
        let input = StartInput {
            client: client.0,
            redirect_to: redirect_to.0,
            redirect_uri: redirect_uri.0,
            code_challenge: code_challenge.0,
            state: state.0,
        };
        let (redirect_to, request) = input.parse()?;
        let start = StartLogin { provider, redirect_to, app: request };
        let started = app.auth.start_login(start).await?;
        let cookie = cookie::of_login(&app.site, &started)?;
        Ok(WithCookie { cookies: vec![cookie], answer: Redirect(started.url) })
    }

    /// Finish a login with a provider
    ///
    /// The provider sends the browser here. The browser then goes on, with a session, a code for an app, or a problem code.
    /// 로그인 서비스가 브라우저를 이 주소로 보냅니다. 브라우저는 세션이나 앱을 위한 코드, 또는 오류 코드와 함께 다음
    /// 주소로 이동합니다.
    #[oai(path = "/auth/:provider/callback", method = "get", operation_id = "finishLogin")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi takes each parameter by itself")]
    async fn finish_login(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
        /// The ID of the provider. 서비스 ID.
        provider: Path<ProviderParam>,
        /// The value that startLogin sent. startLogin이 보낸 값.
        state: Query<Option<String>>,
        /// The code of the provider. 로그인 서비스의 코드.
        code: Query<Option<String>>,
        /// The error of the provider. 로그인 서비스의 오류.
        error: Query<Option<String>>,
        /// The issuer (RFC 9207). 발급자(RFC 9207).
        iss: Query<Option<String>>,
    ) -> ApiResult<WithCookie<Found>> {
        let provider = provider.id()?;
        app.auth.providers().find(&provider).ok_or_else(Problem::not_found)?;
        let suffix = state.0.as_deref().and_then(cookie_suffix);
        let browser =
            suffix.as_deref().and_then(|suffix| cookie::login(request.headers(), &app.site, suffix));
        let finish = FinishLogin {
            provider: provider.clone(),
            state: state.0,
            code: code.0.map(Into::into),
            error: error.0,
            issuer: iss.0,
            browser: browser.map(ToOwned::to_owned),
            session: viewer.authenticated(),
            device: device(&app, viewer, request, Device::default()),
        };
        let finished = app.auth.finish_login(finish).await;
        let removal = suffix.map(|suffix| cookie::remove_login(&app.site, &suffix));
        let (address, cookies) = match finished {
            Ok(finished) => go_on(&app, finished)?,
            Err(failed) => (returning::after_failure(&app, failed, &provider)?, Vec::new()),
        };
        Ok(WithCookie { cookies: cookies.into_iter().chain(removal).collect(), answer: Redirect(address) })
    }

    /// Finish a login with a provider that sends a form
    ///
    /// Apple sends the browser here with a form. The browser repeats it as a GET, because a form of another site comes without the
    /// cookie of the login.
    /// Apple은 브라우저를 폼과 함께 이 주소로 보냅니다. 다른 사이트의 폼에는 로그인 쿠키가 없으므로 브라우저가 GET으로 다시
    /// 요청합니다.
    #[oai(path = "/auth/:provider/callback", method = "post", operation_id = "finishLoginByForm")]
    async fn finish_login_by_form(
        &self,
        app: AppData<'_>,
        /// The ID of the provider. 서비스 ID.
        provider: Path<ProviderParam>,
        fields: Fields,
    ) -> ApiResult<SeeOther> {
        let provider = provider.id()?;
        app.auth.providers().find(&provider).ok_or_else(Problem::not_found)?;
        let parameters = ["state", "code", "error", "iss"].map(|name| (name, fields.get(name)));
        let given: Vec<_> = parameters.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Ok(Redirect(returning::with_query(&format!("/api/v1/auth/{provider}/callback"), &given)))
    }

    /// Get a pending sign-up
    ///
    /// In a browser, after a first login whose account still needs a username: the username is suggested, and
    /// finishSignUp takes the one that the user chooses. 401 if there is no such sign-up.
    /// 브라우저에서 첫 로그인을 마쳤지만 아직 아이디를 정하지 않은 가입을 반환합니다. 추천 아이디를 확인하고 사용자가 고른
    /// 아이디로 finishSignUp을 호출하세요. 그런 가입이 없으면 401을 반환합니다.
    #[oai(path = "/auth/signup/pending", method = "get", operation_id = "getPendingSignUp")]
    async fn get_pending_sign_up(
        &self,
        app: AppData<'_>,
        request: &Request,
    ) -> ApiResult<Answer<PendingSignUp>> {
        let token = cookie::sign_up(request.headers(), &app.site).unwrap_or_default();
        Ok(Answer(app.auth.pending_sign_up(token).await?.into()))
    }

    /// Complete a sign-up with a username
    ///
    /// Creates the account of a first login with a provider, and logs it in as signUp does. If the username is taken, send
    /// another one with the same token.
    /// 로그인 서비스로 처음 로그인한 사용자의 계정을 만들고 signUp처럼 로그인합니다. 이미 쓰이는 아이디이면 같은 토큰으로 다른
    /// 아이디를 보내세요.
    #[oai(path = "/auth/signup/complete", method = "post", operation_id = "finishSignUp")]
    async fn finish_sign_up(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
        body: Body<FinishSignUp>,
    ) -> ApiResult<WithCookie<Created<AuthResult>>> {
        let (token, username) = body.0;
        let stored = cookie::sign_up(request.headers(), &app.site).map(ToOwned::to_owned);
        let token = token.or(stored).unwrap_or_default();
        let device = device(&app, viewer, request, Device::default());
        let (logged_in, _) = app.auth.finish_sign_up(&token, username, device).await?;
        let location = Some("/api/v1/me".to_owned());
        let mut answer = with_session(&app, logged_in, |body| Created { location, version: None, body })?;
        answer.cookies.push(cookie::remove_sign_up(&app.site));
        Ok(answer)
    }

    /// Receive an unlink notice
    ///
    /// For login providers: a user ended the link to this site there. The identity is removed, and the sessions that began
    /// with it end; the account stays. Authenticated by the provider's own signature: Kakao's admin key, Naver's signature,
    /// Facebook's `signed_request`.
    /// 로그인 서비스용입니다. 사용자가 그 서비스에서 이 사이트와의 연결을 끊었음을 알립니다. 연결된 계정 정보를 삭제하고 그
    /// 계정으로 시작한 세션을 종료하며, 이 사이트의 계정은 유지합니다. 카카오의 어드민 키, 네이버의 서명, 페이스북의
    /// `signed_request`로 인증합니다.
    #[oai(path = "/auth/:provider/unlinked", method = "post", operation_id = "receiveUnlinkNotice")]
    async fn receive_unlink_notice(
        &self,
        app: AppData<'_>,
        request: &Request,
        /// The ID of the provider. 서비스 ID.
        provider: Path<ProviderParam>,
        fields: Fields,
    ) -> ApiResult<NoticeAnswer> {
        receive(&app, request, &provider.0, fields.into_map()).await
    }

    /// Receive an unlink notice in the query
    ///
    /// As receiveUnlinkNotice, for providers that send a GET, as Kakao can.
    /// receiveUnlinkNotice와 같으며, 카카오처럼 GET으로 보내는 서비스를 위한 것입니다.
    #[oai(path = "/auth/:provider/unlinked", method = "get", operation_id = "receiveUnlinkNoticeByQuery")]
    async fn receive_unlink_notice_by_query(
        &self,
        app: AppData<'_>,
        request: &Request,
        /// The ID of the provider. 서비스 ID.
        provider: Path<ProviderParam>,
    ) -> ApiResult<NoticeAnswer> {
        receive(&app, request, &provider.0, HashMap::new()).await
    }
}

async fn receive(
    app: &App,
    request: &Request,
    provider: &ProviderParam,
    mut parameters: HashMap<String, String>,
) -> ApiResult<NoticeAnswer> {
    let provider = provider.id()?;
    let query = request.uri().query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        parameters.entry(name).or_insert(value);
    }
    let authorization = RequestHeader::Authorization.text(request.headers()).map(Into::into);
    let receipt = app.auth.receive_unlink_notice(&provider, &Notice { authorization, parameters }).await?;
    Ok(match receipt.reply {
        NoticeReply::Ok => NoticeAnswer::Ok,
        NoticeReply::NoContent => NoticeAnswer::NoContent,
        NoticeReply::Confirmation => {
            let parameters = [("code", receipt.confirmation_code.as_str())];
            let url = returning::with_query(&app.auth.absolute_page("/login/unlinked"), &parameters);
            NoticeAnswer::Confirmation { url, confirmation_code: receipt.confirmation_code }
        }
    })
}

/// Where a browser goes after a login, and its new cookies.
fn go_on(app: &App, finished: FinishedLogin) -> ApiResult<(String, Vec<poem::http::HeaderValue>)> {
    Ok(match finished {
        FinishedLogin::LoggedIn { logged_in, redirect_to } => {
            let session = with_session(app, *logged_in, drop)?;
            (app.auth.page(redirect_to.as_deref().unwrap_or(returning::DONE)), session.cookies)
        }
        FinishedLogin::Challenged { challenge, redirect_to } => {
            let target = redirect_to.as_deref().map(|path| ("redirect_to", path));
            let parameters: Vec<_> =
                std::iter::once(("challenge", challenge.token.expose())).chain(target).collect();
            (returning::with_query(&app.auth.page(returning::SECOND_FACTOR), &parameters), Vec::new())
        }
        FinishedLogin::Linked { redirect_to } => {
            (app.auth.page(redirect_to.as_deref().unwrap_or(returning::DONE)), Vec::new())
        }
        FinishedLogin::Code { redirect_uri, code, state } => {
            let state = state.as_deref().map(|state| ("state", state));
            let parameters: Vec<_> = std::iter::once(("code", code.expose())).chain(state).collect();
            (returning::with_query(&redirect_uri, &parameters), Vec::new())
        }
        FinishedLogin::SignUpPending(token) => {
            // Pages elsewhere do not get the cookie. A fragment is in no log and in no `Referer`.
            let is_elsewhere = app.auth.has_pages_elsewhere();
            let token_part =
                if is_elsewhere { format!("#pending_token={}", token.expose()) } else { String::new() };
            let url = app.auth.page(returning::SIGN_UP) + &token_part;
            (url, vec![cookie::of_sign_up(&app.site, &token)?])
        }
    })
}

/// The query of startLogin.
struct StartInput {
    client: Option<String>,
    redirect_to: Option<String>,
    redirect_uri: Option<String>,
    code_challenge: Option<String>,
    state: Option<String>,
}

/// The largest state of an app, in bytes.
const MAX_STATE_BYTES: usize = 512;

impl StartInput {
    fn parse(self) -> Result<(Option<LocalPath>, Option<AppRequest>), Problem> {
        let mut failures = Vec::new();
        let is_native = match self.client.as_deref() {
            None | Some("browser") => false,
            Some("native") => true,
            Some(_) => {
                let rule = Violation::OutOfRange("must be \"browser\" or \"native\"");
                failures.push(Failure::of("/client", rule));
                false
            }
        };
        let redirect_to = self.redirect_to.as_deref().map(LocalPath::parse).transpose();
        let redirect_to = redirect_to.unwrap_or_else(|rule| {
            failures.push(Failure::of("/redirect_to", rule));
            None
        });
        if is_native {
            if self.redirect_uri.is_none() {
                failures.push(Failure::new("/redirect_uri", "required", "is required for client=native"));
            }
            if !self.code_challenge.as_deref().is_some_and(is_challenge) {
                let rule = "must be the SHA-256 of the verifier in base64url (RFC 7636, S256)";
                failures.push(Failure::of("/code_challenge", Violation::InvalidCharacters(rule)));
            }
            let is_state = |state: &str| {
                state.len() <= MAX_STATE_BYTES && state.bytes().all(|byte| byte.is_ascii_graphic())
            };
            if !self.state.as_deref().is_none_or(is_state) {
                let rule = "must be at most 512 printable ASCII characters";
                failures.push(Failure::of("/state", Violation::InvalidCharacters(rule)));
            }
        }
        if !failures.is_empty() {
            return Err(Problem::invalid(failures));
        }
        let app = self.redirect_uri.zip(self.code_challenge).filter(|_| is_native);
        let app =
            app.map(|(redirect_uri, challenge)| AppRequest { redirect_uri, challenge, state: self.state });
        Ok((redirect_to, app))
    }
}
