//! The test world: a site with its own database and clock, and the actors that send requests to it.

use std::{
    io::Read,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use blegram_api::{App, Places, Readiness, Realtime, Site, WebApp, WebFiles};
use blegram_auth::{Auth, Config, Mailer, OutgoingMail, PasswordCost, Providers, SendError};
use blegram_bus::{Connected, Exchange, RedisBus, RedisSettings};
use blegram_chat::Chat;
use blegram_domain::{Clock, FixedClock, Timestamp, job::MailJob};
use blegram_http::Peer;
use blegram_limits::{Quota, Quotas};
use blegram_media::Media;
use blegram_persistence::{
    Db, jobs,
    testing::{Backend, TestDatabase},
};
use blegram_social::Social;
use poem::{
    Endpoint, EndpointExt, Request, Response,
    endpoint::BoxEndpoint,
    http::{HeaderMap, Method, StatusCode},
};
use serde_json::{Value, json};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use uuid::Uuid;

use crate::contract::CONTRACT;

/// The password of every account.
pub(crate) const PASSWORD: &str = "small room with a sea view";

/// A site with its own database, and a clock that moves only when a test moves it.
pub(crate) struct TestApp {
    pub(crate) auth: Auth,
    mailbox: Arc<Mailbox>,
    pub(crate) database: Arc<TestDatabase>,
    pub(crate) clock: Arc<FixedClock>,
    settings: Settings,
    pub(crate) media: Media,
    pub(crate) realtime: Realtime,
    /// Requests that continue after their client has disconnected.
    pub(crate) tasks: TaskTracker,
    _ending: DropGuard,
    pub(crate) router: Arc<BoxEndpoint<'static, Response>>,
    strangers: AtomicU32,
}

/// The settings of a site that a test may change.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) public_url: &'static str,
    pub(crate) auth: Config,
    pub(crate) media: blegram_media::Config,
    pub(crate) gateway: blegram_gateway::Config,
    pub(crate) readiness: Readiness,
    pub(crate) places: Option<Places>,
    pub(crate) web: Option<WebFiles>,
    pub(crate) providers: Providers,
    /// Whether the periodic work of realtime delivery runs.
    pub(crate) has_background: bool,
    /// How its nodes reach each other.
    pub(crate) bus: TestBus,
    /// The clock, if something outside the site needs it, too.
    pub(crate) clock: Option<Arc<FixedClock>>,
}

impl Default for Settings {
    fn default() -> Self {
        let cost = PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 };
        Self {
            public_url: "http://127.0.0.1:8080",
            auth: Config { password_cost: cost, quotas: plenty(), ..Config::default() },
            gateway: blegram_gateway::Config::default(),
            media: blegram_media::Config { threads: 1, ..blegram_media::Config::default() },
            readiness: Arc::new(|| Box::pin(std::future::ready(Ok(())))),
            places: None,
            web: None,
            providers: Providers::default(),
            has_background: true,
            bus: TestBus::None,
            clock: None,
        }
    }
}

/// How the nodes of a site reach each other.
#[derive(Clone)]
pub(crate) enum TestBus {
    /// Not at all.
    None,
    /// Within the process.
    Exchange(Exchange),
    /// By Redis.
    Redis(RedisSettings),
}

impl TestBus {
    fn connect(&self) -> Connected {
        match self {
            Self::None => Exchange::default().connect(),
            Self::Exchange(exchange) => exchange.connect(),
            Self::Redis(settings) => RedisBus::connect(settings).unwrap(),
        }
    }
}

impl Settings {
    /// Those of a site whose address has a domain, which passkeys need.
    pub(crate) fn with_domain() -> Self {
        let mut settings = Self { public_url: "http://localhost:8080", ..Self::default() };
        settings.auth.issuer = settings.public_url.to_owned();
        settings
    }

    /// The settings of a site that sends mail.
    pub(crate) fn with_mail(mut self) -> Self {
        self.auth.sends_mail = true;
        self
    }
}

