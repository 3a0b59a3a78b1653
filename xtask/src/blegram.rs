//! A running blegram: started with settings of its own on a free port, asked over HTTP, stopped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::generate::ENV_EXAMPLE;
use crate::process::{Process, Terminal, bound, output, run, wait_until};
use crate::scratch::Scratch;
use crate::services::postgres::free_port;
use crate::workspace::root;

const START_LIMIT: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const COOKIE: &str = "auth-blegram";
/// The password of everybody.
pub(crate) const PASSWORD: &str = "plum tractor 92 sings";

/// The settings for one data folder, with which a server can start again and again.
pub(crate) struct Site {
    binary: PathBuf,
    scratch: Scratch,
    settings: Vec<(String, String)>,
}

/// A server that answers, stopped when dropped.
pub(crate) struct Blegram {
    server: Process,
    agent: Agent,
    origin: String,
    /// From the spawn to the first `/readyz` that says yes.
    pub(crate) started_in: Duration,
}

/// Somebody who has signed up.
pub(crate) struct Member {
    /// The secret of the session cookie.
    pub(crate) session: String,
}

impl Member {
    /// The field of a request that says who this is.
    pub(crate) fn cookie(&self) -> String {
        format!("{COOKIE}={}", self.session)
    }
}

/// The binary without the developer's own settings, which belong neither in committed files nor in measurements.
pub(crate) fn command(binary: &Path) -> Command {
    let mut command = bound(binary, "TERM");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BLEGRAM_")) {
        command.env_remove(name);
    }
    // `.env` and `blegram.toml` are looked for in the current folder and above it.
    command.current_dir("/");
    command
}

/// A folder for what the commands keep between runs or leave to be read.
pub(crate) fn keep() -> Result<PathBuf> {
    let folder = root().join("target/xtask");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

impl Site {
    /// An empty site on the embedded database, or on the PostgreSQL at `database_url` (migrated here).
    pub(crate) fn new(binary: &Path, database_url: Option<&str>) -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut settings = unlimited(binary)?;
        settings.push(("BLEGRAM_SERVER__DATA_DIR".into(), scratch.path().join("data").display().to_string()));
        settings.extend(database_url.map(|url| ("BLEGRAM_DATABASE__URL".into(), url.into())));
        let site = Self { binary: binary.into(), scratch, settings };
        if database_url.is_some() {
            run(site.command().args(["migrate", "up"]))?;
        }
        Ok(site)
    }

    fn command(&self) -> Command {
        let mut command = command(&self.binary);
        command
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.scratch.path());
        command
    }

    /// Takes an account out, as operators do.
    pub(crate) fn suspend(&self, username: &str) -> Result<()> {
        run(self.command().args(["user", "suspend", username]))
    }

    /// Starts the server and waits until it is ready; its log goes to `target/xtask/blegram.log`.
    pub(crate) fn start(&self) -> Result<Blegram> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let path = keep()?.join("blegram.log");
        let log = File::create(&path).context("creating the server's log")?;
        let mut command = self.command();
        command.arg("serve").env("BLEGRAM_SERVER__LISTEN", &address).stdout(log.try_clone()?).stderr(log);
        let begin = Instant::now();
        let server = Process::spawn(&mut command, Terminal::Own, Signal::TERM)?;
        self.scratch.record("blegram", server.id())?;
        let mut blegram = Blegram {
            server,
            agent: agent(),
            origin: format!("http://{address}"),
            started_in: Duration::ZERO,
        };
        wait_until(START_LIMIT, || blegram.is_ready()).with_context(|| {
            format!("blegram did not start; its log:\n{}", fs::read_to_string(&path).unwrap_or_default())
        })?;
        blegram.started_in = begin.elapsed();
        Ok(blegram)
    }
}

/// Lifts every rate limit the binary knows: here one machine plays all users.
fn unlimited(binary: &Path) -> Result<Vec<(String, String)>> {
    let text = output(command(binary).args(ENV_EXAMPLE.split(' ')));
    let text = text.with_context(|| format!("`blegram {ENV_EXAMPLE}` failed"))?;
    Ok(burst_names(&text).map(|name| (name.into(), "1000000".into())).collect())
}

