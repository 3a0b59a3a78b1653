//! Temporary directories that the next start clears away when this one could not.

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

/// A directory under the system's temporary one, removed when dropped.
///
/// Its lock is held as long as xtask lives, even against `kill -9`: a directory whose lock is free is a leftover.
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes an empty directory of one's own.
    pub(crate) fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("{PREFIX}{}-{number}", process::id()));
        // Others may pass (PostgreSQL runs as another user under root) but not look around.
        DirBuilder::new()
            .mode(0o711)
            .create(&path)
            .with_context(|| format!("creating {}", path.display()))?;
        let lock = File::create(path.join(LOCK)).context("creating a lock file")?;
        lock.lock().context("locking a temporary directory")?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers a process working here, for the sweep.
    pub(crate) fn record(&self, name: &str, pid: u32) -> Result<()> {
        fs::write(self.path.join(name).with_extension("pid"), pid.to_string()).context("writing a pid file")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Ends and removes what an xtask that was killed has left behind.
pub(crate) fn sweep() -> Result<()> {
    let temporary = env::temp_dir();
    let entries = fs::read_dir(&temporary).with_context(|| format!("reading {}", temporary.display()))?;
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_ours(path)) {
        sweep_one(&path);
    }
    Ok(())
}

/// A directory of this user with our prefix; never a link or somebody else's trap in a shared folder.
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
    println!("xtask: clearing {} of a run that was killed", path.display());
    recorded_pids(path).into_iter().filter(|pid| works_in(*pid, path)).for_each(end);
    remove(path);
}

fn recorded_pids(path: &Path) -> Vec<Pid> {
    let files = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let pid_files = files.filter(|file| file.extension().is_some_and(|extension| extension == "pid"));
    let numbers = pid_files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// The number may belong to a stranger by now: only a command line naming the directory proves the process ours.
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
        eprintln!("xtask: {} could not be removed: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leftover under a name that no sweep of another test or run looks at.
    fn leftover(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join(LOCK), "").unwrap();
        path
    }

    #[test]
    fn a_living_directory_survives_a_sweep_and_a_dead_one_does_not() {
        let living = Scratch::new().unwrap();
        assert!(is_ours(living.path()));
        sweep_one(living.path());
        assert!(living.path().exists());
        let dead = leftover("dead");
        sweep_one(&dead);
        assert!(!dead.exists());
    }

    #[test]
    fn strangers_folders_are_not_swept() {
        assert!(!is_ours(&env::temp_dir()));
        let folder = leftover("target");
        let link = env::temp_dir().join(format!("{PREFIX}link-{}", process::id()));
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(!is_ours(&link));
        fs::remove_file(link).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_sweep_ends_a_recorded_process_but_not_a_stranger() {
        let dead = leftover("pids");
        let mut ours = Command::new("tail").arg("-f").arg(dead.join(LOCK)).spawn().unwrap();
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(dead.join("ours.pid"), ours.id().to_string()).unwrap();
        fs::write(dead.join("stranger.pid"), stranger.id().to_string()).unwrap();
        // Reaped at once, as the init process does with real leftovers.
        let reaper = std::thread::spawn(move || ours.wait().unwrap());
        sweep_one(&dead);
        assert!(!reaper.join().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