/// Quotas that no test reaches by accident: the clock moves only when a test moves it, so nothing is refilled. Those of
/// logins and the like are the usual ones.
pub(crate) fn plenty() -> Quotas {
    let plenty = Quota::new(100_000, 60);
    Quotas {
        global_per_address: plenty,
        global_per_user: plenty,
        posts_per_user: plenty,
        comments_per_user: plenty,
        reactions_per_user: plenty,
        messages_per_user: plenty,
        searches: plenty,
        tickets_per_user: plenty,
        reports_per_user: plenty,
        ..Quotas::default()
    }
}

/// A mail that was sent.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Mail {
    /// The token of its link.
    pub(crate) fn token(&self) -> String {
        let rest = self.text.split("token=").nth(1).unwrap_or_else(|| panic!("no token: {}", self.text));
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

/// A mail server that only the test knows.
#[derive(Default)]
struct Mailbox(Mutex<Vec<Mail>>);

impl Mailer for Mailbox {
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>> {
        let OutgoingMail { subject, text, .. } = mail.clone();
        self.0.lock().unwrap().push(Mail { subject, text });
        Box::pin(std::future::ready(Ok(())))
    }
}

impl TestApp {
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, Settings::default()).await
    }

    /// A site that sends mail.
    pub(crate) async fn with_mail(backend: Backend) -> Self {
        Self::with(backend, Settings::default().with_mail()).await
    }

    pub(crate) async fn with(backend: Backend, settings: Settings) -> Self {
        let new_clock = || Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let clock = settings.clock.clone().unwrap_or_else(new_clock);
        let database = Arc::new(TestDatabase::new(backend).await);
        let media =
            Media::new(database.db().clone(), Arc::clone(&clock) as _, settings.media.clone()).unwrap();
        Self::on(database, clock, media, settings)
    }

    /// Another node of the same site.
    pub(crate) fn another_node(&self) -> Self {
        self.another_node_with(|_| {})
    }

    /// Another node of the same site, with settings that `change` changed.
    pub(crate) fn another_node_with(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let (media, mut settings) = (self.media.clone(), self.settings.clone());
        change(&mut settings);
        Self::on(Arc::clone(&self.database), Arc::clone(&self.clock), media, settings)
    }

    /// A site that connects to `database` through `db`.
    pub(crate) fn behind(database: Arc<TestDatabase>, db: &Db, settings: Settings) -> Self {
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let media = Media::new(db.clone(), Arc::clone(&clock) as _, settings.media.clone()).unwrap();
        Self::with_db(database, db, clock, media, settings)
    }

    fn on(database: Arc<TestDatabase>, clock: Arc<FixedClock>, media: Media, settings: Settings) -> Self {
        let db = database.db().clone();
        Self::with_db(database, &db, clock, media, settings)
    }

    fn with_db(
        database: Arc<TestDatabase>,
        db: &Db,
        clock: Arc<FixedClock>,
        media: Media,
        settings: Settings,
    ) -> Self {
        let (stored_settings, tasks) = (settings.clone(), TaskTracker::new());
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let (realtime, background) = Realtime::new(settings.gateway, media.clone(), settings.bus.connect());
        let events = Arc::new(realtime.clone());
        let mailbox = Arc::new(Mailbox::default());
        let auth = Auth::new(db.clone(), Arc::clone(&time), settings.auth).unwrap();
        let auth = auth.with_mailer(Arc::clone(&mailbox) as _).with_events(Arc::clone(&events) as _);
        let auth = auth.with_providers(settings.providers);
        let origins =
            [settings.public_url, "https://app.example", "capacitor://localhost", "http://tauri.localhost"];
        let site = Site {
            public_url: settings.public_url.to_owned(),
            origins: origins.map(ToOwned::to_owned).to_vec(),
            trusted_proxies: Vec::new(),
        };
        let web = settings.web.map(|files| WebApp::new(files, &site, &media).unwrap());
        let app = App {
            auth: auth.clone(),
            social: Social::new(db.clone(), Arc::clone(&time)).with_events(Arc::clone(&events) as _),
            chat: Chat::new(db.clone(), time).with_events(events),
            realtime: realtime.clone(),
            media: media.clone(),
            site: Arc::new(site),
            readiness: settings.readiness,
            places: settings.places,
            web,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            tasks: tasks.clone(),
            metrics: Arc::default(),
        };
        let ending = CancellationToken::new();
        let (background_app, end) = (app.clone(), ending.clone());
        if settings.has_background {
            TaskTracker::new().spawn(async move { background.run(&background_app, &end).await });
        }
        let router = blegram_api::router(app);
        Self {
            auth,
            mailbox,
            database,
            clock,
            media,
            realtime,
            settings: stored_settings,
            tasks,
            _ending: ending.drop_guard(),
            router: Arc::new(router.boxed()),
            strangers: AtomicU32::new(1),
        }
    }

    /// Changes a role, as an operator does, and lets the cached one expire.
    pub(crate) async fn set_role(&self, name: &str, role: &str) {
        self.database.execute(&format!("UPDATE users SET role = '{role}' WHERE username = '{name}'")).await;
        self.clock.advance(Duration::from_secs(1));
    }

    /// Sends the queued mails, and returns those that were sent since the last call.
    pub(crate) async fn mails(&self) -> Vec<Mail> {
        let (db, now) = (self.database.db(), self.clock.now());
        loop {
            let tx = db.write().await.unwrap();
            let job = jobs::take(&tx, MailJob::KINDS, now, now).await.unwrap();
            tx.commit().await.unwrap();
            let Some(job) = job else { break };
            self.auth.send_mail(job.subject.parse().unwrap()).await.unwrap();
            let tx = db.write().await.unwrap();
            jobs::delete(&tx, &job).await.unwrap();
            tx.commit().await.unwrap();
        }
        std::mem::take(&mut self.mailbox.0.lock().unwrap())
    }

    /// The only mail that was sent since the last call.
    pub(crate) async fn mail(&self) -> Mail {
        let mut mails = self.mails().await;
        assert_eq!(mails.len(), 1, "{mails:#?}");
        mails.remove(0)
    }

    /// Verifies an address of the actor.
    pub(crate) async fn verify(&self, actor: &Actor<'_>, email: &str) {
        let change = json!({ "email": email, "password": PASSWORD });
        actor.put("/api/v1/me/email", &change).await.assert_status(202);
        self.auth.verify_email(&self.mail().await.token()).await.unwrap();
    }

    /// A client that is not logged in, with its own address.
    pub(crate) fn stranger(&self) -> Actor<'_> {
        // Rate limits count by address and by network, so each client has its own.
        let number = self.strangers.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::from_bits(0x0a00_0001 + (number << 8));
        Actor {
            app: self,
            cookie: Mutex::new(None),
            device: Mutex::new(None),
            bearer: Mutex::new(None),
            address: address.into(),
        }
    }

    /// Signs up accounts, and returns their logged-in clients.
    pub(crate) async fn users<const N: usize>(&self, names: [&str; N]) -> [Actor<'_>; N] {
        let mut actors = Vec::new();
        for name in names {
            let actor = self.stranger();
            actor.sign_up(name).await.assert_status(201);
            actors.push(actor);
        }
        actors.try_into().unwrap_or_else(|_| unreachable!())
    }
}

