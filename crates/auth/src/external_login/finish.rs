//! The return of the browser from the provider.

use blegram_domain::{Identity, IdentityKey, ProviderId, SessionId, Timestamp, UserId};
use blegram_persistence::{
    Inserted, Tx, identities,
    login_codes::{self, LoginCode, Outcome},
    login_transactions::{self, LoginTransaction},
    sessions, users,
};
use secrecy::SecretString;

use super::unusable;
use crate::{
    Auth, Authenticated, Device, Error, LoggedIn, Login, LoginChallenge, Result,
    account::admit_status,
    audit, authorization_code,
    provider::{Callback, ExternalIdentity},
    token::{BrowserSecret, LoginState, NativeCode, PendingToken},
};

/// The return of the browser.
#[derive(Debug, Clone)]
pub struct FinishLogin {
    /// The provider whose redirect URI was called.
    pub provider: ProviderId,
    /// The parameter `state`.
    pub state: Option<String>,
    /// The parameter `code`.
    pub code: Option<SecretString>,
    /// The parameter `error`.
    pub error: Option<String>,
    /// The parameter `iss` (RFC 9207).
    pub issuer: Option<String>,
    /// The cookie of the login.
    pub browser: Option<String>,
    /// The session of the browser.
    pub session: Option<Authenticated>,
    /// The device that logs in.
    pub device: Device,
}

/// What a login ended with.
#[derive(Debug)]
pub enum FinishedLogin {
    /// The browser is logged in.
    LoggedIn {
        /// The session.
        logged_in: Box<LoggedIn>,
        /// Where the browser goes.
        redirect_to: Option<String>,
    },
    /// The account has a second factor, which completes the login.
    Challenged {
        /// The challenge.
        challenge: LoginChallenge,
        /// Where the browser goes afterwards.
        redirect_to: Option<String>,
    },
    /// A native app gets a code.
    Code {
        /// Where the app receives it.
        redirect_uri: String,
        /// The code.
        code: NativeCode,
        /// The app's own state.
        state: Option<String>,
    },
    /// The identity is linked to the account of the session.
    Linked {
        /// Where the browser goes.
        redirect_to: Option<String>,
    },
    /// The new account needs a username.
    SignUpPending(PendingToken),
}

/// Where the browser goes after a login that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnTo {
    /// The page about errors.
    Page,
    /// The path on the site that the login was to end at.
    Path(String),
    /// The native app.
    App {
        /// Where the app receives the error.
        redirect_uri: String,
        /// The app's own state.
        state: Option<String>,
    },
}

/// A login that failed.
#[derive(Debug)]
pub struct FailedLogin {
    /// Why.
    pub error: Error,
    /// Where the browser goes.
    pub to: ReturnTo,
}

impl FailedLogin {
    fn on_page(error: impl Into<Error>) -> Self {
        Self { error: error.into(), to: ReturnTo::Page }
    }
}

/// The account of an identity, or the sign-up that waits for a username, in a transaction that is not committed yet.
pub(super) enum Entered {
    /// The account, and the entry of the audit log.
    Account(Tx, UserId, audit::Kind),
    Pending(Tx, PendingToken),
}

impl Auth {
    /// Ends a login: with a session, a code for a native app, a linked identity, or a sign-up that waits for a username.
    ///
    /// # Errors
    /// [`Error::LoginExpired`] if the login is unknown, was used before, took too long, or was begun in another browser;
    /// [`Error::LoginCancelled`]; [`Error::ProviderRejected`]; [`Error::ProviderUnavailable`];
    /// [`Error::RegistrationClosed`]; [`Error::AccountSuspended`]; [`Error::IdentityInUse`].
    pub async fn finish_login(&self, finish: FinishLogin) -> Result<FinishedLogin, FailedLogin> {
        let state = finish.state.as_deref().and_then(LoginState::parse);
        let state = state.ok_or_else(|| FailedLogin::on_page(Error::LoginExpired))?;
        let transaction = self.consume(&state).await.map_err(FailedLogin::on_page)?;
        let browser = finish.browser.as_deref().and_then(BrowserSecret::parse);
        // In another browser, and after the response of another provider, nothing of the login is revealed.
        let browser = browser.filter(|browser| browser.hash() == transaction.browser_hash);
        let browser = browser.ok_or_else(|| FailedLogin::on_page(Error::LoginExpired))?;
        if transaction.provider != finish.provider {
            return Err(FailedLogin::on_page(Error::ProviderRejected(finish.provider)));
        }
        let to = return_to(&transaction);
        let finished = self.finish_transaction(finish, transaction, &state, &browser).await;
        finished.map_err(|error| FailedLogin { error, to })
    }

