//! Logins with other providers: what ends them, and who gets which account. The provider is on loopback and imitates the
//! known ones; see `blegram_auth::testing`.

use std::{sync::Arc, time::Duration};

use blegram_auth::{
    AppRedirectUri, AppRequest, Auth, Authenticated, CompleteLogin, Config, Device, Error, ExchangeCode,
    Exchanged, FailedLogin, FinishLogin, FinishedLogin, LocalPath, LoggedIn, LoginChallenge, Providers,
    Registration, ReturnTo, Secret, StartLogin, StartedLogin, authorization_code,
    external_login::LIFETIME,
    provider::settings::Preset,
    testing::{FakeProvider, FakeUser, Misbehavior},
};
use blegram_domain::{Clock, FixedClock, ProviderId, Username};
use blegram_persistence::testing::{Backend, TestDatabase};
use futures_util::future::join_all;
use rstest::rstest;
use rstest_reuse::apply;
use serde_json::json;

use crate::{both_databases, cheap, clock, second_factor, sign_up};

/// A site with one provider.
pub(crate) struct Site {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) provider: FakeProvider,
    pub(crate) auth: Auth,
}

const APP: &str = "org.example.app:/login";

/// The PKCE verifier of an app, and its challenge (RFC 7636, appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

impl Site {
    pub(crate) async fn new(backend: Backend, preset: Preset) -> Self {
        Self::with(backend, preset, cheap()).await
    }

