//! The section of one database.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::super::growth::{self, Growth};
use super::super::plot::{self, Bar, Line, short};
use super::super::rows::{By, Measured, Target};
use super::super::sockets::{self, Sockets};
use super::super::usage::QUIET;
use super::super::world::World;
use super::super::{contention, overhead};
use super::Reasons;

/// The largest multiple of a bare fan-out that is aimed at.
const FAN_OUT: f64 = 0.9;
const IDLE_MIB: f64 = 30.0;
const IDLE_SOCKET: f64 = 6.0 * 1024.0;
const LOG_LINE_US: f64 = 10.0;
const METRICS_SHARE: f64 = 0.02;
const CHAT: f64 = 1.3;

/// What was measured on one database; empty where it was left out.
#[derive(Default)]
pub(crate) struct Database {
    pub(crate) name: String,
    /// How long its world took to make, in seconds.
    pub(crate) made_in: f64,
    pub(crate) rows: Vec<Measured>,
    /// Resident memory after all rows, in MiB.
    pub(crate) loaded_mib: Option<f64>,
    pub(crate) overhead: Option<overhead::Measured>,
    pub(crate) sockets: Option<Sockets>,
    pub(crate) contention: Option<contention::Measured>,
    pub(crate) growth: Option<growth::Measured>,
    /// Whether the duration of a rejected login reveals an account.
    pub(crate) enumeration: Option<String>,
}
impl Database {
    /// The shares of the machine that other processes had, one for each measured figure.
    pub(super) fn others_shares(&self) -> Vec<f64> {
        let sides = self.rows.iter().flat_map(|measured| [Some(measured.ours), measured.floor]).flatten();
        let mut shares: Vec<f64> = sides.map(|side| side.usage.others_share()).collect();
        if let Some(sockets) = &self.sockets {
            shares.extend(sockets.fan_out.iter().map(|fan_out| fan_out.others_share));
            shares.extend(sockets.chat.iter().map(|chat| chat.ours.others_share));
        }
        let lists = self.growth.iter().flat_map(|growth| &growth.lists);
        shares.extend(lists.flat_map(|list| &list.points).map(|point| point.others_share));
        shares
    }

    fn key(&self, figure: &str) -> String {
        let database = self.name.split(' ').next().unwrap_or_default().to_lowercase();
        format!("{database} {figure}")
    }

    pub(super) fn text(&self, reasons: &Reasons, pictures: &Path) -> Result<String> {
        let mut text = String::new();
        if !self.rows.is_empty() {
            text += &self.rows_table(reasons);
            let name = format!("{}-ratios.svg", self.key("").trim());
            let title = format!(
                "Operations on {} as multiples of their floors: the cost of reads, the time of writes; the marks are targets",
                self.name
            );
            fs::write(pictures.join(format!("benchmarks-{name}")), plot::bars(&title, &self.bars()))?;
            let _ = write!(text, "\n![{title}](pictures/benchmarks-{name})\n");
            let _ = write!(text, "\nThe world took {:.0} s to make.", self.made_in);
            let memory = self
                .loaded_mib
                .map(|mib| format!(" After these rows the server had {mib:.1} MiB of memory."));
            text += &format!("{}\n", memory.unwrap_or_default());
        }
        if let Some(measured) = &self.overhead {
            text += &self.overhead_text(measured, reasons);
        }
        if let Some(measured) = &self.sockets {
            text += &self.sockets_text(measured, reasons);
        }
        if let Some(measured) = &self.contention {
            text += &self.contention_text(measured, reasons);
        }
        if let Some(measured) = &self.growth {
            text += &self.growth_text(measured, reasons, pictures)?;
        }
        if let Some(enumeration) = &self.enumeration {
            let _ = write!(text, "\n### Rejected logins\n\n{enumeration}\n");
        }
        Ok(text)
    }