    /// Takes a login out of the database, so that it is used once.
    async fn consume(&self, state: &LoginState) -> Result<LoginTransaction> {
        // Checked without a transaction first, so that invented states do not block SQLite's only writer.
        if !login_transactions::exists(&self.db, &state.hash()).await? {
            return Err(Error::LoginExpired);
        }
        let tx = self.db.write().await?;
        let transaction = login_transactions::delete(&tx, &state.hash()).await?;
        tx.commit().await?;
        transaction.ok_or(Error::LoginExpired)
    }

    async fn finish_transaction(
        &self,
        finish: FinishLogin,
        transaction: LoginTransaction,
        state: &LoginState,
        browser: &BrowserSecret,
    ) -> Result<FinishedLogin> {
        if self.clock.now() >= transaction.expires_at {
            return Err(Error::LoginExpired);
        }
        if let Some(error) = &finish.error {
            return Err(of_response(error, finish.provider));
        }
        let provider = self.find_provider(&finish.provider)?;
        let code = finish.code.ok_or_else(|| Error::ProviderRejected(finish.provider.clone()))?;
        let derived = self.derive(provider.id(), state, browser);
        let callback = Callback {
            code,
            state: state.expose().to_owned(),
            issuer: finish.issuer,
            nonce: derived.nonce,
            code_verifier: derived.code_verifier.into(),
            redirect_uri: self.redirect_uri(provider.id()),
        };
        let external = provider.complete(&callback).await.map_err(|error| unusable(provider, &error))?;
        match transaction.session {
            Some(session) => self.link(finish.provider, external, session, finish.session, transaction).await,
            None => self.enter(finish.provider, external, transaction, finish.device).await,
        }
    }

