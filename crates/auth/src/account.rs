//! Sign-up and login.

use std::net::IpAddr;

use blegram_cpu_pool::Work;
use blegram_domain::{
    Account, DisplayName, EmailAddress, Language, Session, SessionId, Timestamp, UserId, Username,
    mail::MailKind,
    session::Kind,
    user::{Role, Status},
};
use blegram_limits::{AccountName, Demand, Network, Policy, RateLimited, Subject};
use blegram_persistence::{
    Inserted, Tx, emails,
    sessions::{self, TokenHash},
    users::{self, Credentials, NewUser},
};

use crate::{
    Auth, CreateAccount, Device, DeviceToken, EnteredPassword, Error, Event, Login, NewPassword,
    Registration, Result, SessionToken, Tokens, audit, device::Origin, mail::NewMail, password::Verdict,
    rename::reject_reserved,
};

/// The data of a new account.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// The requested username.
    pub username: Username,
    /// The password.
    pub password: NewPassword,
    /// The display name; defaults to the username.
    pub display_name: Option<DisplayName>,
    /// The owner's e-mail address, not verified.
    pub email: Option<EmailAddress>,
    /// The device that signs up.
    pub device: Device,
}

/// The credentials of a login.
#[derive(Debug, Clone)]
pub struct LogIn {
    /// The username in any case, with or without `@`, or a verified e-mail address.
    pub login: String,
    /// The password.
    pub password: EnteredPassword,
    /// The device that logs in.
    pub device: Device,
}

/// An account with a new session.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The account.
    pub account: Account,
    /// The client's proof of the session.
    pub secret: Secret,
    /// For the cookie of a browser that had not logged in to the account before.
    pub device: Option<DeviceToken>,
}

/// The secret that proves a session.
#[derive(Debug, Clone)]
pub enum Secret {
    /// For a browser's cookie.
    Browser(SessionToken),
    /// For an app's secure storage.
    Native(Tokens),
}

/// The largest number of valid sessions per user; a further login ends the oldest one (ASVS 7.1.2).
pub const MAX_SESSIONS: u64 = 20;

/// The largest number of comparisons per login: one is repeated if the stored hash changes during one. A guesser gains
/// nothing from the repetitions.
const MAX_COMPARISONS: usize = 3;

impl Auth {
    /// Creates an account and logs it in. Sends a verification mail to its address, if it has one.
    ///
    /// # Errors
    /// [`Error::RegistrationClosed`]; [`Error::UsernameTaken`], also for all but one of several concurrent sign-ups
    /// with one username or with usernames that look alike; [`Error::RateLimited`] per e-mail address;
    /// [`Error::Overloaded`].
    pub async fn sign_up(&self, sign_up: SignUp) -> Result<LoggedIn> {
        if self.registration == Registration::Closed {
            return Err(Error::RegistrationClosed);
        }
        if sign_up.username.is_reserved() {
            return Err(Error::UsernameTaken);
        }
        let SignUp { username, password, display_name, email, device } = sign_up;
        if let Some(email) = email.as_ref().filter(|_| self.sends_mail) {
            self.limit_mails(email).await?;
        }
        let create = CreateAccount { username, password, display_name, email, role: Role::User };
        let work = Work::of(Subject::Network(Network::around(device.address()))).known(false);
        let (tx, id, now) = self.insert_account(create, device.language, work).await?;
        self.open_session(tx, id, device, &[audit::Kind::UserCreated], now).await
    }

    /// Creates an account, in a transaction that the caller commits. The verification mail is in `language`, if that is
    /// known.
    pub(crate) async fn insert_account(
        &self,
        create: CreateAccount,
        language: Option<Language>,
        work: Work<Subject>,
    ) -> Result<(Tx, UserId, Timestamp)> {
        // Checked first, because a hash costs more than a query.
        if users::find_by_username(&self.db, &create.username).await?.is_some() {
            return Err(Error::UsernameTaken);
        }
        let password_hash = self.hasher.hash(create.password, work).await?;
        let now = self.clock.now();
        let id = UserId::generate(now);
        let (name, email) = (create.username.skeleton(), create.email.clone());
        let user = NewUser {
            id,
            display_name: create.display_name.unwrap_or_else(|| display_name_of(&create.username)),
            username: create.username,
            email: create.email,
            password_hash: Some(password_hash),
            role: create.role,
            created_at: now,
        };
        let tx = self.db.write().await?;
        if users::insert(&tx, user).await? == Inserted::Existing {
            return Err(Error::UsernameTaken);
        }
        reject_reserved(&tx, &name, None, now).await?;
        if let Some(to) = email {
            let mail = NewMail { kind: MailKind::VerifyEmail, user: Some(id), to, language };
            self.queue_mail(&tx, mail, now).await?;
        }
        Ok((tx, id, now))
    }

