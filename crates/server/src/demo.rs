//! The demo community: users, posts, images, comments, likes, follows and conversations in Korean and English.
//!
//! It is created through the same use cases as those of the API, with a simulated clock that runs up to the present.
//! The same seed and the same hour produce the same texts, relations and times; ids and secrets differ.

mod conversations;
mod pictures;
mod words;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use blegram_auth::{Auth, CreateAccount, NewPassword, SiteKey};
use blegram_domain::{
    AltText, Bio, Clock, CommentId, CommentText, DisplayName, FixedClock, MediaId, PostId, PostText,
    SystemClock, Timestamp, UserId, Username, Visibility, user::Role, version::Precondition,
};
use blegram_media::{Media, Source};
use blegram_persistence::{Db, users};
use blegram_social::{CreatePost, Social, UpdateProfile, UserRef, WriteComment};
use futures_util::stream;
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use self::pictures::Scene;
use crate::{config::Config, migrate, wire};

/// The password of the accounts in [`LOGINS`].
pub const PASSWORD: &str = "small room with a sea view";

/// Usernames of the two accounts with a known password.
pub const LOGINS: [&str; 2] = ["haneul", "ann"];

const POSTS: usize = 400;

/// The number of users that get an avatar: the first ones.
const PORTRAITS: usize = 12;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The period over which posts are written. Accounts and follows date from before it.
const SPAN: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Creates the demo community in the configured database, if it is empty, and returns the text to print.
///
/// # Errors
/// When the database does not exist, its schema is out of date, or it has other accounts.
pub async fn run(config: &Config, seed: u64) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
    let filled = fill(config, &db, seed, SystemClock.now()).await;
    db.close().await.context("cannot close the database")?;
    Ok(match filled? {
        Filled::Now(counts) => format!("{counts}\n{}", logins(config)),
        Filled::Before => format!("The demo community already exists.\n{}", logins(config)),
    })
}

/// Result of [`fill`].
#[derive(Debug, PartialEq, Eq)]
pub enum Filled {
    /// The demo community was created; the text lists what it consists of.
    Now(String),
    /// The demo community already existed.
    Before,
}

/// The text that explains how to log in and how to start the example chat client.
#[must_use]
pub fn logins(config: &Config) -> String {
    let [one, other] = LOGINS;
    let logins = LOGINS.map(|name| format!("  Log in as {name:<8} with password: {PASSWORD}\n")).concat();
    let site = config.site();
    let open = if config.server.web.is_on() { format!("  Open {site}/login\n") } else { String::new() };
    let chat = |login: &str, with: &str| {
        format!("    cargo run -p blegram-example-chat -- --url {site} --login {login} --with {with}\n")
    };
    format!(
        "{open}{logins}\n  To chat in real time, run in two terminals in the source tree:\n{}{}",
        chat(one, other),
        chat(other, one)
    )
}

/// Creates the demo community in an empty database. Its latest content dates from the full hour before `now`.
///
/// # Errors
/// When the database has other accounts, or fails.
pub async fn fill(config: &Config, db: &Db, seed: u64, now: Timestamp) -> anyhow::Result<Filled> {
    let first = Username::parse(LOGINS[0]).context("invalid username in the demo data")?;
    if users::find_by_username(db, &first).await?.is_some() {
        return Ok(Filled::Before);
    }
    if users::is_any(db).await? {
        bail!(
            "the database already has accounts; the demo community needs an empty site (set server.data_dir to a new directory)"
        );
    }
    let hour = 3_600_000_000;
    let end = Timestamp::from_micros(now.as_micros() / hour * hour).context("the time is out of range")?;
    let clock = Arc::new(FixedClock::new(end - SPAN - 16 * DAY));
    let auth = Auth::new(db.clone(), Arc::clone(&clock) as _, wire::operator_config(config))?;
    let social = Social::new(db.clone(), Arc::clone(&clock) as _);
    // Any key will do: no links are signed here.
    let media = wire::media(config, db.clone(), Arc::clone(&clock) as _, &SiteKey::random_secret())?;
    let mut world = World {
        end,
        social,
        media,
        clock,
        rng: ChaCha8Rng::seed_from_u64(seed),
        people: Vec::new(),
        posts: Vec::new(),
        pictures: 0,
    };
    world.people(&auth).await?;
    world.relations().await?;
    let comments = world.posts().await?;
    let ids: Vec<UserId> = world.people.iter().map(|person| person.id).collect();
    let messages = conversations::demo(db, end, &ids).await?;
    let (people, posts, pictures) = (world.people.len(), world.posts.len(), world.pictures);
    Ok(Filled::Now(format!(
        "Created {people} users, {posts} posts, {pictures} images, {comments} comments and {messages} messages."
    )))
}