    /// Links an identity to the account of `session`, which the browser must still have.
    async fn link(
        &self,
        provider: ProviderId,
        external: ExternalIdentity,
        session: SessionId,
        current: Option<Authenticated>,
        transaction: LoginTransaction,
    ) -> Result<FinishedLogin> {
        let current = current.filter(|current| current.session == session).ok_or(Error::SessionEnded)?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        users::lock(&tx, current.user).await?.filter(|a| a.user.is_visible()).ok_or(Error::SessionEnded)?;
        // Read again, now that the account is locked: a logout everywhere may have ended it.
        sessions::find(&tx, session)
            .await?
            .filter(|found| self.is_active(found, now))
            .ok_or(Error::SessionEnded)?;
        let identity = new_identity(provider, &external, current.user, now, None);
        if identities::insert(&tx, &identity).await? == Inserted::Existing {
            let found = identities::find(&tx, &identity.key).await?;
            if found.is_none_or(|found| found.user != current.user) {
                return Err(Error::IdentityInUse);
            }
        }
        let recorded = audit::record(&tx, audit::Kind::IdentityLinked, current.user, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(FinishedLogin::Linked { redirect_to: transaction.redirect_to })
    }

    async fn enter(
        &self,
        provider: ProviderId,
        external: ExternalIdentity,
        transaction: LoginTransaction,
        device: Device,
    ) -> Result<FinishedLogin> {
        let LoginTransaction { redirect_to, app, .. } = transaction;
        let code = NativeCode::generate();
        let pending = match &app {
            // Derived from the code, so that the exchange can return it although only its hash is stored.
            Some(_) => self.pending_token_of(&code),
            None => PendingToken::generate(),
        };
        let kind = if app.is_some() { blegram_domain::session::Kind::Native } else { device.kind };
        let now = self.clock.now();
        let entered =
            self.find_or_create(&provider, &external, pending, kind, redirect_to.clone(), now).await?;
        match (app, entered) {
            (None, Entered::Account(tx, user, cause)) => {
                let device = Device { provider: Some(provider), ..device };
                if cause == audit::Kind::LoginSuccess {
                    return Ok(match self.finish_authentication(tx, user, device, now).await? {
                        Login::Complete(logged_in) => FinishedLogin::LoggedIn { logged_in, redirect_to },
                        Login::Challenged(challenge) => FinishedLogin::Challenged { challenge, redirect_to },
                    });
                }
                let logged_in = self.open_session(tx, user, device, &[cause], now).await?;
                Ok(FinishedLogin::LoggedIn { logged_in: Box::new(logged_in), redirect_to })
            }
            (None, Entered::Pending(tx, token)) => {
                tx.commit().await?;
                Ok(FinishedLogin::SignUpPending(token))
            }
            (Some(app), entered) => {
                let (tx, outcome, created) = match entered {
                    Entered::Account(tx, user, audit::Kind::UserCreated) => {
                        (tx, Outcome::LogIn(user), Some(user))
                    }
                    Entered::Account(tx, user, _) => (tx, Outcome::LogIn(user), None),
                    Entered::Pending(tx, token) => (tx, Outcome::SignUp(token.hash()), None),
                };
                let expires_at = now + authorization_code::LIFETIME;
                let row = LoginCode {
                    outcome,
                    provider,
                    challenge: app.challenge,
                    redirect_uri: app.redirect_uri.clone(),
                    expires_at,
                    is_used: false,
                };
                login_codes::insert(&tx, &code.hash(), &row).await?;
                // The login itself is recorded when the app exchanges the code.
                let recorded = match created {
                    Some(user) => Some(audit::record(&tx, audit::Kind::UserCreated, user, now).await?),
                    None => None,
                };
                tx.commit().await?;
                recorded.into_iter().for_each(audit::Recorded::log);
                Ok(FinishedLogin::Code { redirect_uri: app.redirect_uri, code, state: app.state })
            }
        }
    }

    /// Stores the login of an identity that has an account; `None` if it has none.
    pub(super) async fn find_account(
        &self,
        tx: &Tx,
        key: &IdentityKey,
        external: &ExternalIdentity,
        now: Timestamp,
    ) -> Result<Option<UserId>> {
        let Some(found) = identities::find(tx, key).await? else { return Ok(None) };
        let account = users::lock(tx, found.user).await?.ok_or(Error::LoginExpired)?;
        admit_status(account.user.summary.status).map_err(|error| match error {
            Error::InvalidCredentials => Error::LoginExpired,
            other => other,
        })?;
        // Read again, now that the account is locked: it may have been unlinked.
        identities::find(tx, key)
            .await?
            .filter(|again| again.user == found.user)
            .ok_or(Error::LoginExpired)?;
        identities::update_login(tx, key, external.alternate_subject.as_deref(), now).await?;
        Ok(Some(found.user))
    }
}

pub(super) fn new_identity(
    provider: ProviderId,
    external: &ExternalIdentity,
    user: UserId,
    now: Timestamp,
    last_login_at: Option<Timestamp>,
) -> Identity {
    Identity {
        key: IdentityKey { provider, subject: external.subject.clone() },
        user,
        alternate_subject: external.alternate_subject.clone(),
        display_name: external.name.clone(),
        linked_at: now,
        last_login_at,
    }
}

fn return_to(transaction: &LoginTransaction) -> ReturnTo {
    match (&transaction.app, &transaction.redirect_to) {
        (Some(app), _) => ReturnTo::App { redirect_uri: app.redirect_uri.clone(), state: app.state.clone() },
        (None, Some(path)) => ReturnTo::Path(path.clone()),
        (None, None) => ReturnTo::Page,
    }
}

/// The meaning of an error in the provider's response (RFC 6749, 4.1.2.1). Its text is never repeated.
fn of_response(error: &str, provider: ProviderId) -> Error {
    match error {
        // The second is Apple's.
        "access_denied" | "user_cancelled_authorize" => Error::LoginCancelled,
        "server_error" | "temporarily_unavailable" => Error::ProviderUnavailable(provider),
        _ => Error::ProviderRejected(provider),
    }
}
