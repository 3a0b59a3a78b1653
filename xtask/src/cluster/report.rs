//! The table of a run, and what it finds wrong.

use std::collections::HashMap;
use std::time::Duration;

use crate::cluster::chatter::{Arrival, Log, Sent};
use crate::cluster::person::Sample;
use crate::cluster::pulse::Pulse;
use crate::cluster::stage::PHASES;

/// The close code of a node that shuts down.
const DRAINING: Option<u16> = Some(4000);

/// What the clients saw.
pub(crate) struct Report {
    pub(crate) samples: Vec<Sample>,
    pub(crate) pulses: Vec<Pulse>,
    pub(crate) logs: Vec<Log>,
    /// What the comparison with the stored messages found.
    pub(crate) message_problems: Vec<String>,
    /// The node of each connection, by the local port.
    pub(crate) nodes: HashMap<u16, usize>,
}

impl Report {
    fn samples(&self, phase: usize) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.phase == phase)
    }

    /// The number of the requests that cannot be repeated, and why some failed.
    fn pulse(&self, phase: usize) -> (usize, Vec<&str>) {
        let count = self.pulses.iter().filter_map(|pulse| pulse.counts.get(phase)).sum();
        let failures = self.pulses.iter().flat_map(|pulse| &pulse.failures);
        (count, failures.filter(|(at, _)| *at == phase).map(|(_, cause)| &**cause).collect())
    }

    fn sent(&self, phase: usize) -> impl Iterator<Item = (&String, &Sent)> {
        self.logs.iter().flat_map(|log| &log.sent).filter(move |(_, sent)| sent.phase == phase)
    }

    fn ends(&self, phase: usize) -> impl Iterator<Item = Option<u16>> {
        self.logs.iter().flat_map(|log| &log.ends).filter(move |(at, _)| *at == phase).map(|(_, code)| *code)
    }

    fn rejections(&self, phase: usize) -> impl Iterator<Item = &str> {
        let all = self.logs.iter().flat_map(|log| &log.rejections);
        all.filter(move |(at, _)| *at == phase).map(|(_, cause)| &**cause)
    }

    /// How long messages took to arrive on a connection to the node of their sender, or to another one.
    fn arrivals(&self, phase: usize, is_other_node: bool) -> Vec<Duration> {
        let is_counted = |arrival: &&Arrival| {
            let (sender, recipient) = arrival.ports;
            let nodes = self.nodes.get(&sender).zip(self.nodes.get(&recipient));
            arrival.phase == phase
                && nodes.is_some_and(|(sender, recipient)| (sender != recipient) == is_other_node)
        };
        let arrivals = self.logs.iter().flat_map(|log| &log.arrivals).filter(is_counted);
        arrivals.map(|arrival| arrival.took).collect()
    }

    /// The number of messages of a phase that every member has applied.
    fn at_every_member(&self, phase: usize) -> usize {
        let mut members: HashMap<&str, usize> = HashMap::new();
        let mut applied: HashMap<&str, usize> = HashMap::new();
        for (conversation, messages) in self.logs.iter().flat_map(|log| &log.applied) {
            *members.entry(conversation).or_default() += 1;
            for message in messages {
                *applied.entry(&message.client_id).or_default() += 1;
            }
        }
        self.sent(phase).filter(|(id, sent)| applied.get(&***id) == members.get(&*sent.conversation)).count()
    }

    /// What is wrong, in sentences.
    pub(crate) fn problems(&self) -> Vec<String> {
        let of_phases = (0..PHASES.len()).flat_map(|phase| self.phase_problems(phase));
        of_phases.chain(self.message_problems.iter().cloned()).collect()
    }

    fn phase_problems(&self, phase: usize) -> Vec<String> {
        let failures = self.samples(phase).filter_map(|sample| sample.failure.clone());
        let mut problems: Vec<String> = failures.collect();
        if !PHASES[phase].is_lossy {
            let repeated = self.samples(phase).flat_map(|sample| &sample.repeated);
            problems.extend(repeated.map(|cause| format!("repeated after {cause}")));
            problems.extend(
                self.pulse(phase).1.into_iter().map(|cause| format!("without a repetition: {cause}")),
            );
            problems.extend(self.rejections(phase).map(|cause| format!("a chatter: {cause}")));
            let lost = self.ends(phase).filter(|code| *code != DRAINING);
            problems.extend(lost.map(|code| format!("a chatter lost a connection, close code {code:?}")));
        }
        problems.into_iter().map(|problem| format!("{}: {problem}", PHASES[phase].name)).collect()
    }

    fn row(&self, phase: usize) -> String {
        let repeated = self.samples(phase).filter(|sample| !sample.repeated.is_empty()).count();
        let failed = self.samples(phase).filter(|sample| sample.failure.is_some()).count();
        let times = Percentiles::of(self.samples(phase).map(|sample| sample.took).collect());
        let acknowledged = self.sent(phase).filter(|(_, sent)| sent.acknowledged.is_some()).count();
        let replies =
            self.sent(phase).filter_map(|(_, sent)| Some(sent.acknowledged?.1.saturating_sub(sent.at)));
        let (pulses, failed_pulses) = self.pulse(phase);
        let drained = self.ends(phase).filter(|code| *code == DRAINING).count();
        let [same, other] = [false, true].map(|is_other| Percentiles::of(self.arrivals(phase, is_other)));
        format!(
            "| {} | {} | {repeated} | {failed} | {times} | {pulses} | {} | {} | {acknowledged} | {} | {} | {same} | {other} | {drained} | {} | {} |",
            PHASES[phase].name,
            self.samples(phase).count(),
            failed_pulses.len(),
            self.sent(phase).count(),
            self.at_every_member(phase),
            Percentiles::of(replies.collect()),
            self.ends(phase).count() - drained,
            self.rejections(phase).count(),
        )
    }

    /// The table, in Markdown. Times are p50 / p99 in milliseconds.
    pub(crate) fn table(&self) -> String {
        const HEAD: &str = "| phase | requests | repeated | failed | ms | POSTs in a row | failed | messages | acknowledged | at every member | to the \
                            reply ms | to the same node ms | to another node ms | closed with 4000 | lost | rejected |\n\
                            |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";
        let rows = (0..PHASES.len()).map(|phase| self.row(phase));
        std::iter::once(HEAD.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
    }
}