    fn rows_table(&self, reasons: &Reasons) -> String {
        let mut text = String::from(
            "\n| Operation | by | per second | p50, p99 ms | cost µs | floor per second | its cost µs | ratio | target | |\n\
             |---|---|---:|---:|---:|---:|---:|---:|---|---|\n",
        );
        for measured in &self.rows {
            let Measured { row, ours, floor } = measured;
            let by = match row.by {
                By::Anonymous => "anonymous",
                By::Reader => "cookie",
            };
            let cost = |server: f64, database: f64| match database {
                0.0 => format!("{server:.0}"),
                _ => format!("{server:.0} + {database:.0}"),
            };
            let busy =
                [Some(*ours), *floor].into_iter().flatten().any(|side| side.usage.others_share() > QUIET);
            let target = match row.target {
                Target::Cost(most) => format!("cost ≤ {most}"),
                Target::Rate(least) => format!("per second ≥ {least}"),
                Target::None => String::new(),
            };
            let key = self.key(&format!("{} {by}", row.name));
            let _ = writeln!(
                text,
                "| {}{} | {by} | {:.0} | {:.2}, {:.2} | {} | {} | {} | {} | {target} | {} |",
                row.name,
                mark(busy),
                ours.load.per_second,
                ours.load.p50_ms,
                ours.load.p99_ms,
                cost(ours.server_us, ours.database_us),
                floor.map(|floor| format!("{:.0}", floor.load.per_second)).unwrap_or_default(),
                floor.map(|floor| cost(floor.server_us, floor.database_us)).unwrap_or_default(),
                measured.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                measured.is_reached().map(|is_reached| reasons.verdict(&key, is_reached)).unwrap_or_default(),
            );
        }
        let shares: Vec<f64> =
            self.rows.iter().map(|measured| measured.ours.usage.generator_share()).collect();
        let largest = shares.iter().copied().fold(0.0, f64::max);
        let _ = write!(
            text,
            "\nThe load generator used at most {:.0} % of the processor time of a row.\n",
            largest * 100.0
        );
        self.logged_in(reasons, &mut text);
        text
    }

    /// What a login adds to the cost of an operation that is measured both ways.
    fn logged_in(&self, reasons: &Reasons, text: &mut String) {
        for anonymous in self.rows.iter().filter(|measured| measured.row.by == By::Anonymous) {
            let is_same =
                |other: &&Measured| other.row.by == By::Reader && other.row.name == anonymous.row.name;
            let Some(reader) = self.rows.iter().find(is_same) else { continue };
            let ratio = reader.ours.cost_us() / anonymous.ours.cost_us();
            let key = self.key(&format!("{} logged in", anonymous.row.name));
            let _ = write!(
                text,
                "\n{}: logged in costs {ratio:.2} × anonymous, target 1.2, {}.\n",
                anonymous.row.name,
                reasons.verdict(&key, ratio <= 1.2)
            );
        }
    }

    fn bars(&self) -> Vec<Bar> {
        let bar = |measured: &Measured| {
            let floor = measured.floor?;
            let by = if measured.row.by == By::Reader { "cookie" } else { "anonymous" };
            // The targets of writes are about requests per second, as a share.
            let (value, target) = match measured.row.target {
                Target::Rate(least) => {
                    (floor.load.per_second / measured.ours.load.per_second, Some(1.0 / least))
                }
                Target::Cost(most) => (measured.ratio()?, Some(most)),
                Target::None => (measured.ratio()?, None),
            };
            Some(Bar { label: format!("{}, {by}", measured.row.name), value, target })
        };
        self.rows.iter().filter_map(bar).collect()
    }

    fn overhead_text(&self, measured: &overhead::Measured, reasons: &Reasons) -> String {
        let mut text = format!(
            "\n### Start, log, metrics and compression\n\nReady after {:.0} ms; {:.1} MiB of memory after the start, target {IDLE_MIB:.0}, {}.\n",
            measured.start_ms,
            measured.idle_mib,
            reasons.verdict(&self.key("idle memory"), measured.idle_mib <= IDLE_MIB)
        );
        if let Some(micros) = measured.log_line_us() {
            let verdict = reasons.verdict(&self.key("log line"), micros <= LOG_LINE_US);
            let _ = write!(
                text,
                "\nThe log line costs {micros:.0} µs of a request, target {LOG_LINE_US:.0}, {verdict}.\n"
            );
        }
        match measured.metrics_share() {
            Some(share) => {
                let verdict = reasons.verdict(&self.key("metrics"), share <= METRICS_SHARE);
                let _ = write!(
                    text,
                    "\nMetrics cost {:.1} % of a request, target 2 %, {verdict}.\n",
                    share * 100.0
                );
            }
            None => text += "\nThe binary has no metrics.\n",
        }
        text += "\n| Page of 15 posts | bytes | cost µs |\n|---|---:|---:|\n";
        for overhead::Coded { coding, bytes, cost_us } in &measured.codings {
            let _ = writeln!(text, "| {coding} | {bytes:.0} | {cost_us:.0} |");
        }
        text += "\n| Level | bytes | µs |\n|---|---:|---:|\n";
        for overhead::Level { codec, level, bytes, micros } in &measured.levels {
            let _ = writeln!(text, "| {codec}, {level} | {bytes} | {micros:.0} |");
        }
        text
    }

