//! Runs a blegram server with its own settings on a free port, and sends HTTP requests to it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::client::image::FORM_TYPE;
use crate::generate::ENV_EXAMPLE;
use crate::process::{Process, Terminal, bound, output, run, wait_until};
use crate::scratch::Scratch;
use crate::services::postgres::free_address;
use crate::workspace::root;

const START_LIMIT: Duration = Duration::from_secs(60);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const COOKIE: &str = "auth-blegram";
/// The password of all accounts.
pub(crate) const PASSWORD: &str = "plum tractor 92 sings";

/// The binary and settings of a site; its server can be started repeatedly.
pub(crate) struct Site {
    binary: PathBuf,
    scratch: Scratch,
    settings: Vec<(String, String)>,
}

/// A running server; stopped when dropped.
pub(crate) struct Blegram {
    server: Process,
    agent: Agent,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    origin: String,
    /// Time from the spawn to the first successful `/readyz`.
    pub(crate) started_in: Duration,
}

/// An account created by [`Blegram::sign_up`].
pub(crate) struct Member {
    /// The secret of the session cookie.
    pub(crate) session: String,
}

impl Member {
    /// The value of the `Cookie` header.
    pub(crate) fn cookie(&self) -> String {
        format!("{COOKIE}={}", self.session)
    }
}

/// A command that runs the binary without the developer's settings, which must not affect generated files and
/// benchmarks.
pub(crate) fn command(binary: &Path) -> Command {
    let mut command = bound(binary, "TERM");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BLEGRAM_")) {
        command.env_remove(name);
    }
    // The binary reads `.env` and `blegram.toml` in the current directory.
    command.current_dir("/");
    command
}

