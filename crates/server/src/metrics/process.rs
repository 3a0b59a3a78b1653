//! The process, as Linux reports it in `/proc/self`. Elsewhere these metrics are missing.

use std::fs;

/// What the system reports. A value is missing if it cannot be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Process {
    /// User and system.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) open_fds: Option<f64>,
    pub(super) max_fds: Option<f64>,
    pub(super) threads: Option<f64>,
    /// Unix time.
    pub(super) start_time_seconds: Option<f64>,
}

/// The ticks of `/proc` in a second: `USER_HZ`, which is 100 on all architectures that Rust has for Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads the files of `/proc`; blocking, but they are in memory.
pub(super) fn read() -> Process {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (stat, status, limits) =
        (text("/proc/self/stat"), text("/proc/self/status"), text("/proc/self/limits"));
    Process {
        // The iterator has a descriptor of its own.
        open_fds: fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count().saturating_sub(1) as f64),
        ..parse(&stat, &status, &limits, &text("/proc/stat"))
    }
}

fn parse(stat: &str, status: &str, limits: &str, system: &str) -> Process {
    // The name of the program, in parentheses, may contain anything. The fields after it begin with the third.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace().collect()).unwrap_or_default();
    let ticks =
        |field: usize| fields.get(field - 3)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_SECOND);
    let line = |text: &str, name: &str| -> Option<f64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    };
    let boot = line(system, "btime ");
    Process {
        cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| user + system),
        resident_bytes: line(status, "VmRSS:").map(|kib| kib * 1024.0),
        open_fds: None,
        max_fds: line(limits, "Max open files"),
        threads: line(status, "Threads:"),
        start_time_seconds: ticks(22).zip(boot).map(|(since_boot, boot)| boot + since_boot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_proc_are_parsed() {
        let stat = "4242 (a b) c) S 1 4242 4242 0 -1 4194560 4500 0 11 0 250 75 0 0 20 0 9 0 360000 1000 200";
        let status = "Name:\ta\nVmRSS:\t   20480 kB\nThreads:\t9\n";
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            65536                1048576              files     \n";
        let expected = Process {
            cpu_seconds: Some(3.25),
            resident_bytes: Some(20_971_520.0),
            open_fds: None,
            max_fds: Some(65_536.0),
            threads: Some(9.0),
            start_time_seconds: Some(1_790_003_600.0),
        };
        assert_eq!(parse(stat, status, limits, "cpu  1 2 3\nbtime 1790000000\n"), expected);
        assert_eq!(parse("", "", "", ""), Process::default(), "on other systems");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_read() {
        let process = read();
        assert!(
            process.cpu_seconds.is_some() && process.start_time_seconds > Some(1_700_000_000.0),
            "{process:?}"
        );
        assert!(process.resident_bytes > Some(1e6) && process.threads >= Some(1.0), "{process:?}");
        assert!(process.open_fds >= Some(3.0) && process.max_fds >= process.open_fds, "{process:?}");
    }
}
