//! The chat: typed lines go to the gateway, its updates to the screen.

use std::process::ExitCode;

use anyhow::Result;
use blegram_client::{
    Change, Gateway, Stopped, Update, Updates,
    types::{Conversation, Event},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    screen::{Screen, plain},
    terminal::{notify, print},
};

/// One conversation on the terminal.
pub(crate) struct Chat {
    gateway: Gateway,
    conversation: Uuid,
    me: Uuid,
    screen: Screen,
    /// Messages without a reply, and the `seq` of the last one that has a reply.
    unanswered: usize,
    acknowledged: u64,
    /// The `seq` up to which the screen is complete.
    applied: Option<u64>,
    /// Whether to keep running after the end of the input.
    follow: bool,
    has_ended: bool,
}

impl Chat {
    pub(crate) fn new(gateway: Gateway, conversation: &Conversation, me: Uuid, follow: bool) -> Self {
        Self {
            gateway,
            conversation: conversation.id,
            me,
            screen: Screen::new(me, &conversation.members),
            unanswered: 0,
            acknowledged: 0,
            applied: None,
            follow,
            has_ended: false,
        }
    }

    /// Follows the conversation to the end: that of the input, once everything is stored and shown, or that of the session.
    pub(crate) async fn run(self, mut updates: Updates, lines: mpsc::Receiver<String>) -> Result<ExitCode> {
        match self.run_to_end(&mut updates, lines).await {
            // The session ended during a command. The last update says why.
            Err(error) if error.is::<Stopped>() => {
                while let Some(update) = updates.next().await {
                    if let Update::Stopped(reason) = update {
                        end(&plain(&reason));
                    }
                }
                Ok(ExitCode::FAILURE)
            }
            result => result,
        }
    }

    async fn run_to_end(
        mut self,
        updates: &mut Updates,
        mut lines: mpsc::Receiver<String>,
    ) -> Result<ExitCode> {
        self.gateway.follow(self.conversation).await?;
        self.gateway.open(vec![self.conversation]).await?;
        while !self.is_done() {
            tokio::select! {
                update = updates.next() => {
                    let Some(update) = update else { return Ok(ExitCode::FAILURE) };
                    if !self.update(update).await? {
                        return Ok(ExitCode::FAILURE);
                    }
                }
                line = lines.recv(), if !self.has_ended => match line {
                    Some(line) => self.line(line).await?,
                    None => self.has_ended = true,
                },
            }
        }
        self.gateway.close().await?;
        while updates.next().await.is_some() {}
        Ok(ExitCode::SUCCESS)
    }

    fn is_done(&self) -> bool {
        let is_printed = self.applied.is_some_and(|applied| applied >= self.acknowledged);
        self.has_ended && !self.follow && self.unanswered == 0 && is_printed
    }

    /// Shows an update; returns `false` if it is the end.
    async fn update(&mut self, update: Update) -> Result<bool> {
        match update {
            Update::Connected(ready) if ready.degraded => notify("connected (slower than usual)"),
            Update::Connected(_) => notify("connected"),
            Update::Disconnected { reason, retry_in } => {
                let seconds = retry_in.as_secs_f64();
                notify(&format!("not connected ({}); reconnecting in {seconds:.1} s", plain(&reason)));
            }
            Update::Loaded { page, .. } => {
                self.applied = Some(page.last_seq);
                let lines = self.screen.load(&page.messages);
                self.show(lines).await?;
            }
            Update::Applied(change) => self.apply(&change).await?,
            Update::Sent { sent, .. } => {
                self.unanswered -= 1;
                self.acknowledged = self.acknowledged.max(sent.seq);
            }
            Update::NotSent { draft, error } => {
                self.unanswered -= 1;
                let text = plain(&draft.text.unwrap_or_default());
                notify(&format!("not sent: {text} ({})", plain(&error.detail)));
            }
            Update::Event(event) => self.event(&event),
            Update::Warning(text) => notify(&plain(&text)),
            Update::Left(_) => return Ok(end("you are no longer in this conversation")),
            Update::Stopped(reason) => return Ok(end(&plain(&reason))),
            _ => {}
        }
        Ok(true)
    }

    async fn apply(&mut self, change: &Change) -> Result<()> {
        self.applied = Some(change.seq);
        let line = self.screen.apply(&change.kind);
        self.show(line).await
    }

    async fn show(&self, lines: impl IntoIterator<Item = String>) -> Result<()> {
        for line in lines {
            print(&line)?;
        }
        Ok(self.gateway.read(self.conversation, self.screen.newest()).await?)
    }

    fn event(&self, event: &Event) {
        match event {
            Event::ConversationRead(mark)
                if mark.conversation_id == self.conversation && mark.user_id != self.me =>
            {
                notify(&format!("{} has seen [{}]", self.screen.name(mark.user_id), mark.read_no));
            }
            Event::Typing(typing) if typing.conversation_id == self.conversation => {
                notify(&format!("{} is typing", self.screen.name(typing.user_id)));
            }
            _ => {}
        }
    }

    async fn line(&mut self, line: String) -> Result<()> {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("/quit", _) => (self.has_ended, self.follow) = (true, false),
            ("/who", _) => notify(&self.screen.names()),
            ("/edit", text) => self.change_last(Some(text)).await,
            ("/delete", _) => self.change_last(None).await,
            (command, _) if command.starts_with('/') => {
                notify("available commands: /who, /edit TEXT, /delete, /quit");
            }
            _ if line.trim().is_empty() => {}
            _ => {
                self.unanswered += 1;
                self.gateway.send(self.conversation, line).await?;
            }
        }
        Ok(())
    }

    /// Edits or deletes the user's last message. Unlike messages, this is not retried; the user can type it again.
    async fn change_last(&self, text: Option<&str>) {
        let Some(message) = self.screen.last_own() else {
            return notify("you have no message to change here");
        };
        let changed = match text {
            Some(text) => self.gateway.edit(self.conversation, message, text).await,
            None => self.gateway.delete(self.conversation, message).await,
        };
        if let Err(error) = changed {
            notify(&format!("not changed: {}", plain(&error.to_string())));
        }
    }
}

fn end(reason: &str) -> bool {
    notify(reason);
    false
}
