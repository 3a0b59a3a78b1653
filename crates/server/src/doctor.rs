//! `blegram doctor`: checks everything that the server depends on, without changing anything, and says how to fix
//! problems. Each check yields one line of the report.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use blegram_auth::SiteKey;
use blegram_bus::RedisBus;
use blegram_domain::{Clock, SystemClock, Timestamp};
use blegram_media::{Location, Storage};
use blegram_persistence::jobs::{Failing, Summary};
use blegram_persistence::{Db, newest, storage_marker};

use crate::{
    clock::{self, SiteClock},
    config::{Backend, Config, RedisUrl},
    migrate, web, wire,
};

/// Result of one check.
#[derive(Debug)]
struct Finding {
    name: &'static str,
    /// The state, or the problem with advice.
    result: Result<String, String>,
}

/// The results of all checks.
#[derive(Debug)]
pub struct Report(Vec<Finding>);

impl Report {
    /// Whether all checks passed.
    pub fn is_healthy(&self) -> bool {
        self.0.iter().all(|finding| finding.result.is_ok())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { name, result } in &self.0 {
            match result {
                Ok(detail) => writeln!(f, "  ok    {name:<14} {detail}")?,
                Err(advice) => writeln!(f, "  FAIL  {name:<14} {advice}")?,
            }
        }
        let verdict = if self.is_healthy() { "All checks passed." } else { "Some checks failed." };
        writeln!(f, "\n{verdict}")
    }
}

/// Runs all checks. The checks of the schema and the data run only if the database responds.
pub async fn examine(config: &Config) -> Report {
    let mut findings = vec![
        Finding { name: "configuration", result: Ok("valid; see `blegram config show`".to_owned()) },
        Finding { name: "data directory", result: data_folder(&config.server.data_dir) },
        Finding { name: "clock", result: is_plausible(SystemClock.now()) },
        Finding { name: "web app", result: web::examine(&config.server.web) },
    ];
    findings.push(Finding { name: "image storage", result: in_time(images(config)).await });
    if let Some(url) = &config.redis.url {
        findings.push(Finding { name: "redis", result: in_time(redis(url)).await });
    }
    if migrate::is_database_missing(config) {
        let result = Ok("not created yet; `blegram serve` creates it".to_owned());
        findings.push(Finding { name: "database", result });
    } else {
        let result = in_time(database(config)).await;
        let answers = result.is_ok();
        findings.push(Finding { name: "database", result });
        if answers {
            let result = in_time(schema(config)).await;
            let is_current = result.is_ok();
            findings.push(Finding { name: "schema", result });
            if is_current {
                findings.push(Finding { name: "jobs", result: in_time(jobs(config)).await });
                findings.push(Finding { name: "storage marker", result: in_time(storage(config)).await });
                findings.extend(time(config).await);
            }
        }
    }
    Report(findings)
}

fn data_folder(path: &Path) -> Result<String, String> {
    let path_text = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            Err(format!("{path_text} is not a directory; set server.data_dir to another path"))
        }
        Ok(metadata) if metadata.permissions().readonly() => Err(format!("{path_text} is read-only")),
        Ok(_) => Ok(path_text.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(format!("{path_text} will be created at the first start"))
        }
        Err(error) => Err(format!("{path_text}: {error}; set server.data_dir to a directory of this user")),
    }
}

/// Rejects a clock that shows a time before this software existed. Ids and session lifetimes depend on it.
fn is_plausible(now: Timestamp) -> Result<String, String> {
    const RELEASED: i64 = 1_763_856_000_000_000; // 2025-11-23
    if now.as_micros() < RELEASED {
        return Err(format!("{now} is in the past; set the clock of this machine, for example with NTP"));
    }
    Ok(now.to_string())
}

/// Time limit of each check that talks to another system.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

async fn in_time(check: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    let slow = |_| Err("no response in time".to_owned());
    tokio::time::timeout(CHECK_TIMEOUT, check).await.unwrap_or_else(slow)
}

/// The site works without it, but nodes then learn late of each other's events.
async fn redis(url: &RedisUrl) -> Result<String, String> {
    let advice = "check redis.url, and that the server is running and accepts connections from this machine";
    let ping = RedisBus::ping(url.secret()).await;
    ping.map_or_else(
        |error| Err(format!("{}; {advice}", on_one_line(&error))),
        |()| Ok("it answers".to_owned()),
    )
}

async fn database(config: &Config) -> Result<String, String> {
    let advice =
        "check database.url, and that the server is running and accepts connections from this machine";
    let db = wire::database(config).await.map_err(|error| format!("{}; {advice}", on_one_line(&error)))?;
    let ping = db.ping().await.map_err(|error| format!("{}; {advice}", on_one_line(&error)));
    // Nothing was changed, so a failure to close does not matter.
    let _ = db.close().await;
    ping.map(|()| {
        if config.database_url().backend() == Backend::Sqlite { "SQLite" } else { "PostgreSQL" }.to_owned()
    })
}

