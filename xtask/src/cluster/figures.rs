//! `cargo xtask cluster --figures`: what one, two and three nodes do on this machine, which the load shares with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::blegram::{Blegram, unlimited};
use crate::cluster::site::Cluster;
use crate::services::postgres::Postgres;
use crate::signals;
use crate::workspace::{build_binary, root};

/// Settings of a server under load from one machine.
const CONFIG: &str = "xtask/gateway-load/blegram.toml";
const MESSAGES: u64 = 500;
const SECONDS: u64 = 15;
/// Commands of Redis that a message does not cause: tests of connections, subscriptions and this measurement.
const UNRELATED: [&str; 8] =
    ["ping", "info", "quit", "script|load", "subscribe", "unsubscribe", "client|setinfo", "hello"];

/// Measures one, two and three nodes, and prints the table.
pub(crate) fn run(binary: &Path) -> Result<u8> {
    let load = build_binary("xtask-gateway-load", "release")?;
    println!(
        "xtask: figures on {} processors, which the nodes, PostgreSQL (without fsync), Redis and the load share",
        std::thread::available_parallelism()?
    );
    let rows = (1..=3).map(|count| measure(binary, &load, count)).collect::<Result<Vec<_>>>()?;
    println!(
        "\n| nodes | one message at a time: to the reply ms | to the recipient on the next node ms | Redis commands per \
         message | many messages: acknowledged per second | to the reply ms | bytes stored per message | written to the log | MiB per node, idle | after \
         |\n|---:|---:|---:|---|---:|---:|---:|---:|---|---|\n{}\n",
        rows.join("\n")
    );
    Ok(0)
}

/// One row. Times are p50 / p99.
fn measure(binary: &Path, load: &Path, count: usize) -> Result<String> {
    let mut settings = unlimited(binary)?;
    settings.push(("BLEGRAM_CONFIG".to_owned(), root().join(CONFIG).display().to_string()));
    let mut cluster = Cluster::start(binary, count, &settings)?;
    let idle = memory(&cluster);
    let urls: Vec<String> = cluster.nodes().map(|node| node.origin().to_owned()).collect();
    let run = |words: String| run_load(load, &urls, &words);
    let before = cluster.redis.command_counts()?;
    let direct = run(format!("direct --messages {MESSAGES}"))?;
    let commands = per_message(&before, &cluster.redis.command_counts()?);
    let disk_before = Disk::measure(&cluster.postgres)?;
    let send = run(format!("send --conversations 100 --in-flight 10 --seconds {SECONDS}"))?;
    let disk = Disk::measure(&cluster.postgres)?;
    let stored =
        send["stored"]["listed"].as_f64().context("the report does not count the stored messages")?;
    let row = format!(
        "| {count} | {} | {} | {commands} | {:.0} | {} | {:.0} | {:.0} | {idle} | {} |",
        times(&direct["ack"]),
        times(&direct["created"]),
        send["acked_per_second"].as_f64().context("no rate")?,
        times(&send["ack"]),
        (disk.stored - disk_before.stored) / stored,
        (disk.logged - disk_before.logged) / stored,
        memory(&cluster),
    );
    cluster.stop()?;
    Ok(row)
}

/// Bytes on the disk of PostgreSQL.
struct Disk {
    /// Tables and indexes.
    stored: f64,
    /// The write-ahead log, since its beginning.
    logged: f64,
}

impl Disk {
    fn measure(postgres: &Postgres) -> Result<Self> {
        let stored = postgres.number("SELECT pg_database_size(current_database())")?;
        Ok(Self { stored, logged: postgres.number("SELECT pg_current_wal_lsn() - '0/0'")? })
    }
}

/// Runs the load generator, which fails if a message is lost, and returns its report.
fn run_load(load: &Path, urls: &[String], words: &str) -> Result<Value> {
    println!("xtask: {words}, {} nodes", urls.len());
    let mut command = Command::new(load);
    command.args(urls.iter().flat_map(|url| ["--url", url])).arg("--json").args(words.split(' '));
    let output = command.stderr(Stdio::inherit()).output().context("starting the load generator")?;
    signals::check()?;
    ensure!(output.status.success(), "`{words}` failed");
    serde_json::from_slice(&output.stdout).context("reading the report")
}

fn times(summary: &Value) -> String {
    let value = |name: &str| summary[name].as_f64().unwrap_or(f64::NAN);
    format!("{:.1} / {:.1}", value("p50_ms"), value("p99_ms"))
}

fn memory(cluster: &Cluster) -> String {
    let sizes = cluster.nodes().filter_map(Blegram::resident_kib).map(|kib| (kib / 1024).to_string());
    sizes.collect::<Vec<_>>().join(" / ")
}

/// The commands for each message, such as `publish 1.0`.
fn per_message(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> String {
    let counts = after.iter().filter(|(name, _)| !UNRELATED.contains(&&***name));
    let counts = counts.filter_map(|(name, count)| {
        let count = count - before.get(name).copied().unwrap_or_default();
        (count > 0).then(|| format!("{name} {:.2}", count as f64 / MESSAGES as f64))
    });
    counts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_per_message() {
        let counts =
            |publish, ping| BTreeMap::from([("publish".to_owned(), publish), ("ping".to_owned(), ping)]);
        assert_eq!(per_message(&counts(20, 1), &counts(20 + 2 * MESSAGES, 9)), "publish 2.00");
        assert_eq!(per_message(&counts(20, 1), &counts(20, 9)), "");
    }
}
