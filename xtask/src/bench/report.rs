//! Writes the results as Markdown, with plots.

mod section;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub(crate) use self::section::Database;
use super::machine::{self, Machine};
use super::plot::short;
use super::usage::QUIET;
use super::world::World;
use crate::workspace::root;

/// The reasons for missed targets, which people write.
const REASONS: &str = "benches/reasons.txt";

/// Everything that a run measured.
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    pub(crate) rounds: u32,
    pub(crate) world: World,
    pub(crate) databases: Vec<Database>,
}
/// Reasons by the key of a figure.
struct Reasons(String);

impl Reasons {
    fn read() -> Result<Self> {
        fs::read_to_string(root().join(REASONS)).map(Self).with_context(|| format!("reading {REASONS}"))
    }

    /// `reached`, or why not.
    fn verdict(&self, key: &str, is_reached: bool) -> String {
        if is_reached {
            return "reached".into();
        }
        let reason = self.0.lines().filter_map(|line| line.split_once(": ")).find(|(of, _)| *of == key);
        reason.map_or_else(|| format!("missed (`{key}`)"), |(_, reason)| format!("missed: {}", reason.trim()))
    }
}

impl Results {
    /// Writes `benchmarks.md` and its plots to a directory, and returns the text.
    pub(crate) fn write(&self, folder: &Path) -> Result<String> {
        let pictures = folder.join("pictures");
        fs::create_dir_all(&pictures).with_context(|| format!("creating {}", pictures.display()))?;
        let reasons = Reasons::read()?;
        let mut text = self.head();
        for database in &self.databases {
            let _ = write!(text, "\n## {}\n", database.name);
            text += &database.text(&reasons, &pictures)?;
        }
        let path = folder.join("benchmarks.md");
        fs::write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
        println!("xtask: wrote {}", path.display());
        Ok(text)
    }

    fn head(&self) -> String {
        let Machine {
            processor,
            processors,
            memory_gib,
            kernel,
            rustc,
            commit,
            date,
            file_system,
            load_before,
        } = &self.machine;
        let quiet = match self.others_share() {
            None => "How busy other processes were was not measured.".to_owned(),
            Some(others) => format!(
                "Other processes and the host used {:.0} % of the processors meanwhile: the run was {}. A row marked † was measured \
                 while they used more than {:.0} %.",
                others * 100.0,
                if others > QUIET {
                    "**not quiet**, so do not compare its figures with others"
                } else {
                    "quiet"
                },
                QUIET * 100.0
            ),
        };
        format!(
            "# Benchmarks\n\n<!-- Written by `cargo xtask bench`. Reasons for missed targets are in {REASONS}. -->\n\n\
             Measured on {date} at commit {commit}, on {processors} × {processor} with {memory_gib:.0} GiB, which the server, the \
             database and the load generator shared. {kernel}, {rustc}, files on {file_system}.\n\n\
             Load before the run: {load_before}; after it: {}. {quiet}\n\n\
             A **floor** ([benches/floor](../benches/floor/src/main.rs)) is the least that a server in Rust has to do for the same \
             response: hyper, sqlx, serde, one hand-written statement per read, one transaction of bare statements per write, the \
             same JSON field for field, the same compiler settings. blegram and the floors ran on the same database and in turns, \
             {} connections, {} rounds of {} s; each figure is a median. **Cost** is processor time per request, of the server and \
             of the database. Ratios depend less on the machine than the figures. [How to read it, and why it is measured like \
             this](decisions/0064-benchmarks-are-ratios-to-floors.md).\n\n\
             The world: {} users, {} posts, {} likes, with comments, images, hashtags, follows and conversations, made by SQL. \
             SQLite runs with its write-ahead log and `synchronous=FULL`, PostgreSQL with `fsync` and `synchronous_commit` on: \
             every acknowledged write is on the disk. The images of a created post are uploaded before; the job that moves the files \
             of new images is not measured.\n",
            machine::load(),
            self.connections,
            self.rounds,
            self.seconds,
            short(self.world.users as f64),
            short(self.world.posts as f64),
            short(self.world.likes as f64),
        )
    }

    /// The mean share of the processors that others had while something was measured.
    fn others_share(&self) -> Option<f64> {
        let shares: Vec<f64> = self.databases.iter().flat_map(Database::others_shares).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_target_has_its_reason_or_its_key() {
        let reasons = Reasons("# sqlite a: comment\nsqlite like and unlike cookie: one fsync each\n".into());
        assert_eq!(reasons.verdict("sqlite like and unlike cookie", true), "reached");
        assert_eq!(reasons.verdict("sqlite like and unlike cookie", false), "missed: one fsync each");
        assert_eq!(reasons.verdict("sqlite a", false), "missed (`sqlite a`)");
    }
}
