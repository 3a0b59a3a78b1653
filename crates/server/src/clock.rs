//! The site clock, the start of id generation, and the clock check for retention. Decision 25 says why.
//!
//! On PostgreSQL a node follows the database clock while the local clock differs by more than a second, so that all
//! nodes agree; between two readings time advances with the monotonic clock. New ids start above the newest stored id
//! and advance past those of other nodes. [`Retention`] decides whether the clock is trusted for deletions by age; the
//! rules are in [`blegram_domain::clock_guard`].

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use blegram_domain::{
    Clock, Job, SystemClock, Timestamp,
    clock_guard::{Change, ClockGuard, Pause, Reading, Record, STEADY},
    id::{self, AnyId},
};
use blegram_persistence::{Db, clock_state, jobs, newest};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Largest difference between the local clock and the database clock at which the local clock is used.
pub const MAX_DIFFERENCE: Duration = Duration::from_secs(1);

/// How often a node reads the database clock and the newest id of the other nodes.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(10);

/// How often the clock is checked. While retention is paused, each check stores how long the clock has been steady.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// How often a successful check is stored.
const STORE_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// How a pause ends, for operators.
const REMEDY: &str = "it resumes after 24 hours of a steady clock, or with `blegram sweep --clock-is-right`";

/// The local clock, or the database clock while they differ.
pub struct SiteClock {
    machine: Arc<dyn Clock>,
    base: RwLock<Option<Base>>,
}

impl std::fmt::Debug for SiteClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiteClock").finish_non_exhaustive()
    }
}

/// The latest reading of the database clock. The wall clock is not read until the next one: if it is set in between,
/// that must not log users out.
#[derive(Clone, Copy)]
struct Base {
    time: Timestamp,
    at: Duration,
    /// Whether `time` is the database's, because the local clock differs.
    is_followed: bool,
}

impl SiteClock {
    /// Creates a clock that shows the local time until [`SiteClock::follow`] compares it with the database.
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, base: RwLock::new(None) }
    }

    /// Creates a clock and compares it with that of `db`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(db: &Db) -> Result<Arc<Self>, blegram_persistence::Error> {
        let clock = Self::new(Arc::new(SystemClock));
        clock.follow(db).await?;
        Ok(Arc::new(clock))
    }

    /// Compares the local clock with the database clock, and follows the latter while they differ by more than a
    /// second. Logs when that begins and ends. On SQLite does nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn follow(&self, db: &Db) -> Result<(), blegram_persistence::Error> {
        let (before, started) = (self.machine.now(), self.machine.monotonic());
        let Some(time) = newest::find_database_time(db).await? else { return Ok(()) };
        let elapsed = self.machine.monotonic().saturating_sub(started);
        if elapsed > MAX_DIFFERENCE {
            // Too slow to compare the clocks to the second.
            return Ok(());
        }
        let middle = before + elapsed / 2;
        let difference = time.as_micros() - middle.as_micros();
        let agrees = time.is_near(middle, MAX_DIFFERENCE + elapsed / 2);
        let base = Base {
            time: if agrees { before } else { shifted(before, difference) },
            at: started,
            is_followed: !agrees,
        };
        let previous = self.base.write().unwrap_or_else(PoisonError::into_inner).replace(base);
        let difference_ms = difference / 1_000;
        match (previous.is_some_and(|previous| previous.is_followed), base.is_followed) {
            (false, true) => tracing::warn!(
                difference_ms,
                "local clock differs from the database clock; following the database clock; synchronise both with NTP"
            ),
            (true, false) => {
                tracing::info!(difference_ms, "local clock agrees with the database clock again");
            }
            _ => {}
        }
        Ok(())
    }
}

impl Clock for SiteClock {
    fn now(&self) -> Timestamp {
        let base = *self.base.read().unwrap_or_else(PoisonError::into_inner);
        match base {
            Some(Base { time, at, .. }) => time + self.machine.monotonic().saturating_sub(at),
            None => self.machine.now(),
        }
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}

fn shifted(time: Timestamp, micros: i64) -> Timestamp {
    let span = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { time - span } else { time + span }
}

/// Makes the ids of this process start above the newest stored id. Logs a warning if that is ahead of `clock`.
///
/// # Errors
/// When the database fails.
pub async fn begin_ids(db: &Db, clock: &dyn Clock) -> Result<(), blegram_persistence::Error> {
    let Some(newest) = newest::find(db).await?.id else { return Ok(()) };
    advance_past(newest);
    if let Some(ahead) = ids_ahead(newest, clock.now()) {
        tracing::warn!(
            ahead = ahead.as_secs(),
            "stored ids are ahead of the clock by this many seconds, because the clock of a node was wrong in the past; new \
             ids continue after them until the clock has caught up"
        );
    }
    Ok(())
}

/// How far the newest id is ahead of the clock; `None` up to a second, by which nodes may differ.
pub fn ids_ahead(newest: AnyId, now: Timestamp) -> Option<Duration> {
    let created_at = id::instant_of(newest.as_uuid()).ok()?;
    Some(created_at.since(now)).filter(|ahead| *ahead > MAX_DIFFERENCE)
}

fn advance_past(newest: AnyId) {
    // The query leaves out ids that no clock can have produced.
    if let Err(error) = id::advance_past(newest.as_uuid()) {
        tracing::warn!(error = &error as &dyn std::error::Error, "cannot generate ids above a stored id");
    }
}

/// Decides whether rows may be deleted for their age; cheap to clone.
#[derive(Clone)]
pub struct Retention {
    db: Db,
    clock: Arc<dyn Clock>,
    watch: Arc<Mutex<Option<Watch>>>,
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retention").finish_non_exhaustive()
    }
}

