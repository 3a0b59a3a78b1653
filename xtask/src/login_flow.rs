//! `cargo xtask login-flow`: logs in to the binary with Chromium through oidc-provider, which shares no code with blegram.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::blegram::{Blegram, Site, output_folder};
use crate::packages::{self, Package};
use crate::process::{run as run_command, succeeds};
use crate::scratch::sweep;
use crate::services::postgres::{Postgres, free_port};
use crate::workspace::{build_binary, root};

pub(crate) const NODE: Package = Package {
    name: "Node.js with npm",
    apt: "npm",
    before: "",
    fedora: "sudo dnf install nodejs-npm",
    macos: "brew install node",
};

pub(crate) const CHROMIUM: Package = Package {
    name: "Chromium",
    apt: "chromium",
    before: "",
    fedora: "sudo dnf install chromium",
    macos: "brew install --cask chromium",
};

/// The script and its pinned packages.
const FILES: [&str; 3] = ["flow.mjs", "package.json", "package-lock.json"];

const CLIENT_SECRET: &str = "the client secret of the login flow";

/// Nodes share it: 32 bytes in Base64.
const SITE_KEY: &str = "bG9naW4gZmxvdyBvZiB0d28gbm9kZXMgMDEyMzQ1Njc=";

/// The native app listens on loopback, on a free port.
const APP_REDIRECT: &str = "http://127.0.0.1/app";

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Use this browser
    #[arg(long, value_name = "PATH", default_value = "/usr/bin/chromium")]
    chromium: PathBuf,
}

/// Runs the script against one server on SQLite, and against two on PostgreSQL, where each login starts on one and finishes
/// on the other. Fails if a login fails or a server does not stop cleanly.
pub(crate) fn run(options: &Options) -> Result<u8> {
    sweep()?;
    let script = install(&options.chromium)?;
    let binary = options.binary.clone().map_or_else(|| build_binary("blegram", "dev"), Ok)?;
    println!("xtask: logging in to one node on SQLite");
    let port = free_port()?.to_string();
    let site = Site::with_settings(&binary, None, settings(&port))?;
    log_in(&script, options, &port, None, vec![site.start()?])?;
    println!("xtask: logging in to two nodes on PostgreSQL");
    let postgres = Postgres::start()?;
    let (port, public_port) = (free_port()?.to_string(), free_port()?.to_string());
    let public_url = format!("http://127.0.0.1:{public_port}");
    let mut settings = settings(&port);
    settings.push(("BLEGRAM_SERVER__PUBLIC_URL".to_owned(), public_url.clone()));
    settings.push(("BLEGRAM_SECRETS__KEY".to_owned(), SITE_KEY.to_owned()));
    let site = Site::with_settings(&binary, Some(&postgres.url()), settings)?;
    let nodes = vec![site.start_node("blegram-1")?, site.start_node("blegram-2")?];
    log_in(&script, options, &port, Some(&public_url), nodes)?;
    Ok(0)
}

/// Runs the script. With a `public_url`, the script listens there and distributes the requests to the nodes.
fn log_in(
    script: &Path,
    options: &Options,
    provider_port: &str,
    public_url: Option<&str>,
    nodes: Vec<Blegram>,
) -> Result<()> {
    let origins: Vec<&str> = nodes.iter().map(Blegram::origin).collect();
    let mut node = Command::new("node");
    node.arg(script)
        .env("BLEGRAM_ORIGIN", public_url.unwrap_or(origins[0]))
        .env("BLEGRAM_NODES", if public_url.is_some() { origins.join(" ") } else { String::new() })
        .env("PROVIDER_PORT", provider_port)
        .env("CLIENT_SECRET", CLIENT_SECRET)
        .env("APP_REDIRECT", APP_REDIRECT)
        .env("CHROMIUM", &options.chromium);
    let result = run_command(&mut node);
    for node in nodes {
        node.stop()?;
    }
    let logs = output_folder()?;
    result.with_context(|| format!("see the logs of the servers in {}", logs.display()))
}

fn settings(port: &str) -> Vec<(String, String)> {
    let provider =
        |name: &str, value: &str| (format!("BLEGRAM_LOGIN__PROVIDERS__0__{name}"), value.to_owned());
    vec![
        provider("PRESET", "oidc"),
        provider("NAME", "Test provider"),
        provider("ISSUER", &format!("http://127.0.0.1:{port}")),
        provider("CLIENT_ID", "blegram"),
        provider("CLIENT_SECRET", CLIENT_SECRET),
        // The login page of the server, which works without a script.
        ("BLEGRAM_SERVER__WEB".to_owned(), "off".to_owned()),
        ("BLEGRAM_LOGIN__APP_REDIRECT_URIS".to_owned(), APP_REDIRECT.to_owned()),
    ]
}

/// Copies the script to a directory of its own with its packages, and returns its path.
fn install(chromium: &Path) -> Result<PathBuf> {
    if !succeeds(Command::new("npm").arg("--version")) {
        packages::install(&NODE)?;
    }
    if !chromium.exists() {
        packages::install(&CHROMIUM)?;
    }
    let folder = output_folder()?.join("login-flow");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for name in FILES {
        let source = root().join("xtask/login-flow").join(name);
        fs::copy(&source, folder.join(name)).with_context(|| format!("copying {}", source.display()))?;
    }
    run_command(
        Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder),
    )?;
    Ok(folder.join("flow.mjs"))
}
