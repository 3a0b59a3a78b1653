//! HTTP load generation with `wrk`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::packages::{self, Package};
use crate::process::{bound, output};
use crate::signals;

const PACKAGE: Package = Package {
    name: "wrk",
    apt: "wrk",
    before: "",
    fedora: "build it from https://github.com/wg/wrk (not packaged)",
    macos: "brew install wrk",
};

/// The load generator `wrk`.
#[derive(Clone, Copy)]
pub(crate) struct Wrk {
    /// How long a run takes.
    pub(crate) seconds: u32,
}

/// The number of connections of a run.
pub(crate) const CONNECTIONS: u32 = 16;

/// What a run requests besides the URL.
#[derive(Clone, Copy, Default)]
pub(crate) struct Request<'a> {
    /// A header field of every request.
    pub(crate) field: Option<&'a str>,
    /// A script in Lua that makes the requests.
    pub(crate) script: Option<&'a Path>,
}

/// The result of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Requests per second.
    pub(crate) per_second: f64,
    /// Median latency.
    pub(crate) p50_ms: f64,
    /// 99th percentile of the latency.
    pub(crate) p99_ms: f64,
    /// Requests in the whole run.
    pub(crate) requests: f64,
    /// Bytes of a response, with its header.
    pub(crate) response_bytes: f64,
}

impl Wrk {
    /// Finds or installs `wrk`. Each run will take `seconds`.
    pub(crate) fn find_or_install(seconds: u32) -> Result<Self> {
        // `wrk --version` exits with 1, so this only checks whether it starts.
        if Command::new("wrk").arg("--version").output().is_err() {
            packages::install(&PACKAGE)?;
        }
        Ok(Self { seconds })
    }

    /// Puts load on one URL, with an optional header field in each request. Responses other than 2xx or 3xx are an
    /// error, because rejecting a request is fast and would distort the result.
    pub(crate) fn run(&self, url: &str, field: Option<&str>) -> Result<Load> {
        self.request(url, Request { field, script: None })
    }

    /// Like [`Wrk::run`], with requests that a script makes.
    pub(crate) fn request(&self, url: &str, Request { field, script }: Request<'_>) -> Result<Load> {
        let (duration, connections) = (format!("-d{}s", self.seconds), format!("-c{CONNECTIONS}"));
        let mut command = bound("wrk", "TERM");
        // A slow response is a result; only a missing one is an error.
        command.args(["--latency", "--timeout", "30s", "-t1", &connections, &duration]);
        command.args(field.iter().flat_map(|field| ["-H", field]));
        if let Some(script) = script {
            command.arg("-s").arg(script);
        }
        let text = output(command.arg(url));
        signals::check()?;
        let text = text.with_context(|| format!("wrk failed on {url}"))?;
        let failed = text.contains("Non-2xx") || text.contains("Socket errors");
        ensure!(!failed, "unexpected responses from {url}:\n{text}");
        parse(&text).with_context(|| format!("cannot parse the output of wrk:\n{text}"))
    }
}

impl Load {
    /// The median of each value.
    pub(crate) fn median(loads: &[Self]) -> Self {
        Self {
            per_second: median(loads.iter().map(|load| load.per_second)),
            p50_ms: median(loads.iter().map(|load| load.p50_ms)),
            p99_ms: median(loads.iter().map(|load| load.p99_ms)),
            requests: median(loads.iter().map(|load| load.requests)),
            response_bytes: median(loads.iter().map(|load| load.response_bytes)),
        }
    }
}

/// The middle value, or the upper of the two middle ones.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn parse(text: &str) -> Option<Load> {
    let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    // `55555 requests in 5.00s, 10.00MB read`
    let total = text.lines().find(|line| line.contains(" requests in "))?;
    let requests: f64 = total.split_whitespace().next()?.parse().ok()?;
    let read = total.rsplit_once(", ")?.1.strip_suffix(" read")?;
    Some(Load {
        per_second: after("Requests/sec:")?.parse().ok()?,
        p50_ms: milliseconds(after("50%")?)?,
        p99_ms: milliseconds(after("99%")?)?,
        requests,
        response_bytes: bytes(read)? / requests.max(1.0),
    })
}

/// Parses a number of bytes: `512B`, `1.50KB`, `10.00MB`, `1.20GB`.
fn bytes(text: &str) -> Option<f64> {
    const KIB: f64 = 1024.0;
    let units = [("KB", KIB), ("MB", KIB * KIB), ("GB", KIB * KIB * KIB), ("B", 1.0)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

/// Parses a duration; the unit of `wrk` depends on the size: `812.00us`, `1.21ms`, `1.05s`.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 5s test @ http://127.0.0.1/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.01ms  500.00us   9.00ms   99.00%
  Latency Distribution
     50%  812.00us
     75%    1.00ms
     90%    1.21ms
     99%    1.05s 
  55555 requests in 5.00s, 10.00MB read
Requests/sec:  11111.50
Transfer/sec:      2.00MB
";

    #[test]
    fn load_is_parsed_from_the_wrk_output() {
        let response_bytes = 10.0 * 1024.0 * 1024.0 / 55_555.0;
        let load =
            Load { per_second: 11_111.5, p50_ms: 0.812, p99_ms: 1050.0, requests: 55_555.0, response_bytes };
        assert_eq!(parse(OUTPUT), Some(load));
        assert_eq!(parse("unable to connect"), None);
    }

    #[test]
    fn median_ignores_outliers() {
        assert_eq!(median([3.0, 900.0, 2.0].into_iter()).to_bits(), 3.0_f64.to_bits());
    }
}