    /// Logs in, by username or by verified e-mail address, or returns a challenge if the account has a second factor. The
    /// response to an unknown username or address and to a wrong password is the same, and takes the same time.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`]; [`Error::AccountSuspended`], only after the right password;
    /// [`Error::RateLimited`] per account, whether it exists or not; [`Error::Overloaded`].
    pub async fn log_in(&self, log_in: LogIn) -> Result<Login> {
        let name = parse_login(&log_in.login);
        let (address, token) = (log_in.device.address(), log_in.device.token.as_deref());
        let credentials = self.find_credentials(name.as_ref()).await?;
        let user = credentials.map(|credentials| credentials.user);
        let origin = self.find_origin(&self.db, user, token, address).await?;
        if let Some(name) = &name {
            let policies = [Policy::LoginAccountAddress, Policy::LoginAccount];
            if let Err(limited) = self.limit_attempts(policies, name, origin, address).await {
                if limited.0.policy == Policy::LoginAccount {
                    self.record_limited(audit::Kind::LoginFailMax, user).await?;
                    self.notify_limited(user).await?;
                }
                return Err(limited.into());
            }
        }
        let work = match (origin, &name) {
            (Origin::New, _) | (_, None) => Work::of(Subject::Network(Network::around(address))).known(false),
            (_, Some(name)) => Work::of(Subject::Account(name.clone())),
        };
        for _ in 0..MAX_COMPARISONS {
            if let Some(login) = self.compare(name.as_ref(), &log_in, work.clone()).await? {
                return Ok(login);
            }
        }
        Err(Error::InvalidCredentials)
    }

    async fn find_credentials(&self, name: Option<&AccountName>) -> Result<Option<Credentials>> {
        match name {
            Some(AccountName::Username(username)) => Ok(users::find_credentials(&self.db, username).await?),
            Some(AccountName::Email(key)) => Ok(emails::find_credentials(&self.db, key).await?),
            None => Ok(None),
        }
    }

    /// Counts a login to `account`, whether it exists or not. A device that has logged in to it before counts by itself,
    /// and so does a network in which it has a session: the attempts of everybody else, who share one limit, do not shut
    /// the owner out. The policies are that of the origin, and that of all new origins.
    pub(crate) async fn limit_attempts(
        &self,
        [of_origin, of_all]: [Policy; 2],
        account: &AccountName,
        origin: Origin,
        address: IpAddr,
    ) -> Result<(), RateLimited> {
        let from_network = || Subject::AccountNetwork(account.clone(), Network::of_subscriber(address));
        let own = match origin {
            Origin::Device(nonce) => Subject::AccountDevice(account.clone(), nonce),
            Origin::Network | Origin::New => from_network(),
        };
        let own = Demand::new(of_origin, own);
        let all = Demand::new(of_all, Subject::Account(account.clone()));
        let shared = (origin == Origin::New).then_some(all);
        self.limiter.take(&own, shared).await.map(drop)
    }

    /// Logs in; `None` if the password was replaced during the comparison, or its hash renewed by another login: then
    /// the caller compares again.
    async fn compare(
        &self,
        name: Option<&AccountName>,
        log_in: &LogIn,
        work: Work<Subject>,
    ) -> Result<Option<Login>> {
        let credentials = self.find_credentials(name).await?;
        let stored = credentials.as_ref().and_then(|credentials| credentials.password_hash.clone());
        let verdict = self.hasher.verify(log_in.password.clone(), stored.clone(), work).await?;
        let user = admit(credentials.as_ref(), &verdict).inspect_err(|_| {
            audit::login_failed(credentials.as_ref().map(|c| c.user), log_in.device.address());
        })?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        // The comparison takes long. A password change or suspension in the meantime ended all sessions, and this
        // session must not start after that.
        let account = users::lock(&tx, user).await?.ok_or(Error::InvalidCredentials)?;
        admit_status(account.user.summary.status)?;
        if users::find_password_hash(&tx, user).await? != stored {
            return Ok(None);
        }
        if let (Verdict::RightButOutdated(renewed), Some(outdated)) = (&verdict, &stored) {
            users::update_password_hash(&tx, user, outdated, renewed).await?;
        }
        self.finish_authentication(tx, user, log_in.device.clone(), now).await.map(Some)
    }

