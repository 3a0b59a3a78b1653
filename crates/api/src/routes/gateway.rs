use std::sync::Arc;

use blegram_auth::Authenticated;
use blegram_domain::ConnectionId;
use blegram_gateway::{
    Class, CloseCode, ConnectionIdentity, ConnectionPermit, Handshake, Rejection, handshake, reject, serve,
};
use blegram_http::{MaybeViewer, Viewer, bearer, client, headers::RequestHeader, origin::RequestOrigin};
use blegram_limits::Policy;
use poem::{
    IntoResponse, OnUpgrade, Request, Response,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    registry::{MetaResponse, MetaResponses, Registry},
};

use crate::{
    App,
    answer::{Answer, ApiResult, Created},
    operation::{Login, Operation},
    problem::{Code, Problem},
    realtime::protocol::{self, EventName},
    routes::{AppData, Tag},
    schema::gateway::{GatewayStatus, Ready, Ticket},
    ws::{Client, gateway_credential},
};

pub(crate) struct GatewayApi;

/// The rules of the operations in this file.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read(
        "connectGateway",
        Login::Optional,
        &[Code::MalformedRequest, Code::UpgradeRequired, Code::CsrfRejected, Code::Overloaded],
    )
    .limiting_failures(Policy::HandshakeFailure),
    Operation::read("getGatewayStatus", Login::Optional, &[Code::CsrfRejected, Code::Overloaded]),
    Operation::write("createGatewayTicket", Login::Required, &[]).limited(Policy::Ticket),
];

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Gateway")]
impl GatewayApi {
    /// Connect to the realtime gateway
    ///
    /// Opens a WebSocket (RFC 6455) with the subprotocol `blegram.v1+json`; [`/asyncapi.json`](/asyncapi.json)
    /// describes the messages. Authenticate with the session cookie (from a page of a trusted origin), with
    /// `Authorization: Bearer`, or with a ticket of createGatewayTicket as a second subprotocol,
    /// `blegram.ticket.<ticket>`. Browsers do not tell pages why a handshake was rejected: call getGatewayStatus to
    /// find out. Swagger UI cannot open a WebSocket, but a page can:
    /// `new WebSocket('/api/v1/gateway', 'blegram.v1+json')`. Rejected handshakes are counted per address; too many of
    /// them return 429.
    /// 서브프로토콜 `blegram.v1+json`으로 WebSocket(RFC 6455)을 엽니다. 메시지 형식은 `/asyncapi.json`에 있습니다. 세션
    /// 쿠키(신뢰된 출처의 페이지), `Authorization: Bearer`, 또는 두 번째 서브프로토콜 `blegram.ticket.<ticket>`으로
    /// 보내는 createGatewayTicket의 티켓으로 인증하세요. 브라우저는 연결이 거절된 이유를 페이지에 알려 주지 않으므로
    /// getGatewayStatus로 확인하세요. Swagger UI에서는 웹소켓을 열 수 없지만 페이지에서는 위와 같이 열 수 있습니다.
    /// 거절된 연결 시도는 주소별로 세며, 너무 많으면 429를 반환합니다.
    #[oai(path = "/gateway", method = "get", operation_id = "connectGateway")]
    async fn connect_gateway(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
    ) -> ApiResult<Upgrade> {
        let handshake = Handshake::read(request.headers())?;
        let upgrade = request.take_upgrade().map_err(|_| Problem::new(Code::UpgradeRequired))?;
        let (hub, network_client) = (app.realtime.hub(), client::Client::of(request, &app.site));
        let address = network_client.address;
        // Before authentication, which consumes a ticket.
        hub.check(address)?;
        let origin = readable_origin(request.headers())?;
        let credential = authenticate(app.0, viewer, &handshake, request).await?;
        // After authentication: anonymous handshakes must not use up the capacity that logged-in clients need.
        app.auth.limiter().check_user(Policy::Connect, credential.user).await?;
        let permit = hub.admit(address)?;
        let connection = Connection {
            app: Arc::clone(app.0),
            permit,
            credential,
            origin: origin.map(ToOwned::to_owned),
            is_loopback: network_client.is_loopback,
        };
        let is_supported = handshake.is_supported();
        app.realtime.hub().tasks().spawn(connection.run(upgrade, is_supported));
        Ok(Upgrade(handshake))
    }

