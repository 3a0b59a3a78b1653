//! The site under test: nodes, PostgreSQL, Redis, and the links between them and to the clients.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::process::Command;
use url::Url;

use crate::{
    Options,
    link::{Link, Mode},
    node::{DRAIN_MS, Node, Site},
    process::{bound, until},
    services::{Postgres, Redis, free_address},
};

/// 32 bytes in Base64; nodes share it.
const SITE_KEY: &str = "dG9ydHVyZSBvZiBzZXZlcmFsIG5vZGVzIDAxMjM0NTY=";
/// The clocks of the nodes, in seconds ahead. One is always wrong.
const SKEWS: [i32; 3] = [0, 40, 0];

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    /// The way of each client.
    pub(crate) links: Vec<Link>,
    /// Whether nodes have clocks of their own.
    pub(crate) has_clocks: bool,
}

impl Cluster {
    /// Starts everything in `folder`.
    pub(crate) async fn start(options: &Options, folder: &std::path::Path) -> Result<Self> {
        let programs = options.postgres.clone().unwrap_or_default();
        let postgres = Postgres::start(programs, folder.join("postgres"), free_address()?).await?;
        let redis = Redis::start(options.redis.clone(), folder.join("redis"), free_address()?).await?;
        let faketime = options.faketime.clone().filter(|path| path.exists());
        let has_clocks = faketime.is_some();
        let site = Site {
            binary: options.blegram.clone(),
            folder: folder.to_owned(),
            settings: settings(options, folder).await?,
            faketime,
        };
        migrate(&site, &postgres).await?;
        let mut nodes = Vec::new();
        for number in 0..options.nodes {
            let to_postgres = Link::start(vec![postgres.address], 0).await?;
            let to_redis = Link::start(vec![redis.address], 0).await?;
            let mut node = site.node(number, free_address()?, to_postgres, to_redis)?;
            node.set_clock(SKEWS[number % SKEWS.len()])?;
            node.launch().await?;
            nodes.push(node);
        }
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let mut links = Vec::new();
        for client in 0..options.clients + options.raw {
            links.push(Link::start(addresses.clone(), client).await?);
        }
        Ok(Self { nodes, postgres, redis, links, has_clocks })
    }

    /// Ends all faults and waits until every node is healthy.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        self.links.iter().for_each(|link| link.set(Mode::Open));
        self.redis.signal(Signal::CONT);
        self.redis.launch_if_ended().await?;
        self.postgres.heal().await?;
        for node in &mut self.nodes {
            node.signal(Signal::CONT);
            node.to_postgres.set(Mode::Open);
            node.to_redis.set(Mode::Open);
            node.heal().await?;
        }
        for node in &self.nodes {
            until("the recovery of a node", async || node.is_healthy().await).await?;
        }
        Ok(())
    }

    /// Stops everything.
    pub(crate) async fn stop(mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.stop(Signal::KILL).await?;
        }
        self.redis.kill().await?;
        self.postgres.remove().await
    }
}

/// The URL of a server at this address.
pub(crate) fn site(address: SocketAddr) -> Result<Url> {
    Ok(format!("http://{address}/").parse()?)
}

async fn migrate(site: &Site, postgres: &Postgres) -> Result<()> {
    let mut command = bound(&site.binary, "KILL", None);
    command.args(["migrate", "up"]).current_dir(&site.folder).env_clear().envs(site.settings.clone());
    command.env("BLEGRAM_DATABASE__URL", postgres.url(postgres.address));
    let output = command.kill_on_drop(true).output().await.context("starting blegram")?;
    anyhow::ensure!(
        output.status.success(),
        "migrate failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Settings of all nodes: no rate limits, because all users have one address; quick passwords, heartbeats and drains.
async fn settings(options: &Options, folder: &std::path::Path) -> Result<Vec<(String, String)>> {
    let mut settings: Vec<(String, String)> =
        unlimited(&options.blegram).await?.into_iter().map(|name| (name, "1000000".to_owned())).collect();
    let media = format!("file://{}", folder.join("media").display());
    let drain = DRAIN_MS.to_string();
    let own = [
        ("BLEGRAM_SERVER__PUBLIC_URL", "http://127.0.0.1:8080"),
        ("BLEGRAM_SECRETS__KEY", SITE_KEY),
        ("BLEGRAM_MEDIA__STORAGE", &media),
        ("BLEGRAM_ACCOUNTS__PASSWORD_MEMORY_KIB", "64"),
        ("BLEGRAM_ACCOUNTS__PASSWORD_ITERATIONS", "1"),
        ("BLEGRAM_GATEWAY__HEARTBEAT_SECONDS", "5"),
        ("BLEGRAM_GATEWAY__PONG_TIMEOUT_SECONDS", "5"),
        // Stalled connections overflow.
        ("BLEGRAM_GATEWAY__QUEUE_FRAMES", "8"),
        ("BLEGRAM_GATEWAY__DRAIN_MIN_MS", &drain),
        ("BLEGRAM_GATEWAY__DRAIN_MAX_MS", &drain),
    ];
    settings.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    settings.extend(options.bug.iter().map(|bug| ("BLEGRAM_PLANTED_BUG".to_owned(), bug.clone())));
    Ok(settings)
}

/// The names of the settings that limit rates.
async fn unlimited(blegram: &PathBuf) -> Result<Vec<String>> {
    let output = Command::new(blegram).args(["config", "docs", "--env"]).env_clear().output().await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let assigned = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let names = assigned.map(|name| name.trim_start_matches(['#', ' ']).trim_end());
    let bursts = names.filter(|name| name.starts_with("BLEGRAM_LIMITS__") && name.ends_with("__BURST"));
    Ok(bursts.map(str::to_owned).collect())
}
