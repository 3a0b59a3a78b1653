//! The clock of a site: what time it is, where ids begin, and whether what is old may be deleted.
//!
//! On PostgreSQL the database's clock is followed when this machine's differs by more than a second, so that all nodes
//! agree; between two looks at it time passes as the monotonic clock says. Ids begin above the newest stored one and advance
//! past those of other nodes. [`Retention`] answers whether the clock is trusted with deleting; the rules are in
//! [`blegram_domain::clock_guard`].

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

/// The database's clock is followed when this machine's differs by more.
pub const AGREES: Duration = Duration::from_secs(1);

/// How often the database is asked what time it is, and how far the ids of other nodes are.
const LOOK: Duration = Duration::from_secs(10);

/// How often the clock is checked and, while retention pauses, its steady time is stored.
const CHECK: Duration = Duration::from_secs(60);

/// How often an undisturbed clock is stored as checked.
const STORE: Duration = Duration::from_secs(10 * 60);

/// How an operator ends a pause.
const REMEDY: &str = "it goes on after 24 hours of a steady clock, or with `blegram sweep --clock-is-right`";

/// This machine's clock, or the database's where they differ.
pub struct SiteClock {
    machine: Arc<dyn Clock>,
    base: RwLock<Option<Base>>,
}

/// What time it was when the database was asked last. A machine's clock that is set after that is not asked: who is logged
/// in must not depend on it for the seconds until the next look.
#[derive(Clone, Copy)]
struct Base {
    time: Timestamp,
    at: Duration,
    /// Whether it is the database's time, because the machine's differs.
    is_followed: bool,
}

impl SiteClock {
    /// The machine's clock; [`SiteClock::follow`] compares it with the database's.
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, base: RwLock::new(None) }
    }

    /// The clock of the site that `db` is of.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(db: &Db) -> Result<Arc<Self>, blegram_persistence::Error> {
        let clock = Self::new(Arc::new(SystemClock));
        clock.follow(db).await?;
        Ok(Arc::new(clock))
    }

    /// Compares the machine's clock with the database's, and follows that when they differ by more than a second. Says so
    /// when it begins and when it ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn follow(&self, db: &Db) -> Result<(), blegram_persistence::Error> {
        let (before, began) = (self.machine.now(), self.machine.monotonic());
        let Some(time) = newest::find_database_time(db).await? else { return Ok(()) };
        let took = self.machine.monotonic().saturating_sub(began);
        if took > AGREES {
            // An answer that took so long says too little about a second.
            return Ok(());
        }
        let middle = before + took / 2;
        let difference = time.as_micros() - middle.as_micros();
        let agrees = time.is_near(middle, AGREES + took / 2);
        let base = Base {
            time: if agrees { before } else { shifted(before, difference) },
            at: began,
            is_followed: !agrees,
        };
        let was = self.base.write().unwrap_or_else(PoisonError::into_inner).replace(base);
        let difference_ms = difference / 1_000;
        match (was.is_some_and(|was| was.is_followed), base.is_followed) {
            (false, true) => tracing::warn!(
                difference_ms,
                "this machine's clock differs from the database's, which is followed; set both by NTP"
            ),
            (true, false) => {
                tracing::info!(difference_ms, "this machine's clock agrees with the database's again");
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

/// Makes the ids of this process begin above the newest stored one; says in the log when that is ahead of `clock`.
///
/// # Errors
/// When the database fails.
pub async fn begin_ids(db: &Db, clock: &dyn Clock) -> Result<(), blegram_persistence::Error> {
    let Some(newest) = newest::find(db).await?.id else { return Ok(()) };
    advance_past(newest);
    if let Some(ahead) = ids_ahead(newest, clock.now()) {
        tracing::warn!(
            ahead = ahead.as_secs(),
            "stored ids are ahead of the clock by this many seconds, because it or another node's was wrong once; new ids \
             continue after them until the clock has caught up"
        );
    }
    Ok(())
}

/// How far ids are ahead of the clock: nodes may differ by a second without being wrong.
pub fn ids_ahead(newest: AnyId, now: Timestamp) -> Option<Duration> {
    let made = id::instant_of(newest.as_uuid()).ok()?;
    Some(made.since(now)).filter(|ahead| *ahead > AGREES)
}

fn advance_past(newest: AnyId) {
    // Unreachable ones were left out when they were read.
    if let Err(error) = id::advance_past(newest.as_uuid()) {
        tracing::warn!(error = &error as &dyn std::error::Error, "new ids do not begin after a stored one");
    }
}

/// Whether what is old may be deleted; cheap to clone.
#[derive(Clone)]
pub struct Retention {
    db: Db,
    clock: Arc<dyn Clock>,
    watch: Arc<Mutex<Option<Watch>>>,
}

struct Watch {
    guard: ClockGuard,
    /// When the state was stored, by the monotonic clock.
    stored_at: Duration,
}

impl Retention {
    /// One that begins to watch the clock at its first check.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, watch: Arc::default() }
    }

    /// The time by which old things may be deleted now; `None` while retention pauses. The log says once why, and when it
    /// goes on.
    ///
    /// # Errors
    /// When the database fails: then nothing may be deleted either.
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
        let often = if pause.is_some() { CHECK } else { STORE };
        if is_start || change.is_some() || now.monotonic.saturating_sub(*stored_at) >= often {
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
        // A node whose clock is steady must not end the pause that another one has reason for.
        if pause.is_some() || matches!(change, Some(Change::Resumed | Change::Confirmed)) {
            clock_state::update_pause(&tx, pause).await?;
        }
        tx.commit().await
    }

    /// Watches the clock until `shutdown`.
    pub async fn watch(&self, shutdown: &CancellationToken) {
        let mut checks = tokio::time::interval(CHECK);
        while shutdown.run_until_cancelled(checks.tick()).await.is_some() {
            if let Err(error) = self.look().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the clock was not checked");
            }
        }
    }

    /// One look: checks the clock, and lets jobs run that a clock that was ahead has put off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look(&self) -> Result<(), blegram_persistence::Error> {
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

/// Follows the database's clock and the ids of other nodes until `shutdown`. The embedded database has neither.
pub async fn follow(clock: &SiteClock, db: &Db, shutdown: &CancellationToken) {
    if db.is_sqlite() {
        return;
    }
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
        let looked = async {
            clock.follow(db).await?;
            newest::find_id(db).await
        };
        match looked.await {
            Ok(newest) => newest.into_iter().for_each(advance_past),
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the database's clock was not read"
                );
            }
        }
    }
}

