//! Authenticator apps, recovery codes, and the second step of a login.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use blegram_auth::{
    Auth, ChangePassword, CompleteLogin, Config, Device, EnteredCode, EnteredPassword, Error, LogIn,
    LoggedIn, Login, LoginChallenge, NewPassword, Proof, Result, Secret, TotpSetup,
    audit::Kind,
    second_factor::{LIFETIME, MAX_ATTEMPTS},
    totp::SETUP_LIFETIME,
};
use blegram_domain::{
    Clock, DeviceName, FixedClock, PageRequest, SessionId, Timestamp, UserId, Username,
    audit::Filter,
    factor::LoginMethod,
    page::{Limit, Scope},
    session,
};
use blegram_limits::{Quota, Quotas};
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;
use tokio::task::JoinSet;
use totp_rs::{Builder, Totp};

use crate::{PASSWORD, both_databases, cheap, clock, sign_up, token};

pub(crate) const MICRO: Duration = Duration::from_micros(1);
pub(crate) const STEP: Duration = Duration::from_secs(30);

pub(crate) struct Site {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) auth: Auth,
}

/// A logged-in user.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
}

pub(crate) fn code(text: &str) -> EnteredCode {
    EnteredCode::parse(text).unwrap()
}

pub(crate) fn totp(text: &str) -> Proof {
    Proof::Totp(code(text))
}

pub(crate) fn recovery(text: &str) -> Proof {
    Proof::RecoveryCode(code(text))
}

/// An authenticator app.
pub(crate) struct App(Totp);

impl App {
    pub(crate) fn new(setup: &TotpSetup) -> Self {
        let secret = totp_rs::Secret::try_from_base32(setup.secret()).unwrap();
        Self(Builder::new().with_secret(secret).build().unwrap())
    }

    /// The code that it shows `later`.
    pub(crate) fn code_in(&self, site: &Site, later: Duration) -> String {
        self.code_at(site.clock.now() + later)
    }

    pub(crate) fn code_at(&self, time: Timestamp) -> String {
        let micros = time.as_micros();
        self.0.generate(u64::try_from(micros / 1_000_000).unwrap()).to_string()
    }

    pub(crate) fn code(&self, site: &Site) -> String {
        self.code_in(site, Duration::ZERO)
    }
}

impl Site {
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, cheap()).await
    }

    pub(crate) async fn with(backend: Backend, config: Config) -> Self {
        let (database, clock) = (TestDatabase::new(backend).await, clock());
        let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, config).unwrap();
        Self { database, clock, auth }
    }

    pub(crate) async fn sign_up(&self, name: &str) -> Owner {
        let token = token(sign_up(&self.auth, name).await.unwrap());
        let viewer = self.auth.authenticate(token.expose()).await.unwrap().unwrap();
        Owner { user: viewer.user, session: viewer.session }
    }

    /// Signs up an account with an authenticator app, in a step of its own.
    pub(crate) async fn sign_up_with_app(&self, name: &str) -> (Owner, App) {
        let owner = self.sign_up(name).await;
        let app = self.add_app(owner).await;
        self.clock.advance(STEP);
        (owner, app)
    }

    pub(crate) async fn add_app(&self, owner: Owner) -> App {
        let name = DeviceName::parse("phone").unwrap();
        let setup = self.auth.start_totp(owner.user, owner.session, Some(name)).await.unwrap();
        let app = App::new(&setup);
        self.auth.confirm_totp(owner.user, setup.id, &code(&app.code(self))).await.unwrap();
        app
    }

    pub(crate) async fn log_in(&self, name: &str, device: Device) -> Result<Login> {
        let password = EnteredPassword::parse(PASSWORD).unwrap();
        self.auth.log_in(LogIn { login: name.to_owned(), password, device }).await
    }

    pub(crate) async fn challenge(&self, name: &str) -> LoginChallenge {
        match self.log_in(name, Device::default()).await.unwrap() {
            Login::Challenged(challenge) => challenge,
            Login::Complete(_) => panic!("expected a challenge"),
        }
    }

    pub(crate) async fn complete(&self, challenge: &LoginChallenge, proof: Proof) -> Result<LoggedIn> {
        let challenge = challenge.token.expose().to_owned();
        self.auth
            .complete_login(CompleteLogin { challenge, proof, client: None, device: Device::default() })
            .await
    }

    async fn sessions(&self) -> usize {
        self.database.count("sessions").await
    }
}

