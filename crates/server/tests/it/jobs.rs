//! Background jobs: scheduling, retries, leases of crashed nodes, and the data that jobs delete.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use blegram::jobs::Runner;
use blegram_auth::{
    Auth, Config, Device, EnteredPassword, FinishLogin, FinishedLogin, LogIn, LoggedIn, NewPassword,
    PasswordCost, Secret, SignUp, StartLogin,
    provider::settings::Preset,
    testing::{FakeProvider, FakeUser},
};
use blegram_chat::Chat;
use blegram_domain::{
    ClientId, Clock, CommentText, ConversationTitle, FixedClock, Job, MediaId, MessageText, PageRequest,
    PostId, PostText, ProviderId, SystemClock, Timestamp, UserId, Username, Visibility,
    conversation::SendMessage,
    media::ImageType,
    page::{Limit, Scope},
    session::Kind,
    version::Precondition,
};
use blegram_limits::Quota;
use blegram_media::{CreateUpload, Media, Source};
use blegram_persistence::{
    Db, Settings, jobs,
    testing::{Backend, TestDatabase},
};
use blegram_social::{CreatePost, Social, UpdatePost, UpdateProfile, UserRef, WriteComment};
use rstest_reuse::apply;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{both_databases, client::in_time};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const PASSWORD: &str = "small room with a sea view";

/// The use cases of a site without its API, with a clock that moves only when a test moves it.
pub(crate) struct Site {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) auth: Auth,
    pub(crate) social: Social,
    pub(crate) media: Media,
}

impl Site {
    pub(crate) async fn new(backend: Backend) -> Self {
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let database = TestDatabase::new(backend).await;
        let (db, time) = (database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        let plenty = Quota { burst: NonZeroU32::new(1000).unwrap(), per: HOUR };
        let mut config = Config {
            password_cost: PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 },
            ..Config::default()
        };
        config.quotas.login_per_account_and_address = plenty;
        let auth = Auth::new(db.clone(), Arc::clone(&time), config).unwrap();
        let media = Media::new(db.clone(), Arc::clone(&time), blegram_media::Config::default()).unwrap();
        Self { database, clock, auth, media, social: Social::new(db, time) }
    }

    pub(crate) fn runner(&self) -> Runner {
        self.runner_until(CancellationToken::new())
    }

    fn runner_until(&self, shutdown: CancellationToken) -> Runner {
        self.runner_with(Arc::clone(&self.clock) as Arc<dyn Clock>, shutdown)
    }

    /// The runner of a node with its own clock.
    pub(crate) fn runner_by(&self, clock: Arc<dyn Clock>) -> Runner {
        self.runner_with(clock, CancellationToken::new())
    }

    fn runner_with(&self, clock: Arc<dyn Clock>, shutdown: CancellationToken) -> Runner {
        let (auth, social, media) = (self.auth.clone(), self.social.clone(), self.media.clone());
        Runner::new(self.database.db().clone(), clock, auth, social, media, shutdown)
    }

    pub(crate) async fn sign_up(&self, name: &str) -> LoggedIn {
        let sign_up = SignUp {
            username: Username::parse(name).unwrap(),
            password: NewPassword::parse(PASSWORD, &[]).unwrap(),
            display_name: None,
            email: None,
            device: Device { kind: Kind::Native, ..Device::default() },
        };
        self.auth.sign_up(sign_up).await.unwrap()
    }

    pub(crate) async fn post(&self, author: UserId, text: &str) -> blegram_social::PostView {
        let input = CreatePost::new(PostText::parse(text).unwrap(), Vec::new(), Visibility::Public).unwrap();
        self.social.create_post(author, input).await.unwrap()
    }

    /// Connects two accounts by every relation except a block.
    async fn mingle(&self, ann: UserId, bob: UserId, of_bob: PostId) {
        let social = &self.social;
        let words = |text: &str| WriteComment::new(CommentText::parse(text).unwrap()).unwrap();
        let of_ann = self.post(ann, "for @bob").await.post.id;
        for (one, other) in [(ann, bob), (bob, ann)] {
            social.follow_user(one, &UserRef::Id(other)).await.unwrap();
            for post in [of_ann, of_bob] {
                social.like_post(one, post).await.unwrap();
                social.bookmark_post(one, post).await.unwrap();
            }
        }
        social.unbookmark_post(bob, of_bob).await.unwrap();
        social.mute_user(ann, &UserRef::Id(bob)).await.unwrap();
        let top = social.create_comment(ann, of_bob, None, words("top")).await.unwrap().comment.id;
        social.create_comment(ann, of_bob, None, words("alone")).await.unwrap();
        social.create_comment(bob, of_bob, Some(top), words("reply @ann")).await.unwrap();
        social.like_comment(bob, top).await.unwrap();
        social.create_comment(bob, of_ann, None, words("on yours")).await.unwrap();
    }

