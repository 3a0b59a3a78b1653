//! The rules of a client, without I/O: what to show, what to send, and what to ask for.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// A command is to be sent.
    Send(Value),
    /// A line is to be shown.
    Show(String),
    /// Something is to be said beside the conversation.
    Note(String),
    /// The conversation is to be loaded anew: too much was missed.
    Reload,
}

/// A message that was written here and is not known to be kept.
#[derive(Debug, Clone, PartialEq)]
struct Draft {
    client_id: String,
    text: String,
}

/// One conversation on one device.
#[derive(Debug)]
pub(crate) struct Core {
    conversation: String,
    /// Everything up to this was shown.
    seq: u64,
    /// Messages up to this were shown.
    shown: u64,
    outbox: VecDeque<Draft>,
    commands: u64,
    /// The command that sends the first draft, while its answer is waited for.
    sending: Option<u64>,
    /// The command that pulls, while its answer is waited for.
    pulling: Option<u64>,
    is_connected: bool,
}

impl Core {
    pub(crate) fn new(conversation: String) -> Self {
        Self {
            conversation,
            seq: 0,
            shown: 0,
            outbox: VecDeque::new(),
            commands: 0,
            sending: None,
            pulling: None,
            is_connected: false,
        }
    }

    /// Everything that was written here is kept.
    pub(crate) fn is_done(&self) -> bool {
        self.outbox.is_empty()
    }

    /// What a pong says that this device has got.
    pub(crate) fn received(&self) -> Value {
        json!({ self.conversation.clone(): self.seq })
    }

    /// The newest messages, newest first, and what had happened before they were read.
    pub(crate) fn loaded(&mut self, messages: &[Value], last_seq: u64) -> Vec<Act> {
        self.seq = last_seq;
        let newer = messages.iter().rev().filter(|it| it["message_no"].as_u64() > Some(self.shown));
        let acts = newer.map(|message| Act::Show(line(message, ""))).collect();
        let newest = messages.iter().filter_map(|it| it["message_no"].as_u64()).max();
        self.shown = self.shown.max(newest.unwrap_or(0));
        acts
    }

    /// A line was typed.
    pub(crate) fn typed(&mut self, client_id: String, text: String) -> Vec<Act> {
        self.outbox.push_back(Draft { client_id, text });
        self.send_next()
    }

    /// A connection is open; its commands are counted anew.
    pub(crate) fn connected(&mut self) -> Vec<Act> {
        (self.commands, self.sending, self.pulling, self.is_connected) = (0, None, None, true);
        let mut acts = vec![self.command("open", &json!({ "conversations": [self.conversation] }))];
        acts.extend(self.pull());
        acts.extend(self.send_next());
        acts
    }

    /// The connection is gone. What was not answered is sent again later.
    pub(crate) fn disconnected(&mut self) {
        (self.sending, self.pulling, self.is_connected) = (None, None, false);
    }

    /// After a pause that the server asked for.
    pub(crate) fn again(&mut self) -> Vec<Act> {
        self.send_next()
    }

    /// A frame came.
    pub(crate) fn heard(&mut self, frame: &Value) -> Vec<Act> {
        if let Some(id) = frame["re"].as_u64() {
            return self.answered(id, frame);
        }
        let (name, d) = (frame["ev"].as_str().unwrap_or_default(), &frame["d"]);
        if d["conversation_id"] != json!(self.conversation) {
            return Vec::new();
        }
        match name {
            "conversation.head" if d["last_seq"].as_u64() > Some(self.seq) => self.pull(),
            "typing" => vec![Act::Note("…".to_owned())],
            _ => self.happened(name, d),
        }
    }

