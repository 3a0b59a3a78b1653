//! The plan of the faults: made from the seed before anything starts, so the same seed has the same plan.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    KillNode,
    DrainNode,
    StopNode,
    MoveClock,
    CutClients,
    LoseClients,
    StallClients,
    KillRedis,
    PauseRedis,
    CutRedis,
    RestartPostgres,
    KillPostgres,
    CutPostgres,
    FillDisk,
    RemoveMember,
    LogOut,
}

/// All faults, with the longest time that each lasts.
pub(crate) const FAULTS: [(Fault, &str, u64); 16] = [
    (Fault::KillNode, "kill -9 a node", 4),
    (Fault::DrainNode, "drain a node", 2),
    (Fault::StopNode, "stop a node (SIGSTOP)", 6),
    (Fault::MoveClock, "move a node's clock by 80 s", 1),
    (Fault::CutClients, "cut clients", 3),
    (Fault::LoseClients, "half-open clients", 3),
    (Fault::StallClients, "stall clients", 6),
    (Fault::KillRedis, "kill Redis", 6),
    (Fault::PauseRedis, "pause Redis (SIGSTOP)", 6),
    (Fault::CutRedis, "cut a node from Redis", 5),
    (Fault::RestartPostgres, "restart PostgreSQL", 1),
    (Fault::KillPostgres, "crash PostgreSQL", 1),
    (Fault::CutPostgres, "cut a node from PostgreSQL", 4),
    (Fault::FillDisk, "fill PostgreSQL's disk", 4),
    (Fault::RemoveMember, "remove and add a member", 3),
    (Fault::LogOut, "revoke a session", 1),
];

/// Members and sessions change beside the other faults, at any time.
const CONCURRENT: [Fault; 2] = [Fault::RemoveMember, Fault::LogOut];

/// A fault at its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) fault: Fault,
    /// After the end of the step before.
    pub(crate) pause: Duration,
    pub(crate) lasts: Duration,
    /// Chooses the node, the clients, the member.
    pub(crate) choice: u64,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        FAULTS.iter().find(|(fault, ..)| *fault == self).map_or("", |(_, name, _)| name)
    }
}

/// The faults of the machinery one after the other, and beside them those of members and sessions.
pub(crate) struct Plan {
    pub(crate) machinery: Vec<Step>,
    pub(crate) people: Vec<Step>,
}

impl Plan {
    /// A plan for this time. Every fault of `faults` appears once before one appears twice.
    pub(crate) fn new(seed: u64, length: Duration, faults: &[Fault]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (people, machinery): (Vec<_>, Vec<_>) =
            faults.iter().copied().partition(|fault| CONCURRENT.contains(fault));
        Self {
            machinery: steps(&mut random, length, &machinery, 1..=2500),
            people: steps(&mut random, length, &people, 1..=3000),
        }
    }
}

fn steps(
    random: &mut StdRng,
    length: Duration,
    faults: &[Fault],
    pause_ms: std::ops::RangeInclusive<u64>,
) -> Vec<Step> {
    let (mut steps, mut deck, mut at) = (Vec::new(), Vec::new(), Duration::ZERO);
    while at < length && !faults.is_empty() {
        if deck.is_empty() {
            deck = faults.to_vec();
            deck.shuffle(random);
        }
        let Some(fault) = deck.pop() else { break };
        let longest = FAULTS.iter().find(|(other, ..)| *other == fault).map_or(1, |(.., longest)| *longest);
        let step = Step {
            fault,
            pause: Duration::from_millis(random.random_range(pause_ms.clone())),
            lasts: Duration::from_millis(random.random_range(longest * 300..=longest * 1000)),
            choice: random.random(),
        };
        at += step.pause + step.lasts;
        steps.push(step);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Fault> {
        FAULTS.iter().map(|(fault, ..)| *fault).collect()
    }

    #[test]
    fn same_seed_makes_the_same_plan() {
        let plan = |seed| Plan::new(seed, Duration::from_secs(120), &all());
        assert_eq!(plan(1).machinery, plan(1).machinery);
        assert_eq!(plan(1).people, plan(1).people);
        assert_ne!(plan(1).machinery, plan(2).machinery);
    }

    #[test]
    fn every_fault_appears_before_one_appears_twice() {
        let plan = Plan::new(7, Duration::from_secs(600), &all());
        let mut first: Vec<_> = plan.machinery[..14].iter().map(|step| step.fault).collect();
        first.sort();
        first.dedup();
        assert_eq!(first.len(), 14);
        assert!(plan.people.iter().any(|step| step.fault == Fault::LogOut));
    }
}
