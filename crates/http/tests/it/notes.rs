//! A tiny site: notes behind the layers, with errors in plain text.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use blegram_auth::{Auth, Config, Device, NewPassword, PasswordCost, Secret, SignUp};
use blegram_domain::{SystemClock, Username};
use blegram_http::{
    Edge, Gate, Login, Rejection, RequestBody, Rule, Site, Surface,
    router::{Route, RoutedOperation, Router},
};
use blegram_persistence::testing::{Backend, TestDatabase};
use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response,
    endpoint::{BoxEndpoint, make},
    http::{Method, StatusCode, header},
};
use tokio_util::task::TaskTracker;

static LIST: Rule = Rule::read(Login::Optional);
static CREATE: Rule = Rule { body: RequestBody::Json, takes_key: true, ..Rule::write(Login::Required) };

/// Renders what the layers reject as the name of the [`Rejection`], and other errors as their text.
struct PlainText;

impl Surface for PlainText {
    fn render(&self, error: poem::Error, _path: &str, _request_id: &str) -> Response {
        let text = match error.downcast_ref::<Rejection>() {
            Some(rejection) => format!("{rejection:?}"),
            None => error.to_string(),
        };
        Response::builder().status(error.status()).body(text)
    }
}

/// The site, and the session cookie of its only account.
pub(crate) struct Notes {
    endpoint: BoxEndpoint<'static>,
    cookie: String,
    /// The number of requests that reached the handler.
    pub(crate) calls: Arc<AtomicU32>,
    _database: TestDatabase,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    response: Response,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }
}

impl Notes {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new(Backend::Sqlite).await;
        let clock = Arc::new(SystemClock);
        let password_cost = PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 };
        let config = Config { password_cost, ..Config::default() };
        let auth = Auth::new(database.db().clone(), clock.clone(), config).unwrap();
        let cookie = sign_up(&auth).await;
        let site = Arc::new(Site {
            public_url: "http://notes.example/base".to_owned(),
            origins: vec!["http://notes.example".to_owned()],
            trusted_proxies: Vec::new(),
        });
        let router = Arc::new(Router::new(routes()).unwrap());
        let surface: Arc<dyn Surface> = Arc::new(PlainText);
        let gate = Gate {
            auth,
            site: Arc::clone(&site),
            router: Arc::clone(&router),
            surface: Arc::clone(&surface),
            tasks: TaskTracker::new(),
        };
        let edge = Edge {
            site,
            clock,
            router,
            surface,
            never_stored: &["/notes"],
            never_compressed: &[],
            metrics: Arc::default(),
        };
        let calls = Arc::new(AtomicU32::new(0));
        let endpoint = edge.wrap(gate.wrap(handlers(Arc::clone(&calls)))).boxed();
        Self { endpoint, cookie, calls, _database: database }
    }

    pub(crate) fn cookie(&self) -> (&str, &str) {
        ("cookie", &self.cookie)
    }

    /// Sends a request of a page of the site, with the session cookie.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let cookie = [self.cookie(), ("sec-fetch-site", "same-origin")];
        self.send_anonymously(method, path, &[&cookie, headers].concat()).await
    }

    pub(crate) async fn send_anonymously(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path.parse().unwrap());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.endpoint.call(request.body("{}")).await.unwrap();
        let body = response.take_body().into_string().await.unwrap();
        Answer { status: response.status().as_u16(), body, response }
    }
}

fn routes() -> [Route; 3] {
    let operation = Route::operation;
    [
        operation(Method::GET, "/notes", "listNotes", &LIST),
        operation(Method::POST, "/notes", "createNote", &CREATE),
        Route::page(Method::GET, "/crash"),
    ]
}

/// The first note is created, the second is rejected for good, and the third fails for a moment.
fn handlers(calls: Arc<AtomicU32>) -> impl Endpoint {
    make(move |request: Request| {
        let calls = Arc::clone(&calls);
        async move {
            if request.uri().path() == "/crash" {
                panic!("a bug");
            }
            let id = request.data::<RoutedOperation>().map_or("", |operation| operation.id);
            if id == "listNotes" {
                return Ok("no notes".into_response());
            }
            match calls.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(Response::builder()
                    .status(StatusCode::CREATED)
                    .header(header::LOCATION, "/notes/1")
                    .body("created")),
                1 => Err(poem::Error::from_string("no more paper", StatusCode::CONFLICT)),
                _ => Err(poem::Error::from_string("out of ink", StatusCode::SERVICE_UNAVAILABLE)),
            }
        }
    })
}

async fn sign_up(auth: &Auth) -> String {
    let sign_up = SignUp {
        username: Username::parse("ann").unwrap(),
        password: NewPassword::parse("노을이 지는 제주 바다", &["ann"]).unwrap(),
        display_name: None,
        email: None,
        device: Device::default(),
    };
    match auth.sign_up(sign_up).await.unwrap().secret {
        Secret::Browser(token) => format!("auth-blegram={}", token.expose()),
        Secret::Native(_) => panic!("expected a browser session"),
    }
}
