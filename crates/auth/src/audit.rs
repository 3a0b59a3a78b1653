//! The audit log of account changes, for incident response: rows, and log lines of a target of their own. An entry has
//! ids and the client's address, and never secrets.
//!
//! A single failed login is only logged. A row for each would let strangers fill the table; they get one row per account
//! and hour when their attempts reach the limit.

use std::{net::IpAddr, time::Duration};

pub use blegram_domain::audit::Kind;
use blegram_domain::{AuditEvent, Page, PageRequest, Timestamp, UserId, UserRef, UserSummary, audit::Filter};
use blegram_persistence::{Tx, audit_events, users};

use crate::{Auth, Error, Result};

/// A separate target, so that `log.filter` can select the audit log and operators can retain it longer.
const TARGET: &str = "blegram::audit";

/// How long entries are retained (ASVS 16.2.1).
pub const RETENTION: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// The shortest time between two rows that say that the logins to one account are limited, or rejected in another way.
const PAUSE: Duration = Duration::from_secs(60 * 60);

tokio::task_local! {
    static CLIENT: IpAddr;
}

/// Runs `future` on behalf of the client at `address`, which the audit log names in the entries of the current task.
pub fn with_client_address<F: Future>(address: IpAddr, future: F) -> impl Future<Output = F::Output> {
    CLIENT.scope(address, future)
}

/// An entry whose row is inserted and not yet committed.
#[derive(Debug)]
#[must_use = "log it after the commit"]
pub(crate) struct Recorded(AuditEvent);

impl Recorded {
    /// Writes the log line. Call it after the commit.
    pub(crate) fn log(self) {
        let AuditEvent { kind, actor, target, address, .. } = self.0;
        let event = kind.as_str();
        let (actor, user) = (actor.map(tracing::field::display), target.map(tracing::field::display));
        let address = address.map(tracing::field::display);
        match kind {
            Kind::TokenReuse => {
                tracing::warn!(target: TARGET, event, user, address, "possible token theft; the session was ended");
            }
            Kind::FactorFailMax => {
                tracing::warn!(target: TARGET, event, user, address, "too many failed second factors; the password is known");
            }
            Kind::PasskeyCopied => {
                tracing::warn!(target: TARGET, event, user, address, "possible copy of an authenticator; the passkey was rejected");
            }
            Kind::LoginFailMax => {
                tracing::warn!(target: TARGET, event, user, address, "too many failed logins to the account");
            }
            _ => tracing::info!(target: TARGET, event, user, actor, address, "account changed"),
        }
    }
}

/// Records what `user` did with their own account. Call it last before the commit: every login waits for its lock.
pub(crate) async fn record(tx: &Tx, kind: Kind, user: UserId, now: Timestamp) -> Result<Recorded> {
    insert(tx, kind, Some(user), user, now).await
}

/// Like [`record`], for several entries in this order.
pub(crate) async fn record_all(
    tx: &Tx,
    kinds: &[Kind],
    user: UserId,
    now: Timestamp,
) -> Result<Vec<Recorded>> {
    let mut recorded = Vec::new();
    for kind in kinds {
        recorded.push(record(tx, *kind, user, now).await?);
    }
    Ok(recorded)
}

/// Records what an operator at the command line, or a login provider, did with the account `target`. Call it last before
/// the commit.
pub(crate) async fn record_operator(tx: &Tx, kind: Kind, target: UserId, now: Timestamp) -> Result<Recorded> {
    insert(tx, kind, None, target, now).await
}

async fn insert(
    tx: &Tx,
    kind: Kind,
    actor: Option<UserId>,
    target: UserId,
    now: Timestamp,
) -> Result<Recorded> {
    let id = audit_events::next_id(tx, now).await?;
    let address = CLIENT.try_with(|address| *address).ok();
    let event = AuditEvent { id, kind, actor, target: Some(target), address, at: now };
    audit_events::insert(tx, &event).await?;
    Ok(Recorded(event))
}

/// An entry with the accounts that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEventView {
    /// The entry.
    pub event: AuditEvent,
    /// Its actor, if the account still exists.
    pub actor: Option<UserSummary>,
    /// Its target, if the account still exists.
    pub target: Option<UserSummary>,
}

/// Logs a failed login; `user` is `None` if the username is unknown.
pub(crate) fn login_failed(user: Option<UserId>, address: IpAddr) {
    let user = user.map(tracing::field::display);
    tracing::warn!(target: TARGET, event = "authn_login_fail", user, %address, "login failed");
}

/// Logs a login whose first step succeeded and whose second step failed.
pub(crate) fn second_factor_failed(user: UserId, address: IpAddr) {
    tracing::warn!(target: TARGET, event = "authn_login_fail", %user, %address, "second factor failed");
}

impl Auth {
    /// Records, once an hour, that attempts to log in to an account are rejected; `user` is `None` if the username is
    /// unknown.
    pub(crate) async fn record_limited(&self, kind: Kind, user: Option<UserId>) -> Result<()> {
        let Some(user) = user else {
            tracing::warn!(target: TARGET, event = kind.as_str(), "too many failed logins to an unknown account");
            return Ok(());
        };
        let now = self.clock.now();
        if audit_events::is_any_since(&self.db, kind, user, now - PAUSE).await? {
            return Ok(());
        }
        let tx = self.db.write().await?;
        let recorded = insert(&tx, kind, None, user, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(())
    }

    /// Lists entries of the audit log, newest first.
    pub async fn list_audit_events(
        &self,
        filter: &Filter,
        page: &PageRequest,
    ) -> Result<Page<AuditEventView>> {
        let ids = audit_events::list_ids(&self.db, filter, page).await?;
        let events = audit_events::list_by_ids(&self.db, &ids).await?;
        let users: Vec<UserId> =
            events.iter().flat_map(|event| [event.actor, event.target]).flatten().collect();
        let summaries = users::list_summaries(&self.db, &users).await?;
        let summary = |user: Option<UserId>| user.and_then(|user| summaries.get(&user).cloned());
        let view = |event: AuditEvent| AuditEventView {
            actor: summary(event.actor),
            target: summary(event.target),
            event,
        };
        Ok(ids.into_page(events.into_iter().map(view).collect()))
    }

    /// The filter for the entries about the account `user`, by id or by its current username.
    ///
    /// # Errors
    /// [`Error::AccountNotFound`] if no account has the username.
    pub async fn audit_filter(&self, kind: Option<Kind>, user: Option<&UserRef>) -> Result<Filter> {
        let user = match user {
            None => None,
            // Entries outlive accounts, so any id is valid.
            Some(UserRef::Id(id)) => Some(*id),
            Some(UserRef::Username(name)) => {
                let found = users::find_by_username(&self.db, name).await?;
                Some(found.ok_or(Error::AccountNotFound)?.summary.id)
            }
        };
        Ok(Filter { kind, user })
    }
}