    fn sockets_text(&self, measured: &Sockets, reasons: &Reasons) -> String {
        let mut text = String::from(
            "\n### Connections\n\nThe floor of a fan-out is bare tokio-tungstenite: it sends the same frame, and stores nothing; \
             blegram's time includes the commit.\n\n\
             | One post to | last connection, p50, p99 ms | first to last | floor, p50, p99 ms | first to last | ratio | target | |\n\
             |---|---:|---:|---:|---:|---:|---|---|\n",
        );
        for fan_out in &measured.fan_out {
            let sockets::FanOut { audience, ours, floor, .. } = fan_out;
            let key = self.key(&format!("fan-out {audience}"));
            let _ = writeln!(
                text,
                "| {audience}{} | {:.1}, {:.1} | {:.1} | {:.1}, {:.1} | {:.1} | {:.2} | ≤ {FAN_OUT} | {} |",
                mark(fan_out.others_share > QUIET),
                ours.last_ms,
                ours.last_p99_ms,
                ours.span_ms,
                floor.last_ms,
                floor.last_p99_ms,
                floor.span_ms,
                fan_out.ratio(),
                reasons.verdict(&key, fan_out.ratio() <= FAN_OUT)
            );
        }
        text += "\n| Chat | messages per second | p99 ms | cost µs | generator | baseline per second | ratio | |\n\
                 |---|---:|---:|---:|---:|---:|---:|---|\n";
        for sockets::Chat { conversations, in_flight, ours, baseline } in &measured.chat {
            let ratio = baseline.map(|baseline| ours.per_second / baseline.per_second);
            let key = self.key(&format!("chat {conversations} {in_flight}"));
            let _ = writeln!(
                text,
                "| {conversations} conversations, {in_flight} unanswered per member{} | {:.0} | {:.1} | {:.0} | {:.0} % | {} | {} | {} |",
                mark(ours.others_share > QUIET),
                ours.per_second,
                ours.p99_ms,
                ours.cost_us,
                ours.generator_share * 100.0,
                baseline.map(|baseline| format!("{:.0}", baseline.per_second)).unwrap_or_default(),
                ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
                ratio
                    .filter(|_| *conversations > 1)
                    .map(|ratio| format!("target {CHAT}, {}", reasons.verdict(&key, ratio >= CHAT)))
                    .unwrap_or_default(),
            );
        }
        if let Some(sockets::Idle { sockets, bytes_per_socket }) = measured.idle {
            let verdict = reasons.verdict(&self.key("idle connection"), bytes_per_socket <= IDLE_SOCKET);
            let _ = write!(
                text,
                "\n{sockets} idle connections: {:.1} KiB of memory each, target {:.0}, {verdict}.\n",
                bytes_per_socket / 1024.0,
                IDLE_SOCKET / 1024.0
            );
        }
        for missing in &measured.missing {
            let _ = write!(text, "\nNot measured: {missing}.\n");
        }
        text
    }

    fn contention_text(&self, measured: &contention::Measured, reasons: &Reasons) -> String {
        let limit = contention::LIMIT;
        let mut text = format!(
            "\n### Reads beside other work\n\n`getPost`, anonymous. The target is a p99 of at most {limit} × that without.\n\n\
             | Beside | p99 ms | without | ratio | per second | without | done per second | |\n|---|---:|---:|---:|---:|---:|---:|---|\n"
        );
        for contended in &measured.contended {
            let contention::Contended { name, without, with, others_per_second } = contended;
            let _ = writeln!(
                text,
                "| {name} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {others_per_second:.1} | {} |",
                with.p99_ms,
                without.p99_ms,
                contended.ratio(),
                with.per_second,
                without.per_second,
                reasons.verdict(&self.key(&format!("beside {name}")), contended.ratio() <= limit)
            );
        }
        text += "\n| Processors of the server | per second | p99 ms | cost µs |\n|---:|---:|---:|---:|\n";
        for contention::Scaled { processors, load, server_us } in &measured.scaled {
            let _ = writeln!(
                text,
                "| {processors} | {:.0} | {:.2} | {server_us:.0} |",
                load.per_second, load.p99_ms
            );
        }
        let _ = write!(
            text,
            "\nThe load generator may use all processors, so the rate cannot double on a machine with two.\n\n\
             The write-ahead log was at most {:.1} MiB large, in all rows above and beside the writes.\n",
            measured.log_size as f64 / (1024.0 * 1024.0)
        );
        text
    }