    /// Check gateway availability
    ///
    /// Runs the login, origin and connection limit checks of connectGateway, with a response that pages can read.
    /// connectGateway의 로그인, 출처, 연결 수 검사를 미리 실행하고 페이지가 읽을 수 있는 응답으로 결과를 알려 줍니다.
    #[oai(path = "/gateway/status", method = "get", operation_id = "getGatewayStatus")]
    async fn get_gateway_status(
        &self,
        app: AppData<'_>,
        viewer: MaybeViewer,
        request: &Request,
    ) -> ApiResult<Answer<GatewayStatus>> {
        let hub = app.realtime.hub();
        hub.check(client::Client::of(request, &app.site).address)?;
        let viewer = viewer.authenticated().ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        check_page(app.0, request.headers())?;
        hub.check_user(viewer.user)?;
        Ok(Answer(GatewayStatus::new(&app.site.public_url, hub.config())))
    }

    /// Create a gateway ticket
    ///
    /// For pages that have an access token but cannot send it with a WebSocket handshake. A ticket is valid once, for
    /// 30 seconds, and only from the origin that requested it.
    /// 액세스 토큰을 WebSocket 연결 요청에 넣을 수 없는 페이지를 위한 일회용 티켓입니다. 요청한 출처에서 30초 동안 한
    /// 번만 쓸 수 있습니다.
    #[oai(path = "/gateway/tickets", method = "post", operation_id = "createGatewayTicket")]
    async fn create_gateway_ticket(
        &self,
        app: AppData<'_>,
        viewer: Viewer,
        request: &Request,
    ) -> ApiResult<Created<Ticket>> {
        let origin = readable_origin(request.headers())?;
        let result = app.auth.create_ticket(&viewer.authenticated(), origin).await;
        let (ticket, expires_at) = result?;
        let body = Ticket { ticket: ticket.expose().to_owned(), expires_at: expires_at.into() };
        Ok(Created { location: None, version: None, body })
    }
}

/// Authenticates a handshake by bearer token, ticket or session cookie: the first one present decides.
async fn authenticate(
    app: &App,
    viewer: MaybeViewer,
    handshake: &Handshake,
    request: &Request,
) -> Result<Authenticated, Problem> {
    let headers = request.headers();
    let origin = readable_origin(headers)?;
    if origin.is_some() && !RequestOrigin::of(headers).is_trusted(&app.site) {
        return Err(untrusted_page());
    }
    let unauthenticated = || Problem::new(Code::Unauthenticated);
    // The gate has already rejected an invalid bearer token.
    if bearer::token(headers)?.is_some() {
        return viewer.authenticated().ok_or_else(unauthenticated);
    }
    if let Some(ticket) = handshake.ticket() {
        return app.auth.redeem_ticket(ticket, origin).await?.ok_or_else(|| {
            unauthenticated().with_detail("The ticket was used, has expired, or is for another origin.")
        });
    }
    let credential = viewer.authenticated().ok_or_else(unauthenticated)?;
    // Browsers send the cookie with the handshake of any page, and name the page in `Origin`: without it, reject.
    if origin.is_none() { Err(untrusted_page()) } else { Ok(credential) }
}

/// Rejects pages of other sites: they must not learn whether their visitor is logged in here.
fn check_page(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let is_trusted = match RequestOrigin::of(headers) {
        RequestOrigin::Absent => RequestHeader::SecFetchSite
            .first(headers)
            .is_none_or(|site| matches!(site, b"same-origin" | b"none")),
        origin => origin.is_trusted(&app.site),
    };
    if is_trusted { Ok(()) } else { Err(untrusted_page()) }
}

fn untrusted_page() -> Problem {
    Problem::new(Code::CsrfRejected).with_detail(
        "Only pages of this site or of a trusted origin can open a WebSocket with the session cookie; the browser names the origin in the Origin header. Other clients must send Authorization: Bearer.",
    )
}

