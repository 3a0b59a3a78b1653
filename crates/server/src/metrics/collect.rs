//! Names the counts of the crates: from their snapshots to the samples of a page.

use std::borrow::Cow;

use blegram_api::RealtimeSnapshot;
use blegram_bus::Bus;
use blegram_domain::{Job, Timestamp};
use blegram_gateway::GatewaySnapshot;
use blegram_http::metrics::HttpSnapshot;
use blegram_limits::Limiter;
use blegram_media::MediaSnapshot;
use blegram_persistence::{DbSnapshot, jobs::KindSummary};
use tokio::runtime::Handle;

use super::{
    database::Answers,
    families as f,
    page::{Page, Value},
    process::Process,
};
use crate::jobs::JobsSnapshot;

/// The label of job kinds that only newer versions know.
const UNKNOWN_KIND: &str = "unknown";

pub(super) fn http(page: &mut Page, http: HttpSnapshot, max_connections: u32) {
    for operation in http.operations {
        for (status, count) in operation.statuses {
            let status = status.map_or(Cow::Borrowed("other"), |status| status.to_string().into());
            page.add(f::HTTP_REQUESTS, [operation.label.into(), status], Value::Count(count));
        }
        page.histogram(f::HTTP_DURATION, [operation.label], operation.duration);
    }
    page.gauge(f::HTTP_IN_FLIGHT, [], signed(http.in_flight));
    page.gauge(f::HTTP_CONNECTIONS, [], signed(http.connections));
    page.gauge(f::HTTP_CONNECTIONS_MAX, [], max_connections.into());
    page.count(f::HTTP_CONNECTIONS_REJECTED, ["address"], http.rejected_connections);
    page.count(f::HTTP_ACCEPT_ERRORS, [], http.accept_errors);
}

