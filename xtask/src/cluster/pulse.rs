//! Many requests at once that nginx may not repeat on another node: each that is sent to a node at the wrong moment fails.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::client::{Client, Entry};
use crate::cluster::stage::{PHASES, Stage};

/// How the requests of one connection went, by phase.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    pub(crate) counts: Vec<usize>,
    pub(crate) failures: Vec<(usize, String)>,
}

const POLL: Duration = Duration::from_millis(20);

/// Sends requests without a pause in some phases, until the run is over. The expected answer is 401, which costs a node the least.
pub(crate) fn send(entry: &Entry, stage: &Stage) -> Result<Pulse> {
    let (stranger, input) = (Client::new(entry, "127.0.0.1"), json!({"text": "노을"}));
    let mut pulse = Pulse::default();
    while !stage.is_over() {
        let phase = stage.phase();
        if !PHASES[phase].has_pulses {
            sleep(POLL);
            continue;
        }
        pulse.counts.resize(phase + 1, 0);
        pulse.counts[phase] += 1;
        let failure = match stranger.post("/api/v1/posts", &input) {
            Ok(answer) if answer.status == 401 => continue,
            Ok(answer) => format!("POST /api/v1/posts: {}", answer.summary()),
            Err(error) => format!("{error:#}"),
        };
        pulse.failures.push((stage.phase_of_fault(phase), failure));
    }
    Ok(pulse)
}
