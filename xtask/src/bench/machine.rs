//! What the figures were measured on.

use std::fs;
use std::process::Command;
use std::thread;

use crate::process::output;
use crate::workspace::root;

/// The machine and the versions; "unknown" where the system does not provide it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    /// The commit of the working tree, with a note if the tree has other changes.
    pub(crate) commit: String,
    pub(crate) date: String,
    /// The file system of temporary files, where the databases are.
    pub(crate) file_system: String,
    /// The average number of running processes over one, five and fifteen minutes, before the run.
    pub(crate) load_before: String,
}

impl Machine {
    /// Describes this machine.
    pub(crate) fn describe() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let is_changed =
            !text("git", &["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default().is_empty();
        let commit = text("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown);
        Self {
            processor: field(&cpuinfo, "model name").unwrap_or_else(unknown),
            processors: thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib(&meminfo).unwrap_or(0.0) / 1024.0 / 1024.0,
            kernel: text("uname", &["-sr"]).unwrap_or_else(unknown),
            rustc: text("rustc", &["--version"]).unwrap_or_else(unknown),
            commit: if is_changed { format!("{commit} with changes") } else { commit },
            date: text("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(unknown),
            file_system: text("stat", &["-f", "-c", "%T", &std::env::temp_dir().display().to_string()])
                .unwrap_or_else(unknown),
            load_before: load(),
        }
    }
}

/// The three load averages.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages = text.split_whitespace().take(3).collect::<Vec<_>>().join(", ");
    if averages.is_empty() { unknown() } else { averages }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn text(program: &str, words: &[&str]) -> Option<String> {
    let text = output(Command::new(program).args(words).current_dir(root()))?;
    Some(text.trim().to_owned())
}

/// The value of `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kib(meminfo: &str) -> Option<f64> {
    field(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_from_proc() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast CPU @ 2 GHz: new\n";
        assert_eq!(field(cpuinfo, "model name").as_deref(), Some("Fast CPU @ 2 GHz: new"));
        assert_eq!(kib("MemFree: 1 kB\nMemTotal:       24000 kB\n"), Some(24_000.0));
        assert_eq!(kib(""), None);
    }
}