    pub(crate) async fn with(backend: Backend, preset: Preset, config: Config) -> Self {
        let (database, clock) = (TestDatabase::new(backend).await, clock());
        let provider = FakeProvider::start(preset, Arc::clone(&clock) as Arc<dyn Clock>).await;
        let config = Config { app_redirect_uris: vec![AppRedirectUri::parse(APP).unwrap()], ..config };
        let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, config).unwrap();
        let auth = auth.with_providers([provider.provider("test")].into_iter().collect());
        Self { database, clock, provider, auth }
    }

    pub(crate) async fn start(&self) -> StartedLogin {
        self.start_at(None).await
    }

    async fn start_at(&self, redirect_to: Option<&str>) -> StartedLogin {
        let redirect_to = redirect_to.map(|path| LocalPath::parse(path).unwrap());
        self.auth.start_login(StartLogin { provider: id(), redirect_to, app: None }).await.unwrap()
    }

    async fn start_app(&self) -> StartedLogin {
        let app = AppRequest {
            redirect_uri: APP.to_owned(),
            challenge: CHALLENGE.to_owned(),
            state: Some("of the app".to_owned()),
        };
        self.auth.start_login(StartLogin { provider: id(), redirect_to: None, app: Some(app) }).await.unwrap()
    }

    /// Logs `user` in at the provider, and returns to the site in the same browser.
    pub(crate) async fn log_in(&self, user: &FakeUser) -> Result<FinishedLogin, FailedLogin> {
        let started = self.start().await;
        let query = self.provider.approve(&started.url, user);
        self.auth.finish_login(finish(&query, &started)).await
    }

    pub(crate) async fn logged_in(&self, user: &FakeUser) -> LoggedIn {
        match self.log_in(user).await.unwrap() {
            FinishedLogin::LoggedIn { logged_in, .. } => *logged_in,
            other => panic!("{other:?}"),
        }
    }

    /// Logs in with an app and returns the code.
    async fn app_code(&self, user: &FakeUser) -> String {
        let started = self.start_app().await;
        let query = self.provider.approve(&started.url, user);
        match self.auth.finish_login(finish(&query, &started)).await.unwrap() {
            FinishedLogin::Code { redirect_uri, code, state } => {
                assert_eq!((redirect_uri.as_str(), state.as_deref()), (APP, Some("of the app")));
                code.expose().to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn authenticate(&self, logged_in: &LoggedIn) -> Option<Authenticated> {
        match &logged_in.secret {
            Secret::Browser(token) => self.auth.authenticate(token.expose()).await.unwrap(),
            Secret::Native(tokens) => {
                self.auth.authenticate_bearer(tokens.access_token.expose()).await.unwrap()
            }
        }
    }
}

pub(crate) fn id() -> ProviderId {
    ProviderId::parse("test").unwrap()
}

pub(crate) fn ann() -> FakeUser {
    FakeUser::new("subject-1", "Ann Lee")
}

pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The return of the browser in which `started` began.
pub(crate) fn finish(query: &str, started: &StartedLogin) -> FinishLogin {
    FinishLogin {
        provider: id(),
        state: parameter(query, "state"),
        code: parameter(query, "code").map(Into::into),
        error: parameter(query, "error"),
        issuer: parameter(query, "iss"),
        browser: Some(started.browser.expose().to_owned()),
        session: None,
        device: Device::default(),
    }
}

fn username(logged_in: &LoggedIn) -> &str {
    logged_in.account.user.summary.username.as_str()
}

fn exchange(code: &str) -> ExchangeCode {
    ExchangeCode {
        code: code.to_owned(),
        code_verifier: VERIFIER.to_owned(),
        redirect_uri: APP.to_owned(),
        device: Device::default(),
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn first_login_creates_an_account_and_later_ones_find_it(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let first = site.logged_in(&ann()).await;
    assert_eq!(username(&first), "ann.lee");
    assert_eq!(first.account.user.summary.display_name, "Ann Lee");
    assert!(!first.account.has_password && first.account.email.is_none());
    assert!(site.authenticate(&first).await.is_some());
    // The user renamed herself at the provider: the subject decides.
    let again = site.logged_in(&FakeUser::new("subject-1", "Another Name")).await;
    assert_eq!(again.account.user.summary.id, first.account.user.summary.id);
    let other = site.logged_in(&FakeUser::new("subject-2", "Bob Kim")).await;
    assert_ne!(other.account.user.summary.id, first.account.user.summary.id);
    let identities = site.auth.list_identities(first.account.user.summary.id).await.unwrap();
    assert_eq!(identities[0].display_name.as_deref(), Some("Ann Lee"));
    assert_eq!(identities[0].last_login_at, Some(site.clock.now()));
}

#[rstest]
#[case(Preset::Kakao)]
#[case(Preset::Naver)]
#[case(Preset::NaverOAuth2)]
#[case(Preset::Facebook)]
#[case(Preset::Google)]
#[case(Preset::Apple)]
#[case(Preset::Oidc)]
#[tokio::test]
async fn login_works_with_every_provider(#[case] preset: Preset) {
    let site = Site::new(Backend::Sqlite, preset).await;
    let user = ann().with("name", json!("Ann Lee"));
    let logged_in = site.logged_in(&user).await;
    assert_eq!(username(&logged_in), "ann.lee");
    let identities = site.auth.list_identities(logged_in.account.user.summary.id).await.unwrap();
    assert_eq!(identities[0].key.subject, "subject-1");
    // Naver's endpoint for profiles has another id of the same user.
    let other = (preset == Preset::Naver).then_some("id-of-subject-1");
    assert_eq!(identities[0].alternate_subject.as_deref(), other);
}

/// With the code flow, providers may return the profile at its endpoint only (OpenID Connect Core, 5.4).
#[tokio::test]
async fn profile_that_the_id_token_lacks_is_read_at_its_endpoint() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let user = ann().with("email", json!("ann@example.com")).with("email_verified", json!(true));
    site.provider.misbehave(Some(Misbehavior::ProfileElsewhere));
    let logged_in = site.logged_in(&user).await;
    assert_eq!(username(&logged_in), "ann.lee");
    assert_eq!(logged_in.account.email.as_deref(), Some("ann@example.com"));
    assert_eq!(site.provider.requests("/me"), 1);
}

#[tokio::test]
async fn login_works_with_rsa_signatures() {
    let (database, clock) = (TestDatabase::new(Backend::Sqlite).await, clock());
    let provider = FakeProvider::start_with_rsa(Preset::Kakao, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    let auth = auth.with_providers([provider.provider("test")].into_iter().collect());
    let site = Site { database, clock, provider, auth };
    site.logged_in(&ann()).await;
}

/// Every deviation of a provider that must end the login, and the error.
#[rstest]
#[case::issuer(Misbehavior::OtherIssuer)]
#[case::audience(Misbehavior::OtherAudience)]
#[case::audiences(Misbehavior::TwoAudiences)]
#[case::party(Misbehavior::OtherParty)]
#[case::nonce(Misbehavior::OtherNonce)]
#[case::no_nonce(Misbehavior::NoNonce)]
#[case::none(Misbehavior::AlgorithmNone)]
#[case::hs256(Misbehavior::AlgorithmHs256)]
#[case::key(Misbehavior::OtherKey)]
#[case::key_id(Misbehavior::UnknownKeyId)]
#[case::expired(Misbehavior::Expired)]
#[case::future(Misbehavior::Future)]
#[case::old(Misbehavior::Old)]
#[case::access_token(Misbehavior::OtherAccessToken)]
#[case::malformed(Misbehavior::Malformed)]
#[case::no_id_token(Misbehavior::NoIdToken)]
#[case::error_in_success(Misbehavior::ErrorInSuccess)]
#[case::text_expires_in(Misbehavior::TextExpiresIn)]
#[case::token_type(Misbehavior::OtherTokenType)]
#[case::token_huge(Misbehavior::TokenHuge)]
#[case::token_redirects(Misbehavior::TokenRedirects)]
#[case::keys_redirect(Misbehavior::KeysRedirect)]
#[case::keys_huge(Misbehavior::KeysHuge)]
#[case::keys_html(Misbehavior::KeysHtml)]
#[case::profile_of_another(Misbehavior::ProfileOfAnother)]
#[tokio::test]
async fn response_that_cannot_be_trusted_ends_the_login(#[case] misbehavior: Misbehavior) {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    site.provider.misbehave(Some(misbehavior));
    let failed = site.log_in(&ann()).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderRejected(_)), "{:?}", failed.error);
    assert_eq!(site.database.count("users").await, 0);
    // The login itself was not the reason.
    site.provider.misbehave(None);
    site.clock.advance(Duration::from_secs(61));
    site.logged_in(&ann()).await;
}

#[rstest]
#[case(Preset::Naver, Misbehavior::ErrorInSuccess)]
#[case(Preset::NaverOAuth2, Misbehavior::ErrorInSuccess)]
#[case(Preset::Naver, Misbehavior::OtherNonce)]
#[case(Preset::Naver, Misbehavior::ProfileError)]
#[case(Preset::NaverOAuth2, Misbehavior::ProfileError)]
#[case(Preset::NaverOAuth2, Misbehavior::ProfileOfNoUser)]
#[case(Preset::Kakao, Misbehavior::NoNonce)]
#[case(Preset::Kakao, Misbehavior::NoIdToken)]
#[case(Preset::Facebook, Misbehavior::NoNonce)]
#[case(Preset::Apple, Misbehavior::AlgorithmHs256)]
#[tokio::test]
async fn deviations_are_accepted_from_no_other_provider(
    #[case] preset: Preset,
    #[case] misbehavior: Misbehavior,
) {
    let site = Site::new(Backend::Sqlite, preset).await;
    site.provider.misbehave(Some(misbehavior));
    let failed = site.log_in(&ann()).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderRejected(_)), "{:?}", failed.error);
}