/// Whether the image storage is reachable. Does not create a missing directory; the next start does.
async fn images(config: &Config) -> Result<String, String> {
    let location = config.media_location();
    if let Location::Folder(folder) = &location {
        return match std::fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() && !metadata.permissions().readonly() => {
                Ok(folder.display().to_string())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(format!("{} will be created at the next start", folder.display()))
            }
            _ => Err(format!(
                "{} is not a directory that this user can write to; set media.storage",
                folder.display()
            )),
        };
    }
    let advice = "check media.storage and the media.s3_ settings, and that the bucket exists";
    let storage = Storage::open(&location).map_err(|error| on_one_line(&error))?;
    let answer = storage.check().await.map_err(|error| format!("{}; {advice}", on_one_line(&error)));
    answer.map(|()| "the bucket is reachable".to_owned())
}

/// Whether the image storage is the one that this site has written to, by its marker.
async fn storage(config: &Config) -> Result<String, String> {
    let db = wire::database(config).await.map_err(|error| on_one_line(&error))?;
    let answer = marked_storage(config, &db).await;
    // As above.
    let _ = db.close().await;
    answer
}

async fn marked_storage(config: &Config, db: &Db) -> Result<String, String> {
    if let Location::Folder(folder) = config.media_location()
        && !folder.exists()
    {
        // Opening the storage would create the directory.
        let found = storage_marker::find(db).await.map_err(|error| on_one_line(&error))?;
        return match found {
            Some(found) if found.is_written => Err(format!(
                "{} does not exist; attach the storage that this site has written to",
                folder.display()
            )),
            _ => Ok("will be written at the next start".to_owned()),
        };
    }
    // Any key will do: this command signs no links.
    let media = wire::media(config, db.clone(), Arc::new(SystemClock), &SiteKey::random_secret());
    let media = media.map_err(|error| on_one_line(&error))?;
    media.inspect_storage().await.map_err(|error| on_one_line(&error))?;
    Ok("matches this site".to_owned())
}

async fn jobs(config: &Config) -> Result<String, String> {
    let db = wire::database(config).await.map_err(|error| on_one_line(&error))?;
    let summary = blegram_persistence::jobs::summary(&db).await.map_err(|error| on_one_line(&error));
    // As above.
    let _ = db.close().await;
    let Summary { waiting, failing, oldest_failing } = summary?;
    let Some(Failing { kind, subject, attempts, last_error, created_at }) = oldest_failing else {
        return Ok(format!("{waiting} pending, none failing"));
    };
    Err(format!(
        "{failing} of {waiting} pending jobs are failing; the oldest is {kind} {subject}, created at {created_at}, \
         {attempts} attempts: {last_error}; it is retried until the cause is fixed"
    ))
}

/// Compares the database clock and the newest id with the local clock, and checks whether retention is paused.
async fn time(config: &Config) -> Vec<Finding> {
    let db = match wire::database(config).await {
        Ok(db) => db,
        Err(error) => return vec![Finding { name: "retention", result: Err(on_one_line(&error)) }],
    };
    let findings = vec![
        Finding { name: "database clock", result: database_clock(&db).await },
        Finding { name: "ids", result: ids(&db).await },
        Finding { name: "retention", result: retention(&db).await },
    ];
    // As above.
    let _ = db.close().await;
    findings
}

async fn database_clock(db: &Db) -> Result<String, String> {
    let before = SystemClock.now();
    let time = newest::find_database_time(db).await.map_err(|error| on_one_line(&error))?;
    let after = SystemClock.now();
    match time {
        None => Ok("the clock of this machine".to_owned()),
        Some(time) if time < before - clock::MAX_DIFFERENCE || after + clock::MAX_DIFFERENCE < time => {
            Err(format!(
                "{time}, while the clock of this machine shows {before}; blegram follows the database clock; synchronise both, \
             for example with NTP"
            ))
        }
        Some(_) => Ok("agrees with the clock of this machine".to_owned()),
    }
}

async fn ids(db: &Db) -> Result<String, String> {
    let newest = newest::find(db).await.map_err(|error| on_one_line(&error))?;
    let clock = SiteClock::of(db).await.map_err(|error| on_one_line(&error))?;
    Ok(match newest.id.and_then(|newest| clock::ids_ahead(newest, clock.now())) {
        None => "not ahead of the clock".to_owned(),
        Some(ahead) => format!(
            "{} s ahead of the clock, because a clock was wrong in the past; ids stay in order, no action is needed",
            ahead.as_secs()
        ),
    })
}

async fn retention(db: &Db) -> Result<String, String> {
    let clock = SiteClock::of(db).await.map_err(|error| on_one_line(&error))?;
    match clock::find_pause(db, &*clock).await.map_err(|error| on_one_line(&error))? {
        None => Ok("runs every hour".to_owned()),
        Some(pause) => Err(clock::describe(&pause)),
    }
}

async fn schema(config: &Config) -> Result<String, String> {
    let schema = migrate::connect(config).await.map_err(|error| on_one_line(error.as_ref()))?;
    let current = schema.is_current().await;
    // As above.
    let _ = schema.close().await;
    match current {
        Ok(true) => Ok("current".to_owned()),
        Ok(false) => Err("migrations are pending; run `blegram migrate up`".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Formats an error with its causes on one line. Many errors repeat the text of their cause; it appears only once.
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
    fn clock_before_the_release_date_is_reported() {
        assert!(is_plausible(Timestamp::from_micros(0).unwrap()).is_err());
        assert!(is_plausible(SystemClock.now()).is_ok());
    }
}
