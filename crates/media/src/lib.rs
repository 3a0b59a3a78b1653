//! Images: validated, rotated upright, stripped of metadata, stored in several sizes, and served by links.
//!
//! Every function that accesses the database can fail with [`Error::Storage`], and every function that accesses files
//! with [`Error::Unavailable`] or [`Error::ForeignStorage`]. An `# Errors` section lists only the errors that a caller
//! handles beyond that.
//!
//! | Module | Contents |
//! |---|---|
//! | [`image`] | decodes an uploaded file, or rejects it, and encodes its variants |
//! | [`storage`] | file storage: a folder, an S3 bucket, or memory |
//! | [`links`] | stable links to public files, and signed, expiring links to all others |
//! | [`uploads`] | uploads through this server, and direct uploads to storage |
//! | [`library`] | use-cases of an image's owner |
//! | [`quota`] | what an account stores, and may store |
//! | [`files`] | serves files, and receives direct uploads that go through this server |
//! | [`receiving`] | limits for receiving files |
//! | [`marker`] | checks that the storage is the one that this site wrote to |
//! | [`moving`] | moves files between the public and the private area |
//! | [`erasure`], [`sweep`] | deletes unneeded files and rows, and finds orphans |
//!
//! The server never serves an uploaded file itself, only images that it encoded from the decoded pixels.
//!
//! To add a use-case: write a method on [`Media`] in the module of its noun. It writes files before the row that names
//! them, and deletes them before the row, so that a crash in between leaves orphaned files ([`sweep`] finds them), but
//! never a row without files. Its test in `tests/it` runs on a folder and on S3.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_domain::SystemClock;
//! use blegram_media::{Config, Location, Media};
//! use blegram_persistence::{Db, Settings};
//!
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("blegram.db");
//! let db = Db::open(&Settings::sqlite(file)).await?;
//! let config = Config { location: Location::Memory, ..Config::default() };
//! let media = Media::new(db, Arc::new(SystemClock), config)?;
//! assert!(media.check_storage().await.is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! ## Features
//!
//! - `s3` (default): storage on S3.
//! - `testing`: photos, and the bucket of `cargo xtask test`.

pub mod erasure;
mod error;
pub mod files;
pub mod image;
pub mod library;
pub mod links;
pub mod marker;
mod metrics;
pub mod moving;
pub mod quota;
pub mod receiving;
#[cfg(feature = "s3")]
mod s3;
pub mod storage;
pub mod sweep;
#[cfg(feature = "testing")]
pub mod testing;
pub mod uploads;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use blegram_cpu_pool::{CpuPool, Priority};
use blegram_domain::{Clock, UserId, media::quota::Quota};
use blegram_limits::{Limiter, Quotas, Shares, SharesConfig};
use blegram_persistence::Db;
use rand::TryRng;

pub use error::{Error, Result};
pub use files::File;
pub use image::ImageRejection;
pub use links::Links;
pub use metrics::{MediaSnapshot, Step, UploadOutcome};
pub use receiving::ReceiveLimits;
#[cfg(feature = "s3")]
pub use s3::S3;
/// The type of [`Config::signing_key`].
pub use secrecy::SecretSlice;
pub use storage::{Location, Storage};
pub use sweep::Swept;
pub use uploads::{Announced, CreateUpload, Source};

/// The settings for images.
#[derive(Debug, Clone)]
pub struct Config {
    /// The storage.
    pub location: Location,
    /// The URL of the site, without a trailing slash: the base of links through this server.
    pub site: String,
    /// The key that signs links, the same on every node.
    pub signing_key: SecretSlice<u8>,
    /// The number of images decoded concurrently. Each may briefly take some hundred MiB of memory.
    pub threads: usize,
    /// The number of images that may wait for a thread. Further ones fail with [`Error::Overloaded`].
    pub queue: usize,
    /// How long an image may wait and be processed.
    pub deadline: Duration,
    /// The limits for receiving files.
    pub receive: ReceiveLimits,
    /// What each account may store.
    pub quota: Quota,
}