fn report_start(pause: Option<&Pause>) {
    if let Some(Pause { since, reason, .. }) = pause {
        tracing::warn!(reason, %since, "retention pauses, because the clock may be wrong: {REMEDY}");
    }
}

fn report(change: Option<&Change>, pause: Option<&Pause>) {
    match change {
        Some(Change::Paused) => report_start(pause),
        Some(Change::Resumed) => {
            tracing::info!("retention goes on: the clock was steady for {} hours", STEADY.as_secs() / 3_600);
        }
        Some(Change::Confirmed) => {
            tracing::info!("retention goes on: an operator says that the clock is right")
        }
        Some(Change::ConfirmedElsewhere(at)) => tracing::warn!(
            confirmed_at = %at,
            "an operator says that the clock is right, but this node's shows another time: retention pauses here"
        ),
        None => {}
    }
}

/// Why retention pauses, or would at a start now; `None` when it runs. What `blegram doctor` and `blegram sweep` ask.
///
/// # Errors
/// When the database fails.
pub async fn find_pause(db: &Db, clock: &dyn Clock) -> Result<Option<Pause>, blegram_persistence::Error> {
    let record: Record = clock_state::find(db).await?;
    let (newest, now) = (newest::find(db).await?.at, Reading::of(clock));
    // A pause is shown as it was stored: its steady time is that of the process that keeps it.
    Ok(record.pause.clone().or_else(|| ClockGuard::start(now, newest, &record).pause(now)))
}

/// Stores that an operator says that the clock is right, and lets retention run at once.
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

/// What is said of a pause where people read it.
pub fn describe(pause: &Pause) -> String {
    let Pause { since, reason, steady_for } = pause;
    let hours = steady_for.as_secs() / 3_600;
    format!(
        "retention pauses since {since}, because {reason}; the clock was steady for {hours} h since; {REMEDY}"
    )
}
