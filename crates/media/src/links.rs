//! Links to files for clients. A public file has a stable, unguessable link; every other file has a signed link that
//! expires and is given only to viewers who may see it.

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

/// The minimum lifetime of a signed link, and half of its maximum.
pub const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Generates links for a fixed time; cheap to clone.
#[derive(Clone)]
pub struct Links {
    signer: Arc<Signer>,
    now: Timestamp,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links {
    pub(crate) fn new(signer: Arc<Signer>, now: Timestamp) -> Self {
        Self { signer, now }
    }

    /// The link to an image in one size. `is_public` tells whether everyone may see its post or profile: if not, the
    /// link is signed. It changes only once an hour, so that browsers can cache the image.
    pub fn url(&self, key: MediaKey, variant: VariantName, is_public: bool) -> String {
        let file = key.file(variant);
        if is_public && key.is_public() {
            self.signer.stable(&file, self.now)
        } else {
            self.signer.signed(&file, self.now)
        }
    }
}

/// The origins of links, for the Content-Security-Policy of a page that uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// Those of the images: of public ones, then of signed links.
    pub images: Vec<String>,
    /// That of direct uploads.
    pub uploads: String,
}

/// The query parameters of a signed link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The expiry, in seconds since 1970.
    pub expires: i64,
    /// The signature.
    pub signature: String,
}

/// Signs links, and verifies its own.
pub(crate) struct Signer {
    /// The URL of this server.
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

    pub(crate) fn origins(&self) -> Origins {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            let own = origin(bucket.url());
            let public = bucket.public_url().map(origin).filter(|public| *public != own);
            let images = public.into_iter().chain([own]).map(ToOwned::to_owned).collect();
            return Origins { images, uploads: own.to_owned() };
        }
        let own = origin(&self.site).to_owned();
        Origins { images: vec![own.clone()], uploads: own }
    }

    fn stable(&self, file: &str, now: Timestamp) -> String {
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            return bucket.public(file).unwrap_or_else(|| self.signed(file, now));
        }
        let _ = now;
        self.local_url(file)
    }

    fn signed(&self, file: &str, now: Timestamp) -> String {
        let hour = hour(now);
        #[cfg(feature = "s3")]
        if let Some(bucket) = &self.bucket {
            return bucket.get(file, hour, 2 * LIFETIME);
        }
        self.sign("GET", file, hour + 2 * LIFETIME)
    }

    /// The link to send the file of an upload to, and the required headers.
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

    fn local_url(&self, file: &str) -> String {
        format!("{}/media/{file}", self.site)
    }

    fn sign(&self, method: &str, file: &str, until: Timestamp) -> String {
        let expires = until.as_micros() / 1_000_000;
        let signature = URL_SAFE_NO_PAD.encode(self.mac(method, file, expires).finalize().into_bytes());
        format!("{}?expires={expires}&signature={signature}", self.local_url(file))
    }

    fn mac(&self, method: &str, file: &str, expires: i64) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret());
        let mut mac = mac.expect("HMAC accepts keys of any length");
        // Neither of the first two can contain a line break.
        mac.update(format!("{method}\n{file}\n{expires}").as_bytes());
        mac
    }

    /// Whether `proof` is a valid signature of this site for `file` and has not expired.
    pub(crate) fn accepts(&self, method: &str, file: &str, proof: &Proof, now: Timestamp) -> bool {
        let is_unexpired = now.as_micros() < proof.expires.saturating_mul(1_000_000);
        let signature = URL_SAFE_NO_PAD.decode(&proof.signature).unwrap_or_default();
        is_unexpired && self.mac(method, file, proof.expires).verify_slice(&signature).is_ok()
    }
}

/// Scheme, host and port of a URL, which is normalised.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |end| &url[..host + end])
}

/// `now`, rounded down to the hour.
fn hour(now: Timestamp) -> Timestamp {
    let micros = 3_600_000_000;
    Timestamp::from_micros(now.as_micros() / micros * micros).unwrap_or(now)
}
