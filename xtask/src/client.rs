//! A browser, as far as the commands need one that has an address of its own and reports every response.

pub(crate) mod image;
pub(crate) mod socket;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Request, Response};

use crate::blegram::PASSWORD;

const SESSION: &str = "auth-blegram=";
const DEVICE: &str = "device-blegram=";
/// What the names of cookies begin with on https.
const HOST_PREFIX: &str = "__Host-";
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How clients reach a site.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// What they connect to: the server, or a proxy in front of it.
    pub(crate) server: SocketAddr,
    /// The origin that they state, which is the `server.public_url` of the site.
    pub(crate) public_url: String,
}

impl Entry {
    /// The `Host` of requests.
    pub(crate) fn host(&self) -> &str {
        self.public_url.split_once("://").map_or(&*self.public_url, |(_, host)| host)
    }
}

/// A browser, logged in or not.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    entry: Entry,
    /// Its address, as `X-Forwarded-For` states it.
    pub(crate) address: String,
    session: String,
    /// Proves that this browser has logged in to the account before.
    device: String,
}

/// The response to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
    cookies: Vec<String>,
    body: Vec<u8>,
}

impl Answer {
    /// The body, for messages.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON body of a successful response.
    pub(crate) fn json(&self) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "{} {}", self.status, self.text());
        serde_json::from_slice(&self.body).context("the response is not JSON")
    }

    /// The status, and the code of a problem.
    pub(crate) fn summary(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        format!("{} {}", self.status, problem["code"].as_str().unwrap_or("without a code"))
    }
}

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// A request without a body.
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), fields: Vec::new(), body: Vec::new() }
    }

    /// A request with JSON.
    pub(crate) fn with_json(method: &'static str, path: impl Into<String>, input: &Value) -> Self {
        Self::new(method, path).with_body("application/json", input.to_string().into_bytes())
    }

    /// The same request with this body.
    pub(crate) fn with_body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.body = body;
        self.with_field("content-type", content_type)
    }

    /// The same request with one more header field.
    pub(crate) fn with_field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

impl Client {
    /// A browser that is not logged in.
    pub(crate) fn new(entry: &Entry, address: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_LIMIT));
        Self {
            agent: config.build().into(),
            entry: entry.clone(),
            address: address.into(),
            session: String::new(),
            device: String::new(),
        }
    }

    /// Signs up; the session and the device are known from then on.
    pub(crate) fn sign_up(entry: &Entry, address: &str, username: &str) -> Result<Self> {
        let client = Self::new(entry, address);
        let input = json!({"username": username, "password": PASSWORD, "client": "browser"});
        let answer = client.post("/api/v1/auth/signup", &input)?;
        answer.json().with_context(|| format!("signing up {username} from {address}"))?;
        client.with_session(&answer)
    }

    /// The same browser with the session that a sign-up or a login has begun.
    pub(crate) fn with_session(&self, answer: &Answer) -> Result<Self> {
        let session = self.cookie(answer, SESSION).context("the response has no session")?;
        let device = self.cookie(answer, DEVICE).unwrap_or_else(|| self.device.clone());
        Ok(Self { session, device, ..self.clone() })
    }

    fn cookie(&self, answer: &Answer, name: &str) -> Option<String> {
        let prefix = if self.entry.public_url.starts_with("https:") { HOST_PREFIX } else { "" };
        let name = format!("{prefix}{name}");
        answer.cookies.iter().find(|cookie| cookie.starts_with(&name)).cloned()
    }

    /// The same browser and device, logged out: a login would end the session that it is sent with.
    pub(crate) fn logged_out(&self) -> Self {
        Self { session: String::new(), ..self.clone() }
    }

    /// How it reaches the site.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        self.send(&Call::new("GET", path))
    }

    pub(crate) fn post(&self, path: &str, input: &Value) -> Result<Answer> {
        self.send(&Call::with_json("POST", path, input))
    }

    pub(crate) fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Answer> {
        self.send(&Call::new("POST", path).with_body(content_type, body))
    }

    /// Sends a request. A path that is a URL leads to another site, which gets neither cookies nor the address.
    pub(crate) fn send(&self, call: &Call) -> Result<Answer> {
        let Call { method, path, fields, body } = call;
        let is_of_site = path.starts_with('/');
        let uri = if is_of_site { format!("http://{}{path}", self.entry.server) } else { path.clone() };
        let own = if is_of_site { self.fields() } else { Vec::new() };
        let fields = own.into_iter().chain(fields.iter().map(|(name, value)| (&**name, &**value)));
        let request = Request::builder().method(*method).uri(uri);
        let request = fields.fold(request, |request, (name, value)| request.header(name, value));
        let context = || format!("{method} {path}");
        let answer = match *method {
            "GET" | "DELETE" => self.agent.run(request.body(())?),
            _ => self.agent.run(request.body(body.as_slice())?),
        };
        answer_of(answer.with_context(context)?).with_context(context)
    }

    /// The header fields of each of its requests.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        let cookies = [&*self.session, &*self.device].into_iter().filter(|cookie| !cookie.is_empty());
        let mut fields = vec![
            ("x-forwarded-for", &*self.address),
            ("origin", &*self.entry.public_url),
            ("sec-fetch-site", "same-origin"),
        ];
        fields.extend(cookies.map(|cookie| ("cookie", cookie)));
        fields
    }

    /// The bytes of a request, for attacks that send it in their own way. The connection closes after the response.
    pub(crate) fn bytes(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
        [&self.head(method, path, content_type, body.len())[..], body].concat()
    }

    /// The bytes of the head of a request with `length` bytes of body.
    pub(crate) fn head(&self, method: &str, path: &str, content_type: &str, length: usize) -> Vec<u8> {
        let length = length.to_string();
        let mut fields = self.fields();
        fields.extend([("content-type", content_type), ("content-length", &length), ("connection", "close")]);
        head_of(self.entry.host(), method, path, &fields)
    }
}

/// The bytes of the head of a request.
pub(crate) fn head_of(host: &str, method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n").into_bytes()
}

fn answer_of(mut response: Response<ureq::Body>) -> Result<Answer> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.filter_map(|cookie| cookie.split(';').next()).map(Into::into).collect();
    let body = response.body_mut().read_to_vec().context("reading a response")?;
    Ok(Answer { status: response.status().as_u16(), retry_after, cookies, body })
}