struct Person {
    id: UserId,
    speaks: &'static words::Language,
    /// How often this user writes and is mentioned, relative to others. The first users have the highest weights.
    weight: usize,
}

struct World {
    /// The time of the latest content.
    end: Timestamp,
    social: Social,
    media: Media,
    clock: Arc<FixedClock>,
    rng: ChaCha8Rng,
    people: Vec<Person>,
    posts: Vec<(PostId, usize)>,
    pictures: usize,
}

impl World {
    async fn people(&mut self, auth: &Auth) -> anyhow::Result<()> {
        let names = words::PEOPLE;
        for (at, (username, display_name, is_korean)) in names.iter().enumerate() {
            self.advance_clock(1, 40);
            let password = if LOGINS.contains(username) {
                NewPassword::parse(PASSWORD, &[]).context("invalid password in the demo data")?
            } else {
                NewPassword::generate()
            };
            let account = auth
                .create_account(CreateAccount {
                    username: Username::parse(username).context(*username)?,
                    password,
                    display_name: Some(DisplayName::parse(display_name).context(*display_name)?),
                    email: None,
                    role: Role::User,
                })
                .await?;
            let speaks = if *is_korean { &words::KOREAN } else { &words::ENGLISH };
            let id = account.user.summary.id;
            let avatar =
                if at < PORTRAITS { Some(self.upload(id, Scene::Sea, (160, 160), "").await?) } else { None };
            let bio = self.pick(speaks.bios);
            let profile = UpdateProfile {
                bio: Some(Bio::parse(bio).context(bio)?),
                // Some accounts are private, others are not discoverable.
                is_private: (at % 12 == 11).then_some(true),
                discoverable: (at % 17 == 16).then_some(false),
                avatar: avatar.map(Some),
                ..UpdateProfile::default()
            };
            self.social.update_profile(id, profile, &Precondition::Any).await?;
            self.people.push(Person { id, speaks, weight: names.len() - at });
        }
        Ok(())
    }

    async fn relations(&mut self) -> anyhow::Result<()> {
        for by in 0..self.people.len() {
            for _ in 0..self.rng.random_range(6..18) {
                let of = self.random_user();
                if of == by {
                    continue;
                }
                self.advance_clock(1, 15);
                let state = self.social.follow_user(self.people[by].id, &self.reference(of)).await?;
                if state.requested && self.rng.random_bool(0.7) {
                    self.social.accept_follow_request(self.people[of].id, &self.reference(by)).await?;
                }
            }
        }
        let last = self.people.len() - 1;
        self.social.mute_user(self.people[0].id, &self.reference(last)).await?;
        self.social.block_user(self.people[1].id, &self.reference(last)).await?;
        Ok(())
    }

    /// Writes the posts, each followed by likes and comments on recent posts. Returns the number of comments.
    async fn posts(&mut self) -> anyhow::Result<usize> {
        let step = SPAN / u32::try_from(POSTS)?;
        let (mut comments, mut next) = (0, self.end - SPAN);
        for _ in 0..POSTS {
            // Comments advance the clock: the next post is written at its planned time, or after them.
            self.clock.advance(next.since(self.clock.now()));
            self.advance_clock(0, step.as_secs() / 120);
            next = next + step;
            let by = self.random_user();
            let visibility =
                if self.rng.random_bool(0.1) { Visibility::Followers } else { Visibility::Public };
            let text = self.post_text(by);
            let images = self.pictures(by).await?;
            let text = PostText::parse(&text).context("invalid post text in the demo data")?;
            let input = CreatePost::new(text, images, visibility).context("invalid post in the demo data")?;
            let post = self.social.create_post(self.people[by].id, input).await?;
            self.posts.push((post.post.id, by));
            for _ in 0..self.rng.random_range(1..9) {
                self.like().await?;
            }
            for _ in 0..self.rng.random_range(0..3) {
                comments += self.comment().await?;
            }
        }
        Ok(comments)
    }

    /// Uploads the images of a post. Most posts have none; those of the last hours, which are seen first, have more and
    /// larger ones.
    async fn pictures(&mut self, by: usize) -> anyhow::Result<Vec<MediaId>> {
        let is_recent = self.end.since(self.clock.now()) < DAY / 2;
        let (often, most, sizes) =
            if is_recent { (0.6, 2, [(720, 900), (900, 720)]) } else { (0.04, 2, [(360, 480), (480, 360)]) };
        let mut ids = Vec::new();
        if self.rng.random_bool(often) {
            for _ in 0..self.rng.random_range(1..=most) {
                let size = sizes.choose(&mut self.rng).copied().unwrap_or(sizes[0]);
                ids.push(self.picture(by, size).await?);
            }
        }
        Ok(ids)
    }