    fn happened(&mut self, name: &str, d: &Value) -> Vec<Act> {
        let Some(seq) = d["seq"].as_u64() else { return Vec::new() };
        if seq <= self.seq {
            return Vec::new();
        }
        if seq > self.seq + 1 {
            return self.pull();
        }
        self.seq = seq;
        let message = &d["message"];
        match name {
            "message.created" if message["message_no"].as_u64() > Some(self.shown) => {
                self.shown = message["message_no"].as_u64().unwrap_or(self.shown);
                vec![Act::Show(line(message, ""))]
            }
            "message.edited" => vec![Act::Show(line(message, " (edited)"))],
            "message.deleted" => vec![Act::Show(line(message, " (deleted)"))],
            _ => Vec::new(),
        }
    }

    fn answered(&mut self, id: u64, frame: &Value) -> Vec<Act> {
        let is = |waiting: Option<u64>| waiting == Some(id);
        if is(self.pulling) {
            self.pulling = None;
            return self.pulled(&frame["ok"]);
        }
        if !is(self.sending) {
            return Vec::new();
        }
        self.sending = None;
        match frame["err"]["code"].as_str() {
            None => {
                self.outbox.pop_front();
                self.send_next()
            }
            // It is tried again, by `again` or after reconnecting.
            Some("rate-limited" | "unavailable" | "overloaded" | "internal") => Vec::new(),
            Some(_) => {
                let lost = self.outbox.pop_front().map_or(String::new(), |draft| draft.text);
                let why = frame["err"]["detail"].as_str().unwrap_or_default();
                let mut acts = vec![Act::Note(format!("not sent: {lost}: {why}"))];
                acts.extend(self.send_next());
                acts
            }
        }
    }

    fn pulled(&mut self, answer: &Value) -> Vec<Act> {
        if answer["reset"] == true {
            return vec![Act::Reload];
        }
        let mut acts = Vec::new();
        for event in answer["events"].as_array().into_iter().flatten() {
            acts.extend(self.happened(event["ev"].as_str().unwrap_or_default(), &event["d"]));
        }
        if answer["more"] == true || answer["head_seq"].as_u64() > Some(self.seq) {
            acts.extend(self.pull());
        }
        acts
    }

    fn pull(&mut self) -> Vec<Act> {
        if !self.is_connected || self.pulling.is_some() {
            return Vec::new();
        }
        let ask = json!({ "conversation_id": self.conversation, "after": self.seq });
        let command = self.command("history", &ask);
        self.pulling = Some(self.commands);
        vec![command]
    }

    fn send_next(&mut self) -> Vec<Act> {
        let Some(draft) = self.outbox.front().cloned() else { return Vec::new() };
        // One at a time keeps their order.
        if !self.is_connected || self.sending.is_some() {
            return Vec::new();
        }
        let message =
            json!({ "conversation_id": self.conversation, "client_id": draft.client_id, "text": draft.text });
        let command = self.command("message.send", &message);
        self.sending = Some(self.commands);
        vec![command]
    }

    fn command(&mut self, op: &str, d: &Value) -> Act {
        self.commands += 1;
        Act::Send(json!({ "id": self.commands, "op": op, "d": d }))
    }
}

