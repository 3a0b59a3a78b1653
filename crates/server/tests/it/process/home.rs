//! The folder and the settings of a site, and the processes that run in it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use blegram_persistence::testing::{Backend, TestDatabase};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};

use crate::client::{Client, in_time};

/// The environment of the binary: its own folder, address and settings.
pub(crate) struct Home {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    settings: Vec<(String, String)>,
    database: Option<TestDatabase>,
}

impl Home {
    /// A new home with fast password hashing.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let address = free_address();
        let listen = address.to_string();
        let usual = [
            ("BLEGRAM_SERVER__LISTEN", listen.as_str()),
            ("BLEGRAM_ACCOUNTS__PASSWORD_MEMORY_KIB", "64"),
            ("BLEGRAM_ACCOUNTS__PASSWORD_ITERATIONS", "1"),
        ];
        let settings = usual.iter().chain(settings);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { address, folder: TempDir::new().unwrap(), settings, database: None }
    }

    /// A new home with a database of this kind, which has the current schema.
    pub(crate) async fn on(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let home = Self::new(settings);
        match backend {
            // The first start creates the database.
            Backend::Sqlite => home,
            Backend::Postgres => {
                let database = TestDatabase::new(backend).await;
                let home = home.set("BLEGRAM_DATABASE__URL", database.url());
                Self { database: Some(database), ..home }
            }
        }
    }

    /// A new home that reaches its PostgreSQL database through a pooler.
    pub(crate) async fn behind(pooler: SocketAddr, settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::new(Backend::Postgres).await;
        let (_, name) = database.url().rsplit_once('/').unwrap();
        let url = format!("postgres://postgres@{pooler}/{name}");
        let home = Self::new(settings).set("BLEGRAM_DATABASE__URL", &url);
        Self { database: Some(database), ..home }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As another node of the site of `other`, which has no `server.public_url`.
    pub(crate) fn sharing_the_address_of(self, other: &Self) -> Self {
        self.set("BLEGRAM_SERVER__PUBLIC_URL", &format!("http://{}", other.address))
    }

    /// The URL of the site.
    pub(crate) fn site(&self) -> String {
        let url = self.settings.iter().rfind(|(name, _)| name == "BLEGRAM_SERVER__PUBLIC_URL");
        url.map_or_else(|| format!("http://{}", self.address), |(_, url)| url.clone())
    }

    /// The URL of the PostgreSQL database.
    pub(crate) fn database_url(&self) -> &str {
        let url = self.settings.iter().rfind(|(name, _)| name == "BLEGRAM_DATABASE__URL");
        &url.unwrap().1
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts `blegram <arguments>` here.
    pub(crate) fn run(&self, arguments: &str) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blegram"));
        command.args(arguments.split(' ')).current_dir(&self.folder).env_clear().envs(self.settings.clone());
        Process::new(&mut command)
    }

    /// Runs `blegram <arguments>` here to its end, with `input` on its standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blegram"));
        command.args(arguments).current_dir(&self.folder).env_clear().envs(self.settings.clone());
        let mut process = Process::with_stdin(&mut command, Stdio::piped());
        // Dropping the pipe ends the input. A process that reads no input may have exited by now.
        let _ = process.child.stdin.take().unwrap().write_all(input.as_bytes());
        process.end().await
    }

    /// The PostgreSQL database that the home was created with.
    pub(crate) fn database(&self) -> &TestDatabase {
        self.database.as_ref().unwrap()
    }

    /// Starts the site and waits until it is ready.
    pub(crate) async fn serve(&self) -> Process {
        self.ready(self.run("serve")).await
    }

    /// Starts the site so that it gets an error instead of a signal (`SIGXFSZ`) when a file must not grow, and waits
    /// until it is ready.
    pub(crate) async fn serve_ignoring_file_limits(&self) -> Process {
        let mut command = Command::new("/bin/sh");
        let script = format!("trap '' XFSZ; exec {} serve", env!("CARGO_BIN_EXE_blegram"));
        command.args(["-c", &script]).current_dir(&self.folder).env_clear().envs(self.settings.clone());
        self.ready(Process::new(&mut command)).await
    }

    async fn ready(&self, mut process: Process) -> Process {
        let ready = async {
            while !self.is_ready().await {
                assert!(!process.has_ended(), "the site exited at start");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        in_time(ready).await;
        process
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut client) = Client::connect(self.address).await else { return false };
        let sent = client.try_send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        sent.is_ok() && client.try_answer().await.is_ok_and(|answer| answer.status == 200)
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await.unwrap()
    }
}