/// A client that stores the cookie that the site sets, as a browser does.
pub(crate) struct Actor<'a> {
    app: &'a TestApp,
    cookie: Mutex<Option<String>>,
    /// The cookie that proves an earlier login.
    device: Mutex<Option<String>>,
    bearer: Mutex<Option<String>>,
    address: IpAddr,
}

impl Actor<'_> {
    pub(crate) fn at(mut self, address: &str) -> Self {
        self.address = address.parse().unwrap();
        self
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn router(&self) -> Arc<BoxEndpoint<'static, Response>> {
        Arc::clone(&self.app.router)
    }

    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    pub(crate) fn set_cookie(&self, cookie: Option<String>) {
        *self.cookie.lock().unwrap() = cookie;
    }

    pub(crate) fn device(&self) -> Option<String> {
        self.device.lock().unwrap().clone()
    }

    pub(crate) fn set_device(&self, device: Option<String>) {
        *self.device.lock().unwrap() = device;
    }

    /// Another client, which is not logged in.
    pub(crate) fn stranger(&self) -> Actor<'_> {
        self.app.stranger()
    }

    /// Sets the `Authorization` header of later requests.
    pub(crate) fn set_authorization(&self, value: Option<&str>) {
        *self.bearer.lock().unwrap() = value.map(ToOwned::to_owned);
    }

    pub(crate) async fn sign_up(&self, name: &str) -> Answer {
        let body = json!({ "username": name, "password": PASSWORD, "client": "browser" });
        self.post("/api/v1/auth/signup", &body).await
    }

    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Answer {
        let body = json!({ "login": name, "password": password, "client": "browser" });
        self.post("/api/v1/auth/login", &body).await
    }

    /// Writes a post and returns its id.
    pub(crate) async fn posts(&self, text: &str) -> String {
        let post = self.post("/api/v1/posts", &json!({ "text": text })).await;
        post.assert_status(201);
        post.json()["id"].as_str().unwrap().to_owned()
    }

    /// Comments on a post and returns the comment's id.
    pub(crate) async fn comments(&self, post: &str, text: &str) -> String {
        self.comment(post, &json!({ "text": text })).await
    }

    /// Replies to a comment and returns the reply's id.
    pub(crate) async fn replies(&self, post: &str, parent: &str, text: &str) -> String {
        self.comment(post, &json!({ "text": text, "parent_id": parent })).await
    }

    async fn comment(&self, post: &str, body: &Value) -> String {
        let comment = self.post(&format!("/api/v1/posts/{post}/comments"), body).await;
        comment.assert_status(201);
        comment.json()["id"].as_str().unwrap().to_owned()
    }

    /// The types of the actor's notifications, newest first.
    pub(crate) async fn notifications(&self) -> Vec<String> {
        let types = self.get("/api/v1/notifications").await.items("type");
        types.iter().map(|kind| kind.as_str().unwrap().to_owned()).collect()
    }

    /// Uploads files, each with a name, a content type and its bytes.
    pub(crate) async fn uploads(&self, files: &[(&str, &str, &[u8])]) -> Answer {
        self.uploads_with(files, &[]).await
    }

    /// Uploads files with alt texts.
    pub(crate) async fn uploads_with(&self, files: &[(&str, &str, &[u8])], alts: &[&str]) -> Answer {
        let (content_type, body) = form(files, alts);
        self.send(Method::POST, "/api/v1/media", &[("content-type", &content_type)], body).await
    }

    /// Uploads a small image and returns its id.
    pub(crate) async fn uploads_picture(&self) -> String {
        let uploaded = self.uploads(&[("a.png", "image/png", &picture(8, 6))]).await;
        uploaded.assert_status(201);
        uploaded.json()["items"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Starts a conversation and returns its id.
    pub(crate) async fn starts_conversation(&self, members: &[&str], title: Option<&str>) -> String {
        let body = json!({ "members": members, "title": title });
        let created = self.post("/api/v1/conversations", &body).await.json();
        created["id"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
    }

    /// Sends a message and returns its id.
    pub(crate) async fn sends_message(&self, conversation: &str, text: &str) -> String {
        let sent = self.sends(conversation, client_id(), text).await;
        sent.assert_status(201);
        sent.json()["id"].as_str().unwrap().to_owned()
    }

    /// Sends a message with this client id.
    pub(crate) async fn sends(&self, conversation: &str, client_id: Uuid, text: &str) -> Answer {
        let body = json!({ "client_id": client_id, "text": text });
        self.post(&format!("/api/v1/conversations/{conversation}/messages"), &body).await
    }

    pub(crate) async fn put_empty(&self, path: &str) -> Answer {
        self.send(Method::PUT, path, &[], Vec::new()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    pub(crate) async fn patch(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.send(Method::PATCH, path, &headers, body.to_string().into_bytes()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, &[("content-type", "application/json")], body.to_string().into_bytes())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string().into_bytes())
            .await
    }

    /// Sends a request as a page of the site does.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut all = vec![("sec-fetch-site", "same-origin")];
        all.extend(headers);
        self.send_bare(method, path, &all, body).await
    }

    /// Sends a request with only the credentials and the given headers.
    pub(crate) async fn send_bare(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        self.send_whole(method, path, headers, body.into()).await
    }

    /// Sends a request with a streamed body, as a page of the site does.
    pub(crate) async fn send_body(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: poem::Body,
    ) -> Answer {
        let headers = [&[("sec-fetch-site", "same-origin")], headers].concat();
        self.send_whole(method, path, &headers, body).await
    }

    async fn send_whole(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: poem::Body,
    ) -> Answer {
        let mut request = Request::builder().method(method.clone()).uri_str(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies: Vec<String> = self.cookie().into_iter().chain(self.device()).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(bearer) = self.bearer.lock().unwrap().clone() {
            request = request.header("authorization", bearer);
        }
        let request = request.extension(Peer(self.address)).body(body);
        let answer = Answer::of(self.app.router.call(request).await.unwrap()).await;
        let public_url = self.app.settings.public_url;
        CONTRACT.check(public_url, &method, path.split('?').next().unwrap(), &answer);
        self.store_cookie(&answer);
        answer
    }

    fn store_cookie(&self, answer: &Answer) {
        for set in answer.headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap()) {
            let pair = set.split(';').next().unwrap();
            let is_removal = pair.ends_with('=') && set.contains("Max-Age=0");
            let pair = (!is_removal).then(|| pair.to_owned());
            if set.contains("device-blegram=") {
                self.set_device(pair);
            } else if set.contains("auth-blegram=") {
                self.set_cookie(pair);
            }
        }
    }
}

/// A new client id for a message.
pub(crate) fn client_id() -> Uuid {
    let now = blegram_domain::SystemClock.now();
    blegram_domain::ClientId::generate(now).as_uuid()
}

/// A PNG image of this size.
pub(crate) fn picture(width: u32, height: u32) -> Vec<u8> {
    let image =
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, 99]));
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// A multipart form with files and alt texts: its content type and its bytes.
pub(crate) fn form(files: &[(&str, &str, &[u8])], alts: &[&str]) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "a-line-that-nobody-writes";
    let mut body = Vec::new();
    for (name, content_type, bytes) in files {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: {content_type}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    for alt in alts {
        let part = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"alt\"\r\n\r\n{alt}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

fn decompress(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    match coding {
        "zstd" => zstd::stream::copy_decode(bytes, &mut body).unwrap(),
        "br" => brotli::BrotliDecompress(&mut &*bytes, &mut body).unwrap(),
        "gzip" => flate2::read::GzDecoder::new(bytes).read_to_end(&mut body).map(drop).unwrap(),
        _ => panic!("unknown coding {coding}"),
    }
    body
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body, decompressed.
    pub(crate) body: Vec<u8>,
    /// The size of the body as it was sent.
    pub(crate) sent_bytes: usize,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let sent = body.into_vec().await.unwrap();
        let sent_bytes = sent.len();
        let coding = parts.headers.get("content-encoding").map(|name| name.to_str().unwrap());
        let body = coding.map_or_else(|| sent.clone(), |coding| decompress(coding, &sent));
        Self { status: parts.status, headers: parts.headers, body, sent_bytes }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    pub(crate) fn assert_success(&self) -> &Self {
        assert!(self.status.is_success(), "{} {}", self.status, self.text());
        self
    }

    /// Asserts that this is the problem `code`, with every standard member.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) -> &Self {
        self.assert_status(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["code"], code);
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], self.header("x-request-id").unwrap());
        self
    }

    /// Asserts which values were rejected, each with its error code.
    #[track_caller]
    pub(crate) fn assert_invalid(&self, expected: &[(&str, &str)]) {
        self.assert_problem(422, "invalid");
        let problem = self.json();
        let errors = problem["errors"].as_array().unwrap();
        let rejected: Vec<(&str, &str)> = errors
            .iter()
            .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
            .collect();
        assert_eq!(rejected, expected);
    }

    /// One property of each item of a page.
    pub(crate) fn items(&self, property: &str) -> Vec<Value> {
        self.assert_status(200);
        self.json()["items"].as_array().unwrap().iter().map(|item| item[property].clone()).collect()
    }
}