fn readable_origin(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    match RequestOrigin::of(headers) {
        RequestOrigin::Absent => Ok(None),
        RequestOrigin::Named(origin) => Ok(Some(origin)),
        RequestOrigin::Unreadable => Err(untrusted_page()),
    }
}

/// An authenticated connection that awaits its upgrade.
struct Connection {
    app: Arc<App>,
    permit: ConnectionPermit,
    credential: Authenticated,
    origin: Option<String>,
    is_loopback: bool,
}

impl Connection {
    async fn run(self, upgrade: OnUpgrade, is_supported: bool) {
        let Ok(stream) = upgrade.await else { return };
        let Self { app, permit, credential, origin, is_loopback } = self;
        let hub = permit.hub().clone();
        if !is_supported {
            return reject(stream, &hub, CloseCode::Version).await;
        }
        // Before `ready`: from then on, the client must receive every event, also those of other nodes.
        let is_subscribed = app.realtime.subscribe_user(credential.user).await;
        let now = app.clock.now();
        let id = ConnectionId::generate(now);
        let is_degraded = !is_subscribed || app.realtime.is_degraded();
        let ready = Ready::new(id.as_uuid(), &credential, now, is_degraded, hub.config());
        let first = protocol::event(Class::Reply, EventName::Ready, &ready);
        let identity =
            ConnectionIdentity { user: credential.user, credential: gateway_credential(&app, &credential) };
        let guard = match permit.register(id, identity, first) {
            Ok(guard) => guard,
            Err((_permit, Rejection::TooManyOfUser)) => {
                return reject(stream, &hub, CloseCode::TooMany).await;
            }
            Err((_permit, _)) => return reject(stream, &hub, CloseCode::Draining).await,
        };
        // It may have changed before the registration, when this connection did not receive the event.
        if is_subscribed && app.realtime.is_degraded() != is_degraded {
            guard.peer().send(app.realtime.degraded());
        }
        let user = credential.user;
        tracing::debug!(connection = %id, %user, "connected");
        let commands = Arc::new(Client::new(app, origin, is_loopback));
        // In a task of its own, which does not keep the memory of this one while the connection is open.
        hub.tasks().spawn(async move {
            let code = serve(stream, guard, commands).await.map(CloseCode::as_u16);
            tracing::debug!(connection = %id, %user, code, "disconnected");
        });
    }
}

/// 101 Switching Protocols.
pub(crate) struct Upgrade(Handshake);

impl IntoResponse for Upgrade {
    fn into_response(self) -> Response {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        response.headers_mut().extend(self.0.answer());
        response
    }
}

impl ApiResponse for Upgrade {
    fn meta() -> MetaResponses {
        let response = MetaResponse {
            description: "",
            status: Some(101),
            status_range: None,
            content: Vec::new(),
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}

impl From<handshake::Error> for Problem {
    fn from(error: handshake::Error) -> Self {
        let code = match error {
            handshake::Error::UpgradeRequired => Code::UpgradeRequired,
            handshake::Error::Key | handshake::Error::Protocol => Code::MalformedRequest,
        };
        Self::new(code).with_detail(error.to_string())
    }
}

/// `Retry-After` in seconds when a client has too many connections: an estimate, because any of them may end at any time.
const CROWDED_SECONDS: u64 = 30;

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let crowded = |detail: &str| {
            Self::new(Code::RateLimited)
                .with_detail(detail)
                .with_header(header::RETRY_AFTER, HeaderValue::from(CROWDED_SECONDS))
        };
        match rejection {
            Rejection::Draining => {
                Self::new(Code::Unavailable).with_detail("This node is shutting down. Retry in a moment.")
            }
            Rejection::Busy => Self::new(Code::Overloaded).with_detail("Too many clients connect at once."),
            Rejection::TooManyOfAddress => crowded("There are too many connections from your address."),
            Rejection::TooManyOfUser => crowded("You have too many connections. Close some of them."),
        }
    }
}
