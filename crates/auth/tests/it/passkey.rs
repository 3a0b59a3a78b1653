//! Passkeys, with an authenticator in software.

use std::time::Duration;

use blegram_auth::{
    Config, Device, Error, LoggedIn, Login, LoginChallenge, PasskeyResponse, PasskeySetup, Proof,
    Reauthenticate, Result, passkey::CEREMONY_LIFETIME,
};
use blegram_domain::{DeviceName, Factor, UserId, factor::LoginMethod};
use blegram_persistence::testing::Backend;
use p256::{ecdsa::SigningKey, elliptic_curve::rand_core::OsRng};
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    authenticator::Authenticator,
    both_databases, cheap,
    second_factor::{MICRO, Owner, Site},
};

const DOMAIN: &str = "blegram.example";
const ORIGIN: &str = "https://blegram.example";
const APP: &str = "https://app.blegram.example";

fn config() -> Config {
    let web_origins = vec![APP.to_owned(), "https://elsewhere.example".to_owned()];
    Config { issuer: ORIGIN.to_owned(), web_origins, ..cheap() }
}

fn authenticator() -> Authenticator {
    Authenticator::new(ORIGIN, DOMAIN)
}

fn response(value: &Value) -> PasskeyResponse {
    PasskeyResponse::new(value.to_string())
}

impl Site {
    async fn with_passkeys(backend: Backend) -> Self {
        Self::with(backend, config()).await
    }

    async fn setup(&self, owner: Owner) -> PasskeySetup {
        let name = DeviceName::parse("laptop").unwrap();
        self.auth.start_passkey(owner.user, owner.session, Some(name)).await.unwrap()
    }

    async fn finish(&self, owner: Owner, setup: &PasskeySetup, created: &Value) -> Result<Factor> {
        self.auth.finish_passkey(owner.user, setup.id, &response(created)).await
    }

    async fn add_passkey(&self, owner: Owner, authenticator: &mut Authenticator) -> Factor {
        let setup = self.setup(owner).await;
        let created = authenticator.create(&setup.options);
        self.finish(owner, &setup, &created).await.unwrap()
    }

    async fn options(&self, challenge: Option<&LoginChallenge>) -> Value {
        let challenge = challenge.map(|challenge| challenge.token.expose());
        self.auth.start_passkey_login(challenge).await.unwrap()
    }

    async fn log_in_with(&self, assertion: &Value) -> Result<LoggedIn> {
        self.auth.finish_passkey_login(&response(assertion), Device::default()).await
    }
}

fn user(logged_in: &LoggedIn) -> UserId {
    logged_in.account.user.summary.id
}