    pub(crate) async fn delete(&self, login: &LoggedIn) {
        let session = self.session(login).await;
        let user = login.account.user.summary.id;
        let password = EnteredPassword::parse(PASSWORD).unwrap();
        self.auth.delete_account(user, session, Some(password)).await.unwrap();
    }

    async fn session(&self, login: &LoggedIn) -> blegram_domain::SessionId {
        let Secret::Native(tokens) = &login.secret else { panic!("expected the tokens of a native app") };
        let token = tokens.access_token.expose();
        self.auth.authenticate_bearer(token).await.unwrap().expect("a valid session").session
    }

    pub(crate) async fn image(&self, owner: UserId) -> MediaId {
        let file = blegram_media::testing::photo(64, 48);
        let whole = futures_util::stream::iter([Ok::<_, std::io::Error>(file.into())]);
        let source = Source::read(whole, 1 << 20, None).await.unwrap();
        self.media.upload(owner, source, None).await.unwrap().id
    }

    async fn add(&self, kind: &str, subject: &str) {
        let sql = format!(
            "INSERT INTO jobs (id, kind, subject, run_at, created_at) VALUES ({}, '{kind}', '{subject}', 0, 0)",
            if self.database.db().is_sqlite() { "randomblob(16)" } else { "gen_random_uuid()" }
        );
        self.database.execute(&sql).await;
    }

