//! The audit log of account changes, for incident response. Event names follow the OWASP logging vocabulary; entries
//! contain ids and never secrets.

use std::net::IpAddr;

use blegram_domain::UserId;

/// A separate target, so that `log.filter` can select the audit log and operators can retain it longer.
const TARGET: &str = "blegram::audit";

/// Records a change of the account of `user`.
pub(crate) fn record(event: &'static str, user: UserId) {
    tracing::info!(target: TARGET, event, %user, "account changed");
}

/// Records a failed login; `user` is `None` if the username is unknown.
pub(crate) fn login_failed(user: Option<UserId>, address: IpAddr) {
    let user = user.map(tracing::field::display);
    tracing::warn!(target: TARGET, event = "authn_login_fail", user, %address, "login failed");
}

/// Records that attempts from addresses that are new to an account are rejected; `user` is `None` if the username is
/// unknown.
pub(crate) fn login_limited(user: Option<UserId>, address: IpAddr) {
    let user = user.map(tracing::field::display);
    tracing::warn!(target: TARGET, event = "authn_login_fail_max", user, %address, "too many failed logins to the account");
}

/// Records an event that may be caused by token theft.
pub(crate) fn suspect(event: &'static str, user: UserId) {
    tracing::warn!(target: TARGET, event, %user, "possible token theft; the session was ended");
}