/// A free port below the kernel's range for outgoing connections, so that none of them can take it before the process
/// listens on it.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test processes that run at the same time start at different ports.
        let offset = std::process::id().wrapping_mul(61) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + u16::try_from(offset % 12_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return (Ipv4Addr::LOCALHOST, port).into();
        }
    }
}

/// A program that `cargo xtask` found or installed for the tests.
#[expect(clippy::disallowed_methods, reason = "it belongs to the tests, not to the configuration")]
pub(crate) fn program(variable: &str) -> PathBuf {
    std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`"))
        .into()
}

/// A third-party server; killed when dropped.
pub(crate) struct Daemon(Process);

impl Daemon {
    /// Starts the server and waits until it accepts connections.
    pub(crate) async fn start(command: &mut Command, address: SocketAddr) -> Self {
        let mut daemon = Self(Process::new(command));
        let ready = async {
            while Client::connect(address).await.is_err() {
                assert!(!daemon.0.has_ended(), "{command:?} exited at start");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        in_time(ready).await;
        daemon
    }
}

/// A running `blegram`; killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

/// How a process exited, and its output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert_eq!(self.code, Some(0), "{self:?}");
    }

    /// Asserts that the process failed with exit code 1, and that its standard error contains all of `words`.
    #[track_caller]
    pub(crate) fn assert_failure(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

impl Process {
    fn new(command: &mut Command) -> Self {
        Self::with_stdin(command, Stdio::null())
    }

    fn with_stdin(command: &mut Command, stdin: Stdio) -> Self {
        let command = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the process to exit by itself.
    pub(crate) async fn end(mut self) -> Ended {
        let status = self.status().await;
        let (code, signal) = (status.code(), status.signal());
        Ended { code, signal, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    // The output is complete when both pipes close, which happens when the process exits.
    async fn status(&mut self) -> ExitStatus {
        let _ = in_time(&mut self.stdout.closed).await;
        let _ = in_time(&mut self.stderr.closed).await;
        self.child.wait().unwrap()
    }

    /// Waits until the process has printed this.
    pub(crate) async fn prints(&self, words: &str) {
        let printed = async {
            while !self.stdout().contains(words) {
                self.stdout.grown.notified().await;
            }
        };
        in_time(printed).await;
    }

    /// Waits until the process has logged this.
    pub(crate) async fn logs(&self, words: &str) {
        let logged = async {
            while !self.stderr.text().contains(words) {
                self.stderr.grown.notified().await;
            }
        };
        in_time(logged).await;
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// The peak resident memory of the process (`VmHWM`).
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- stdout of blegram\n{}--- stderr of blegram\n{}---",
                self.stdout.text(),
                self.stderr.text()
            );
        }
    }
}

/// The output of a process. A thread reads it, so that the process never waits for a reader.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    grown: Arc<Notify>,
    closed: oneshot::Receiver<()>,
}

impl Output {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let (open, closed) = oneshot::channel::<()>();
        let grown = Arc::<Notify>::default();
        let (page, news) = (Arc::clone(&bytes), Arc::clone(&grown));
        std::thread::spawn(move || {
            let _open = open;
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut piece) {
                page.lock().unwrap_or_else(PoisonError::into_inner).extend(&piece[..count]);
                news.notify_one();
            }
        });
        Self { bytes, grown, closed }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}
