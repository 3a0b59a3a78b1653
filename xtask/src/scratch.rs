//! Temporary directories. The next run cleans up those of a run that was killed.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};

use crate::process::{output, wait_until};

const PREFIX: &str = "blegram-xtask-";
const LOCK: &str = "lock";

/// A directory in the system's temporary directory, deleted when dropped.
///
/// It contains a lock file, locked for as long as xtask lives. `kill -9` releases the lock, so a directory whose lock
/// is free is a leftover.
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Creates an empty directory.
    pub(crate) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("{PREFIX}{}-{number}", process::id()));
        // Other users may traverse it (PostgreSQL runs as another user under root), but not list it.
        DirBuilder::new()
            .mode(0o711)
            .create(&path)
            .with_context(|| format!("creating {}", path.display()))?;
        let lock = File::create(path.join(LOCK)).context("creating a lock file")?;
        lock.lock().context("locking a temporary directory")?;
        Ok(Self { path, _lock: lock })
    }

    /// The path of the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Records the pid of a process that uses this directory, for [`sweep`].
    pub(crate) fn record(&self, name: &str, pid: u32) -> Result<()> {
        fs::write(self.path.join(name).with_extension("pid"), pid.to_string()).context("writing a pid file")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Stops the processes and deletes the directories of runs that were killed.
pub(crate) fn sweep() -> Result<()> {
    let temporary = env::temp_dir();
    let entries = fs::read_dir(&temporary).with_context(|| format!("reading {}", temporary.display()))?;
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_ours(path)) {
        sweep_one(&path);
    }
    Ok(())
}

/// Whether it is a directory of this user with our prefix. Not a symbolic link, and not a directory of another user,
/// who could have planted it in the shared temporary directory.
fn is_ours(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    let owned = |meta: fs::Metadata| meta.is_dir() && meta.uid() == geteuid().as_raw();
    named && fs::symlink_metadata(path).is_ok_and(owned)
}

fn sweep_one(path: &Path) {
    let Ok(lock) = File::open(path.join(LOCK)) else { return };
    if lock.try_lock().is_err() {
        return;
    }
    println!("xtask: cleaning up {} of a killed run", path.display());
    recorded_pids(path).into_iter().filter(|pid| works_in(*pid, path)).for_each(end);
    remove(path);
}

fn recorded_pids(path: &Path) -> Vec<Pid> {
    let files = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let pid_files = files.filter(|file| file.extension().is_some_and(|extension| extension == "pid"));
    let numbers = pid_files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// Whether a process uses the directory, by its command line: the pid may have been reused by another process.
fn works_in(pid: Pid, path: &Path) -> bool {
    let pid = pid.as_raw_pid();
    let line =
        fs::read(format!("/proc/{pid}/cmdline")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let line =
        line.ok().or_else(|| output(Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()])));
    line.is_some_and(|line| line.contains(&*path.to_string_lossy()))
}

fn end(pid: Pid) {
    for signal in [Signal::QUIT, Signal::KILL] {
        let _ = kill_process(pid, signal);
        if wait_until(Duration::from_secs(5), || Ok(test_kill_process(pid).is_err())).is_ok() {
            return;
        }
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        eprintln!("xtask: cannot delete {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leftover with a name that the sweeps of other tests and runs ignore.
    fn leftover(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join(LOCK), "").unwrap();
        path
    }

    #[test]
    fn sweep_removes_unlocked_directories_only() {
        let locked = Scratch::new().unwrap();
        assert!(is_ours(locked.path()));
        sweep_one(locked.path());
        assert!(locked.path().exists());
        let abandoned = leftover("dead");
        sweep_one(&abandoned);
        assert!(!abandoned.exists());
    }

    #[test]
    fn sweep_ignores_other_directories_and_links() {
        assert!(!is_ours(&env::temp_dir()));
        let folder = leftover("target");
        let link = env::temp_dir().join(format!("{PREFIX}link-{}", process::id()));
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(!is_ours(&link));
        fs::remove_file(link).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn sweep_stops_recorded_processes_of_the_directory_only() {
        let abandoned = leftover("pids");
        let mut ours = Command::new("tail").arg("-f").arg(abandoned.join(LOCK)).spawn().unwrap();
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(abandoned.join("ours.pid"), ours.id().to_string()).unwrap();
        fs::write(abandoned.join("stranger.pid"), stranger.id().to_string()).unwrap();
        // Reaps the process at once, as the init process does with real leftovers.
        let reaper = std::thread::spawn(move || ours.wait().unwrap());
        sweep_one(&abandoned);
        assert!(!reaper.join().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