    fn growth_text(&self, measured: &growth::Measured, reasons: &Reasons, pictures: &Path) -> Result<String> {
        let limit = growth::LIMIT;
        let of_all = |size: fn(&World) -> u64| {
            measured.made_in.first().map(|(world, _)| short(size(world) as f64)).unwrap_or_default()
        };
        let mut text = format!(
            "\n### Growth\n\nThe cost of a page of 15 in worlds with more and more posts and conversations, {} users and {} followers of \
             one account. The target is at most {limit} × at the largest.\n\n| List |",
            of_all(|world| world.users),
            of_all(|world| world.followers.min(world.users))
        );
        for (world, _) in &measured.made_in {
            let _ = write!(text, " {} posts, µs (p99 ms) |", short(world.posts as f64));
        }
        text += " ratio | |\n|---|";
        text += &"---:|".repeat(measured.made_in.len() + 1);
        text += "---|\n";
        for list in &measured.lists {
            text += &self.growth_row(list, reasons);
        }
        let made: Vec<String> = measured
            .made_in
            .iter()
            .map(|(world, seconds)| format!("{} in {seconds:.0} s", short(world.posts as f64)))
            .collect();
        let _ = write!(text, "\nThe worlds took to make: {}.\n", made.join(", "));
        let name = format!("benchmarks-{}-growth.svg", self.key("").trim());
        let title =
            format!("Cost of a page on {} by number of posts, as a multiple of the smallest", self.name);
        fs::write(pictures.join(&name), plot::lines(&title, limit, &lines(&measured.lists)))?;
        let _ = write!(text, "\n![{title}](pictures/{name})\n");
        Ok(text)
    }

    fn growth_row(&self, list: &Growth, reasons: &Reasons) -> String {
        let is_busy = list.points.iter().any(|point| point.others_share > QUIET);
        let mut row = format!("| {}{} |", list.name, mark(is_busy));
        for point in &list.points {
            let _ = match &point.cost_us {
                Ok(cost) => write!(row, " {cost:.0} ({:.1}) |", point.p99_ms),
                Err(error) => write!(row, " failed: {} |", error.replace('|', "/")),
            };
        }
        let ratio = list.ratio();
        let key = self.key(&format!("growth of {}", list.name));
        let verdict = reasons.verdict(&key, ratio.is_some_and(|ratio| ratio <= growth::LIMIT));
        row + &format!(" {} | {verdict} |\n", ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default())
    }
}

/// Marks a row that was measured while other processes were busy.
const fn mark(is_busy: bool) -> &'static str {
    if is_busy { " †" } else { "" }
}

/// The costs as multiples of the first.
fn lines(lists: &[Growth]) -> Vec<Line> {
    let line = |list: &Growth| {
        let points =
            list.points.iter().filter_map(|point| Some((point.posts as f64, *point.cost_us.as_ref().ok()?)));
        let points: Vec<(f64, f64)> = points.collect();
        let first = points.first().map_or(1.0, |(_, cost)| *cost);
        let points = points.into_iter().map(|(posts, cost)| (posts, cost / first)).collect();
        Line { label: list.name.to_owned(), points }
    };
    lists.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::growth::Point;

    #[test]
    fn growth_is_plotted_as_multiples_without_failed_sizes() {
        let point = |posts, cost_us| Point { posts, cost_us, p99_ms: 1.0, others_share: 0.0 };
        let list = Growth {
            name: "list",
            points: vec![point(10, Ok(4.0)), point(100, Err("too slow".into())), point(1000, Ok(6.0))],
        };
        assert_eq!(lines(&[list])[0].points, [(10.0, 1.0), (1000.0, 1.5)]);
    }
}
