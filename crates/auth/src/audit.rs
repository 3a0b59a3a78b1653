//! What happened to accounts, for those who look into incidents: named by the OWASP logging vocabulary, with ids and
//! never with secrets.

use std::net::IpAddr;

use blegram_domain::UserId;

/// To be kept longer than the other lines of the log: `log.filter` can name it.
const TARGET: &str = "blegram::audit";

/// Something that happened to the account of `user`.
pub(crate) fn record(event: &'static str, user: UserId) {
    tracing::info!(target: TARGET, event, %user, "an account changed");
}

/// A try to log in that failed; to nobody's account when the name is unknown.
pub(crate) fn login_failed(user: Option<UserId>, address: IpAddr) {
    let user = user.map(tracing::field::display);
    tracing::warn!(target: TARGET, event = "authn_login_fail", user, %address, "a login was refused");
}

/// Something that looks like theft.
pub(crate) fn suspect(event: &'static str, user: UserId) {
    tracing::warn!(target: TARGET, event, %user, "this may be theft; the login was ended");
}