#[rstest]
#[case(Preset::Oidc, Misbehavior::JustExpired)]
#[case(Preset::Oidc, Misbehavior::NearFuture)]
#[case(Preset::Oidc, Misbehavior::NewKey)]
#[case(Preset::Naver, Misbehavior::NoNonce)]
#[case(Preset::Facebook, Misbehavior::NoIdToken)]
#[tokio::test]
async fn tolerated_deviation_does_not_end_the_login(
    #[case] preset: Preset,
    #[case] misbehavior: Misbehavior,
) {
    let site = Site::new(Backend::Sqlite, preset).await;
    site.provider.misbehave(Some(misbehavior));
    if misbehavior == Misbehavior::NewKey {
        // The keys were read before the provider changed them.
        site.log_in(&ann()).await.unwrap_err();
        site.clock.advance(Duration::from_secs(61));
    }
    site.logged_in(&ann().with("name", json!("Ann Lee"))).await;
}

#[rstest]
#[case(Misbehavior::MetadataFails)]
#[tokio::test]
async fn provider_that_is_down_is_named_at_the_start(#[case] misbehavior: Misbehavior) {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    site.provider.misbehave(Some(misbehavior));
    let start = || site.auth.start_login(StartLogin { provider: id(), redirect_to: None, app: None });
    for _ in 0..3 {
        assert!(matches!(start().await, Err(Error::ProviderUnavailable(provider)) if provider == id()));
    }
    assert_eq!(site.provider.requests("/.well-known/openid-configuration"), 1, "one request in five seconds");
    assert_eq!(site.database.count("login_transactions").await, 0);
    site.provider.misbehave(None);
    site.clock.advance(Duration::from_secs(5));
    start().await.unwrap();
}

#[rstest]
#[case(Misbehavior::MetadataOfOther)]
#[tokio::test]
async fn metadata_of_another_issuer_is_rejected(#[case] misbehavior: Misbehavior) {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    site.provider.misbehave(Some(misbehavior));
    let start = site.auth.start_login(StartLogin { provider: id(), redirect_to: None, app: None }).await;
    assert!(matches!(start, Err(Error::ProviderRejected(_))));
}

#[tokio::test]
async fn endpoint_on_another_host_gets_no_code() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    site.provider.misbehave(Some(Misbehavior::MetadataElsewhere));
    let failed = site.log_in(&ann()).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderRejected(_)), "{:?}", failed.error);
}

#[tokio::test]
async fn provider_that_fails_later_is_unavailable() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    for misbehavior in [Misbehavior::TokenFails, Misbehavior::TokenHangs] {
        site.provider.misbehave(Some(misbehavior));
        let failed = site.log_in(&ann()).await.unwrap_err();
        assert!(matches!(failed.error, Error::ProviderUnavailable(_)), "{:?}", failed.error);
    }
    // Not reachable at all.
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    let Site { auth, provider, .. } = site;
    drop(provider);
    let failed = auth.finish_login(finish(&query, &started)).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderUnavailable(_)), "{:?}", failed.error);
}