fn burst_names(env_example: &str) -> impl Iterator<Item = &str> {
    let assigned = env_example.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let names = assigned.map(|name| name.trim_start_matches(['#', ' ']).trim_end());
    names.filter(|name| name.starts_with("BLEGRAM_LIMITS__") && name.ends_with("__BURST"))
}

fn agent() -> Agent {
    // A refusal is an answer to look at, not a failure of the transport.
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_LIMIT)).build().into()
}

impl Blegram {
    /// `http://127.0.0.1:…`
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    fn is_ready(&mut self) -> Result<bool> {
        if let Some(status) = self.server.ended()? {
            bail!("the server ended ({status})");
        }
        Ok(self
            .agent
            .get(format!("{}/readyz", self.origin))
            .call()
            .is_ok_and(|answer| answer.status() == 200))
    }

    /// Memory in use, where `/proc` tells.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
    }

    /// Makes an account as a browser does.
    pub(crate) fn sign_up(&self, username: &str) -> Result<Member> {
        let input = json!({"username": username, "password": PASSWORD, "client": "browser"});
        let answer = self.post("/api/v1/auth/signup", &input, None)?;
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let session =
            cookies.filter_map(session_of).next_back().context("signing up set no session cookie")?;
        Ok(Member { session: session.into() })
    }

    /// Logs in as an app does and tells the access token.
    pub(crate) fn access_token(&self, username: &str) -> Result<String> {
        let input = json!({"login": username, "password": PASSWORD, "client": "native"});
        let answer: Value = self.post("/api/v1/auth/login", &input, None)?.body_mut().read_json()?;
        Ok(answer["tokens"]["access_token"].as_str().context("logging in gave no token")?.into())
    }

    /// How long a login takes, and what it is answered.
    pub(crate) fn time_login(&self, username: &str, password: &str) -> Result<(Duration, u16)> {
        let input = json!({"login": username, "password": password, "client": "browser"});
        let request = self.agent.post(format!("{}/api/v1/auth/login", self.origin));
        let begin = Instant::now();
        let mut answer = request.header("sec-fetch-site", "same-origin").send_json(&input)?;
        answer.body_mut().read_to_vec()?;
        Ok((begin.elapsed(), answer.status().as_u16()))
    }

    /// Publishes a post and tells its id.
    pub(crate) fn post_text(&self, author: &Member, text: &str) -> Result<String> {
        let post: Value =
            self.post("/api/v1/posts", &json!({"text": text}), Some(author))?.body_mut().read_json()?;
        Ok(post["id"].as_str().context("the new post has no id")?.into())
    }

    fn post(&self, path: &str, input: &Value, member: Option<&Member>) -> Result<Response<Body>> {
        let mut request =
            self.agent.post(format!("{}{path}", self.origin)).header("sec-fetch-site", "same-origin");
        if let Some(member) = member {
            request = request.header("cookie", member.cookie());
        }
        let mut answer = request.send_json(input).with_context(|| format!("POST {path}"))?;
        let status = answer.status();
        ensure!(status.is_success(), "POST {path}: {status} {}", answer.body_mut().read_to_string()?);
        Ok(answer)
    }

    /// Asks it to end, as systemd does, and expects a clean end.
    pub(crate) fn stop(self) -> Result<()> {
        let status = self.server.stop()?;
        ensure!(status.success(), "blegram did not end cleanly on SIGTERM ({status})");
        Ok(())
    }
}

fn session_of(cookie: &str) -> Option<&str> {
    cookie.split(';').next()?.trim().strip_prefix(COOKIE)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_burst_is_found_commented_out_or_not() {
        let text = "# BLEGRAM_LIMITS__A__BURST=5\nBLEGRAM_LIMITS__B__BURST=6\n#BLEGRAM_LIMITS__C__PERIOD=1\n# free text\n";
        assert!(burst_names(text).eq(["BLEGRAM_LIMITS__A__BURST", "BLEGRAM_LIMITS__B__BURST"]));
    }

    #[test]
    fn the_session_is_cut_out_of_its_cookie() {
        assert_eq!(session_of("auth-blegram=abc; Path=/; HttpOnly"), Some("abc"));
        assert_eq!(session_of("other=abc"), None);
    }
}
