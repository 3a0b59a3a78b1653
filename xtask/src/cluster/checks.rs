//! Compares what the chatters saw with what is stored.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result};

use crate::client::Client;
use crate::cluster::chatter::{Applied, Log, Sent};

/// The stored messages of a conversation, in their order.
pub(crate) fn stored(reader: &Client, conversation: &str) -> Result<Vec<Applied>> {
    let (mut messages, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/conversations/{conversation}/messages?limit=100{cursor}");
        let page = reader.get(&path)?.json()?;
        for item in page["items"].as_array().context("the page has no items")? {
            let client_id = item["client_id"].as_str().context("a message has no client_id")?.to_owned();
            messages.push(Applied { seq: item["seq"].as_u64().context("a message has no seq")?, client_id });
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    messages.sort_by_key(|message| message.seq);
    Ok(messages)
}

/// What is wrong, in sentences.
pub(crate) fn problems(stored: &HashMap<String, Vec<Applied>>, logs: &[Log]) -> Vec<String> {
    let sent: HashMap<&str, &Sent> =
        logs.iter().flat_map(|log| &log.sent).map(|(id, sent)| (&**id, sent)).collect();
    let mut problems = unstored(stored, &sent);
    for (conversation, messages) in stored {
        problems.extend(unexpected(messages, &sent));
        problems.extend(overtaken(conversation, &sent));
        let members = logs
            .iter()
            .enumerate()
            .filter_map(|(number, log)| Some((number, log.applied.get(conversation)?)));
        problems.extend(
            members.filter_map(|(number, applied)| difference(number, conversation, messages, applied)),
        );
    }
    problems
}

/// Messages that were not acknowledged, or are not stored as they were acknowledged.
fn unstored(stored: &HashMap<String, Vec<Applied>>, sent: &HashMap<&str, &Sent>) -> Vec<String> {
    let numbers: HashMap<(&str, &str), u64> = stored
        .iter()
        .flat_map(|(conversation, messages)| messages.iter().map(move |message| (&**conversation, message)))
        .map(|(conversation, message)| ((conversation, &*message.client_id), message.seq))
        .collect();
    let problem = |(id, sent): (&&str, &&Sent)| {
        let number = numbers.get(&(&*sent.conversation, *id)).copied();
        match (sent.acknowledged, number) {
            (None, _) => Some(format!("message {id} was never acknowledged")),
            (Some((seq, _)), None) => Some(format!("message {id}, acknowledged as {seq}, is lost")),
            (Some((seq, _)), Some(number)) => {
                (seq != number).then(|| format!("message {id}, acknowledged as {seq}, is stored as {number}"))
            }
        }
    };
    sent.iter().filter_map(problem).collect()
}

/// Messages that are stored twice, or that no chatter has sent.
fn unexpected(messages: &[Applied], sent: &HashMap<&str, &Sent>) -> Vec<String> {
    let mut known = HashSet::new();
    let problem = |message: &Applied| {
        let id = &*message.client_id;
        match (sent.contains_key(id), known.insert(id.to_owned())) {
            (false, _) => Some(format!("message {id} is stored and was never sent")),
            (true, false) => Some(format!("message {id} is stored twice")),
            (true, true) => None,
        }
    };
    messages.iter().filter_map(problem).collect()
}

/// Messages with a smaller number than one that was acknowledged before they were written.
fn overtaken(conversation: &str, sent: &HashMap<&str, &Sent>) -> Vec<String> {
    let mut sends: Vec<_> = sent
        .iter()
        .filter(|(_, sent)| sent.conversation == conversation)
        .filter_map(|(id, sent)| Some((*id, sent.at, sent.acknowledged?)))
        .collect();
    sends.sort_by_key(|(_, at, _)| *at);
    let mut acknowledged: Vec<_> = sends.iter().map(|(_, _, acknowledged)| *acknowledged).collect();
    acknowledged.sort_by_key(|(_, at)| *at);
    let (mut earlier, mut last) = (acknowledged.into_iter().peekable(), 0);
    let mut problems = Vec::new();
    for (id, at, (seq, _)) in sends {
        while let Some((earlier_seq, _)) = earlier.next_if(|(_, acknowledged_at)| *acknowledged_at < at) {
            last = last.max(earlier_seq);
        }
        if seq <= last {
            problems.push(format!("message {id} has the number {seq}, and {last} was acknowledged before"));
        }
    }
    problems
}

/// How what a member has applied differs from what is stored.
fn difference(member: usize, conversation: &str, stored: &[Applied], applied: &[Applied]) -> Option<String> {
    let at = (0..stored.len().max(applied.len())).find(|at| stored.get(*at) != applied.get(*at))?;
    let (stored, applied) = (stored.get(at), applied.get(at));
    Some(format!("chatter {member} in {conversation}: {applied:?} instead of {stored:?} at position {at}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn message(seq: u64, client_id: &str) -> Applied {
        Applied { seq, client_id: client_id.into() }
    }

    /// The problems of one conversation with one member, who wrote at `at` seconds and got `seq` a second later.
    fn problems_of(sent: &[(&str, u64, u64)], stored: &[Applied], applied: &[Applied]) -> Vec<String> {
        let mut log = Log::default();
        for (id, at, seq) in sent {
            let second = Duration::from_secs;
            let acknowledged = (*seq > 0).then(|| (*seq, second(at + 1)));
            let sent = Sent { conversation: "c".into(), phase: 0, at: second(*at), acknowledged };
            log.sent.insert((*id).into(), sent);
        }
        log.applied.insert("c".into(), applied.to_vec());
        problems(&HashMap::from([("c".into(), stored.to_vec())]), &[log])
    }

    #[test]
    fn perfect_delivery_has_no_problems() {
        let all = [message(2, "a"), message(3, "b")];
        assert_eq!(problems_of(&[("a", 0, 2), ("b", 5, 3)], &all, &all), [""; 0]);
    }

    #[test]
    fn each_fault_is_found() {
        let [a, b] = [[message(2, "a")], [message(3, "b")]];
        let [both, reversed, doubled] =
            [[&a, &b], [&b, &a], [&a, &a]].map(|pair| pair.map(|[message]| message.clone()));
        let twice = [message(2, "a"), message(3, "a")];
        let (one, two) = ([("a", 0, 2)], [("a", 0, 2), ("b", 5, 3)]);
        let table = [
            (problems_of(&two, &a, &a), "is lost"),
            (problems_of(&[("a", 0, 0)], &[], &[]), "never acknowledged"),
            (problems_of(&[("a", 0, 9)], &a, &a), "is stored as 2"),
            (problems_of(&one, &twice, &twice), "stored twice"),
            (problems_of(&one, &both, &both), "never sent"),
            (problems_of(&[("b", 0, 3), ("a", 5, 2)], &both, &both), "acknowledged before"),
            (problems_of(&two, &both, &a), "None instead of"),
            (problems_of(&two, &both, &reversed), "at position 0"),
            (problems_of(&two, &both, &doubled), "at position 1"),
        ];
        for (found, expected) in table {
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
    }
}