pub(super) fn limits(page: &mut Page, limiter: &Limiter) {
    let mut policies: Vec<(&'static str, u64)> = Vec::new();
    for (policy, count) in limiter.rejections() {
        // Two policies have one name if clients cannot distinguish them.
        match policies.iter_mut().find(|(name, _)| *name == policy.as_str()) {
            Some((_, sum)) => *sum += count,
            None => policies.push((policy.as_str(), count)),
        }
    }
    for (policy, count) in policies {
        page.count(f::RATE_LIMITED, [policy], count);
    }
}

pub(super) fn database(page: &mut Page, db: DbSnapshot) {
    for counts in db.uses {
        let pool = [counts.of.as_str()];
        page.count(f::DB_STATEMENTS, pool, counts.statements.count());
        page.histogram(f::DB_STATEMENT_DURATION, pool, counts.statements);
        page.histogram(f::DB_WAIT_DURATION, pool, counts.waits);
        page.count(f::DB_WAIT_TIMEOUTS, pool, counts.wait_timeouts);
        page.gauge(f::DB_WAITING, pool, signed(counts.waiting));
    }
    for pool in db.pools {
        page.gauge(f::DB_CONNECTIONS, [pool.pool, "busy"], size(pool.busy));
        page.gauge(f::DB_CONNECTIONS, [pool.pool, "idle"], size(pool.idle));
        page.gauge(f::DB_CONNECTIONS_MAX, [pool.pool], size(pool.max));
    }
    page.count(f::DB_COMMITS, [], db.commits.count());
    page.histogram(f::DB_COMMIT_DURATION, [], db.commits);
    page.count(f::DB_ROLLBACKS, [], db.rollbacks);
}

/// What only the database knows; nothing but `blegram_db_up` if it does not answer.
pub(super) fn answers(page: &mut Page, answers: Option<&Answers>) {
    page.gauge(f::DB_UP, [], if answers.is_some() { 1.0 } else { 0.0 });
    let Some(answers) = answers else { return };
    page.gauge(f::DB_SIZE, [], number(answers.size_bytes));
    page.gauge(f::NODES, [], number(answers.nodes));
    for kind in Job::KINDS {
        queue(page, kind, &answers.jobs.iter().filter(|jobs| jobs.kind == *kind), answers.asked_at);
    }
    let unknown = answers.jobs.iter().filter(|jobs| !Job::KINDS.contains(&jobs.kind.as_str()));
    queue(page, UNKNOWN_KIND, &unknown, answers.asked_at);
}

fn queue<'a>(
    page: &mut Page,
    kind: &'static str,
    kinds: &(impl Iterator<Item = &'a KindSummary> + Clone),
    now: Timestamp,
) {
    let sum = |count: fn(&KindSummary) -> u64| number(kinds.clone().map(count).sum());
    page.gauge(f::JOBS, [kind], sum(|jobs| jobs.waiting));
    page.gauge(f::JOBS_DUE, [kind], sum(|jobs| jobs.due));
    page.gauge(f::JOBS_FAILING, [kind], sum(|jobs| jobs.failing));
    let oldest = kinds.clone().filter_map(|jobs| jobs.due_since).min();
    page.gauge(f::JOBS_OLDEST_AGE, [kind], oldest.map_or(0.0, |since| now.since(since).as_secs_f64()));
}

pub(super) fn jobs(page: &mut Page, jobs: JobsSnapshot) {
    for (kind, outcomes, durations) in jobs.kinds {
        for (outcome, count) in outcomes {
            page.count(f::JOBS_FINISHED, [kind, outcome.as_str()], count);
        }
        page.histogram(f::JOB_DURATION, [kind], durations);
    }
}

pub(super) fn gateway(page: &mut Page, gateway: GatewaySnapshot, realtime: RealtimeSnapshot) {
    page.gauge(f::GATEWAY_SOCKETS, [], size(gateway.connections));
    page.gauge(f::GATEWAY_USERS, [], size(gateway.users));
    for (command, outcome, count) in realtime.commands {
        page.count(f::GATEWAY_COMMANDS, [command, outcome.as_str()], count);
    }
    for (event, count) in realtime.events {
        page.count(f::GATEWAY_EVENTS, [event], count);
    }
    page.count(f::GATEWAY_DELIVERIES, [], gateway.sent_frames);
    page.count(f::GATEWAY_DELIVERY_BYTES, [], gateway.sent_bytes);
    for (reason, count) in [
        ("hint", gateway.dropped_hints),
        ("event", gateway.dropped_events),
        ("withheld", gateway.withheld_posts),
        ("feed", realtime.dropped_feed_events),
    ] {
        page.count(f::GATEWAY_DROPS, [reason], count);
    }
    page.gauge(f::GATEWAY_QUEUE_BYTES, [], size(gateway.queued_bytes));
    page.count(f::GATEWAY_CLOSED, ["client"], gateway.disconnected);
    for (code, count) in gateway.closed {
        page.count(f::GATEWAY_CLOSED, [code.as_str()], count);
    }
    for (rejection, count) in gateway.rejected {
        page.count(f::GATEWAY_REJECTED, [rejection.as_str()], count);
    }
}

pub(super) fn media(page: &mut Page, media: MediaSnapshot, hash_pool: blegram_cpu_pool::Snapshot) {
    for (step, durations) in media.steps {
        page.histogram(f::MEDIA_DURATION, [step.as_str()], durations);
    }
    for (outcome, count) in media.uploads {
        page.count(f::MEDIA_UPLOADS, [outcome.as_str()], count);
    }
    for pool in std::iter::once(hash_pool).chain(media.pools) {
        let name = [pool.name];
        page.gauge(f::CPU_POOL_BUSY, name, size(pool.busy));
        page.gauge(f::CPU_POOL_THREADS, name, size(pool.threads));
        page.gauge(f::CPU_POOL_QUEUED, name, size(pool.queued));
        page.count(f::CPU_POOL_TASKS, name, pool.durations.count());
        page.count(f::CPU_POOL_REJECTED, name, pool.rejected);
        page.histogram(f::CPU_POOL_DURATION, name, pool.durations);
    }
}

pub(super) fn bus(page: &mut Page, bus: &dyn Bus) {
    let (health, counts) = (*bus.health().borrow(), bus.counts());
    page.gauge(f::BUS_CONNECTED, [], if health.is_degraded() { 0.0 } else { 1.0 });
    page.count(f::BUS_SENT, [], counts.published);
    page.count(f::BUS_RECEIVED, [], counts.received);
    page.count(f::BUS_LOST, [], counts.dropped_outgoing + counts.dropped_incoming);
    page.count(f::BUS_LOSSES, [], health.losses);
    page.histogram(f::BUS_LAG, [], bus.lag());
}

/// The runtime that serves the metrics, which is that of the node.
pub(super) fn runtime(page: &mut Page) {
    let runtime = Handle::current().metrics();
    page.gauge(f::RUNTIME_TASKS, [], size(runtime.num_alive_tasks()));
    page.gauge(f::RUNTIME_QUEUED, [], size(runtime.global_queue_depth()));
    page.gauge(f::RUNTIME_THREADS, [], size(runtime.num_workers()));
    let busy =
        (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64());
    page.add(f::RUNTIME_BUSY, [], Value::Seconds(busy.sum()));
}

pub(super) fn process(page: &mut Page, process: &Process) {
    if let Some(seconds) = process.cpu_seconds {
        page.add(f::PROCESS_CPU, [], Value::Seconds(seconds));
    }
    for (family, value) in [
        (f::PROCESS_MEMORY, process.resident_bytes),
        (f::PROCESS_OPEN_FDS, process.open_fds),
        (f::PROCESS_MAX_FDS, process.max_fds),
        (f::PROCESS_THREADS, process.threads),
        (f::PROCESS_START_TIME, process.start_time_seconds),
    ] {
        if let Some(value) = value {
            page.gauge(family, [], value);
        }
    }
}

// Exact up to 2^53, as all numbers of Prometheus.
fn number(count: u64) -> f64 {
    count as f64
}

fn signed(count: i64) -> f64 {
    count as f64
}

fn size(count: usize) -> f64 {
    count as f64
}
