//! Where files are for others. What everybody may see has a link that nobody guesses and that stays; everything else has
//! one that is signed and ends, given only to those who may see it.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::{
    MediaKey, Timestamp,
    media::{Upload, VariantName},
};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::{Location, Result};

/// How long a signed link is good at least, and half of how long it is at most.
pub const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Links as of a moment; cheap to clone.
#[derive(Clone)]
pub struct Links {
    signer: Arc<Signer>,
    now: Timestamp,
}

impl Links {
    pub(crate) fn new(signer: Arc<Signer>, now: Timestamp) -> Self {
        Self { signer, now }
    }

    /// The link to an image in one size. `is_public` says whether everybody may see what shows it: if not, the link is
    /// signed, and the same within an hour, so that browsers need not fetch the image again.
    pub fn url(&self, key: MediaKey, variant: VariantName, is_public: bool) -> String {
        let file = key.file(variant);
        if is_public && key.is_public() {
            self.signer.stable(&file, self.now)
        } else {
            self.signer.signed(&file, self.now)
        }
    }
}

/// What a signed link says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Until when it is good, in seconds since 1970.
    pub expires: i64,
    /// What proves it.
    pub signature: String,
}

/// Makes links, and knows its own again.
pub(crate) struct Signer {
    /// Where this server is reached.
    site: String,
    key: SecretSlice<u8>,
    #[cfg(feature = "s3")]
    bucket: Option<crate::s3::Presigner>,
}

impl Signer {
    pub(crate) fn new(site: String, key: SecretSlice<u8>, location: &Location) -> Result<Self> {
        #[cfg(feature = "s3")]
        let bucket = match location {
            Location::S3(s3) => Some(s3.presigner()?),
            Location::Folder(_) | Location::Memory | Location::Other(_) => None,
        };
        let _ = location;
        Ok(Self {
            site,
            key,
            #[cfg(feature = "s3")]
            bucket,
        })
    }

    fn stable(&self, file: &str, now: Timestamp) -> String {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            return bucket.public(file).unwrap_or_else(|| self.signed(file, now));
        }
        let _ = now;
        self.here(file)
    }

    fn signed(&self, file: &str, now: Timestamp) -> String {
        let hour = hour(now);
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            return bucket.get(file, hour, 2 * LIFETIME);
        }
        self.sign("GET", file, hour + 2 * LIFETIME)
    }

    /// The link under which an upload is put into storage, and what must be sent along.
    pub(crate) fn put(&self, upload: &Upload) -> (String, Vec<(&'static str, String)>) {
        let mut headers = vec![("content-type", upload.content_type.as_str().to_owned())];
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            let hash = upload.sha256.map(|hash| base64::engine::general_purpose::STANDARD.encode(hash));
            headers.extend(hash.map(|hash| ("x-amz-checksum-sha256", hash)));
            return (bucket.put(upload, &headers), headers);
        }
        (self.sign("PUT", &Upload::file(upload.id), upload.expires_at()), headers)
    }

    fn here(&self, file: &str) -> String {
        format!("{}/media/{file}", self.site)
    }

    fn sign(&self, method: &str, file: &str, until: Timestamp) -> String {
        let expires = until.as_micros() / 1_000_000;
        let signature = URL_SAFE_NO_PAD.encode(self.mac(method, file, expires).finalize().into_bytes());
        format!("{}?expires={expires}&signature={signature}", self.here(file))
    }

    fn mac(&self, method: &str, file: &str, expires: i64) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret());
        let mut mac = mac.expect("HMAC takes keys of any length");
        // None of the first two can hold a line's end.
        mac.update(format!("{method}\n{file}\n{expires}").as_bytes());
        mac
    }

    /// Whether `proof` is of a link that this site made to `file`, and is good still.
    pub(crate) fn accepts(&self, method: &str, file: &str, proof: &Proof, now: Timestamp) -> bool {
        let is_good = now.as_micros() < proof.expires.saturating_mul(1_000_000);
        let signature = URL_SAFE_NO_PAD.decode(&proof.signature).unwrap_or_default();
        is_good && self.mac(method, file, proof.expires).verify_slice(&signature).is_ok()
    }
}

/// The full hour before `now`.
fn hour(now: Timestamp) -> Timestamp {
    let micros = 3_600_000_000;
    Timestamp::from_micros(now.as_micros() / micros * micros).unwrap_or(now)
}