#[tokio::test]
async fn metadata_and_keys_are_cached_and_unknown_keys_do_not_flood_the_provider() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    for n in 0..5 {
        site.logged_in(&FakeUser::new(&n.to_string(), &format!("user {n}"))).await;
    }
    assert_eq!(site.provider.requests("/.well-known/openid-configuration"), 1);
    assert_eq!(site.provider.requests("/jwks"), 1);
    site.clock.advance(Duration::from_secs(61));
    site.provider.misbehave(Some(Misbehavior::UnknownKeyId));
    for _ in 0..5 {
        site.log_in(&ann()).await.unwrap_err();
    }
    assert_eq!(site.provider.requests("/jwks"), 2, "once a minute");
    site.provider.misbehave(None);
    site.clock.advance(Duration::from_secs(3_601));
    site.logged_in(&ann()).await;
    assert_eq!(site.provider.requests("/.well-known/openid-configuration"), 2);
    assert_eq!(site.provider.requests("/jwks"), 3);
    // The keys of before are used while the provider is down.
    site.clock.advance(Duration::from_secs(3_601));
    site.provider.misbehave(Some(Misbehavior::MetadataFails));
    site.logged_in(&ann()).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn callback_is_used_once(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    site.auth.finish_login(finish(&query, &started)).await.unwrap();
    let failed = site.auth.finish_login(finish(&query, &started)).await.unwrap_err();
    assert!(matches!(failed.error, Error::LoginExpired));
    assert_eq!(failed.to, ReturnTo::Page);
    assert_eq!(site.database.count("login_transactions").await, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn failed_callback_uses_the_login_up(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    let other = FinishLogin { browser: None, ..finish(&query, &started) };
    for finish in [other, finish(&query, &started)] {
        let failed = site.auth.finish_login(finish).await.unwrap_err();
        assert!(matches!(failed.error, Error::LoginExpired), "{:?}", failed.error);
    }
}

#[tokio::test]
async fn callback_in_another_browser_is_rejected() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    // An attacker's response in the browser of a victim, who has a login of her own under way (login CSRF).
    let (attackers, victims) = (site.start_at(Some("/secret")).await, site.start().await);
    let query = site.provider.approve(&attackers.url, &ann());
    for browser in [None, Some(String::new()), Some(victims.browser.expose().to_owned())] {
        let started = site.start_at(Some("/secret")).await;
        let query = site.provider.approve(&started.url, &ann());
        let failed =
            site.auth.finish_login(FinishLogin { browser, ..finish(&query, &started) }).await.unwrap_err();
        assert!(matches!(failed.error, Error::LoginExpired));
        assert_eq!(failed.to, ReturnTo::Page, "where the login was to end is not revealed");
    }
    site.auth.finish_login(finish(&query, &attackers)).await.unwrap();
}

#[tokio::test]
async fn state_must_have_been_issued() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    for state in [None, Some(""), Some("x"), Some("blx_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
        let finish = FinishLogin { state: state.map(ToOwned::to_owned), ..finish(&query, &started) };
        let failed = site.auth.finish_login(finish).await.unwrap_err();
        assert!(matches!(failed.error, Error::LoginExpired), "{state:?}");
    }
}

#[tokio::test]
async fn injected_code_is_rejected() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    // The attacker has a victim's code, and puts it into a login of his own: PKCE and the nonce differ.
    let (victims, attackers) = (site.start().await, site.start().await);
    let stolen = site.provider.approve(&victims.url, &ann());
    let own = site.provider.approve(&attackers.url, &FakeUser::new("attacker", "mallory"));
    let injected =
        FinishLogin { code: parameter(&stolen, "code").map(Into::into), ..finish(&own, &attackers) };
    let failed = site.auth.finish_login(injected).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderRejected(_)));
    assert_eq!(site.database.count("users").await, 0);
}

#[tokio::test]
async fn code_is_not_redeemed_twice() {
    let site = Site::new(Backend::Sqlite, Preset::Kakao).await;
    let (first, second) = (site.start().await, site.start().await);
    let query = site.provider.approve(&first.url, &ann());
    site.auth.finish_login(finish(&query, &first)).await.unwrap();
    let own = site.provider.approve(&second.url, &ann());
    let replayed = FinishLogin { code: parameter(&query, "code").map(Into::into), ..finish(&own, &second) };
    let failed = site.auth.finish_login(replayed).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderRejected(_)));
}

#[tokio::test]
async fn login_takes_ten_minutes_at_most() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let started = site.start_at(Some("/home")).await;
    let query = site.provider.approve(&started.url, &ann());
    site.clock.advance(LIFETIME);
    let failed = site.auth.finish_login(finish(&query, &started)).await.unwrap_err();
    assert!(matches!(failed.error, Error::LoginExpired));
    assert_eq!(failed.to, ReturnTo::Path("/home".to_owned()));
    site.start().await;
    site.clock.advance(LIFETIME);
    site.auth.delete_expired(site.clock.now()).await.unwrap();
    assert_eq!(site.database.count("login_transactions").await, 0);
}

#[tokio::test]
async fn response_of_another_provider_is_rejected() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let other = FakeProvider::start(Preset::Oidc, Arc::clone(&site.clock) as Arc<dyn Clock>).await;
    let providers: Providers =
        [site.provider.provider("test"), other.provider("other")].into_iter().collect();
    let auth = site.auth.clone().with_providers(providers);
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    // Mix-up: the login began with one provider and comes back to the redirect URI of another.
    let mixed = FinishLogin { provider: ProviderId::parse("other").unwrap(), ..finish(&query, &started) };
    let failed = auth.finish_login(mixed).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderRejected(_)));
    assert_eq!(other.requests("/token"), 0, "the other provider does not get the code");
    // The response names its issuer (RFC 9207).
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    let named = FinishLogin { issuer: Some(other.url().to_owned()), ..finish(&query, &started) };
    let failed = auth.finish_login(named).await.unwrap_err();
    assert!(matches!(failed.error, Error::ProviderRejected(_)));
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    let right = FinishLogin { issuer: Some(site.provider.url().to_owned()), ..finish(&query, &started) };
    auth.finish_login(right).await.unwrap();
}

