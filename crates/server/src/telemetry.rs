//! Logging: installs the subscriber of the process and logs panics.

mod lines;

use std::{
    io::{self, IsTerminal},
    panic::PanicHookInfo,
};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt};

use self::lines::{LastLines, Lines};
use crate::config::{Log, LogFormat};

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process already has a subscriber, which is a bug in the order of start-up.
    #[error(transparent)]
    Subscriber(#[from] tracing_subscriber::util::TryInitError),
    /// The thread that writes the log cannot be started.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// Flushes the log when dropped. Keep it until the process ends.
#[must_use]
#[derive(Debug)]
pub struct Guard {
    _last: LastLines,
    dropped: DroppedLines,
}

impl Guard {
    /// The lines that were dropped because the reader of the log was too slow.
    pub fn dropped_lines(&self) -> DroppedLines {
        self.dropped.clone()
    }
}

/// Counts the lines that the log of this process dropped.
#[derive(Debug, Clone)]
pub struct DroppedLines(Lines);

impl DroppedLines {
    /// The number since the start.
    pub fn count(&self) -> u64 {
        self.0.dropped()
    }
}

/// Logs to standard error (standard output is for the output of commands), including panics.
///
/// A separate thread writes the lines in batches. When the reader of the log falls behind by 4 MiB, lines are dropped;
/// requests never wait for it.
///
/// # Errors
/// See [`Error`].
pub fn init(log: &Log) -> Result<Guard, Error> {
    let (lines, last) = Lines::write_to(io::stderr())?;
    let dropped = DroppedLines(lines.clone());
    subscriber(log, lines, io::stderr().is_terminal()).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(Guard { _last: last, dropped })
}

fn subscriber<W>(log: &Log, writer: W, colours: bool) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse_lossy(log.filter.as_str());
    // At the level `trace`, a span of SeaORM contains the URL of the database, with its password.
    let filter = "sea_orm=warn".parse().into_iter().fold(filter, EnvFilter::add_directive);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(writer);
    match log.format {
        LogFormat::Pretty => Box::new(lines.finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).finish()),
    }
}

/// Logs a panic with its location, in the format of the other lines.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a payload that is not text");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(
        panic = message,
        location,
        thread = thread.name().unwrap_or("unnamed"),
        "a thread panicked"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::{Config, Inputs};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The log output of `work` with the given settings.
    fn logged(settings: &str, work: impl FnOnce()) -> String {
        let (none, page) = (Default::default(), Page::default());
        let read_secret = &|_: &std::path::Path| Err(io::ErrorKind::NotFound.into());
        let file = Some(("test", settings));
        let config = Config::load(&Inputs { file, env: &none, dotenv: None, read_secret }).unwrap();
        let writer = page.clone();
        tracing::subscriber::with_default(subscriber(&config.log, move || writer.clone(), false), work);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_lines_are_flat_objects() {
        let line = logged("log.format = 'json'", || tracing::info!(route = "/posts", "served"));
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&object["message"], &object["route"]), (&"served".into(), &"/posts".into()));
    }

    #[test]
    fn filter_selects_the_logged_levels() {
        let both = || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        };
        let page = logged("log.filter = 'warn'", both);
        assert!(page.contains("loud") && !page.contains("quiet"), "{page}");
    }

    #[test]
    fn panic_is_logged_with_its_location() {
        // The hook is global to the process: panics of other tests may pass through it meanwhile, which is harmless.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(log_panic));
        let line = logged("log.format = 'json'", || {
            let _ = std::panic::catch_unwind(|| panic!("out of {}", "coffee"));
        });
        std::panic::set_hook(before);

        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["panic"], "out of coffee");
        assert!(object["location"].as_str().unwrap().contains("telemetry.rs:"), "{line}");
    }
}