/// Limits that only a flood reaches.
pub(crate) fn wide() -> Config {
    let wide = Quota { burst: NonZeroU32::new(10_000).unwrap(), per: Duration::from_secs(1) };
    let quotas = Quotas {
        login_per_account_and_address: wide,
        login_per_account: wide,
        second_factor_per_account_and_address: wide,
        second_factor_per_account: wide,
        ..Quotas::default()
    };
    Config { quotas, hash_queue: 1000, ..cheap() }
}

#[track_caller]
fn assert_wrong(result: &Result<LoggedIn>) {
    assert!(matches!(result, Err(Error::SecondFactorInvalid)), "{result:?}");
}

#[track_caller]
fn assert_over(result: &Result<LoggedIn>) {
    assert!(matches!(result, Err(Error::LoginChallengeInvalid)), "{result:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn login_with_a_second_factor_opens_a_session_only_at_the_end(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (_, app) = site.sign_up_with_app("ann").await;
    let device = Device {
        kind: session::Kind::Native,
        name: Some("phone".to_owned()),
        token: None,
        ..Device::default()
    };
    let Login::Challenged(challenge) = site.log_in("ann", device).await.unwrap() else {
        panic!("expected a challenge")
    };
    assert_eq!(challenge.methods, [LoginMethod::Totp]);
    assert_eq!(challenge.expires_at, site.clock.now() + LIFETIME);
    assert_eq!(site.sessions().await, 1);
    assert!(!site.database.dump().await.contains(challenge.token.expose()), "only its hash is stored");

    assert_wrong(&site.complete(&challenge, totp("000000")).await);
    assert_eq!(site.sessions().await, 1);
    let logged_in = site.complete(&challenge, totp(&app.code(&site))).await.unwrap();
    let Secret::Native(tokens) = logged_in.secret else { panic!("the first step asked for tokens") };
    let session = site.auth.authenticate_bearer(tokens.access_token.expose()).await.unwrap().unwrap().session;
    assert_eq!(site.sessions().await, 2);
    let names =
        site.database.lines("SELECT device_name AS line FROM sessions WHERE device_name IS NOT NULL").await;
    assert_eq!((names.len(), names[0].as_str()), (1, "phone"), "{session}");
    assert_over(&site.complete(&challenge, totp(&app.code_in(&site, STEP))).await);
}

#[apply(both_databases)]
#[tokio::test]
async fn totp_code_is_accepted_once(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let owner = site.sign_up("ann").await;
    let app = site.add_app(owner).await;
    let attempt = async |code: &str| site.complete(&site.challenge("ann").await, totp(code)).await;
    assert_wrong(&attempt(&app.code(&site)).await);

    site.clock.advance(STEP);
    let (current, next) = (app.code(&site), app.code_in(&site, STEP));
    attempt(&current).await.unwrap();
    assert_wrong(&attempt(&current).await);
    // A device whose clock is ahead.
    attempt(&next).await.unwrap();
    assert_wrong(&attempt(&current).await);
    site.clock.advance(STEP);
    assert_wrong(&attempt(&next).await);
    site.clock.advance(STEP);
    attempt(&app.code(&site)).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn totp_code_of_concurrent_logins_opens_one_session(#[case] backend: Backend) {
    let site = Site::with(backend, wide()).await;
    let (_, app) = site.sign_up_with_app("ann").await;
    let mut challenges = Vec::new();
    for _ in 0..25 {
        challenges.push(site.challenge("ann").await);
    }
    let code = app.code(&site);
    let mut racers = JoinSet::new();
    // Four times each, so that both the code and the challenge are contested.
    for at in 0..100 {
        let (auth, code) = (site.auth.clone(), code.clone());
        let challenge = challenges[at % 25].token.expose().to_owned();
        racers.spawn(async move {
            let device = Device::default();
            auth.complete_login(CompleteLogin { challenge, proof: totp(&code), client: None, device }).await
        });
    }
    let results = racers.join_all().await;
    let errors: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert_eq!(errors.len(), 99);
    assert!(
        errors.iter().all(|error| matches!(error, Error::SecondFactorInvalid | Error::LoginChallengeInvalid)),
        "{errors:?}"
    );
    assert_eq!(site.sessions().await, 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_challenge_is_valid_for_its_account_and_time_only(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (_, app) = site.sign_up_with_app("ann").await;
    site.sign_up_with_app("bob").await;
    let bobs = site.challenge("bob").await;
    assert_wrong(&site.complete(&bobs, totp(&app.code(&site))).await);

    for invented in ["", "blc_", "nonsense", &format!("{}A", bobs.token.expose())] {
        let complete = CompleteLogin {
            challenge: invented.to_owned(),
            proof: totp(&app.code(&site)),
            client: None,
            device: Device::default(),
        };
        assert_over(&site.auth.complete_login(complete).await);
    }
    let [valid, expired] = [site.challenge("ann").await, site.challenge("ann").await];
    site.clock.advance(LIFETIME - MICRO);
    site.complete(&valid, totp(&app.code(&site))).await.unwrap();
    site.clock.advance(MICRO);
    assert_over(&site.complete(&expired, totp(&app.code_in(&site, STEP))).await);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_challenge_ends_after_five_attempts(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (_, app) = site.sign_up_with_app("ann").await;
    let challenge = site.challenge("ann").await;
    for _ in 0..MAX_ATTEMPTS {
        assert_wrong(&site.complete(&challenge, totp("000000")).await);
    }
    assert_over(&site.complete(&challenge, totp(&app.code(&site))).await);
    // The owner starts again.
    site.complete(&site.challenge("ann").await, totp(&app.code(&site))).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn login_completions_are_limited_per_account(#[case] backend: Backend) {
    let quotas = Quotas { second_factor_per_account_and_address: Quota::new(3, 600), ..Quotas::default() };
    let site = Site::with(backend, Config { quotas, ..cheap() }).await;
    let (_, app) = site.sign_up_with_app("ann").await;
    let (_, bobs) = site.sign_up_with_app("bob").await;
    for _ in 0..3 {
        assert_wrong(&site.complete(&site.challenge("ann").await, totp("000000")).await);
    }
    let challenge = site.challenge("ann").await;
    let limited = site.complete(&challenge, totp(&app.code(&site))).await;
    let Err(Error::RateLimited(limited)) = limited else { panic!("{limited:?}") };
    assert_eq!(limited.0.reset, Duration::from_secs(200));
    site.complete(&site.challenge("bob").await, totp(&bobs.code(&site))).await.unwrap();
    site.clock.advance(limited.0.reset);
    site.complete(&challenge, totp(&app.code(&site))).await.unwrap();
}

/// Every login waits for the lock of the audit log, so nothing may follow it but the commit.
#[apply(both_databases)]
#[tokio::test]
async fn login_with_a_recovery_code_is_recorded_last(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (owner, _) = site.sign_up_with_app("ann").await;
    let codes = site.auth.create_recovery_codes(owner.user, owner.session).await.unwrap();
    let challenge = site.challenge("ann").await;
    site.database.take_statements();
    site.complete(&challenge, recovery(&codes[0].expose())).await.unwrap();
    let statements = site.database.take_statements();
    let audits: Vec<usize> =
        (0..statements.len()).filter(|at| statements[*at].contains("audit_events")).collect();
    let others = statements.iter().rposition(|sql| sql.contains("sessions")).unwrap();
    assert!(audits.len() >= 2 && others < audits[0], "{statements:#?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn recovery_code_replaces_a_lost_factor_once(#[case] backend: Backend) {
    let site = Site::with(backend, wide()).await;
    let (owner, _) = site.sign_up_with_app("ann").await;
    let codes = site.auth.create_recovery_codes(owner.user, owner.session).await.unwrap();
    assert_eq!(codes.len(), 10);
    let dump = site.database.dump().await;
    assert!(codes.iter().all(|code| !dump.contains(&code.expose().replace('-', ""))));
    let challenge = site.challenge("ann").await;
    assert_eq!(challenge.methods, [LoginMethod::Totp, LoginMethod::RecoveryCode]);

    let mut racers = JoinSet::new();
    for _ in 0..20 {
        let challenge = site.challenge("ann").await.token.expose().to_owned();
        let (auth, proof) = (site.auth.clone(), recovery(&codes[0].expose()));
        racers.spawn(async move {
            auth.complete_login(CompleteLogin { challenge, proof, client: None, device: Device::default() })
                .await
                .is_ok()
        });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|is_ok| *is_ok).count(), 1);
    assert_eq!(site.auth.list_factors(owner.user).await.unwrap().recovery_codes, 9);
    assert_wrong(&site.complete(&challenge, recovery(&codes[0].expose())).await);
    site.complete(&challenge, recovery(&codes[1].expose().to_lowercase())).await.unwrap();

    // New codes replace the old ones; those of other accounts do not count.
    let (bob, _) = site.sign_up_with_app("bob").await;
    let bobs = site.auth.create_recovery_codes(bob.user, bob.session).await.unwrap();
    let new = site.auth.create_recovery_codes(owner.user, owner.session).await.unwrap();
    let challenge = site.challenge("ann").await;
    for wrong in [&codes[2], &bobs[0]] {
        assert_wrong(&site.complete(&challenge, recovery(&wrong.expose())).await);
    }
    site.complete(&challenge, recovery(&new[0].expose())).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn recovery_codes_end_with_the_last_factor(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let owner = site.sign_up("ann").await;
    let factor_of = async || site.auth.list_factors(owner.user).await.unwrap();
    site.auth.create_recovery_codes(owner.user, owner.session).await.unwrap();
    // Without a factor, they demand nothing.
    assert!(matches!(site.log_in("ann", Device::default()).await.unwrap(), Login::Complete(_)));
    site.add_app(owner).await;
    let factors = factor_of().await;
    assert_eq!((factors.factors.len(), factors.recovery_codes), (1, 10));
    assert_eq!(factors.factors[0].name.as_deref(), Some("phone"));
    let bob = site.sign_up("bob").await;
    let stolen = site.auth.delete_factor(bob.user, bob.session, factors.factors[0].id).await;
    assert!(matches!(stolen, Err(Error::FactorNotFound)), "{stolen:?}");
    site.auth.delete_factor(owner.user, owner.session, factors.factors[0].id).await.unwrap();
    let factors = factor_of().await;
    assert_eq!((factors.factors.len(), factors.recovery_codes), (0, 0));
    assert!(matches!(site.log_in("ann", Device::default()).await.unwrap(), Login::Complete(_)));
}

#[apply(both_databases)]
#[tokio::test]
async fn totp_setup_counts_from_its_confirmation(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let owner = site.sign_up("ann").await;
    let start = async || site.auth.start_totp(owner.user, owner.session, None).await.unwrap();
    let confirm = async |setup: &TotpSetup, entered: &str| {
        site.auth.confirm_totp(owner.user, setup.id, &code(entered)).await
    };
    let replaced = start().await;
    let setup = start().await;
    assert_eq!(setup.expires_at, site.clock.now() + SETUP_LIFETIME);
    assert!(matches!(site.log_in("ann", Device::default()).await.unwrap(), Login::Complete(_)));
    assert_eq!(site.auth.list_factors(owner.user).await.unwrap().factors, []);
    let missing = confirm(&replaced, &App::new(&replaced).code(&site)).await;
    assert!(matches!(missing, Err(Error::FactorNotFound)), "{missing:?}");
    let wrong = confirm(&setup, "000000").await;
    assert!(matches!(wrong, Err(Error::WrongCode)), "{wrong:?}");
    let bob = site.sign_up("bob").await;
    let foreign = site.auth.confirm_totp(bob.user, setup.id, &code(&App::new(&setup).code(&site))).await;
    assert!(matches!(foreign, Err(Error::FactorNotFound)), "{foreign:?}");

    site.clock.advance(SETUP_LIFETIME - MICRO);
    let app = App::new(&setup);
    let factor = confirm(&setup, &app.code(&site)).await.unwrap();
    assert_eq!(factor.id, setup.id);
    let again = confirm(&setup, &app.code_in(&site, STEP)).await;
    assert!(matches!(again, Err(Error::FactorNotFound)), "{again:?}");

    let late = site.sign_up("cho").await;
    let setup = site.auth.start_totp(late.user, late.session, None).await.unwrap();
    site.clock.advance(SETUP_LIFETIME);
    let expired = site.auth.confirm_totp(late.user, setup.id, &code(&App::new(&setup).code(&site))).await;
    assert!(matches!(expired, Err(Error::FactorNotFound)), "{expired:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn totp_setup_replaces_the_previous_app(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (owner, old) = site.sign_up_with_app("ann").await;
    let new = site.add_app(owner).await;
    site.clock.advance(STEP);
    assert_eq!(site.auth.list_factors(owner.user).await.unwrap().factors.len(), 1);
    let challenge = site.challenge("ann").await;
    assert_wrong(&site.complete(&challenge, totp(&old.code(&site))).await);
    site.complete(&challenge, totp(&new.code(&site))).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn totp_secret_is_sealed_for_its_owner(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (_, app) = site.sign_up_with_app("ann").await;
    site.sign_up_with_app("bob").await;
    // As an attacker with access to the database would give bob the secret of ann.
    let swap = "UPDATE factors SET sealed_secret = (SELECT f.sealed_secret FROM factors f JOIN users u \
                ON u.id = f.user_id WHERE u.username = 'ann')";
    site.database.execute(swap).await;
    assert_wrong(&site.complete(&site.challenge("bob").await, totp(&app.code(&site))).await);
    site.complete(&site.challenge("ann").await, totp(&app.code(&site))).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn login_challenge_ends_with_the_password_and_the_account(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (owner, app) = site.sign_up_with_app("ann").await;
    let challenge = site.challenge("ann").await;
    let new = NewPassword::parse(PASSWORD, &[]).unwrap();
    let change =
        ChangePassword { current: Some(EnteredPassword::parse(PASSWORD).unwrap()), new: new.clone() };
    site.auth.change_password(owner.user, owner.session, change).await.unwrap();
    assert_over(&site.complete(&challenge, totp(&app.code(&site))).await);

    let ann = Username::parse("ann").unwrap();
    let challenge = site.challenge("ann").await;
    site.auth.reset_password(&ann, new).await.unwrap();
    assert_over(&site.complete(&challenge, totp(&app.code(&site))).await);

    let challenge = site.challenge("ann").await;
    site.auth.suspend(&ann, true).await.unwrap();
    let suspended = site.complete(&challenge, totp(&app.code(&site))).await;
    assert!(matches!(suspended, Err(Error::AccountSuspended)), "{suspended:?}");
    site.auth.suspend(&ann, false).await.unwrap();
    site.complete(&challenge, totp(&app.code(&site))).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn operator_removes_the_factors_of_a_locked_out_account(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (owner, app) = site.sign_up_with_app("ann").await;
    site.auth.create_recovery_codes(owner.user, owner.session).await.unwrap();
    let challenge = site.challenge("ann").await;
    let ann = Username::parse("ann").unwrap();
    assert!(site.auth.remove_factors(&ann).await.unwrap());
    assert!(!site.auth.remove_factors(&ann).await.unwrap());
    assert_over(&site.complete(&challenge, totp(&app.code(&site))).await);
    assert!(matches!(site.log_in("ann", Device::default()).await.unwrap(), Login::Complete(_)));
    for table in ["factors", "recovery_codes", "login_challenges"] {
        assert_eq!(site.database.count(table).await, 0, "{table}");
    }
    let unknown = site.auth.remove_factors(&Username::parse("nobody").unwrap()).await;
    assert!(matches!(unknown, Err(Error::AccountNotFound)), "{unknown:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn expired_challenges_and_setups_are_deleted(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up_with_app("ann").await;
    site.challenge("ann").await;
    let bob = site.sign_up("bob").await;
    site.auth.start_totp(bob.user, bob.session, None).await.unwrap();
    site.clock.advance(LIFETIME - MICRO);
    let counts = async || {
        assert!(!site.auth.delete_expired(site.clock.now()).await.unwrap());
        (site.database.count("login_challenges").await, site.database.count("factors").await)
    };
    assert_eq!(counts().await, (1, 2));
    site.clock.advance(MICRO);
    assert_eq!(counts().await, (0, 2));
    site.clock.advance(SETUP_LIFETIME - LIFETIME - MICRO);
    assert_eq!(counts().await, (0, 2));
    site.clock.advance(MICRO);
    assert_eq!(counts().await, (0, 1), "the confirmed app stays");
}

#[apply(both_databases)]
#[tokio::test]
async fn second_factor_events_are_in_the_audit_log(#[case] backend: Backend) {
    let quotas = Quotas { second_factor_per_account_and_address: Quota::new(3, 600), ..Quotas::default() };
    let site = Site::with(backend, Config { quotas, ..cheap() }).await;
    let (owner, _) = site.sign_up_with_app("ann").await;
    let codes = site.auth.create_recovery_codes(owner.user, owner.session).await.unwrap();
    let challenge = site.challenge("ann").await;
    assert_wrong(&site.complete(&challenge, totp("000000")).await);
    site.complete(&challenge, recovery(&codes[0].expose())).await.unwrap();
    let factor = site.auth.list_factors(owner.user).await.unwrap().factors[0].id;
    let challenge = site.challenge("ann").await;
    assert_wrong(&site.complete(&challenge, totp("000000")).await);
    for _ in 0..2 {
        let limited = site.complete(&challenge, totp("000000")).await;
        assert!(matches!(limited, Err(Error::RateLimited(_))), "{limited:?}");
    }
    site.auth.delete_factor(owner.user, owner.session, factor).await.unwrap();

    let page = PageRequest::new(Scope::new("audit", &[]), Limit::default(), None, None);
    let events = site.auth.list_audit_events(&Filter::default(), &page).await.unwrap().items;
    let kinds: Vec<Kind> = events.iter().rev().map(|entry| entry.event.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::UserCreated,
            Kind::FactorAdded,
            Kind::RecoveryCodesCreated,
            // No success before the second step, and a row for the limit, not for each attempt.
            Kind::RecoveryCodeUsed,
            Kind::LoginSuccess,
            Kind::FactorFailMax,
            Kind::FactorRemoved,
        ]
    );
}