/// The median and the 99th percentile.
struct Percentiles(Option<(Duration, Duration)>);

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |percent: usize| {
            times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied()
        };
        Self(at(50).zip(at(99)))
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((median, high)) = self.0 else { return f.write_str("–") };
        write!(f, "{:.1} / {:.1}", median.as_secs_f64() * 1000.0, high.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(phase: usize, repeated: &[&str], failure: Option<&str>) -> Sample {
        let repeated = repeated.iter().map(|cause| (*cause).to_owned()).collect();
        Sample { phase, took: Duration::from_millis(3), repeated, failure: failure.map(Into::into) }
    }

    fn report(samples: Vec<Sample>, logs: Vec<Log>) -> Report {
        Report { samples, pulses: Vec::new(), logs, message_problems: Vec::new(), nodes: HashMap::new() }
    }

    #[test]
    fn repeated_requests_are_problems_unless_a_node_was_killed() {
        let lossy = PHASES.iter().position(|phase| phase.is_lossy).unwrap();
        assert_eq!(
            report(vec![sample(lossy, &["502"], None), sample(1, &[], None)], Vec::new()).problems(),
            [""; 0]
        );
        assert_eq!(report(vec![sample(1, &["502"], None)], Vec::new()).problems().len(), 1);
        assert_eq!(report(vec![sample(lossy, &[], Some("500"))], Vec::new()).problems().len(), 1);
    }

    #[test]
    fn connections_may_only_end_because_their_node_stops() {
        let log = |code| Log { ends: vec![(1, code)], ..Log::default() };
        assert_eq!(report(Vec::new(), vec![log(Some(4000))]).problems(), [""; 0]);
        for code in [Some(4003), None] {
            assert_eq!(report(Vec::new(), vec![log(code)]).problems().len(), 1);
        }
    }

    #[test]
    fn arrivals_are_separated_by_the_nodes_of_their_connections() {
        let arrival = |ports| Arrival { phase: 0, took: Duration::from_millis(4), ports };
        let log = Log { arrivals: vec![arrival((1, 2)), arrival((1, 3)), arrival((1, 9))], ..Log::default() };
        let mut report = report(Vec::new(), vec![log]);
        report.nodes = HashMap::from([(1, 0), (2, 0), (3, 1)]);
        assert_eq!([false, true].map(|is_other| report.arrivals(0, is_other).len()), [1, 1]);
    }
}
