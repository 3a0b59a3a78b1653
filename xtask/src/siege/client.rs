//! A browser with an address of its own, which the harness states as a trusted proxy does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Request, Response};

use crate::blegram::PASSWORD;
use crate::siege::PUBLIC_URL;

/// The names of the cookies on https.
const SESSION: &str = "__Host-auth-blegram=";
const DEVICE: &str = "__Host-device-blegram=";
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A browser, logged in or not.
pub(crate) struct Client {
    agent: Agent,
    /// Where the server listens: `http://127.0.0.1:…`
    origin: String,
    /// Its address, as `X-Forwarded-For` states it.
    pub(crate) address: String,
    session: String,
    /// Proves that this browser has logged in to the account before.
    device: String,
}

/// The response to a request.
pub(crate) struct Answer {
    pub(crate) status: u16,
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
}

impl Client {
    /// A browser that is not logged in.
    pub(crate) fn new(origin: &str, address: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_LIMIT));
        Self {
            agent: config.build().into(),
            origin: origin.into(),
            address: address.into(),
            session: String::new(),
            device: String::new(),
        }
    }

    /// Signs up; the session and the device are known from then on.
    pub(crate) fn sign_up(origin: &str, address: &str, username: &str) -> Result<Self> {
        let mut client = Self::new(origin, address);
        let input = json!({"username": username, "password": PASSWORD, "client": "browser"});
        let answer = client.post("/api/v1/auth/signup", &input)?;
        answer.json().with_context(|| format!("signing up {username} from {address}"))?;
        let cookie = |name: &str| answer.cookies.iter().find(|cookie| cookie.starts_with(name)).cloned();
        client.session = cookie(SESSION).context("the sign-up response has no session cookie")?;
        client.device = cookie(DEVICE).unwrap_or_default();
        Ok(client)
    }

    /// The same browser and device, logged out: a login would end the session that it is sent with.
    pub(crate) fn logged_out(&self) -> Self {
        let Self { agent, origin, address, device, .. } = self;
        let (origin, address) = (origin.clone(), address.clone());
        Self { agent: agent.clone(), origin, address, session: String::new(), device: device.clone() }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        let request = self.request("GET", path, None).body(())?;
        answer_of(self.agent.run(request).with_context(|| format!("GET {path}"))?)
    }

    pub(crate) fn post(&self, path: &str, input: &Value) -> Result<Answer> {
        self.post_bytes(path, "application/json", input.to_string().into_bytes())
    }

    pub(crate) fn post_bytes(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Answer> {
        let request = self.request("POST", path, Some(content_type)).body(body)?;
        answer_of(self.agent.run(request).with_context(|| format!("POST {path}"))?)
    }

    fn request(&self, method: &str, path: &str, content_type: Option<&str>) -> ureq::http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        let fields = self.fields().into_iter().map(|(name, value)| (name, value.to_owned()));
        let content_type = content_type.map(|value| ("content-type", value.to_owned()));
        fields.chain(content_type).fold(request, |request, (name, value)| request.header(name, value))
    }

    /// The header fields of each of its requests.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        let cookies = [&*self.session, &*self.device].into_iter().filter(|cookie| !cookie.is_empty());
        let mut fields = vec![
            ("x-forwarded-for", &*self.address),
            ("origin", PUBLIC_URL),
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
        head_of(method, path, &fields)
    }
}

/// The bytes of the head of a request.
pub(crate) fn head_of(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: siege.example\r\n{fields}\r\n").into_bytes()
}

fn answer_of(mut response: Response<ureq::Body>) -> Result<Answer> {
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.filter_map(|cookie| cookie.split(';').next()).map(Into::into).collect();
    let body = response.body_mut().read_to_vec().context("reading a response")?;
    Ok(Answer { status: response.status().as_u16(), cookies, body })
}