impl Default for Config {
    /// Storage in memory, and a random signing key that is valid until the process ends.
    fn default() -> Self {
        Self {
            location: Location::Memory,
            site: "http://127.0.0.1:8080".to_owned(),
            signing_key: random::<32>().to_vec().into(),
            threads: blegram_cpu_pool::default_threads(),
            queue: 32,
            deadline: Duration::from_secs(30),
            receive: ReceiveLimits::default(),
            quota: Quota::default(),
        }
    }
}

/// The use-cases of images; cheap to clone.
#[derive(Clone)]
pub struct Media {
    db: Db,
    clock: Arc<dyn Clock>,
    storage: Storage,
    signer: Arc<links::Signer>,
    cpu_pool: CpuPool<UserId>,
    /// A thread for images that are cheap to process, so that they do not wait for expensive ones.
    light_pool: CpuPool<UserId>,
    deadline: Duration,
    receive: ReceiveLimits,
    quota: Quota,
    /// The permits for direct uploads, for forms, and for completions of direct uploads.
    uploads: Shares,
    forms: Shares,
    completions: Shares,
    limiter: Arc<Limiter>,
    in_progress: receiving::InProgress,
    /// The marker of the storage, once this process has found it.
    marker: Arc<OnceLock<String>>,
    metrics: Arc<metrics::MediaMetrics>,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").finish_non_exhaustive()
    }
}

impl Media {
    /// Creates the use-cases over `db`, with the time of `clock`.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the storage cannot be opened, for example because its folder cannot be created.
    pub fn new(db: Db, clock: Arc<dyn Clock>, config: Config) -> Result<Self> {
        let storage = Storage::open(&config.location)?;
        let pool = |name, threads| {
            CpuPool::new(name, Priority::Background, threads, config.queue)
                .map_err(|error| Error::Configuration(error.to_string()))
        };
        let (cpu_pool, light_pool) = (pool("image", config.threads)?, pool("image-light", 1)?);
        let signer = links::Signer::new(config.site, config.signing_key, &config.location)?;
        let receive = config.receive;
        let shares = SharesConfig { all: receive.at_once, each: receive.per_account };
        let limiter = Arc::new(Limiter::new(Quotas::default(), Arc::clone(&clock)));
        Ok(Self {
            db,
            clock,
            storage,
            signer: Arc::new(signer),
            cpu_pool,
            light_pool,
            deadline: config.deadline,
            receive,
            quota: config.quota,
            uploads: Shares::new(shares),
            forms: Shares::new(shares),
            completions: Shares::new(shares),
            limiter,
            in_progress: receiving::InProgress::default(),
            marker: Arc::default(),
            metrics: Arc::default(),
        })
    }

    /// Counts the processing of images with `limiter`. Call it once, before the handle is shared.
    #[must_use]
    pub fn with_limiter(self, limiter: Arc<Limiter>) -> Self {
        Self { limiter, ..self }
    }

    /// What was counted since the start, and what the threads do now.
    pub fn snapshot(&self) -> MediaSnapshot {
        self.metrics.snapshot([&self.cpu_pool, &self.light_pool].map(CpuPool::snapshot))
    }

    /// The limits for receiving files.
    pub const fn receive_limits(&self) -> &ReceiveLimits {
        &self.receive
    }

    /// The permits for forms with files: take one before reading a form.
    pub const fn forms(&self) -> &Shares {
        &self.forms
    }

    /// The origins of the links to images and of direct uploads.
    pub fn origins(&self) -> links::Origins {
        self.signer.origins()
    }

    /// A link generator for the current time.
    pub fn links(&self) -> Links {
        Links::new(Arc::clone(&self.signer), self.clock.now())
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // As for every secret: without randomness nothing is safe, so the process must not continue.
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
