//! Accounts and sessions through their use-cases, on both databases. The API's tests cover what clients see.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test, in helpers, too")]

mod account;
mod audit;
mod authenticator;
mod clock;
mod email;
mod event;
mod external_login;
mod identities;
mod keys;
mod mailbox;
mod notices;
mod passkey;
mod password_reset;
mod revocation;
mod second_factor;
mod session;
mod step_up;
mod ticket;

use std::sync::Arc;

use blegram_auth::{
    Auth, Config, Device, EnteredPassword, Error, LogIn, LoggedIn, Login, NewPassword, PasswordCost, Result,
    Secret, SessionToken, SignUp,
};
use blegram_domain::{Clock, FixedClock, Timestamp, Username};
use blegram_persistence::testing::TestDatabase;
use rstest_reuse::template;

/// Runs a test on SQLite and on PostgreSQL.
#[template]
#[rstest::rstest]
#[case::sqlite(blegram_persistence::testing::Backend::Sqlite)]
#[case::postgres(blegram_persistence::testing::Backend::Postgres)]
fn both_databases(#[case] backend: blegram_persistence::testing::Backend) {}

pub(crate) const PASSWORD: &str = "small room with a sea view";

pub(crate) const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 };

pub(crate) fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()))
}

pub(crate) fn auth(database: &TestDatabase, config: Config) -> Auth {
    Auth::new(database.db().clone(), clock() as Arc<dyn Clock>, config).unwrap()
}

pub(crate) fn cheap() -> Config {
    Config { password_cost: CHEAP, ..Config::default() }
}

pub(crate) async fn sign_up(auth: &Auth, name: &str) -> Result<LoggedIn> {
    sign_up_from(auth, name, Device::default()).await
}

pub(crate) async fn sign_up_from(auth: &Auth, name: &str, device: Device) -> Result<LoggedIn> {
    let password = NewPassword::parse(PASSWORD, &[]).unwrap();
    let username = Username::parse(name).unwrap();
    auth.sign_up(SignUp { username, password, display_name: None, email: None, device }).await
}

pub(crate) async fn log_in(auth: &Auth, name: &str, password: &str) -> Result<LoggedIn, Error> {
    log_in_from(auth, name, password, Device::default()).await
}

pub(crate) async fn log_in_from(
    auth: &Auth,
    name: &str,
    password: &str,
    device: Device,
) -> Result<LoggedIn, Error> {
    let password = EnteredPassword::parse(password).unwrap();
    match auth.log_in(LogIn { login: name.to_owned(), password, device }).await? {
        Login::Complete(logged_in) => Ok(*logged_in),
        Login::Challenged(_) => panic!("expected an account without a second factor"),
    }
}

pub(crate) fn token(logged_in: LoggedIn) -> SessionToken {
    match logged_in.secret {
        Secret::Browser(token) => token,
        Secret::Native(_) => panic!("expected a browser session"),
    }
}
