//! Images: taken in from files, checked, turned upright, cleaned of metadata, kept in a few sizes, and served by links.
//!
//! Every function that touches the database can fail with it. A section `# Errors` names only what a caller handles
//! beyond that.
//!
//! | Module | Holds |
//! |---|---|
//! | [`image`] | a file becomes pictures: what is refused, and what is made of the rest |
//! | [`storage`] | where files are: a folder, an S3 bucket, memory |
//! | [`links`] | where files are for others: stable links, and signed ones that end |
//! | [`uploads`] | files that come through this server, and files that go into storage directly |
//! | [`library`] | what owners do with their images |
//! | [`files`] | serving files, and taking those that go into storage by way of this server |
//! | [`receiving`] | what each file that is being received may take, and how many at once |
//! | [`marker`] | whether the storage is the one that this site wrote to |
//! | [`moving`] | files change their area when what shows them changes who sees it |
//! | [`erasure`], [`sweep`] | removing what nothing needs, and finding what was left behind |
//!
//! Nothing of what was uploaded is ever served: what is served was drawn anew, pixel by pixel, from what was read.
//!
//! To add a use-case: a method on [`Media`] in the module of its noun. Files are written before the row that names them
//! and removed before it goes, so that a crash in between leaves files that nobody needs ([`sweep`] finds them), and
//! never a row without files. Its story in `tests/it` runs on a folder and on S3.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use blegram_domain::SystemClock;
//! use blegram_media::{Config, Location, Media};
//! use blegram_persistence::testing::{Backend, TestDatabase};
//!
//! let database = TestDatabase::new(Backend::Sqlite).await;
//! let config = Config { location: Location::Memory, ..Config::default() };
//! let media = Media::new(database.db().clone(), Arc::new(SystemClock), config)?;
//! assert!(media.check_storage().await.is_ok());
//! # Ok(())
//! # }
//! ```

pub mod erasure;
mod error;
pub mod files;
pub mod image;
pub mod library;
pub mod links;
pub mod marker;
pub mod moving;
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

use blegram_domain::Clock;
use blegram_persistence::Db;
use blegram_workers::{Priority, Workers};
use rand::TryRng;
use secrecy::SecretSlice;

pub use error::{Error, Result};
pub use files::File;
pub use image::Refusal;
pub use links::Links;
pub use receiving::{Budget, Permit, ReceiveLimits};
#[cfg(feature = "s3")]
pub use s3::S3;
pub use storage::{Location, Storage};
pub use sweep::Swept;
pub use uploads::{Announced, CreateUpload, Source};

/// How images are kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where files are.
    pub location: Location,
    /// The URL of the site, without a slash at the end: where links through this server lead.
    pub site: String,
    /// What links are signed with, the same on every node.
    pub signing_key: SecretSlice<u8>,
    /// Images that are decoded at the same time. Each may take some hundred MiB for a moment.
    pub threads: usize,
    /// Images that may wait for a thread. Above it the answer is [`Error::Overloaded`].
    pub queue: usize,
    /// How long an image may wait and be worked on.
    pub deadline: Duration,
    /// How files are received.
    pub receive: ReceiveLimits,
}

impl Default for Config {
    /// In memory, and signed with a key that ends with the process.
    fn default() -> Self {
        Self {
            location: Location::Memory,
            site: "http://127.0.0.1:8080".to_owned(),
            signing_key: random::<32>().to_vec().into(),
            threads: blegram_workers::default_threads(),
            queue: 32,
            deadline: Duration::from_secs(30),
            receive: ReceiveLimits::default(),
        }
    }
}

/// What people do with images; cheap to clone.
#[derive(Clone)]
pub struct Media {
    db: Db,
    clock: Arc<dyn Clock>,
    storage: Storage,
    signer: Arc<links::Signer>,
    workers: Workers,
    deadline: Duration,
    receive: ReceiveLimits,
    /// Places for direct uploads, for forms, and for files that are looked at after a direct upload.
    uploads: Budget,
    forms: Budget,
    completions: Budget,
    in_progress: receiving::InProgress,
    /// What the storage has to say of itself, once it did.
    marker: Arc<OnceLock<String>>,
}

impl Media {
    /// Makes the use-cases over `db`, at the time of `clock`.
    ///
    /// # Errors
    /// [`Error::Configuration`] for storage that cannot be, such as a folder that cannot be made.
    pub fn new(db: Db, clock: Arc<dyn Clock>, config: Config) -> Result<Self> {
        let storage = Storage::open(&config.location)?;
        let workers = Workers::new("image", Priority::Background, config.threads, config.queue)
            .map_err(|error| Error::Configuration(error.to_string()))?;
        let signer = links::Signer::new(config.site, config.signing_key, &config.location)?;
        let receive = config.receive;
        Ok(Self {
            db,
            clock,
            storage,
            signer: Arc::new(signer),
            workers,
            deadline: config.deadline,
            receive,
            uploads: Budget::new(&receive),
            forms: Budget::new(&receive),
            completions: Budget::new(&receive),
            in_progress: receiving::InProgress::default(),
            marker: Arc::default(),
        })
    }

    /// Limits on what is being received.
    pub const fn receive_limits(&self) -> &ReceiveLimits {
        &self.receive
    }

    /// Places for forms with files: whoever reads one takes a place first.
    pub const fn forms(&self) -> &Budget {
        &self.forms
    }

    /// Links as of now.
    pub fn links(&self) -> Links {
        Links::new(Arc::clone(&self.signer), self.clock.now())
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // As for every secret: without randomness nothing is safe, so nothing goes on.
    rand::rngs::SysRng.try_fill_bytes(&mut bytes).expect("the operating system has randomness");
    bytes
}
