//! One call of the API: its attempts, and when to repeat it.

use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    multipart::{Form, Part},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Client, posts::Upload};
use crate::{
    backoff::Backoff,
    error::{Error, seconds},
};

/// A call of an operation, to be completed and sent.
#[derive(Debug)]
pub struct Request<'a> {
    client: &'a Client,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Result<Body, Error>,
    idempotency_key: Option<String>,
    is_anonymous: bool,
    is_repeatable: bool,
}

#[derive(Debug)]
enum Body {
    None,
    Json(Vec<u8>),
    Files(Vec<Upload>),
}

impl<'a> Request<'a> {
    pub(super) fn new(client: &'a Client, method: Method, path: String) -> Self {
        // The key makes the call repeatable. The server ignores it where it has no meaning.
        let idempotency_key = (method == Method::POST).then(|| format!("{:032x}", rand::random::<u128>()));
        let (query, body) = (Vec::new(), Ok(Body::None));
        let is_repeatable = true;
        Self { client, method, path, query, body, idempotency_key, is_anonymous: false, is_repeatable }
    }

    /// Adds a query parameter, if there is a value.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body);
        self.body = bytes.map(Body::Json).map_err(|error| Error::InvalidRequest(error.to_string()));
        self
    }

    pub(super) fn files(mut self, files: Vec<Upload>) -> Self {
        self.body = Ok(Body::Files(files));
        self
    }

    /// Sets the `Idempotency-Key` of a POST, to repeat the call after a restart of the program. Otherwise each call has a
    /// new one.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sends no token. The server ignores the `Idempotency-Key` of such a call, so a POST is not repeated.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.is_anonymous = true;
        self.idempotency_key = None;
        self.is_repeatable = self.method != Method::POST;
        self
    }

    /// Repeats the call even so: the server answers a repetition as it answered the first.
    pub(super) fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// Sends the call and reads the response.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        let (_, body) = self.execute().await?;
        parse(&body)
    }

    /// Sends the call; ignores the content of the response.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send_unit(self) -> Result<(), Error> {
        self.execute().await.map(drop)
    }

    /// Sends the call, with retries, and returns the status and the content of the response.
    pub(super) async fn execute(mut self) -> Result<(StatusCode, Vec<u8>), Error> {
        let body = std::mem::replace(&mut self.body, Ok(Body::None))?;
        let deadline = Instant::now() + self.client.shared.limits.call;
        let (mut backoff, mut has_renewed) = (Backoff::random(), false);
        loop {
            let token = self.token(deadline).await?;
            let error = match self.attempt(&body, token.as_deref(), deadline).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            match token {
                // The clock of this machine may be wrong, or the server may have lost its keys.
                Some(token) if matches!(error, Error::Unauthorized(_)) && !has_renewed => {
                    has_renewed = true;
                    self.client.renew(&token).await?;
                }
                _ => self.wait(error, &mut backoff, deadline).await?,
            }
        }
    }

    async fn token(&self, deadline: Instant) -> Result<Option<String>, Error> {
        if self.is_anonymous {
            return Ok(None);
        }
        timeout_at(deadline, self.client.current_token()).await.unwrap_or_else(|_| Err(no_response()))
    }

    /// Waits before the next attempt, or returns the error if there must not be one.
    async fn wait(&self, error: Error, backoff: &mut Backoff, deadline: Instant) -> Result<(), Error> {
        let again = Instant::now() + backoff.next(error.retry_after());
        if !self.may_repeat(&error) || again >= deadline {
            return Err(error);
        }
        sleep(again - Instant::now()).await;
        Ok(())
    }

    fn may_repeat(&self, error: &Error) -> bool {
        let Error::Unavailable { status, .. } = error else { return false };
        *status == Some(429) || self.is_repeatable
    }

    async fn attempt(
        &self,
        body: &Body,
        token: Option<&str>,
        deadline: Instant,
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let limit = deadline.min(Instant::now() + self.client.shared.limits.attempt);
        let exchange = exchange(self.build(body, token)?);
        timeout_at(limit, exchange).await.unwrap_or_else(|_| Err(no_response()))
    }

    fn build(&self, body: &Body, token: Option<&str>) -> Result<RequestBuilder, Error> {
        let Client { shared } = self.client;
        let mut request = shared.http.request(self.method.clone(), self.client.address(&self.path));
        if !self.query.is_empty() {
            request = request.query(&self.query);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = &self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        Ok(match body {
            Body::None => request,
            Body::Json(bytes) => request.header(CONTENT_TYPE, "application/json").body(bytes.clone()),
            Body::Files(files) => request.multipart(form(files)),
        })
    }
}

fn form(files: &[Upload]) -> Form {
    files.iter().fold(Form::new(), |form, file| {
        let part = Part::bytes(file.bytes.clone()).file_name(file.name.clone());
        let form = form.part("file", part);
        form.text("alt", file.alt.clone().unwrap_or_default())
    })
}

async fn exchange(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Error> {
    let response = request.send().await.map_err(|error| Error::of_transport(&error))?;
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(seconds);
    let body = response.bytes().await.map_err(|error| Error::of_transport(&error))?;
    if status.is_success() {
        return Ok((status, body.to_vec()));
    }
    Err(Error::of_response(status.as_u16(), retry_after, &body))
}

fn no_response() -> Error {
    Error::Unavailable { status: None, detail: "no response in time".to_owned(), retry_after: None }
}

/// Reads the content of a response.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Unexpected(error.to_string()))
}
