//! What the jobs do: each feature runs its own kinds.

use std::sync::Arc;

use blegram_auth::Auth;
use blegram_chat::Chat;
use blegram_domain::{Clock, Job, job::FeatureJob};
use blegram_media::Media;
use blegram_persistence::Db;
use blegram_social::Social;

use super::{chat, mail, media, provider, social};
use crate::clock::Retention;

/// The features that run jobs; cheap to clone.
#[derive(Clone)]
pub(super) struct Handlers {
    pub(super) auth: Auth,
    pub(super) social: Social,
    pub(super) chat: Chat,
    pub(super) media: Media,
    pub(super) retention: Retention,
    pub(super) db: Db,
}

impl Handlers {
    pub(super) fn new(db: Db, clock: Arc<dyn Clock>, auth: Auth, social: Social, media: Media) -> Self {
        // Without an event sink: jobs need only the database and the clock.
        let chat = Chat::new(db.clone(), Arc::clone(&clock));
        Self { auth, social, chat, media, retention: Retention::new(db.clone(), clock), db }
    }

    /// Runs one step of `job`: a few transactions of a few rows each. Returns whether there are more.
    pub(super) async fn step(&self, job: Job) -> anyhow::Result<bool> {
        match job.by_feature() {
            FeatureJob::Site(job) => self.site(job).await,
            FeatureJob::Social(job) => social::step(&self.social, job).await,
            FeatureJob::Chat(job) => chat::step(&self.chat, job).await,
            FeatureJob::Media(job) => media::step(&self.media, job).await,
            FeatureJob::Mail(job) => mail::step(&self.auth, job).await,
            FeatureJob::Provider(job) => provider::step(&self.auth, job).await,
        }
    }
}