#[track_caller]
fn assert_wrong(result: &Result<LoggedIn>, case: &str) {
    assert!(matches!(result, Err(Error::SecondFactorInvalid)), "{case}: {result:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_logs_in_without_a_username(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let mut key = authenticator();
    let factor = site.add_passkey(ann, &mut key).await;
    assert_eq!(factor.name.as_deref(), Some("laptop"));
    site.add_passkey(bob, &mut key).await;
    for (index, owner) in [(0, ann), (1, bob), (0, ann)] {
        let assertion = key.get(&site.options(None).await, index);
        assert_eq!(user(&site.log_in_with(&assertion).await.unwrap()), owner.user);
    }
    // From a page of the app, with an authenticator that has no counter.
    key.origin = APP.to_owned();
    key.counter = 0;
    site.add_passkey(ann, &mut key).await;
    for _ in 0..2 {
        let assertion = key.get(&site.options(None).await, 2);
        site.log_in_with(&assertion).await.unwrap();
    }
    let factors = site.auth.list_factors(ann.user).await.unwrap().factors;
    assert!(factors.len() == 2 && factors.iter().all(|factor| factor.last_used_at.is_some()), "{factors:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_options_demand_a_verified_user_and_exclude_existing_passkeys(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let ann = site.sign_up("ann").await;
    let mut key = authenticator();
    site.add_passkey(ann, &mut key).await;
    let options = site.setup(ann).await.options;
    assert_eq!(options["rp"]["id"], DOMAIN);
    assert_eq!(options["user"]["name"], "ann");
    assert_eq!(options["attestation"], "none");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    // Chromium rejects its platform authenticators if this is enforced.
    assert_eq!(options["extensions"]["enforceCredentialProtectionPolicy"], false);
    assert_eq!(options["excludeCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(options["excludeCredentials"][0]["transports"], json!(["internal"]));
    let algorithms: Vec<_> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|params| params["alg"].clone()).collect();
    assert!(algorithms.contains(&json!(-7)) && algorithms.contains(&json!(-257)), "{algorithms:?}");

    let login = site.options(None).await;
    assert_eq!((&login["rpId"], &login["userVerification"]), (&json!(DOMAIN), &json!("required")));
    assert_eq!(login["allowCredentials"], json!([]));
    let challenge = site.challenge("ann").await;
    assert_eq!(challenge.methods, [LoginMethod::Passkey]);
    let second = site.options(Some(&challenge)).await;
    assert_eq!(second["userVerification"], "required");
    assert_eq!(second["allowCredentials"].as_array().unwrap().len(), 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_registration_is_rejected_unless_everything_matches(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let ann = site.sign_up("ann").await;
    type Deviation = fn(&mut Authenticator);
    let deviations: [(&str, Deviation); 6] = [
        ("another origin", |key| key.origin = "https://elsewhere.example".to_owned()),
        ("a longer origin", |key| key.origin = format!("{ORIGIN}.evil.example")),
        ("plain http", |key| key.origin = format!("http://{DOMAIN}")),
        ("another port", |key| key.origin = format!("{ORIGIN}:8443")),
        ("another domain", |key| key.domain = "elsewhere.example".to_owned()),
        ("no user verification", |key| key.verifies_user = false),
    ];
    for (case, deviate) in deviations {
        let mut key = authenticator();
        deviate(&mut key);
        let setup = site.setup(ann).await;
        let created = key.create(&setup.options);
        let rejected = site.finish(ann, &setup, &created).await;
        assert!(matches!(rejected, Err(Error::PasskeyRejected)), "{case}: {rejected:?}");
        let again = site.finish(ann, &setup, &created).await;
        assert!(matches!(again, Err(Error::FactorNotFound)), "{case}: a failure consumes it: {again:?}");
    }
    // An assertion is no registration.
    let mut key = authenticator();
    let setup = site.setup(ann).await;
    key.create(&setup.options);
    for malformed in [key.get(&setup.options, 0), json!({}), json!({ "response": 7 })] {
        let rejected = site.finish(ann, &setup, &malformed).await;
        assert!(matches!(rejected, Err(Error::PasskeyRejected)), "{malformed}: {rejected:?}");
    }
    assert_eq!(site.auth.list_factors(ann.user).await.unwrap().factors, []);
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_registration_is_valid_once_for_its_account_and_time(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let mut key = authenticator();
    let assert_missing = |result: Result<Factor>| {
        assert!(matches!(result, Err(Error::FactorNotFound)), "{result:?}");
    };

    let replaced = site.setup(ann).await;
    let setup = site.setup(ann).await;
    assert_missing(site.finish(ann, &replaced, &key.create(&replaced.options)).await);
    let created = key.create(&setup.options);
    assert_missing(site.finish(bob, &setup, &created).await);
    assert_missing(site.finish(ann, &setup, &created).await);

    let setup = site.setup(ann).await;
    let created = key.create(&setup.options);
    let mut racers = JoinSet::new();
    for _ in 0..10 {
        let (auth, created) = (site.auth.clone(), response(&created));
        let (user, id) = (ann.user, setup.id);
        racers.spawn(async move { auth.finish_passkey(user, id, &created).await.is_ok() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|is_ok| *is_ok).count(), 1);

    let [in_time, late] = [site.setup(ann).await, site.setup(bob).await];
    let [first, second] = [key.create(&in_time.options), key.create(&late.options)];
    site.clock.advance(CEREMONY_LIFETIME - MICRO);
    site.finish(ann, &in_time, &first).await.unwrap();
    site.clock.advance(MICRO);
    assert_missing(site.finish(bob, &late, &second).await);
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_credential_belongs_to_one_account(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let mut key = authenticator();
    site.add_passkey(ann, &mut key).await;
    let id = key.passkeys[0].id.clone();
    for owner in [ann, bob] {
        let setup = site.setup(owner).await;
        let copy = key.create_with(&setup.options, id.clone(), SigningKey::random(&mut OsRng));
        let rejected = site.finish(owner, &setup, &copy).await;
        assert!(matches!(rejected, Err(Error::PasskeyInUse)), "{rejected:?}");
    }
    let assertion = key.get(&site.options(None).await, 0);
    assert_eq!(user(&site.log_in_with(&assertion).await.unwrap()), ann.user);
}

#[apply(both_databases)]
#[tokio::test]
async fn passkeys_of_an_account_are_limited(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let ann = site.sign_up("ann").await;
    let mut key = authenticator();
    let mut last = None;
    for _ in 0..Factor::MAX_PASSKEYS {
        last = Some(site.add_passkey(ann, &mut key).await);
    }
    let rejected = site.auth.start_passkey(ann.user, ann.session, None).await;
    assert!(matches!(rejected, Err(Error::TooManyPasskeys)), "{rejected:?}");
    site.auth.delete_factor(ann.user, ann.session, last.unwrap().id).await.unwrap();
    site.add_passkey(ann, &mut key).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_login_is_rejected_unless_everything_matches(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let mut key = authenticator();
    site.add_passkey(ann, &mut key).await;
    site.add_passkey(bob, &mut key).await;
    key.counter = 10;
    site.log_in_with(&key.get(&site.options(None).await, 0)).await.unwrap();

    type Deviation = fn(&mut Authenticator);
    let deviations: [(&str, Deviation); 6] = [
        ("another origin", |key| key.origin = "https://elsewhere.example".to_owned()),
        ("another port", |key| key.origin = format!("{ORIGIN}:8443")),
        ("another domain", |key| key.domain = "elsewhere.example".to_owned()),
        ("no user verification", |key| key.verifies_user = false),
        ("a counter that went back", |key| key.counter = 9),
        ("a counter that stands still", |key| key.counter = 10),
    ];
    for (case, deviate) in deviations {
        (key.origin, key.domain, key.verifies_user, key.counter) =
            (ORIGIN.to_owned(), DOMAIN.to_owned(), true, 20);
        deviate(&mut key);
        assert_wrong(&site.log_in_with(&key.get(&site.options(None).await, 0)).await, case);
    }
    (key.origin, key.domain, key.verifies_user, key.counter) =
        (ORIGIN.to_owned(), DOMAIN.to_owned(), true, 20);
    let mut assertion = key.get(&site.options(None).await, 0);
    // Bob's passkey with ann's user handle.
    let other = key.get(&site.options(None).await, 1);
    for member in ["id", "rawId"] {
        assertion[member] = other[member].clone();
    }
    assert_wrong(&site.log_in_with(&assertion).await, "a foreign credential");
    let mut unknown = authenticator();
    unknown.create(&site.setup(bob).await.options);
    assert_wrong(
        &site.log_in_with(&unknown.get(&site.options(None).await, 0)).await,
        "an unknown credential",
    );
    let mut tampered = key.get(&site.options(None).await, 0);
    tampered["response"]["signature"] = other["response"]["signature"].clone();
    assert_wrong(&site.log_in_with(&tampered).await, "another signature");
    let mut anonymous = key.get(&site.options(None).await, 0);
    anonymous["response"]["userHandle"] = Value::Null;
    assert_wrong(&site.log_in_with(&anonymous).await, "no user handle");
    for malformed in [json!({}), json!({ "id": "AA" }), key.create(&site.setup(ann).await.options)] {
        assert_wrong(&site.log_in_with(&malformed).await, "malformed");
    }
    site.log_in_with(&key.get(&site.options(None).await, 0)).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_login_is_valid_once_and_for_five_minutes(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let ann = site.sign_up("ann").await;
    let mut key = authenticator();
    key.counter = 0;
    site.add_passkey(ann, &mut key).await;
    let assertion = key.get(&site.options(None).await, 0);
    let mut racers = JoinSet::new();
    for _ in 0..20 {
        let (auth, assertion) = (site.auth.clone(), response(&assertion));
        racers.spawn(async move { auth.finish_passkey_login(&assertion, Device::default()).await.is_ok() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|is_ok| *is_ok).count(), 1);
    assert_wrong(&site.log_in_with(&assertion).await, "replayed");

    let [in_time, late] = [key.get(&site.options(None).await, 0), key.get(&site.options(None).await, 0)];
    site.clock.advance(CEREMONY_LIFETIME - MICRO);
    site.log_in_with(&in_time).await.unwrap();
    site.clock.advance(MICRO);
    assert_wrong(&site.log_in_with(&late).await, "expired");
}

/// Every member of `value`, damaged in several ways.
fn damaged(value: &Value) -> Vec<Value> {
    fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
        for (name, member) in value.as_object().into_iter().flatten() {
            let at = format!("{at}/{name}");
            pointers(member, &at, into);
            into.push(at);
        }
    }
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    let mut damaged = Vec::new();
    for pointer in all {
        let text = value.pointer(&pointer).unwrap().as_str().unwrap_or_default();
        let (start, end) = text.split_at(text.len() / 2);
        for replacement in [
            Value::Null,
            json!(7),
            json!({}),
            json!(""),
            json!("AAAA"),
            json!("*"),
            json!(start),
            json!(end),
            json!(format!("{text}AAAA")),
            json!("A".repeat(40_000)),
        ] {
            let mut copy = value.clone();
            *copy.pointer_mut(&pointer).unwrap() = replacement;
            damaged.push(copy);
        }
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut copy = value.clone();
        copy.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        damaged.push(copy);
    }
    damaged
}

#[tokio::test]
async fn damaged_passkey_responses_do_no_harm() {
    let site = Site::with_passkeys(Backend::Sqlite).await;
    let ann = site.sign_up("ann").await;
    let mut key = authenticator();
    key.counter = 0;
    site.add_passkey(ann, &mut key).await;
    // Members that only describe the passkey may be anything; nothing may fail in another way.
    let count = damaged(&key.get(&site.options(None).await, 0)).len();
    for at in 0..count {
        let assertion = damaged(&key.get(&site.options(None).await, 0)).remove(at);
        match site.log_in_with(&assertion).await {
            Ok(logged_in) => assert_eq!(user(&logged_in), ann.user),
            Err(error) => assert!(matches!(error, Error::SecondFactorInvalid), "{assertion}: {error:?}"),
        }
    }
    let count = damaged(&key.create(&site.setup(ann).await.options)).len();
    for at in 0..count {
        let setup = site.setup(ann).await;
        let created = damaged(&key.create(&setup.options)).remove(at);
        match site.finish(ann, &setup, &created).await {
            Ok(factor) => site.auth.delete_factor(ann.user, ann.session, factor.id).await.unwrap(),
            Err(error) => assert!(
                matches!(error, Error::PasskeyRejected | Error::FactorNotFound),
                "{created}: {error:?}"
            ),
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_completes_the_login_that_it_was_started_for(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let mut key = authenticator();
    site.add_passkey(ann, &mut key).await;
    site.add_passkey(bob, &mut key).await;
    let proof = |assertion: &Value| Proof::Passkey(response(assertion));

    let challenge = site.challenge("ann").await;
    for options in [site.options(None).await, site.options(Some(&site.challenge("ann").await)).await] {
        let other = site.complete(&challenge, proof(&key.get(&options, 0))).await;
        assert_wrong(&other, "the ceremony of another login");
    }
    let options = site.options(Some(&challenge)).await;
    assert_wrong(&site.complete(&challenge, proof(&key.get(&options, 1))).await, "bob's passkey");
    let options = site.options(Some(&challenge)).await;
    let assertion = key.get(&options, 0);
    assert_wrong(&site.log_in_with(&assertion).await, "no login by itself");
    let options = site.options(Some(&challenge)).await;
    let mut assertion = key.get(&options, 0);
    // Authenticators may leave it out where the options list the passkeys.
    assertion["response"]["userHandle"] = Value::Null;
    assert_eq!(user(&site.complete(&challenge, proof(&assertion)).await.unwrap()), ann.user);

    let used = site.auth.start_passkey_login(Some(challenge.token.expose())).await;
    assert!(matches!(used, Err(Error::LoginChallengeInvalid)), "{used:?}");
    let invented = site.auth.start_passkey_login(Some("blc_nothing")).await;
    assert!(matches!(invented, Err(Error::LoginChallengeInvalid)), "{invented:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_reauthenticates_its_owner(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let mut key = authenticator();
    site.add_passkey(ann, &mut key).await;
    site.add_passkey(bob, &mut key).await;
    site.clock.advance(Duration::from_secs(3600));
    let reauthenticate = async |assertion: &Value| {
        let proof = Some(Proof::Passkey(response(assertion)));
        site.auth.reauthenticate(ann.user, ann.session, Reauthenticate { password: None, proof }).await
    };
    let foreign = reauthenticate(&key.get(&site.options(None).await, 1)).await;
    assert!(matches!(foreign, Err(Error::WrongCode)), "{foreign:?}");
    let stale = site.auth.start_passkey(ann.user, ann.session, None).await;
    assert!(matches!(stale, Err(Error::ReauthenticationRequired)), "{stale:?}");
    reauthenticate(&key.get(&site.options(None).await, 0)).await.unwrap().unwrap();
    site.add_passkey(ann, &mut key).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn passkeys_need_a_domain(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = site.sign_up("ann").await;
    assert!(!site.auth.has_passkeys());
    let started = site.auth.start_passkey(ann.user, ann.session, None).await;
    assert!(matches!(started, Err(Error::PasskeysUnavailable)), "{started:?}");
    let started = site.auth.start_passkey_login(None).await;
    assert!(matches!(started, Err(Error::PasskeysUnavailable)), "{started:?}");
    let finished = site.log_in_with(&json!({})).await;
    assert_wrong(&finished, "no passkeys");
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_of_a_suspended_account_does_not_log_in(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let ann = site.sign_up("ann").await;
    let mut key = authenticator();
    site.add_passkey(ann, &mut key).await;
    site.auth.suspend(&blegram_domain::Username::parse("ann").unwrap(), true).await.unwrap();
    let suspended = site.log_in_with(&key.get(&site.options(None).await, 0)).await;
    assert!(matches!(suspended, Err(Error::AccountSuspended)), "{suspended:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn passkey_ceremonies_expire_and_are_deleted(#[case] backend: Backend) {
    let site = Site::with_passkeys(backend).await;
    let ann = site.sign_up("ann").await;
    site.options(None).await;
    site.setup(ann).await;
    site.clock.advance(CEREMONY_LIFETIME - MICRO);
    site.auth.delete_expired(blegram_domain::Clock::now(&*site.clock)).await.unwrap();
    assert_eq!(site.database.count("passkey_ceremonies").await, 2);
    site.clock.advance(MICRO);
    site.auth.delete_expired(blegram_domain::Clock::now(&*site.clock)).await.unwrap();
    assert_eq!(site.database.count("passkey_ceremonies").await, 0);
    assert!(matches!(site.log_in("ann", Device::default()).await.unwrap(), Login::Complete(_)));
}