    /// The account of `user`; `None` if it does not exist.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>> {
        Ok(users::find_account(&self.db, user).await?)
    }

    /// Opens a session, records `causes` and commits. A login that has a first step only goes through [`Auth::finish_authentication`].
    pub(crate) async fn open_session(
        &self,
        tx: Tx,
        user: UserId,
        device: Device,
        causes: &[audit::Kind],
        now: Timestamp,
    ) -> Result<LoggedIn> {
        let account = users::find_account(&tx, user).await?.ok_or(Error::InvalidCredentials)?;
        if causes.contains(&audit::Kind::LoginSuccess) {
            self.notify_login(&tx, &account, &device, now).await?;
        }
        if let Some(previous) = device.replaces {
            sessions::delete(&tx, previous).await?;
        }
        let session = Session {
            id: SessionId::generate(now),
            user,
            kind: device.kind,
            device_name: device.name,
            user_agent: device.user_agent,
            address: device.address.map(|address| Network::around(address).to_string()),
            provider: device.provider,
            created_at: now,
            last_seen_at: now,
            expires_at: now + self.lifetimes.of(device.kind).absolute,
        };
        let network = device.address.map(|address| self.network_tag(address));
        let login_code = device.login_code;
        let needs_token = session.kind == Kind::Browser && !self.knows_device(device.token.as_deref(), user);
        let ending = Ending { replaced: device.replaces, causes };
        let secret = self.insert_session(tx, session, network, login_code, ending).await?;
        let device = needs_token.then(|| self.issue_device(user, now));
        Ok(LoggedIn { account, secret, device })
    }

    async fn insert_session(
        &self,
        tx: Tx,
        session: Session,
        network: Option<[u8; 16]>,
        login_code: Option<TokenHash>,
        ending: Ending<'_>,
    ) -> Result<Secret> {
        let now = session.created_at;
        match session.kind {
            Kind::Browser => {
                let token = SessionToken::generate();
                sessions::insert(&tx, &session, Some(token.hash()), network, login_code).await?;
                self.commit_session(tx, session.user, ending, now).await?;
                Ok(Secret::Browser(token))
            }
            Kind::Native => {
                sessions::insert(&tx, &session, None, network, login_code).await?;
                let (issued, token) = self.issue_first(&tx, &session).await?;
                self.commit_session(tx, session.user, ending, now).await?;
                Ok(Secret::Native(self.tokens(&session, issued, token, now).await?))
            }
        }
    }

    async fn commit_session(&self, tx: Tx, user: UserId, ending: Ending<'_>, now: Timestamp) -> Result<()> {
        let surplus = sessions::prune(&tx, user, MAX_SESSIONS, now, self.idle_since(now)).await?;
        let recorded = audit::record_all(&tx, ending.causes, user, now).await?;
        tx.commit().await?;
        recorded.into_iter().for_each(audit::Recorded::log);
        self.publish(
            ending.replaced.into_iter().chain(surplus).map(|session| Event::SessionEnded { session }),
        );
        Ok(())
    }
}

/// How the transaction of a new session ends.
#[derive(Debug, Clone, Copy)]
struct Ending<'a> {
    /// The client's previous session.
    replaced: Option<SessionId>,
    /// The entries of the audit log.
    causes: &'a [audit::Kind],
}

fn admit(credentials: Option<&Credentials>, verdict: &Verdict) -> Result<UserId> {
    match (credentials, verdict) {
        (None, _) | (_, Verdict::Wrong) => Err(Error::InvalidCredentials),
        (Some(credentials), _) => admit_status(credentials.status).map(|()| credentials.user),
    }
}

pub(crate) fn admit_status(status: Status) -> Result<()> {
    match status {
        Status::Active => Ok(()),
        Status::Suspended => Err(Error::AccountSuspended),
        Status::Deleted => Err(Error::InvalidCredentials),
    }
}

/// Which account a login names; `None` if no account can have the name.
fn parse_login(login: &str) -> Option<AccountName> {
    let name = login.trim().trim_start_matches('@');
    if name.contains('@') {
        return EmailAddress::parse(name).ok().map(|address| AccountName::Email(address.key()));
    }
    Username::parse(name).ok().map(AccountName::Username)
}

pub(crate) fn display_name_of(username: &Username) -> DisplayName {
    DisplayName::parse(username.as_str()).expect("every username is a valid display name")
}