    /// Uploads an image for a post.
    async fn picture(&mut self, by: usize, size: (u16, u16)) -> anyhow::Result<MediaId> {
        let scene = Scene::ALL.choose(&mut self.rng).copied().unwrap_or(Scene::Sea);
        let Person { id, speaks, .. } = self.people[by];
        self.upload(id, scene, size, (speaks.alt)(scene)).await
    }

    async fn upload(
        &mut self,
        of: UserId,
        scene: Scene,
        (width, height): (u16, u16),
        alt: &str,
    ) -> anyhow::Result<MediaId> {
        let file = pictures::picture(&mut self.rng, scene, width, height);
        let whole = stream::iter([Ok::<_, std::io::Error>(file.into())]);
        let source = Source::read(whole, blegram_domain::Media::MAX_BYTES, None).await?;
        self.pictures += 1;
        Ok(self.media.upload(of, source, AltText::parse(alt).ok()).await?.id)
    }

    async fn like(&mut self) -> anyhow::Result<()> {
        let (who, post) = (self.random_user(), self.recent_post());
        let liked = allowed(self.social.like_post(self.people[who].id, post).await)?;
        if liked.is_some() && self.rng.random_bool(0.1) {
            self.social.bookmark_post(self.people[who].id, post).await?;
        }
        Ok(())
    }

    async fn comment(&mut self) -> anyhow::Result<usize> {
        let (who, post) = (self.random_user(), self.recent_post());
        let actor = self.people[who].id;
        let words = self.comment_text(who);
        let written = self.social.create_comment(actor, post, None, words).await;
        let Some(comment) = allowed(written)? else { return Ok(0) };
        if self.rng.random_bool(0.5) {
            let (other, parent) = (self.random_user(), comment.comment.id);
            return Ok(1 + self.answer(other, post, parent).await?);
        }
        Ok(1)
    }

    async fn answer(&mut self, who: usize, post: PostId, parent: CommentId) -> anyhow::Result<usize> {
        self.advance_clock(1, 3);
        let (actor, words) = (self.people[who].id, self.comment_text(who));
        let replied = self.social.create_comment(actor, post, Some(parent), words).await;
        allowed(self.social.like_comment(actor, parent).await)?;
        Ok(usize::from(allowed(replied)?.is_some()))
    }

    fn post_text(&mut self, by: usize) -> String {
        let speaks = self.people[by].speaks;
        let (opening, subject, tags) =
            (self.pick(speaks.openings), self.pick(speaks.subjects), self.pick(speaks.tags));
        let mut text = format!("{opening} {subject} {tags}");
        // On the last day many posts have the same hashtag, so that it trends.
        if self.end.since(self.clock.now()) < DAY && self.rng.random_bool(0.5) {
            text.push_str(&format!(" {}", speaks.today));
        }
        if self.rng.random_bool(0.15) {
            let name = words::PEOPLE[self.random_user()].0;
            text.push_str(&format!(" @{name}"));
        }
        text
    }

    fn comment_text(&mut self, by: usize) -> WriteComment {
        let text = self.pick(self.people[by].speaks.comments);
        let text = CommentText::parse(text).expect("the comment texts are valid, see the test in `words`");
        WriteComment::new(text).expect("the comment texts have no mentions")
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words.choose(&mut self.rng).copied().unwrap_or_default()
    }

    /// The index of a random user, by weight.
    fn random_user(&mut self) -> usize {
        let total: usize = self.people.iter().map(|person| person.weight).sum();
        let mut at = self.rng.random_range(0..total.max(1));
        self.people
            .iter()
            .position(|person| {
                let is_match = at < person.weight;
                at = at.saturating_sub(person.weight);
                is_match
            })
            .unwrap_or(0)
    }

    fn recent_post(&mut self) -> PostId {
        let newest = self.posts.len() - 1;
        let back = self.rng.random_range(0..=newest.min(12));
        self.posts[newest - back].0
    }

    fn reference(&self, person: usize) -> UserRef {
        UserRef::Id(self.people[person].id)
    }

    /// Advances the clock by a random number of minutes.
    fn advance_clock(&mut self, least: u64, most: u64) {
        let seconds = self.rng.random_range(least * 60..=most.max(least + 1) * 60);
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Maps "not found" errors to `None`: the random user may not see the random post. Returns all other errors.
fn allowed<T>(done: blegram_social::Result<T>) -> anyhow::Result<Option<T>> {
    use blegram_social::Error::{CommentNotFound, ParentNotFound, PostNotFound};
    match done {
        Ok(done) => Ok(Some(done)),
        Err(PostNotFound | CommentNotFound | ParentNotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