/// The directory `target/xtask`, for files kept between runs, and logs.
pub(crate) fn output_folder() -> Result<PathBuf> {
    let folder = root().join("target/xtask");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

impl Site {
    /// Creates an empty site on the embedded database, or on the PostgreSQL at `database_url`, which is migrated.
    pub(crate) fn new(binary: &Path, database_url: Option<&str>) -> Result<Self> {
        Self::with_settings(binary, database_url, unlimited(binary)?)
    }

    /// Creates an empty site with these environment variables instead.
    pub(crate) fn with_settings(
        binary: &Path,
        database_url: Option<&str>,
        mut settings: Vec<(String, String)>,
    ) -> Result<Self> {
        let scratch = Scratch::new()?;
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

    /// The directory of the embedded database, local images and generated secrets.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// Runs a command of the binary on the site's data and returns its output.
    pub(crate) fn command_output(&self, words: &[&str]) -> Result<String> {
        output(self.command().args(words)).with_context(|| format!("`blegram {}` failed", words.join(" ")))
    }

    /// Suspends an account with `blegram user suspend`.
    pub(crate) fn suspend(&self, username: &str) -> Result<()> {
        run(self.command().args(["user", "suspend", username]))
    }

    /// Starts the server and waits until it is ready; its log goes to `target/xtask/blegram.log`.
    pub(crate) fn start(&self) -> Result<Blegram> {
        self.start_at("blegram", self.command(), free_address()?)
    }

    /// The same, with further settings as environment variables.
    pub(crate) fn start_with(&self, settings: &[(&str, String)]) -> Result<Blegram> {
        let mut command = self.command();
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        self.start_at("blegram", command, free_address()?)
    }

    /// Starts one of several servers of the site, with a data directory of its own; its log goes to
    /// `target/xtask/NAME.log`.
    pub(crate) fn start_node(&self, name: &str) -> Result<Blegram> {
        self.start_node_at(name, free_address()?)
    }

    /// The same, at this address.
    pub(crate) fn start_node_at(&self, name: &str, address: SocketAddr) -> Result<Blegram> {
        const STORAGE: &str = "BLEGRAM_MEDIA__STORAGE";
        let mut command = self.command();
        command.env("BLEGRAM_SERVER__DATA_DIR", self.scratch.path().join(name));
        if !self.settings.iter().any(|(name, _)| name == STORAGE) {
            // Nodes share the images.
            command.env(STORAGE, format!("file://{}", self.data_folder().join("media").display()));
        }
        self.start_at(name, command, address)
    }

    fn start_at(&self, name: &str, mut command: Command, address: SocketAddr) -> Result<Blegram> {
        let path = output_folder()?.join(format!("{name}.log"));
        let log = File::create(&path).context("creating the server's log")?;
        command
            .arg("serve")
            .env("BLEGRAM_SERVER__LISTEN", address.to_string())
            .stdout(log.try_clone()?)
            .stderr(log);
        let begin = Instant::now();
        let server = Process::spawn(&mut command, Terminal::Own, Signal::TERM)?;
        self.scratch.record(name, server.id())?;
        let mut blegram = Blegram {
            server,
            agent: agent(),
            address,
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

/// Settings that lift all rate limits, because all users have the same address here.
pub(crate) fn unlimited(binary: &Path) -> Result<Vec<(String, String)>> {
    unlimited_where(binary, |_| true)
}

/// Settings that lift the rate limits of addresses.
pub(crate) fn unlimited_addresses(binary: &Path) -> Result<Vec<(String, String)>> {
    unlimited_where(binary, |name| name.contains("ADDRESS"))
}

fn unlimited_where(binary: &Path, is_lifted: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>> {
    let text = output(command(binary).args(ENV_EXAMPLE.split(' ')));
    let text = text.with_context(|| format!("`blegram {ENV_EXAMPLE}` failed"))?;
    let names = burst_names(&text).filter(|name| is_lifted(name));
    Ok(names.map(|name| (name.into(), "1000000".into())).collect())
}

fn burst_names(env_example: &str) -> impl Iterator<Item = &str> {
    let assigned = env_example.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let names = assigned.map(|name| name.trim_start_matches(['#', ' ']).trim_end());
    names.filter(|name| name.starts_with("BLEGRAM_LIMITS__") && name.ends_with("__BURST"))
}

fn agent() -> Agent {
    // Error statuses are responses to evaluate, not transport errors.
    Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_LIMIT)).build().into()
}

impl Blegram {
    /// `http://127.0.0.1:…`
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    fn is_ready(&mut self) -> Result<bool> {
        if let Some(status) = self.server.ended()? {
            bail!("the server exited ({status})");
        }
        Ok(self
            .agent
            .get(format!("{}/readyz", self.origin))
            .call()
            .is_ok_and(|answer| answer.status() == 200))
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Resident memory, on systems with `/proc`.
    pub(crate) fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
    }

    /// CPU time used so far, on systems with `/proc`.
    pub(crate) fn cpu_time(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.server.id())).ok()?;
        // The second field, the name of the program, is in parentheses and may contain spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// Signs up as a browser.
    pub(crate) fn sign_up(&self, username: &str) -> Result<Member> {
        let input = json!({"username": username, "password": PASSWORD, "client": "browser"});
        let answer = self.post("/api/v1/auth/signup", &input, None)?;
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let session = cookies
            .filter_map(session_of)
            .next_back()
            .context("the sign-up response has no session cookie")?;
        Ok(Member { session: session.into() })
    }

    /// Logs in as a native app and returns the access token.
    pub(crate) fn access_token(&self, username: &str) -> Result<String> {
        let input = json!({"login": username, "password": PASSWORD, "client": "native"});
        let answer: Value = self.post("/api/v1/auth/login", &input, None)?.body_mut().read_json()?;
        Ok(answer["tokens"]["access_token"]
            .as_str()
            .context("the login response has no access token")?
            .into())
    }

    /// Returns the duration and the status of a login.
    pub(crate) fn time_login(&self, username: &str, password: &str) -> Result<(Duration, u16)> {
        let input = json!({"login": username, "password": password, "client": "browser"});
        let request = self.agent.post(format!("{}/api/v1/auth/login", self.origin));
        let begin = Instant::now();
        let mut answer = request.header("sec-fetch-site", "same-origin").send_json(&input)?;
        answer.body_mut().read_to_vec()?;
        Ok((begin.elapsed(), answer.status().as_u16()))
    }

    /// Creates a post and returns its id.
    pub(crate) fn post_text(&self, author: &Member, text: &str) -> Result<String> {
        let post: Value =
            self.post("/api/v1/posts", &json!({"text": text}), Some(author))?.body_mut().read_json()?;
        Ok(post["id"].as_str().context("the created post has no id")?.into())
    }

    /// The JSON response to a request with an access token.
    pub(crate) fn get(&self, path: &str, token: &str) -> Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.origin));
        let mut answer = request.header("authorization", format!("Bearer {token}")).call()?;
        let status = answer.status();
        ensure!(status.is_success(), "GET {path}: {status} {}", answer.body_mut().read_to_string()?);
        answer.body_mut().read_json().with_context(|| format!("GET {path}"))
    }

    /// Uploads the files of a form.
    pub(crate) fn upload(&self, member: &Member, form: &[u8]) -> Result<()> {
        let request =
            self.agent.post(format!("{}/api/v1/media", self.origin)).header("cookie", member.cookie());
        let request = request.header("sec-fetch-site", "same-origin").content_type(FORM_TYPE);
        let mut answer = request.send(form).context("POST /api/v1/media")?;
        let status = answer.status();
        let body = answer.body_mut().read_to_string()?;
        ensure!(status.is_success(), "POST /api/v1/media: {status} {body}");
        Ok(())
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

    /// Stops the server with SIGTERM and expects a clean exit.
    pub(crate) fn stop(self) -> Result<()> {
        let status = self.server.stop()?;
        ensure!(status.success(), "blegram did not exit cleanly on SIGTERM ({status})");
        Ok(())
    }

    /// Kills the server.
    pub(crate) fn kill(self) -> Result<()> {
        self.server.kill()
    }
}

fn session_of(cookie: &str) -> Option<&str> {
    cookie.split(';').next()?.trim().strip_prefix(COOKIE)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_settings_are_found_commented_out_or_not() {
        let text = "# BLEGRAM_LIMITS__A__BURST=5\nBLEGRAM_LIMITS__B__BURST=6\n#BLEGRAM_LIMITS__C__PERIOD=1\n# free text\n";
        assert!(burst_names(text).eq(["BLEGRAM_LIMITS__A__BURST", "BLEGRAM_LIMITS__B__BURST"]));
    }

    #[test]
    fn session_is_extracted_from_its_cookie() {
        assert_eq!(session_of("auth-blegram=abc; Path=/; HttpOnly"), Some("abc"));
        assert_eq!(session_of("other=abc"), None);
    }
}
