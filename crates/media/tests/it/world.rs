//! A site with images and their owners.

use std::{sync::Arc, time::Duration};

use blegram_domain::{
    Clock, DisplayName, FixedClock, Job, Media as Image, MediaId, PostId, PostText, SystemClock, Timestamp,
    UserId, Username, Visibility,
    media::{ImageType, VariantName},
    user::Role,
    version::Precondition,
};
use blegram_media::{
    Config, Error, ImageRejection, Location, Media, Source, links::Proof, marker::NAME, testing,
};
use blegram_persistence::{
    jobs,
    testing::{Backend, TestDatabase},
    users::{self, NewUser},
};
use blegram_social::{CreatePost, Social, UpdateProfile};
use futures_util::{TryStreamExt, stream};
use object_store::ObjectStore;
use tempfile::TempDir;

/// The storage and database of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StorageKind {
    Folder,
    Bucket,
}

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) media: Media,
    pub(crate) social: Social,
    pub(crate) location: Location,
    _folder: Option<TempDir>,
}

impl World {
    pub(crate) async fn new(storage: StorageKind) -> Self {
        match storage {
            StorageKind::Folder => {
                let folder = TempDir::new().unwrap();
                let location = Location::Folder(folder.path().join("media"));
                let world = Self::at(Backend::Sqlite, location).await;
                Self { _folder: Some(folder), ..world }
            }
            StorageKind::Bucket => Self::at(Backend::Postgres, Location::S3(Box::new(testing::s3()))).await,
        }
    }

