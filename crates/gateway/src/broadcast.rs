//! Writes one frame to many connections.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::peer::Peer;

/// The number of connections that one task writes to: large enough to be cheaper than waking their tasks, small enough
/// for all processors to take part, and for others to have a turn in between.
const CHUNK: usize = 32;

/// Connections whose outbox has new frames to write. A small number of tasks writes them, instead of the task of each
/// connection; only the connections that do not accept everything at once are woken.
pub(crate) struct Broadcast<'a> {
    tasks: &'a TaskTracker,
    runtime: Option<Handle>,
    chunk: Vec<Arc<Peer>>,
    has_tasks: bool,
}

impl<'a> Broadcast<'a> {
    pub(crate) fn new(tasks: &'a TaskTracker) -> Self {
        Self { tasks, runtime: None, chunk: Vec::new(), has_tasks: false }
    }

    /// Adds a connection after its frame was queued.
    pub(crate) fn add(&mut self, peer: &Arc<Peer>) {
        self.chunk.push(Arc::clone(peer));
        if self.chunk.len() == CHUNK {
            self.start();
        }
    }

    /// Starts to write to the connections that were added last.
    fn start(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        if self.runtime.is_none() {
            self.runtime = Handle::try_current().ok();
        }
        match &self.runtime {
            Some(runtime) => {
                self.has_tasks = true;
                let write = async move { chunk.iter().for_each(|peer| peer.flush()) };
                self.tasks.spawn_on(write, runtime);
            }
            None => chunk.iter().for_each(|peer| peer.wake()),
        }
    }
}

impl Drop for Broadcast<'_> {
    /// Starts to write to the rest. The connections of a small audience are woken, because several frames that are sent
    /// to one of them at the same time are then written at once.
    fn drop(&mut self) {
        if self.has_tasks {
            self.start();
        } else {
            self.chunk.iter().for_each(|peer| peer.wake());
        }
    }
}
