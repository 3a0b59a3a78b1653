//! What is done over HTTP: logging in, finding the conversation, loading its newest messages.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// A site where somebody is logged in, as a native app.
pub(crate) struct Site {
    url: String,
    access_token: String,
    refresh_token: String,
}

impl Site {
    pub(crate) fn log_in(url: &str, login: &str, password: &str) -> Result<Self> {
        let body = json!({ "login": login, "password": password, "client": "native" });
        let answer = post(&format!("{url}/api/v1/auth/login"), None, &body).context("logging in")?;
        let mut site =
            Self { url: url.to_owned(), access_token: String::new(), refresh_token: String::new() };
        site.keep(&answer["tokens"]);
        Ok(site)
    }

    fn keep(&mut self, tokens: &Value) {
        let text = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
        (self.access_token, self.refresh_token) = (text("access_token"), text("refresh_token"));
    }

    pub(crate) fn access_token(&self) -> &str {
        &self.access_token
    }

    /// Gets new tokens. When the answer is lost, the same refresh token gets it again.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        let body = json!({ "refresh_token": self.refresh_token });
        let tokens = post(&format!("{}/api/v1/auth/token", self.url), None, &body)?;
        self.keep(&tokens);
        Ok(())
    }

    /// The direct conversation with somebody, begun if it was not.
    pub(crate) fn begin(&self, with: &str) -> Result<String> {
        let body = json!({ "members": [format!("@{}", with.trim_start_matches('@'))] });
        let conversation =
            post(&format!("{}/api/v1/conversations", self.url), Some(&self.access_token), &body)
                .with_context(|| format!("beginning a conversation with {with}"))?;
        conversation["id"].as_str().map(ToOwned::to_owned).context("a conversation has an id")
    }

    /// The newest messages, newest first, with `last_seq`.
    pub(crate) fn messages(&self, conversation: &str) -> Result<Value> {
        let url = format!("{}/api/v1/conversations/{conversation}/messages?limit=20", self.url);
        let mut answer =
            ureq::get(url).header("authorization", format!("Bearer {}", self.access_token)).call()?;
        Ok(answer.body_mut().read_json()?)
    }

    pub(crate) fn gateway(&self) -> String {
        format!("{}/api/v1/gateway", self.url.replacen("http", "ws", 1))
    }
}

fn post(url: &str, bearer: Option<&str>, body: &Value) -> Result<Value> {
    let mut request = ureq::post(url);
    if let Some(token) = bearer {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    Ok(request.send_json(body)?.body_mut().read_json()?)
}