struct Watch {
    guard: ClockGuard,
    /// When the state was last stored, on the monotonic clock.
    stored_at: Duration,
}

impl Retention {
    /// Creates a check of the clock; the first call of [`Retention::check`] starts it.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, watch: Arc::default() }
    }

    /// Returns the current time, checked, by which age is judged; `None` while retention is paused. Logs once when a
    /// pause begins, with the reason, and once when it ends.
    ///
    /// # Errors
    /// When the database fails; then nothing may be deleted either.
    pub async fn check(&self) -> Result<Option<Timestamp>, blegram_persistence::Error> {
        let mut watch = self.watch.lock().await;
        let record = clock_state::find(&self.db).await?;
        let now = Reading::of(&*self.clock);
        let is_start = watch.is_none();
        if is_start {
            let newest = newest::find(&self.db).await?.at;
            let guard = ClockGuard::start(now, newest, &record);
            report_start(guard.pause(now).as_ref());
            *watch = Some(Watch { guard, stored_at: now.monotonic });
        }
        let Some(Watch { guard, stored_at }) = watch.as_mut() else { return Ok(None) };
        let change = guard.check(now, record.confirmation);
        let pause = guard.pause(now);
        report(change.as_ref(), pause.as_ref());
        let interval = if pause.is_some() { CHECK_INTERVAL } else { STORE_INTERVAL };
        if is_start || change.is_some() || now.monotonic.saturating_sub(*stored_at) >= interval {
            self.store(now.wall, change.as_ref(), pause.as_ref()).await?;
            *stored_at = now.monotonic;
        }
        Ok(pause.is_none().then_some(now.wall))
    }

    async fn store(
        &self,
        now: Timestamp,
        change: Option<&Change>,
        pause: Option<&Pause>,
    ) -> Result<(), blegram_persistence::Error> {
        let tx = self.db.write().await?;
        clock_state::update_checked(&tx, now).await?;
        // A node with a steady clock must not end the pause of another node.
        if pause.is_some() || matches!(change, Some(Change::Resumed | Change::Confirmed)) {
            clock_state::update_pause(&tx, pause).await?;
        }
        tx.commit().await
    }

    /// Checks the clock every minute until `shutdown`.
    pub async fn watch(&self, shutdown: &CancellationToken) {
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
        while shutdown.run_until_cancelled(checks.tick()).await.is_some() {
            if let Err(error) = self.check_once().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "clock check failed");
            }
        }
    }

    /// Checks the clock once. Also makes jobs due that a clock ahead of time has scheduled too late.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn check_once(&self) -> Result<(), blegram_persistence::Error> {
        self.check().await?;
        let now = self.clock.now();
        if jobs::is_any_after(&self.db, now + Job::LONGEST_DELAY).await? {
            let tx = self.db.write().await?;
            jobs::update_run_at_after(&tx, now + Job::LONGEST_DELAY, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Follows the database clock and the ids of other nodes until `shutdown`. Returns at once on SQLite, which has
/// neither.
pub async fn follow(clock: &SiteClock, db: &Db, shutdown: &CancellationToken) {
    if db.is_sqlite() {
        return;
    }
    let mut ticks = tokio::time::interval(FOLLOW_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        let reading = async {
            clock.follow(db).await?;
            newest::find_id(db).await
        };
        match reading.await {
            Ok(newest) => newest.into_iter().for_each(advance_past),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "cannot read the database clock");
            }
        }
    }
}

fn report_start(pause: Option<&Pause>) {
    if let Some(Pause { since, reason, .. }) = pause {
        tracing::warn!(reason, %since, "retention is paused because the clock may be wrong: {REMEDY}");
    }
}

fn report(change: Option<&Change>, pause: Option<&Pause>) {
    match change {
        Some(Change::Paused) => report_start(pause),
        Some(Change::Resumed) => {
            tracing::info!("retention resumed: the clock was steady for {} hours", STEADY.as_secs() / 3_600);
        }
        Some(Change::Confirmed) => {
            tracing::info!("retention resumed: an operator confirmed the clock")
        }
        Some(Change::ConfirmedElsewhere(at)) => tracing::warn!(
            confirmed_at = %at,
            "an operator confirmed the clock, but the clock of this node shows another time; retention stays paused here"
        ),
        None => {}
    }
}

/// Returns the current pause, or the pause that a start at this moment would begin; `None` if retention runs. Used by
/// `blegram doctor` and `blegram sweep`.
///
/// # Errors
/// When the database fails.
pub async fn find_pause(db: &Db, clock: &dyn Clock) -> Result<Option<Pause>, blegram_persistence::Error> {
    let record: Record = clock_state::find(db).await?;
    let (newest, now) = (newest::find(db).await?.at, Reading::of(clock));
    // A stored pause is returned as it is: the server process measures its steady time.
    Ok(record.pause.clone().or_else(|| ClockGuard::start(now, newest, &record).pause(now)))
}

/// Stores an operator's confirmation that the clock is right, and makes the retention job due at once.
///
/// # Errors
/// When the database fails.
pub async fn confirm(db: &Db, clock: &dyn Clock) -> Result<Timestamp, blegram_persistence::Error> {
    let now = clock.now();
    let tx = db.write().await?;
    clock_state::update_confirmed(&tx, now).await?;
    jobs::insert_again(&tx, Job::Retention, now).await?;
    tx.commit().await?;
    Ok(now)
}

/// Describes a pause for operators.
pub fn describe(pause: &Pause) -> String {
    let Pause { since, reason, steady_for } = pause;
    let hours = steady_for.as_secs() / 3_600;
    format!(
        "retention has been paused since {since} because {reason}; the clock has been steady for {hours} h; {REMEDY}"
    )
}