#[tokio::test]
async fn cancelled_login_returns_to_where_it_began() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    for (error, is_expected) in [
        ("access_denied", (|error| matches!(error, Error::LoginCancelled)) as fn(&Error) -> bool),
        ("temporarily_unavailable", |error| matches!(error, Error::ProviderUnavailable(_))),
        ("invalid_scope", |error| matches!(error, Error::ProviderRejected(_))),
    ] {
        let started = site.start_at(Some("/home?tab=2")).await;
        let query = site.provider.deny(&started.url, error);
        let failed = site.auth.finish_login(finish(&query, &started)).await.unwrap_err();
        assert!(is_expected(&failed.error), "{error}: {:?}", failed.error);
        assert_eq!(failed.to, ReturnTo::Path("/home?tab=2".to_owned()));
    }
    assert_eq!(site.provider.requests("/token"), 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_ends_on_another_node(#[case] backend: Backend) {
    let config = cheap();
    let site = Site::with(backend, Preset::Oidc, config.clone()).await;
    let time = Arc::clone(&site.clock) as Arc<dyn Clock>;
    let other = Auth::new(site.database.db().clone(), time, config).unwrap();
    let other = other.with_providers([site.provider.provider("test")].into_iter().collect());
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    assert!(matches!(
        other.finish_login(finish(&query, &started)).await.unwrap(),
        FinishedLogin::LoggedIn { .. }
    ));
}

#[apply(both_databases)]
#[tokio::test]
async fn hundred_parallel_callbacks_make_one_account(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let mut callbacks = Vec::new();
    for _ in 0..50 {
        let started = site.start().await;
        let query = site.provider.approve(&started.url, &ann());
        // Each twice: the browser repeats the request.
        callbacks.push(finish(&query, &started));
        callbacks.push(finish(&query, &started));
    }
    let finished = join_all(callbacks.into_iter().map(|callback| site.auth.finish_login(callback))).await;
    let logged_in = finished.iter().filter(|one| matches!(one, Ok(FinishedLogin::LoggedIn { .. }))).count();
    let expired =
        finished.iter().filter(|one| matches!(one, Err(FailedLogin { error: Error::LoginExpired, .. })));
    assert_eq!((logged_in, expired.count()), (50, 50));
    assert_eq!(site.database.count("users").await, 1);
    assert_eq!(site.database.count("identities").await, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn name_that_cannot_be_taken_is_asked_for(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    sign_up(&site.auth, "ann.lee").await.unwrap();
    for (subject, nickname) in [("1", "Ann Lee"), ("2", "admin"), ("3", "민수"), ("4", "")] {
        let FinishedLogin::SignUpPending(token) =
            site.log_in(&FakeUser::new(subject, nickname)).await.unwrap()
        else {
            panic!("{nickname}");
        };
        let pending = site.auth.pending_sign_up(token.expose()).await.unwrap();
        assert_eq!(pending.provider, id());
        let taken = Username::parse("ann.lee").unwrap();
        for taken in [taken, Username::parse("admin").unwrap()] {
            let rejected = site.auth.finish_sign_up(token.expose(), taken, Device::default()).await;
            assert!(matches!(rejected, Err(Error::UsernameTaken)));
        }
        let suggested = pending.suggested_username;
        let (logged_in, _) =
            site.auth.finish_sign_up(token.expose(), suggested.clone(), Device::default()).await.unwrap();
        assert_eq!(username(&logged_in), suggested.as_str());
        assert!(site.authenticate(&logged_in).await.is_some());
        let again = site.auth.finish_sign_up(token.expose(), suggested, Device::default()).await;
        assert!(matches!(again, Err(Error::InvalidGrant)));
        let later = site.logged_in(&FakeUser::new(subject, nickname)).await;
        assert_eq!(later.account.user.summary.id, logged_in.account.user.summary.id);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn pending_sign_up_expires_and_makes_one_account(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let pending = async || match site.log_in(&FakeUser::new("1", "민수")).await.unwrap() {
        FinishedLogin::SignUpPending(token) => token,
        other => panic!("{other:?}"),
    };
    let name = |text: &str| Username::parse(text).unwrap();
    let (first, second) = (pending().await, pending().await);
    let finishing = (0..10).map(|n| {
        let token = if n % 2 == 0 { &first } else { &second };
        site.auth.finish_sign_up(token.expose(), name(&format!("minsu{n}")), Device::default())
    });
    let finished = join_all(finishing).await;
    assert_eq!(finished.iter().filter(|one| one.is_ok()).count(), 1);
    assert_eq!(site.database.count("users").await, 1);
    let late = match site.log_in(&FakeUser::new("2", "지수")).await.unwrap() {
        FinishedLogin::SignUpPending(token) => token,
        other => panic!("{other:?}"),
    };
    site.clock.advance(Duration::from_secs(30 * 60));
    assert!(matches!(site.auth.pending_sign_up(late.expose()).await, Err(Error::InvalidGrant)));
    let rejected = site.auth.finish_sign_up(late.expose(), name("jisoo"), Device::default()).await;
    assert!(matches!(rejected, Err(Error::InvalidGrant)));
    site.auth.delete_expired(site.clock.now()).await.unwrap();
    assert_eq!(site.database.count("pending_sign_ups").await, 0);
}

#[tokio::test]
async fn closed_registration_admits_known_identities_only() {
    let database_site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    database_site.logged_in(&ann()).await;
    let closed = Config { registration: Registration::Closed, ..cheap() };
    let time = Arc::clone(&database_site.clock) as Arc<dyn Clock>;
    let auth = Auth::new(database_site.database.db().clone(), time, closed).unwrap();
    let auth = auth.with_providers([database_site.provider.provider("test")].into_iter().collect());
    let site = Site { auth, ..database_site };
    site.logged_in(&ann()).await;
    let failed = site.log_in(&FakeUser::new("2", "bob")).await.unwrap_err();
    assert!(matches!(failed.error, Error::RegistrationClosed));
    assert_eq!(site.database.count("users").await, 1);
}

#[tokio::test]
async fn suspended_account_cannot_log_in() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    site.logged_in(&ann()).await;
    site.auth.suspend(&Username::parse("ann.lee").unwrap(), true).await.unwrap();
    let failed = site.log_in(&ann()).await.unwrap_err();
    assert!(matches!(failed.error, Error::AccountSuspended));
}

/// Nothing but the identity finds an account: not the name, and not the address (Sudhodanan and Paverd, 2022).
#[apply(both_databases)]
#[tokio::test]
async fn one_subject_at_two_providers_is_two_accounts(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let providers = ["test", "other"].map(|id| site.provider.provider(id));
    let auth = site.auth.clone().with_providers(providers.into_iter().collect());
    let mut accounts = Vec::new();
    for (provider, name) in [("test", "Ann Lee"), ("other", "Ann Other")] {
        let provider = ProviderId::parse(provider).unwrap();
        let start = StartLogin { provider: provider.clone(), redirect_to: None, app: None };
        let started = auth.start_login(start).await.unwrap();
        let query = site.provider.approve(&started.url, &FakeUser::new("subject-1", name));
        let finished = auth.finish_login(FinishLogin { provider, ..finish(&query, &started) }).await.unwrap();
        let FinishedLogin::LoggedIn { logged_in, .. } = finished else { panic!("{finished:?}") };
        accounts.push(logged_in.account.user.summary.id);
    }
    assert_ne!(accounts[0], accounts[1]);
    assert_eq!((site.database.count("users").await, site.database.count("identities").await), (2, 2));
}

#[apply(both_databases)]
#[tokio::test]
async fn accounts_are_never_merged_by_email(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let with_email = |subject: &str, name: &str, verified: bool| {
        let email = json!("ann@example.com");
        FakeUser::new(subject, name).with("email", email).with("email_verified", json!(verified))
    };
    let unverified = site.logged_in(&with_email("1", "first", false)).await;
    assert_eq!(
        unverified.account.email, None,
        "an address that the provider did not verify is worth nothing"
    );
    let first = site.logged_in(&with_email("2", "second", true)).await;
    assert_eq!(first.account.email.as_deref(), Some("ann@example.com"));
    assert!(first.account.email_verified);
    let other = site.logged_in(&with_email("3", "third", true)).await;
    assert_ne!(other.account.user.summary.id, first.account.user.summary.id);
    assert_eq!(other.account.email, None);
}

/// A provider is the first step only, for browsers and for apps.
#[apply(both_databases)]
#[tokio::test]
async fn second_factor_completes_the_login(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let first = site.logged_in(&ann()).await;
    let owner = site.authenticate(&first).await.unwrap();
    let setup = site.auth.start_totp(owner.user, owner.session, None).await.unwrap();
    let authenticator = second_factor::App::new(&setup);
    let code = || second_factor::code(&authenticator.code_at(site.clock.now()));
    site.auth.confirm_totp(owner.user, setup.id, &code()).await.unwrap();
    let sessions = site.database.count("sessions").await;
    let started = site.start_at(Some("/home")).await;
    let query = site.provider.approve(&started.url, &ann());
    let FinishedLogin::Challenged { challenge, redirect_to } =
        site.auth.finish_login(finish(&query, &started)).await.unwrap()
    else {
        panic!("expected a challenge");
    };
    assert_eq!(redirect_to.as_deref(), Some("/home"));
    let app_code = site.app_code(&ann()).await;
    let Exchanged::Challenged(of_app) = site.auth.exchange_code(exchange(&app_code)).await.unwrap() else {
        panic!("expected a challenge");
    };
    assert_eq!(site.database.count("sessions").await, sessions, "no session without the second step");
    for (challenge, is_native) in [(challenge, false), (of_app, true)] {
        site.clock.advance(Duration::from_secs(30));
        let challenge = challenge.token.expose().to_owned();
        let complete =
            CompleteLogin { challenge, proof: code().into(), client: None, device: Device::default() };
        let logged_in = site.auth.complete_login(complete).await.unwrap();
        assert_eq!(matches!(logged_in.secret, Secret::Native(_)), is_native);
    }
}

/// As after logins with a password.
#[apply(both_databases)]
#[tokio::test]
async fn owner_is_notified_of_logins_from_new_networks(#[case] backend: Backend) {
    let site = Site::with(backend, Preset::Oidc, Config { sends_mail: true, ..cheap() }).await;
    let user = ann().with("email", json!("ann@example.com")).with("email_verified", json!(true));
    let log_in_from = async |address: &str| {
        let started = site.start().await;
        let query = site.provider.approve(&started.url, &user);
        let device = Device { address: Some(address.parse().unwrap()), ..Device::default() };
        let finish = FinishLogin { device, ..finish(&query, &started) };
        site.auth.finish_login(finish).await.unwrap();
        site.database.count("mails").await
    };
    assert_eq!(log_in_from("203.0.113.1").await, 0, "the first login creates the account");
    assert_eq!(log_in_from("203.0.113.1").await, 0, "the network is known");
    assert_eq!(log_in_from("198.51.100.1").await, 1);
}

#[tokio::test]
async fn code_of_an_app_is_exchanged_once_by_that_app() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let code = site.app_code(&ann()).await;
    let Exchanged::LoggedIn(logged_in) = site.auth.exchange_code(exchange(&code)).await.unwrap() else {
        panic!("expected a session");
    };
    assert!(matches!(logged_in.secret, Secret::Native(_)));
    assert!(site.authenticate(&logged_in).await.is_some());
    assert!(matches!(site.auth.exchange_code(exchange(&code)).await, Err(Error::InvalidGrant)), "replayed");
    let wrong = |code: &str| {
        [
            ExchangeCode { code_verifier: "x".repeat(43), ..exchange(code) },
            ExchangeCode { code_verifier: CHALLENGE.to_owned(), ..exchange(code) },
            ExchangeCode { redirect_uri: "org.example.app:/other".to_owned(), ..exchange(code) },
        ]
    };
    for at in 0..3 {
        let code = site.app_code(&ann()).await;
        let attempt = wrong(&code)[at].clone();
        assert!(matches!(site.auth.exchange_code(attempt).await, Err(Error::InvalidGrant)), "{at}");
        let second = site.auth.exchange_code(exchange(&code)).await;
        assert!(matches!(second, Err(Error::InvalidGrant)), "a failed attempt uses the code up");
    }
    let code = site.app_code(&ann()).await;
    site.clock.advance(Duration::from_secs(60));
    assert!(matches!(site.auth.exchange_code(exchange(&code)).await, Err(Error::InvalidGrant)), "expired");
}

#[apply(both_databases)]
#[tokio::test]
async fn code_of_an_app_opens_one_session_which_its_replay_ends(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let owner = site.logged_in(&ann()).await;
    let code = site.app_code(&ann()).await;
    let replay = async |exchange: ExchangeCode| {
        assert!(matches!(site.auth.exchange_code(exchange).await, Err(Error::InvalidGrant)));
    };
    let Exchanged::LoggedIn(app) = site.auth.exchange_code(exchange(&code)).await.unwrap() else {
        panic!("expected a session");
    };
    // Only who has the verifier ends it: an app that intercepted the code must not log the owner out.
    replay(ExchangeCode { code_verifier: "x".repeat(43), ..exchange(&code) }).await;
    replay(ExchangeCode { redirect_uri: "org.example.app:/other".to_owned(), ..exchange(&code) }).await;
    assert!(site.authenticate(&app).await.is_some());
    replay(exchange(&code)).await;
    assert!(site.authenticate(&app).await.is_none());
    assert!(site.authenticate(&owner).await.is_some(), "other sessions stay");
    replay(exchange(&code)).await;
    // Also long after the code would have expired.
    let code = site.app_code(&ann()).await;
    site.auth.exchange_code(exchange(&code)).await.unwrap();
    assert_eq!(site.database.count("sessions").await, 2);
    site.clock.advance(authorization_code::RECOGNIZED_FOR - Duration::from_secs(1));
    site.auth.delete_expired(site.clock.now()).await.unwrap();
    replay(exchange(&code)).await;
    assert_eq!(site.database.count("sessions").await, 1);
    site.clock.advance(Duration::from_secs(2));
    site.auth.delete_expired(site.clock.now()).await.unwrap();
    assert_eq!(site.database.count("login_codes").await, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn code_of_an_app_is_exchanged_once_by_concurrent_requests(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let code = site.app_code(&ann()).await;
    let exchanged = join_all((0..20).map(|_| site.auth.exchange_code(exchange(&code)))).await;
    assert_eq!(exchanged.iter().filter(|one| one.is_ok()).count(), 1);
    assert_eq!(site.database.count("sessions").await, 0, "the others are replays");
}

#[apply(both_databases)]
#[tokio::test]
async fn replayed_code_ends_the_login_that_waits_for_a_second_factor(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let owner = site.logged_in(&ann()).await;
    let actor = site.authenticate(&owner).await.unwrap();
    let setup = site.auth.start_totp(actor.user, actor.session, None).await.unwrap();
    let app = second_factor::App::new(&setup);
    let code_now = || app.code_at(site.clock.now());
    site.auth.confirm_totp(actor.user, setup.id, &second_factor::code(&code_now())).await.unwrap();
    let complete = async |challenge: &LoginChallenge| {
        site.clock.advance(second_factor::STEP);
        let proof = second_factor::totp(&code_now());
        let challenge = challenge.token.expose().to_owned();
        let complete = CompleteLogin { challenge, proof, client: None, device: Device::default() };
        site.auth.complete_login(complete).await
    };
    for is_completed in [false, true] {
        let code = site.app_code(&ann()).await;
        let Exchanged::Challenged(challenge) = site.auth.exchange_code(exchange(&code)).await.unwrap() else {
            panic!("expected a challenge");
        };
        let session = if is_completed { Some(complete(&challenge).await.unwrap()) } else { None };
        assert!(matches!(site.auth.exchange_code(exchange(&code)).await, Err(Error::InvalidGrant)));
        match session {
            Some(logged_in) => assert!(site.authenticate(&logged_in).await.is_none()),
            None => {
                let late = complete(&challenge).await;
                assert!(matches!(late, Err(Error::LoginChallengeInvalid)), "{late:?}");
            }
        }
    }
    assert!(site.authenticate(&owner).await.is_some());
}

#[apply(both_databases)]
#[tokio::test]
async fn replayed_code_ends_the_sign_up_that_it_began(#[case] backend: Backend) {
    for is_complete in [false, true] {
        let site = Site::new(backend, Preset::Oidc).await;
        let code = site.app_code(&FakeUser::new("1", "민수")).await;
        let Exchanged::SignUpPending(pending) = site.auth.exchange_code(exchange(&code)).await.unwrap()
        else {
            panic!("expected a pending sign-up");
        };
        let finish = async || {
            let name = pending.suggested_username.clone();
            site.auth.finish_sign_up(pending.token.expose(), name, Device::default()).await
        };
        let created = if is_complete { Some(finish().await.unwrap().0) } else { None };
        assert!(matches!(site.auth.exchange_code(exchange(&code)).await, Err(Error::InvalidGrant)));
        match created {
            Some(logged_in) => assert!(site.authenticate(&logged_in).await.is_none()),
            None => assert!(matches!(finish().await, Err(Error::InvalidGrant))),
        }
    }
}

#[tokio::test]
async fn app_whose_account_needs_a_username_gets_tokens_afterwards() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let code = site.app_code(&FakeUser::new("1", "민수")).await;
    let Exchanged::SignUpPending(pending) = site.auth.exchange_code(exchange(&code)).await.unwrap() else {
        panic!("expected a pending sign-up");
    };
    let name = pending.suggested_username.clone();
    let (logged_in, _) =
        site.auth.finish_sign_up(pending.token.expose(), name, Device::default()).await.unwrap();
    assert!(matches!(logged_in.secret, Secret::Native(_)), "the login was that of an app");
}

#[tokio::test]
async fn app_that_the_operator_did_not_list_gets_nothing() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    for redirect_uri in ["org.example.app:/login/", "https://evil.example/", "org.example.app:/login?x"] {
        let app = AppRequest {
            redirect_uri: redirect_uri.to_owned(),
            challenge: CHALLENGE.to_owned(),
            state: None,
        };
        let start = StartLogin { provider: id(), redirect_to: None, app: Some(app) };
        assert!(
            matches!(site.auth.start_login(start).await, Err(Error::RedirectUriNotAllowed)),
            "{redirect_uri}"
        );
    }
    let started = site.start_app().await;
    let query = site.provider.deny(&started.url, "access_denied");
    let failed = site.auth.finish_login(finish(&query, &started)).await.unwrap_err();
    let to = ReturnTo::App { redirect_uri: APP.to_owned(), state: Some("of the app".to_owned()) };
    assert_eq!(failed.to, to);
}

#[tokio::test]
async fn database_contains_no_secret_of_a_login() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let started = site.start().await;
    let query = site.provider.approve(&started.url, &ann());
    let state = parameter(&query, "state").unwrap();
    let text = site.database.dump().await;
    assert!(!text.contains(started.browser.expose()) && !text.contains(&state));
    // What the provider sees as nonce and verifier is not stored, either.
    let nonce = parameter(&started.url[started.url.find('?').unwrap() + 1..], "nonce").unwrap();
    assert!(!text.contains(&nonce));
    let code = site.app_code(&ann()).await;
    assert!(!site.database.dump().await.contains(&code));
}