    /// With a store of the test's own.
    pub(crate) async fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self::at(Backend::Sqlite, Location::Other(store)).await
    }

    /// A node of the same site that starts with this storage.
    pub(crate) fn another_node(&self, location: Location) -> Media {
        let config = Config { location, threads: 1, ..Config::default() };
        let time = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Media::new(self.database.db().clone(), time, config).unwrap()
    }

    pub(crate) async fn at(backend: Backend, location: Location) -> Self {
        let database = TestDatabase::new(backend).await;
        // A bucket uses the real time, with which signed links must agree; all other tests start in the middle of an
        // hour.
        let clock = Arc::new(FixedClock::new(match location {
            Location::S3(_) => SystemClock.now(),
            _ => Timestamp::from_micros(1_790_000_000_000_000).unwrap(),
        }));
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let config = Config { location: location.clone(), threads: 2, ..Config::default() };
        let media = Media::new(database.db().clone(), Arc::clone(&time), config).unwrap();
        let social = Social::new(database.db().clone(), time);
        Self { database, clock, media, social, location, _folder: None }
    }

    pub(crate) async fn user(&self, name: &str) -> UserId {
        let now = self.clock.now();
        let user = NewUser {
            id: UserId::generate(now),
            username: Username::parse(name).unwrap(),
            display_name: DisplayName::parse(name).unwrap(),
            email: None,
            password_hash: Some("$argon2id$of-nothing".to_owned()),
            role: Role::User,
            created_at: now,
        };
        let id = user.id;
        let tx = self.database.db().write().await.unwrap();
        users::insert(&tx, user).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) async fn upload(&self, by: UserId, file: &[u8]) -> Result<Image, Error> {
        self.upload_as(by, file, None).await
    }

    pub(crate) async fn upload_as(
        &self,
        by: UserId,
        file: &[u8],
        announced: Option<ImageType>,
    ) -> Result<Image, Error> {
        self.media.upload(by, source(file, announced).await?, None).await
    }

    pub(crate) async fn create_post(&self, by: UserId, images: &[MediaId], visibility: Visibility) -> PostId {
        let text = PostText::parse("").unwrap();
        let post = CreatePost::new(text, images.to_vec(), visibility).unwrap();
        self.social.create_post(by, post).await.unwrap().post.id
    }

    pub(crate) async fn set_private(&self, by: UserId, is_private: bool) {
        let profile = UpdateProfile { is_private: Some(is_private), ..UpdateProfile::default() };
        self.social.update_profile(by, profile, &Precondition::Any).await.unwrap();
    }

    /// Runs all due image jobs, as a node does.
    pub(crate) async fn run_jobs(&self) -> usize {
        let (db, mut count) = (self.database.db(), 0);
        loop {
            let now = self.clock.now();
            let tx = db.write().await.unwrap();
            let job = jobs::take(&tx, Job::KINDS, now, now + Duration::from_secs(60)).await.unwrap();
            tx.commit().await.unwrap();
            let Some(job) = job else { return count };
            while self.step(Job::parse(&job.kind, &job.subject).unwrap()).await {}
            let tx = db.write().await.unwrap();
            jobs::delete(&tx, &job).await.unwrap();
            tx.commit().await.unwrap();
            count += 1;
        }
    }

    async fn step(&self, job: Job) -> bool {
        match job {
            Job::PurgeMedia(id) => self.media.purge_media(id).await.unwrap(),
            Job::DeleteFiles(key) => {
                self.media.delete_files(key).await.unwrap();
                false
            }
            Job::MoveMedia(user) => self.media.move_media(user).await.unwrap(),
            Job::MoveImage(media) => self.media.move_image(media).await.unwrap(),
            Job::PurgePost(post) => {
                self.media.purge_post(post).await.unwrap() || self.social.purge_post(post).await.unwrap()
            }
            other => panic!("not an image job: {other:?}"),
        }
    }

    /// Fetches a file by `link`: through this server, or from the bucket like any client.
    pub(crate) async fn fetch(&self, link: &str) -> Option<Vec<u8>> {
        if matches!(self.location, Location::S3(_)) {
            let answer = reqwest::get(link).await.unwrap();
            return if answer.status().is_success() {
                Some(answer.bytes().await.unwrap().to_vec())
            } else {
                None
            };
        }
        let (name, proof) = parts(link);
        let file = self.media.file(&name, proof.as_ref(), None).await.ok()?;
        Some(file.body.try_collect::<Vec<_>>().await.unwrap().concat())
    }

    pub(crate) async fn fetch_variant(&self, image: &Image, name: VariantName) -> Vec<u8> {
        self.fetch(&self.media.links().url(image.key, name, false)).await.unwrap()
    }

    /// The names of all stored files.
    pub(crate) async fn files(&self) -> Vec<String> {
        let swept = self.media.sweep(false).await.unwrap();
        match &self.location {
            Location::Folder(folder) => {
                let marker = folder.join(NAME).display().to_string();
                files_below(folder).into_iter().filter(|file| *file != marker).collect()
            }
            _ => (0..swept.files).map(|n| n.to_string()).collect(),
        }
    }
}

fn files_below(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path.display().to_string()] })
        .collect()
}

/// A file that arrives in pieces.
pub(crate) async fn source(file: &[u8], announced: Option<ImageType>) -> Result<Source, Error> {
    let pieces = file.chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec().into()));
    Source::read(stream::iter(pieces.collect::<Vec<_>>()), Image::MAX_BYTES, announced).await
}

/// The file name and the proof in a link through this server.
pub(crate) fn parts(link: &str) -> (String, Option<Proof>) {
    let url: url::Url = link.parse().unwrap();
    let name = url.path().strip_prefix("/media/").unwrap().to_owned();
    let value =
        |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
    let proof = value("expires")
        .zip(value("signature"))
        .map(|(expires, signature)| Proof { expires: expires.parse().unwrap(), signature });
    (name, proof)
}

#[track_caller]
pub(crate) fn assert_rejected(result: Result<Image, Error>, expected: ImageRejection) {
    match result {
        Err(Error::Refused(rejection)) => assert_eq!(rejection, expected),
        other => panic!("{other:?} is not {expected:?}"),
    }
}
