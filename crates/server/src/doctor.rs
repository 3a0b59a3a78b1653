//! What is wrong, and how to mend it. Changes nothing.

use std::{fmt, path::Path};

use blegram_domain::{Clock, SystemClock, Timestamp};
use blegram_media::{Location, Storage};
use blegram_persistence::jobs::{Failing, Summary};

use crate::{
    config::{Backend, Config},
    migrate, wire,
};

/// What one look found.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    /// How it is, or what to do about it.
    result: Result<String, String>,
}

/// What the doctor found.
#[derive(Debug)]
pub struct Report(Vec<Finding>);

impl Report {
    /// Whether nothing needs mending.
    pub fn is_well(&self) -> bool {
        self.0.iter().all(|finding| finding.result.is_ok())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { what, result } in &self.0 {
            match result {
                Ok(how) => writeln!(f, "  ok    {what:<14} {how}")?,
                Err(advice) => writeln!(f, "  WRONG {what:<14} {advice}")?,
            }
        }
        let verdict = if self.is_well() { "Everything is well." } else { "Something needs mending." };
        writeln!(f, "\n{verdict}")
    }
}

/// Looks at everything that blegram depends on.
pub async fn examine(config: &Config) -> Report {
    let mut findings = vec![
        Finding { what: "configuration", result: Ok("valid; see `blegram config show`".to_owned()) },
        Finding { what: "data folder", result: data_folder(&config.server.data_dir) },
        Finding { what: "clock", result: clock(SystemClock.now()) },
    ];
    findings.push(Finding { what: "images", result: images(config).await });
    if migrate::is_not_made_yet(config) {
        let result = Ok("not made yet; `blegram serve` makes it".to_owned());
        findings.push(Finding { what: "database", result });
    } else {
        let result = database(config).await;
        let answers = result.is_ok();
        findings.push(Finding { what: "database", result });
        if answers {
            let result = schema(config).await;
            let is_current = result.is_ok();
            findings.push(Finding { what: "schema", result });
            if is_current {
                findings.push(Finding { what: "jobs", result: jobs(config).await });
            }
        }
    }
    Report(findings)
}

fn data_folder(path: &Path) -> Result<String, String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            Err(format!("{shown} is not a folder; set server.data_dir to another"))
        }
        Ok(metadata) if metadata.permissions().readonly() => Err(format!("{shown} cannot be written to")),
        Ok(_) => Ok(shown.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(format!("{shown} is made at the first start"))
        }
        Err(error) => Err(format!("{shown}: {error}; set server.data_dir to a folder of this user")),
    }
}

/// Ids and sessions are made of the time, so a machine that believes in 1970 spoils both.
fn clock(now: Timestamp) -> Result<String, String> {
    const RELEASED: i64 = 1_763_856_000_000_000; // 2025-11-23
    if now.as_micros() < RELEASED {
        return Err(format!("{now} has long passed; set the machine's clock, for example with NTP"));
    }
    Ok(now.to_string())
}

async fn database(config: &Config) -> Result<String, String> {
    let advice = "check database.url, and that the server runs and lets this machine in";
    let db = wire::database(config).await.map_err(|error| format!("{}; {advice}", on_one_line(&error)))?;
    let ping = db.ping().await.map_err(|error| format!("{}; {advice}", on_one_line(&error)));
    // Only looked at: a failure to part is no finding.
    let _ = db.close().await;
    ping.map(|()| {
        if config.database_url().backend() == Backend::Sqlite { "SQLite" } else { "PostgreSQL" }.to_owned()
    })
}

/// Nothing is made: a folder that is not there yet is the first start's to make.
async fn images(config: &Config) -> Result<String, String> {
    let location = config.media_location();
    if let Location::Folder(folder) = &location {
        return match std::fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() && !metadata.permissions().readonly() => {
                Ok(folder.display().to_string())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(format!("{} is made at the next start", folder.display()))
            }
            _ => Err(format!(
                "{} is no folder that this user can write to; set media.storage",
                folder.display()
            )),
        };
    }
    let advice = "check media.storage and the media.s3_ settings, and that the bucket exists";
    let storage = Storage::open(&location).map_err(|error| on_one_line(&error))?;
    let answer = storage.check().await.map_err(|error| format!("{}; {advice}", on_one_line(&error)));
    answer.map(|()| "the bucket answers".to_owned())
}

async fn jobs(config: &Config) -> Result<String, String> {
    let db = wire::database(config).await.map_err(|error| on_one_line(&error))?;
    let summary = blegram_persistence::jobs::summary(&db).await.map_err(|error| on_one_line(&error));
    // As above.
    let _ = db.close().await;
    let Summary { waiting, failing, oldest_failing } = summary?;
    let Some(Failing { kind, subject, attempts, last_error, created_at }) = oldest_failing else {
        return Ok(format!("{waiting} waiting, none failing"));
    };
    Err(format!(
        "{failing} of {waiting} failing; the oldest is {kind} {subject}, wanted since {created_at} and tried {attempts} \
         times: {last_error}; it is tried again until the cause is mended"
    ))
}

async fn schema(config: &Config) -> Result<String, String> {
    let schema = migrate::connect(config).await.map_err(|error| on_one_line(error.as_ref()))?;
    let current = schema.is_current().await;
    // As above.
    let _ = schema.close().await;
    match current {
        Ok(true) => Ok("current".to_owned()),
        Ok(false) => Err("changes are pending; run `blegram migrate up`".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// An error with its causes. Many errors repeat their cause in their own words; that is said once.
pub fn on_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_lost_its_battery_is_found() {
        assert!(clock(Timestamp::from_micros(0).unwrap()).is_err());
        assert!(clock(SystemClock.now()).is_ok());
    }
}
