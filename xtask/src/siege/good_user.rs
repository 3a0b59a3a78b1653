//! The good user: posts, uploads, searches, chats, connects and logs in, at the pace of a busy person.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use crate::blegram::PASSWORD;
use crate::client::image::{FORM_TYPE, form, jpeg};
use crate::client::socket::{Failure, Socket};
use crate::client::{Client, Entry};

/// Time between two rounds of actions.
const PACE: Duration = Duration::from_millis(500);
/// An account accepts ten logins in ten minutes from one device.
const LOGINS: u32 = 6;

/// What the good user does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Post,
    Upload,
    Search,
    Message,
    Connect,
    LogIn,
}

impl Action {
    pub(crate) const ALL: [Self; 6] =
        [Self::Post, Self::Upload, Self::Search, Self::Message, Self::Connect, Self::LogIn];
}

/// One action and its result.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) action: Action,
    pub(crate) time: Duration,
    pub(crate) result: Outcome,
}

/// The result of an action.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// 4xx.
    Rejected(String),
    /// 5xx, or no response.
    Failed(String),
}

impl Outcome {
    /// What the server answered instead.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self {
            Self::Success => None,
            Self::Rejected(why) | Self::Failed(why) => Some(why),
        }
    }
}

/// A user with an account, a conversation and a connection to the gateway.
pub(crate) struct GoodUser {
    client: Client,
    username: String,
    conversation: String,
    socket: Socket,
    form: Vec<u8>,
    messages: u64,
}

impl GoodUser {
    /// Signs up, and starts a conversation with a friend.
    pub(crate) fn new(entry: &Entry, username: &str, address: &str) -> Result<Self> {
        let friend = format!("{username}.f");
        Client::sign_up(entry, address, &friend)?;
        let client = Client::sign_up(entry, address, username)?;
        let input = json!({"members": [format!("@{friend}")]});
        let conversation = client.post("/api/v1/conversations", &input)?.json()?;
        let socket = Socket::open(&client)?.map_err(|failure| anyhow::anyhow!("{failure:?}"))?;
        Ok(Self {
            client,
            username: username.into(),
            conversation: conversation["id"].as_str().context("the conversation has no id")?.into(),
            socket,
            form: form(&jpeg(256, 1), 1),
            messages: 0,
        })
    }

    /// Works for `time`.
    pub(crate) fn work(mut self, time: Duration) -> Vec<Sample> {
        let (begin, mut samples, mut logins) = (Instant::now(), Vec::new(), 0);
        while begin.elapsed() < time {
            let round = Instant::now();
            let mut actions =
                vec![Action::Post, Action::Upload, Action::Search, Action::Message, Action::Connect];
            if begin.elapsed() >= time / LOGINS * logins {
                actions.push(Action::LogIn);
                logins += 1;
            }
            samples.extend(actions.into_iter().map(|action| self.sample(action)));
            sleep(PACE.saturating_sub(round.elapsed()));
        }
        samples
    }

    fn sample(&mut self, action: Action) -> Sample {
        let begin = Instant::now();
        let result = self.act(action);
        Sample {
            action,
            time: begin.elapsed(),
            result: result.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}"))),
        }
    }

    fn act(&mut self, action: Action) -> Result<Outcome> {
        let client = &self.client;
        let answer = match action {
            Action::Post => client.post("/api/v1/posts", &json!({"text": "한강에서 본 노을 #서울"}))?,
            Action::Upload => client.post_bytes("/api/v1/media", FORM_TYPE, self.form.clone())?,
            Action::Search => client.get("/api/v1/search/posts?q=%EB%85%B8%EC%9D%84")?,
            Action::LogIn => {
                let input = json!({"login": self.username, "password": PASSWORD, "client": "browser"});
                client.logged_out().post("/api/v1/auth/login", &input)?
            }
            Action::Message => return self.send_message(),
            Action::Connect => {
                return Ok(Socket::open(client)?.err().map_or(Outcome::Success, outcome_of));
            }
        };
        Ok(outcome_of_status(answer.status, || answer.text()))
    }

    fn send_message(&mut self) -> Result<Outcome> {
        self.messages += 1;
        let input = json!({
            "conversation_id": self.conversation,
            "client_id": format!("019aaf60-4c00-7b11-a2c3-{:012x}", self.messages),
            "text": "내일 봐요",
        });
        let failure = self.socket.run("message.send", &input, "message.created")?;
        Ok(failure.map_or(Outcome::Success, outcome_of))
    }
}

fn outcome_of(failure: Failure) -> Outcome {
    match failure {
        Failure::Status(status) => outcome_of_status(status, || "the handshake".into()),
        Failure::Code(code) if ["unavailable", "overloaded", "internal"].contains(&&*code) => {
            Outcome::Failed(code)
        }
        Failure::Code(code) => Outcome::Rejected(code),
    }
}

fn outcome_of_status(status: u16, text: impl Fn() -> String) -> Outcome {
    match status {
        101 | 200..300 => Outcome::Success,
        400..500 => Outcome::Rejected(format!("{status} {}", text())),
        _ => Outcome::Failed(format!("{status} {}", text())),
    }
}
