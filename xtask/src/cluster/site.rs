//! The parts of a site with several nodes, each a process: PostgreSQL, Redis, the S3 server, nginx and blegram.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::blegram::{Blegram, Site, unlimited_addresses};
use crate::client::Entry;
use crate::cluster::nginx::{FAIL_TIMEOUT, Nginx};
use crate::services::postgres::{Postgres, free_address};
use crate::services::redis::Redis;
use crate::services::{programs, s3};
use crate::signals;

/// Nodes share it: 32 bytes in Base64.
const SITE_KEY: &str = "dGhlIGtleSBvZiBhIHNpdGUgd2l0aCB0aHJlZSBub2Q=";

/// A running site; stopped when dropped.
pub(crate) struct Cluster {
    // Fields drop in this order: from the clients to the storage.
    pub(crate) nginx: Nginx,
    nodes: Vec<Node>,
    site: Site,
    pub(crate) redis: Redis,
    _s3: s3::S3,
    pub(crate) postgres: Postgres,
}

struct Node {
    name: String,
    address: SocketAddr,
    /// `None` while it is stopped.
    server: Option<Blegram>,
    /// How often it was started.
    starts: u32,
}

impl Node {
    fn start(&mut self, site: &Site) -> Result<()> {
        self.starts += 1;
        // A log of its own for each start.
        self.server = Some(site.start_node_at(&format!("{}.{}", self.name, self.starts), self.address)?);
        Ok(())
    }
}

impl Cluster {
    /// Starts all parts, with `count` nodes of `binary`, and further settings of the nodes.
    pub(crate) fn start(binary: &Path, count: usize, settings: &[(String, String)]) -> Result<Self> {
        let (redis, s3) = (Redis::start(&programs::redis()?)?, s3::S3::start()?);
        let postgres = Postgres::start()?;
        let listen = free_address()?;
        let mut all = unlimited_addresses(binary)?;
        all.extend(own_settings(listen, &redis, &s3));
        all.extend_from_slice(settings);
        let site = Site::with_settings(binary, Some(&postgres.url()), all)?;
        let mut nodes = Vec::new();
        for number in 1..=count {
            let name = format!("node-{number}");
            let mut node = Node { name, address: free_address()?, server: None, starts: 0 };
            node.start(&site)?;
            println!("xtask: {} on {}", node.name, node.address);
            nodes.push(node);
        }
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let nginx = Nginx::start(listen, &addresses)?;
        Ok(Self { nginx, nodes, site, redis, _s3: s3, postgres })
    }

    /// How clients reach it.
    pub(crate) fn entry(&self) -> Entry {
        let server = self.nginx.address;
        Entry { server, public_url: format!("http://{server}") }
    }

    /// The running nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Blegram> {
        self.nodes.iter().filter_map(|node| node.server.as_ref())
    }

    /// The position of the node that listens at this address, as nginx writes it.
    pub(crate) fn position(&self, address: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.address.to_string() == address)
    }

    /// Restarts the nodes one after the other: SIGTERM, a clean exit, a new process that is ready, and then the time after
    /// which nginx sends it requests again.
    pub(crate) fn restart_one_by_one(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            let begin = Instant::now();
            let stopping = node.server.take().context("the node is not running")?;
            stopping.stop().with_context(|| format!("stopping {}", node.name))?;
            let stopped = begin.elapsed().as_secs_f32();
            node.start(&self.site)?;
            println!(
                "xtask: {} stopped in {stopped:.1} s, ready after {:.1} s",
                node.name,
                begin.elapsed().as_secs_f32()
            );
            pause(FAIL_TIMEOUT)?;
        }
        Ok(())
    }

    /// Kills a node, and starts it again after `time`.
    pub(crate) fn kill_one(&mut self, position: usize, time: Duration) -> Result<()> {
        let node = &mut self.nodes[position];
        node.server.take().context("the node is not running")?.kill()?;
        println!("xtask: {} killed", node.name);
        pause(time)?;
        node.start(&self.site)?;
        println!("xtask: {} ready", node.name);
        pause(FAIL_TIMEOUT)
    }

    /// Stops all nodes cleanly.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.nodes.iter_mut().filter_map(|node| node.server.take()).try_for_each(Blegram::stop)
    }
}

/// The settings of every node: docs/operations.md has them for a site.
fn own_settings(listen: SocketAddr, redis: &Redis, s3: &s3::S3) -> Vec<(String, String)> {
    let settings = [
        ("SERVER__PUBLIC_URL", format!("http://{listen}")),
        ("SERVER__TRUSTED_PROXIES", listen.ip().to_string()),
        ("SECRETS__KEY", SITE_KEY.to_owned()),
        ("REDIS__URL", redis.url()),
        ("MEDIA__STORAGE", format!("s3://{}", s3::BUCKET)),
        ("MEDIA__S3_ENDPOINT", s3.endpoint()),
        ("MEDIA__S3_PATH_STYLE", "true".to_owned()),
        ("MEDIA__S3_ACCESS_KEY_ID", s3::KEY_ID.to_owned()),
        ("MEDIA__S3_SECRET_ACCESS_KEY", s3::SECRET.to_owned()),
        // The nodes share two processors or few more here.
        ("MEDIA__THREADS", "1".to_owned()),
    ];
    settings.map(|(name, value)| (format!("BLEGRAM_{name}"), value)).into()
}

/// Waits, unless a signal arrives.
pub(crate) fn pause(time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        signals::check()?;
        sleep(Duration::from_millis(20));
    }
    Ok(())
}
