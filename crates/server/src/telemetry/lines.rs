//! Log lines, collected by the threads that log and written in batches by a thread of their own.
//!
//! Waking a thread and calling the kernel for each line costs several times as much as formatting it. Here a line is
//! copied into a buffer that all threads share, and the writer takes the whole buffer a few milliseconds after the first
//! line came in. Logging never waits for the output.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others.
const BATCH_TIME: Duration = Duration::from_millis(5);

/// The size of the buffer. When the reader of the log falls behind further, lines are dropped.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// The capacity of an empty buffer.
const IDLE_BYTES: usize = 64 * 1024;

/// How long the end of the process waits for the reader of the log.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The lines that are not written yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Lines came in, or the last ones did.
    changed: Condvar,
    /// The writer has ended.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    /// The number of lines that did not fit since the last batch.
    unreported: u64,
    /// The number of lines that did not fit since the start.
    dropped: u64,
    is_closed: bool,
    has_ended: bool,
}

/// Writes the last lines when dropped.
#[must_use]
#[derive(Debug)]
pub(super) struct LastLines(Lines);

impl Lines {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn write_to(output: impl Write + Send + 'static) -> io::Result<(Self, LastLines)> {
        let lines = Self::default();
        let writer = lines.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writer.run(output))?;
        Ok((lines.clone(), LastLines(lines)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of lines that were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.buffer.len() + line.len() > BUFFER_BYTES {
            state.unreported += 1;
            state.dropped += 1;
            return;
        }
        let is_first = state.buffer.is_empty();
        state.buffer.extend_from_slice(line);
        drop(state);
        if is_first {
            self.0.changed.notify_one();
        }
    }

    /// Writes batches until the lines are closed.
    fn run(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        while let Some(dropped) = self.take(&mut batch) {
            // There is no other place to report an error to.
            let _ = output.write_all(&batch);
            if dropped > 0 {
                let _ = writeln!(
                    output,
                    "blegram: {dropped} log lines were dropped, because the log is read too slowly"
                );
            }
            let _ = output.flush();
            batch.clear();
            batch.shrink_to(IDLE_BYTES);
        }
        self.state().has_ended = true;
        self.0.written.notify_all();
    }

    /// Waits for lines and swaps them with the empty `batch`. Returns how many were dropped; `None` after the last ones.
    fn take(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let is_idle = |state: &mut State| state.buffer.is_empty() && !state.is_closed;
        let state = self.0.changed.wait_while(self.state(), is_idle).unwrap_or_else(PoisonError::into_inner);
        // More lines do not end this wait: only the first one notifies.
        let waited = self.0.changed.wait_timeout_while(state, BATCH_TIME, |state| !state.is_closed);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.buffer.is_empty() {
            return None;
        }
        mem::swap(&mut state.buffer, batch);
        Some(mem::take(&mut state.unreported))
    }
}

impl Drop for LastLines {
    fn drop(&mut self) {
        let shared = &self.0.0;
        self.0.state().is_closed = true;
        shared.changed.notify_one();
        let is_writing = |state: &mut State| !state.has_ended;
        // After the time limit the lines are lost: the reader of the log hangs, and must not keep the process.
        drop(shared.written.wait_timeout_while(self.0.state(), LAST_WRITE_TIMEOUT, is_writing));
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &Lines {
    /// Takes a whole line, or drops it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Sends each batch to the test, and waits at a rendezvous with it.
    struct Output(mpsc::SyncSender<Vec<u8>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_all_threads_are_written_whole_and_in_order() {
        let (sender, batches) = mpsc::sync_channel(0);
        let (lines, last) = Lines::write_to(Output(sender)).unwrap();
        let reader = thread::spawn(move || batches.into_iter().flatten().collect::<Vec<u8>>());
        let log = |thread: usize| {
            for number in 0..1_000 {
                (&lines).write_all(format!("{thread} {number}\n").as_bytes()).unwrap();
            }
        };
        thread::scope(|scope| (0..4).for_each(|thread| drop(scope.spawn(move || log(thread)))));
        drop(last);

        let text = String::from_utf8(reader.join().unwrap()).unwrap();
        for thread in 0..4 {
            let own = text.lines().filter_map(|line| line.strip_prefix(&format!("{thread} ")));
            assert!(own.eq((0..1_000).map(|number| number.to_string())), "thread {thread}");
        }
    }

    #[test]
    fn lines_that_do_not_fit_are_dropped_and_counted() {
        let (sender, batches) = mpsc::sync_channel(0);
        let (lines, last) = Lines::write_to(Output(sender)).unwrap();
        let line = [b'.'; 1024];
        (&lines).write_all(&line).unwrap();
        // From then on the writer waits for the receiver.
        while !lines.state().buffer.is_empty() {
            thread::yield_now();
        }
        for _ in 0..BUFFER_BYTES / line.len() + 3 {
            (&lines).write_all(&line).unwrap();
        }
        let reader = thread::spawn(move || batches.into_iter().flatten().collect::<Vec<u8>>());
        drop(last);

        assert_eq!(lines.dropped(), 3);
        let text = String::from_utf8(reader.join().unwrap()).unwrap();
        assert!(text.ends_with("blegram: 3 log lines were dropped, because the log is read too slowly\n"));
        assert_eq!(text.bytes().filter(|byte| *byte == b'.').count(), line.len() + BUFFER_BYTES);
    }

    #[test]
    fn output_that_hangs_does_not_prevent_the_end_of_the_process() {
        let (sender, _batches) = mpsc::sync_channel(0);
        let (lines, last) = Lines::write_to(Output(sender)).unwrap();
        (&lines).write_all(b"never read\n").unwrap();
        drop(last);
    }
}