    /// Schedules a job, and waits until it has run.
    async fn run_after_commit(&self, job: Job, run_at: Timestamp) {
        let tx = self.database.db().write().await.unwrap();
        jobs::insert(&tx, job, run_at, run_at).await.unwrap();
        tx.commit().await.unwrap();
        let rest = format!("SELECT kind AS line FROM jobs WHERE kind = '{}'", job.kind());
        in_time(async {
            while !self.database.lines(&rest).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    async fn failing(&self) -> u64 {
        jobs::summary(self.database.db()).await.unwrap().failing
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_account_leaves_no_rows(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ann, bob) = (site.sign_up("ann").await, site.sign_up("bob").await);
    let [ann_id, bob_id] = [&ann, &bob].map(|login| login.account.user.summary.id);
    site.auth.change_username(ann_id, Username::parse("ann.lee").unwrap(), &Precondition::Any).await.unwrap();
    for n in 0..30 {
        let post = site.post(ann_id, &format!("post {n} #jeju #sea #sky #photo")).await;
        let edit =
            UpdatePost::new(Some(PostText::parse(&format!("{n} #jeju")).unwrap()), None, None).unwrap();
        if n % 2 == 0 {
            site.social.update_post(ann_id, post.post.id, edit, &Precondition::Any).await.unwrap();
        }
    }
    let remaining = site.post(bob_id, "mine #jeju").await;
    site.mingle(ann_id, bob_id, remaining.post.id).await;
    let Secret::Native(tokens) = &ann.secret else { panic!("expected the tokens of a native app") };
    site.auth.refresh(tokens.refresh_token.expose(), None).await.unwrap();
    let key =
        blegram_auth::idempotency::Keyed { user: ann_id, method: "POST", path: "/", key: "k", body: b"" };
    site.auth.idempotency().begin(key).await.unwrap();

    // Images in a post, as an avatar and unused, and a pending direct upload.
    let images = [site.image(ann_id).await, site.image(ann_id).await, site.image(ann_id).await];
    let nothing = PostText::parse("").unwrap();
    let show = CreatePost::new(nothing, vec![images[0]], Visibility::Public).unwrap();
    site.social.create_post(ann_id, show).await.unwrap();
    let picture = UpdateProfile { avatar: Some(Some(images[1])), ..UpdateProfile::default() };
    site.social.update_profile(ann_id, picture, &Precondition::Any).await.unwrap();
    let file = CreateUpload { content_type: ImageType::Png, byte_size: 9, sha256: None };
    site.media.create_upload(ann_id, file).await.unwrap();
    assert_eq!(site.media.sweep(false).await.unwrap().files, 9);

    // Second factors, and a login and a registration that are not complete.
    let session = site.session(&ann).await;
    let setup = site.auth.start_totp(ann_id, session, None).await.unwrap();
    site.auth.create_recovery_codes(ann_id, session).await.unwrap();
    let confirm = "UPDATE factors SET confirmed_at = created_at; INSERT INTO login_challenges \
                   (token_hash, user_id, kind, attempts, expires_at) \
                   SELECT sealed_secret, user_id, 'browser', 0, created_at FROM factors; \
         INSERT INTO passkey_ceremonies (challenge, user_id, state, login_challenge, expires_at) \
         SELECT sealed_secret, user_id, sealed_secret, sealed_secret, created_at FROM factors";
    site.database.execute(confirm).await;
    assert_eq!(site.database.count("factors").await, 1, "{}", setup.id);

    // A direct conversation and a group.
    let chat = Chat::new(site.database.db().clone(), Arc::clone(&site.clock) as _);
    let bob_ref = [UserRef::Id(bob_id)];
    let (direct, _) = chat.create_conversation(ann_id, &bob_ref, None).await.unwrap();
    let title = ConversationTitle::parse("us").unwrap();
    let (group, _) = chat.create_conversation(ann_id, &bob_ref, Some(title)).await.unwrap();
    for conversation in [direct.conversation.id, group.conversation.id] {
        let text = MessageText::parse("between us").unwrap();
        let message = SendMessage::new(ClientId::generate(site.clock.now()), text, Vec::new(), None).unwrap();
        chat.send_message(ann_id, conversation, message).await.unwrap();
    }

    site.delete(&ann).await;
    // Two jobs that move images, one for the account, and one for each of its comments.
    assert_eq!(site.runner().run_due().await.unwrap(), 5);
    let first = PageRequest::new(Scope::new("listMessages", &[]), Limit::default(), None, None);
    for conversation in [direct.conversation.id, group.conversation.id] {
        let (page, _) = chat.messages(bob_id, conversation, &first).await.unwrap();
        let message = &page.items[0].message;
        assert_eq!((message.sender, message.text.as_str(), message.message_no), (None, "", 1));
    }
    let group = chat.get_conversation(bob_id, group.conversation.id).await.unwrap();
    assert_eq!((group.conversation.owner, group.members.len()), (Some(bob_id), 1));
    assert_eq!(site.media.sweep(false).await.unwrap().files, 0);
    for (table, rows) in [
        ("follows", 0),
        ("blocks", 0),
        ("mutes", 0),
        ("post_likes", 1),
        ("comment_likes", 0),
        ("bookmarks", 0),
        ("notifications", 0),
        // The tombstone, and bob's reply to it.
        ("comments", 2),
        ("hashtags", 4),
        ("users", 1),
        ("posts", 1),
        ("post_hashtags", 1),
        ("revisions", 0),
        ("media", 0),
        ("media_usage", 0),
        // Bob's two memberships, and the messages, which have no sender now.
        ("conversation_members", 2),
        ("messages", 2),
        ("uploads", 0),
        ("factors", 0),
        ("recovery_codes", 0),
        ("login_challenges", 0),
        ("passkey_ceremonies", 0),
        ("sessions", 1),
        ("refresh_tokens", 1),
        ("idempotency_keys", 0),
        ("mails", 0),
        ("email_tokens", 0),
        ("jobs", 0),
        // Both usernames, without an account.
        ("reserved_usernames", 2),
    ] {
        assert_eq!(site.database.count(table).await, rows, "{table}");
    }
    if backend == Backend::Postgres {
        // The audit log keeps ids for its 180 days, without addresses.
        site.database.execute("DELETE FROM audit_events WHERE address IS NULL").await;
        let dump = site.database.dump().await;
        assert!(!dump.contains(&ann_id.to_string()) && dump.contains(&bob_id.to_string()));
    }
    let remaining = site.social.get_post(None, remaining.post.id).await.unwrap().post;
    assert_eq!((remaining.like_count, remaining.comment_count), (1, 1));
    let bob = site.social.get_user(None, &UserRef::Id(bob_id)).await.unwrap().user;
    assert_eq!((bob.follower_count, bob.following_count), (0, 0));
    assert!(site.social.recount(true).await.unwrap().iter().all(|counter| counter.wrong == 0));
    let runner = site.runner();
    assert_eq!(runner.run_due().await.unwrap(), 0);
    // Within an hour, also the hashtags that only the account used.
    runner.schedule().await.unwrap();
    assert_eq!(runner.run_due().await.unwrap(), 1);
    assert_eq!(site.database.lines("SELECT name AS line FROM hashtags").await, ["jeju"]);
    assert_eq!(site.database.lines("SELECT name AS line FROM hashtag_search").await, ["jeju"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn long_account_deletion_runs_in_steps_and_continues_after_a_restart(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = site.sign_up("ann").await;
    let user = ann.account.user.summary.id;
    for n in 0..40 {
        // 30 tags each: 1,240 rows.
        let tags: String = (0..30).map(|tag| format!(" #t{tag}")).collect();
        site.post(user, &format!("{n}{tags}")).await;
    }
    site.delete(&ann).await;
    let is_more = site.social.purge_user(user).await.unwrap();
    assert!(is_more);
    assert_eq!(site.database.count("post_hashtags").await, 1200 - 500, "one step deletes 500 rows at most");

    // A node that shuts down leaves the job to others at once.
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    assert_eq!(site.runner_until(shutdown).run_due().await.unwrap(), 0);
    assert_eq!(site.runner().run_due().await.unwrap(), 1);
    for table in ["users", "posts", "post_hashtags", "jobs"] {
        assert_eq!(site.database.count(table).await, 0, "{table}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn job_of_a_crashed_node_runs_again_after_a_minute(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = site.sign_up("ann").await;
    site.delete(&ann).await;
    let now = site.clock.now();
    let tx = site.database.db().write().await.unwrap();
    let lost = jobs::take(&tx, Job::KINDS, now, now + Duration::from_secs(60)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(lost.is_some());
    site.clock.advance(Duration::from_secs(59));
    assert_eq!(site.runner().run_due().await.unwrap(), 0);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(site.runner().run_due().await.unwrap(), 1);
    assert_eq!(site.database.count("users").await, 0);

    // The first node comes back. Its expired lease does not delete the job that was inserted since.
    let tx = site.database.db().write().await.unwrap();
    jobs::insert(&tx, Job::PurgeAccount(ann.account.user.summary.id), now, now).await.unwrap();
    jobs::delete(&tx, &lost.unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(site.database.count("jobs").await, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_runners_run_each_job_once(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    for n in 0..10 {
        let login = site.sign_up(&format!("person{n}")).await;
        site.delete(&login).await;
    }
    let mut runners = JoinSet::new();
    for _ in 0..4 {
        let runner = site.runner();
        runners.spawn(async move { runner.run_due().await.unwrap() });
    }
    assert_eq!(runners.join_all().await.iter().sum::<usize>(), 10);
    assert_eq!((site.database.count("users").await, site.database.count("jobs").await), (0, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn failing_job_is_retried_with_backoff_and_does_not_block_others(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = site.sign_up("ann").await;
    site.add("erase-account", "not an id").await;
    site.delete(&ann).await;
    // The failing job is the older one.
    assert_eq!(site.runner().run_due().await.unwrap(), 2);
    assert_eq!((site.database.count("users").await, site.failing().await), (0, 1));
    for wait in [5, 10, 20] {
        site.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(site.runner().run_due().await.unwrap(), 0);
        site.clock.advance(Duration::from_secs(1));
        assert_eq!(site.runner().run_due().await.unwrap(), 1);
    }
    let failing = jobs::summary(site.database.db()).await.unwrap().oldest_failing.unwrap();
    assert_eq!((failing.attempts, failing.last_error.as_str()), (4, "invalid job kind or subject"));
}

#[apply(both_databases)]
#[tokio::test]
async fn jobs_stored_by_the_previous_version_run(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ann, bob) = (site.sign_up("ann").await, site.sign_up("bob").await);
    let bob = bob.account.user.summary.id;
    let post = site.post(bob, "old #jeju").await.post.id;
    let image = site.image(bob).await;
    site.delete(&ann).await;
    site.social.delete_post(bob, post, &Precondition::Any).await.unwrap();
    site.media.delete_media(bob, image, &Precondition::Any).await.unwrap();
    site.database.execute("DELETE FROM jobs").await;

    let user = ann.account.user.summary.id.to_string();
    let files = format!("public/{}/0000000000000000000000000000002a", user.replace('-', ""));
    let nothing = "01a1b2c3-0000-7000-8000-000000000000";
    for (kind, subject) in [
        ("erase-account", user.as_str()),
        ("erase-post", &post.to_string()),
        ("erase-comment", nothing),
        ("erase-media", &image.to_string()),
        ("erase-files", &files),
        ("move-media", &bob.to_string()),
        ("move-image", nothing),
        ("erase-conversation", nothing),
        ("accept-follow-requests", &bob.to_string()),
        ("reindex", ""),
        ("retention", ""),
    ] {
        site.add(kind, subject).await;
    }
    assert_eq!(site.runner().run_due().await.unwrap(), 11);
    assert_eq!(site.failing().await, 0);
    assert_eq!(site.database.lines("SELECT kind AS line FROM jobs").await, ["retention"]);
    for (table, rows) in [("users", 1), ("posts", 0), ("media", 0)] {
        assert_eq!(site.database.count(table).await, rows, "{table}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn jobs_of_a_newer_version_are_not_run(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.add("paint", "").await;
    assert_eq!(site.runner().run_due().await.unwrap(), 0);
    assert_eq!((site.database.count("jobs").await, site.failing().await), (1, 0));
}

/// A worker that never looks at the queue on its own, until `shutdown`.
fn work(runner: Runner) -> JoinSet<()> {
    let runner = runner.with_max_pause(DAY);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { runner.work().await });
    tasks
}

#[apply(both_databases)]
#[tokio::test]
async fn job_starts_when_its_transaction_commits(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let shutdown = CancellationToken::new();
    let mut worker = work(site.runner_until(shutdown.clone()));
    // Several, because the worker may still be looking for the first ones.
    for _ in 0..5 {
        site.run_after_commit(Job::Reindex, site.clock.now()).await;
    }
    shutdown.cancel();
    in_time(worker.join_next()).await.unwrap().unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn job_for_later_starts_when_it_is_due(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let _worker = work(site.runner_by(Arc::new(SystemClock)));
    for _ in 0..2 {
        site.run_after_commit(Job::Reindex, SystemClock.now() + Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn job_starts_on_another_node_when_its_transaction_commits() {
    let site = Site::new(Backend::Postgres).await;
    let statement_timeout = Duration::from_secs(30);
    let settings = Settings { url: site.database.url().to_owned(), max_connections: 8, statement_timeout };
    let other = Db::connect(&settings).await.unwrap();
    let (auth, social, media) = (site.auth.clone(), site.social.clone(), site.media.clone());
    let clock = Arc::clone(&site.clock) as Arc<dyn Clock>;
    let _worker = work(Runner::new(other, clock, auth, social, media, CancellationToken::new()));
    // This node runs no jobs.
    let db = site.database.db().clone();
    let mut relay = JoinSet::new();
    relay.spawn(async move { db.relay_job_wakeups(std::future::pending::<()>()).await });
    for _ in 0..5 {
        site.run_after_commit(Job::Reindex, site.clock.now()).await;
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn expired_rows_are_deleted_every_hour(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = site.sign_up("ann").await;
    let user = ann.account.user.summary.id;
    site.auth.change_username(user, Username::parse("lee").unwrap(), &Precondition::Any).await.unwrap();
    let key = blegram_auth::idempotency::Keyed { user, method: "POST", path: "/", key: "k", body: b"" };
    site.auth.idempotency().begin(key).await.unwrap();
    let runner = site.runner();
    for _ in 0..2 {
        runner.schedule().await.unwrap();
    }
    assert_eq!(runner.run_due().await.unwrap(), 1);
    let rows = async || {
        let mut counts = Vec::new();
        for table in ["sessions", "refresh_tokens", "idempotency_keys", "reserved_usernames"] {
            counts.push(site.database.count(table).await);
        }
        counts
    };
    assert_eq!(rows().await, [1, 1, 1, 1]);
    for (wait, expected) in [(DAY, [1, 1, 0, 1]), (29 * DAY, [0, 0, 0, 1]), (60 * DAY, [0, 0, 0, 0])] {
        site.clock.advance(wait - Duration::from_micros(1));
        runner.run_due().await.unwrap();
        assert_eq!(runner.run_due().await.unwrap(), 0, "at most once an hour");
        site.clock.advance(HOUR);
        assert_eq!(runner.run_due().await.unwrap(), 1);
        assert_eq!(rows().await, expected, "after {wait:?}");
    }
    assert_eq!(site.database.count("jobs").await, 1);
    // The account can still log in.
    let log_in = LogIn {
        login: "lee".to_owned(),
        password: EnteredPassword::parse(PASSWORD).unwrap(),
        device: Device::default(),
    };
    assert!(site.auth.log_in(log_in).await.is_ok());
}

/// A site with a login provider whose users have a profile picture.
async fn log_in_with_picture(site: &Site, provider: &FakeProvider, path: &str) -> UserId {
    let auth = site.auth.clone().with_providers([provider.provider("test")].into_iter().collect());
    let id = ProviderId::parse("test").unwrap();
    let start = StartLogin { provider: id.clone(), redirect_to: None, app: None };
    let started = auth.start_login(start).await.unwrap();
    let picture = serde_json::json!(format!("{}{path}", provider.url()));
    let user = FakeUser::new("subject-1", "Ann Lee").with("picture", picture);
    let query = provider.approve(&started.url, &user);
    let parameter = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        pair.map(ToOwned::to_owned)
    };
    let finish = FinishLogin {
        provider: id,
        state: parameter("state"),
        code: parameter("code").map(Into::into),
        error: None,
        issuer: None,
        browser: Some(started.browser.expose().to_owned()),
        session: None,
        device: Device::default(),
    };
    match auth.finish_login(finish).await.unwrap() {
        FinishedLogin::LoggedIn { logged_in, .. } => logged_in.account.user.summary.id,
        other => panic!("{other:?}"),
    }
}

async fn with_provider(backend: Backend) -> (Site, FakeProvider) {
    with_provider_like(backend, Preset::Oidc).await
}

async fn with_provider_like(backend: Backend, preset: Preset) -> (Site, FakeProvider) {
    let site = Site::new(backend).await;
    let provider = FakeProvider::start(preset, Arc::clone(&site.clock) as Arc<dyn Clock>).await;
    let auth = site.auth.clone().with_providers([provider.provider("test")].into_iter().collect());
    (Site { auth, ..site }, provider)
}

#[apply(both_databases)]
#[tokio::test]
async fn job_unlinks_a_deleted_account_at_its_provider(#[case] backend: Backend) {
    let (site, provider) = with_provider_like(backend, Preset::Kakao).await;
    let user = log_in_with_picture(&site, &provider, "/picture").await;
    site.runner().run_due().await.unwrap();
    let first = PageRequest::new(Scope::new("listSessions", &[]), Limit::default(), None, None);
    let sessions = site.auth.list_sessions(user, &first).await.unwrap();
    site.auth.delete_account(user, sessions.items[0].id, None).await.unwrap();
    site.runner().run_due().await.unwrap();
    assert_eq!(provider.unlinked(), ["subject-1"]);
    for table in ["users", "identities", "provider_unlinks", "jobs"] {
        assert_eq!(site.database.count(table).await, 0, "{table}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn profile_picture_of_a_provider_becomes_the_avatar(#[case] backend: Backend) {
    let (site, provider) = with_provider(backend).await;
    let user = log_in_with_picture(&site, &provider, "/picture").await;
    let has_avatar = async || site.auth.account(user).await.unwrap().unwrap().user.summary.avatar.is_some();
    provider.set_picture(blegram_media::testing::photo(64, 48));
    site.runner().run_due().await.unwrap();
    assert!(has_avatar().await);
    assert_eq!(site.database.count("avatar_imports").await, 0);
    assert_eq!(provider.requests("/picture"), 1);
}

#[tokio::test]
async fn profile_picture_that_is_none_is_left_out() {
    for picture in [b"<svg/>".to_vec(), b"\x89PNG\r\n\x1a\nbroken".to_vec(), vec![0; 6 << 20], Vec::new()] {
        let (site, provider) = with_provider(Backend::Sqlite).await;
        let user = log_in_with_picture(&site, &provider, "/picture").await;
        provider.set_picture(picture);
        site.runner().run_due().await.unwrap();
        assert!(site.auth.account(user).await.unwrap().unwrap().user.summary.avatar.is_none());
        assert_eq!(site.database.count("avatar_imports").await, 0, "it is not tried again");
    }
}

#[tokio::test]
async fn profile_picture_is_tried_again_while_the_provider_is_down() {
    let (site, provider) = with_provider(Backend::Sqlite).await;
    let user = log_in_with_picture(&site, &provider, "/picture").await;
    // The provider went away.
    drop(provider);
    site.runner().run_due().await.unwrap();
    assert_eq!(site.database.count("avatar_imports").await, 1);
    site.clock.advance(DAY);
    site.runner().run_due().await.unwrap();
    assert_eq!(site.database.count("avatar_imports").await, 0, "not for ever");
    assert!(site.auth.account(user).await.unwrap().unwrap().user.summary.avatar.is_none());
}