fn line(message: &Value, mark: &str) -> String {
    let sender = message["sender"]["username"].as_str().unwrap_or("somebody");
    let text = message["text"].as_str().unwrap_or_default();
    format!("[{}] {sender}{mark}: {text}", message["message_no"])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A server that keeps its messages, and a network that loses what it likes.
    #[derive(Default)]
    struct Server(Vec<(String, String)>);

    impl Server {
        fn event(&self, seq: usize) -> Value {
            let (_, text) = &self.0[seq - 1];
            let message = json!({ "message_no": seq, "sender": { "username": "ann" }, "text": text });
            json!({ "ev": "message.created", "d": { "conversation_id": "c", "seq": seq, "message": message } })
        }

        /// The reply to a command, and the event that it makes.
        fn answer(&mut self, command: &Value) -> (Value, Option<Value>) {
            let (id, d) = (&command["id"], &command["d"]);
            match command["op"].as_str().unwrap() {
                "message.send" => {
                    let text = d["text"].as_str().unwrap().to_owned();
                    let client_id = d["client_id"].as_str().unwrap().to_owned();
                    let known = self.0.iter().any(|(other, _)| *other == client_id);
                    if !known {
                        self.0.push((client_id, text));
                    }
                    let event = (!known).then(|| self.event(self.0.len()));
                    (json!({ "re": id, "ok": {} }), event)
                }
                "history" => {
                    let after = usize::try_from(d["after"].as_u64().unwrap()).unwrap();
                    let events: Vec<Value> =
                        (after + 1..=self.0.len()).take(3).map(|seq| self.event(seq)).collect();
                    let more = after + events.len() < self.0.len();
                    let ok =
                        json!({ "events": events, "head_seq": self.0.len(), "more": more, "reset": false });
                    (json!({ "re": id, "ok": ok }), None)
                }
                _ => (json!({ "re": id, "ok": {} }), None),
            }
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Type,
        Deliver(usize),
        Lose(usize),
        Repeat(usize),
        Break,
        Other,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => Just(Step::Type),
            6 => (0..8usize).prop_map(Step::Deliver),
            1 => (0..8usize).prop_map(Step::Lose),
            1 => (0..8usize).prop_map(Step::Repeat),
            1 => Just(Step::Break),
            2 => Just(Step::Other),
        ];
        proptest::collection::vec(step, 0..120)
    }

    /// What is on its way, and what was shown.
    #[derive(Default)]
    struct Run {
        server: Server,
        wire: Vec<Value>,
        shown: Vec<String>,
    }

    impl Run {
        fn act(&mut self, acts: Vec<Act>) {
            for act in acts {
                match act {
                    Act::Send(command) => {
                        let (reply, event) = self.server.answer(&command);
                        self.wire.extend(event);
                        self.wire.push(reply);
                    }
                    Act::Show(line) => self.shown.push(line),
                    Act::Note(_) => {}
                    Act::Reload => unreachable!("this server remembers"),
                }
            }
        }
    }

    proptest! {
        /// Whatever is lost, repeated or told in another order: in the end everything is there once, and was shown once, in
        /// order, without holes.
        #[test]
        fn nothing_is_lost_or_doubled(steps in steps()) {
            let (mut core, mut run, mut typed) = (Core::new("c".to_owned()), Run::default(), Vec::new());
            let acts = core.connected();
            run.act(acts);
            for step in steps {
                match step {
                    Step::Type => {
                        let text = format!("line {}", typed.len());
                        typed.push(text.clone());
                        let acts = core.typed(text.clone(), text);
                        run.act(acts);
                    }
                    Step::Deliver(at) if at < run.wire.len() => {
                        let frame = run.wire.remove(at);
                        let acts = core.heard(&frame);
                        run.act(acts);
                    }
                    Step::Lose(at) if at < run.wire.len() && run.wire[at]["ev"].is_string() => {
                        run.wire.remove(at);
                    }
                    Step::Repeat(at) if at < run.wire.len() => {
                        let frame = run.wire[at].clone();
                        let acts = core.heard(&frame);
                        run.act(acts);
                    }
                    Step::Break => {
                        run.wire.clear();
                        core.disconnected();
                        let acts = core.connected();
                        run.act(acts);
                    }
                    Step::Other => {
                        let name = format!("other {}", run.server.0.len());
                        run.server.0.push((name.clone(), name));
                        let event = run.server.event(run.server.0.len());
                        run.wire.push(event);
                    }
                    _ => {}
                }
            }
            run.wire.clear();
            core.disconnected();
            let acts = core.connected();
            run.act(acts);
            while !run.wire.is_empty() {
                let frame = run.wire.remove(0);
                let acts = core.heard(&frame);
                run.act(acts);
            }
            prop_assert!(core.is_done());
            let kept: Vec<&String> = run.server.0.iter().map(|(_, text)| text).filter(|it| it.starts_with("line")).collect();
            prop_assert_eq!(kept, typed.iter().collect::<Vec<_>>());
            let all: Vec<String> = run.server.0.iter().enumerate().map(|(at, (_, text))| format!("[{}] ann: {text}", at + 1)).collect();
            prop_assert_eq!(run.shown, all);
        }
    }
}
