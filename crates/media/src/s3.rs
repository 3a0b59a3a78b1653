//! An S3 bucket, at AWS or another provider that supports its protocol.

use std::{borrow::Cow, sync::Arc, time::Duration};

use blegram_domain::{Timestamp, media::Upload};
use object_store::{ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, prefix::PrefixStore};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle, actions};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{Error, Result};

/// The timeout of a request, without retries: the caller has a deadline, too.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The address and credentials of a bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    /// The bucket's name.
    pub bucket: String,
    /// The prefix of all file names; may be empty.
    pub prefix: String,
    /// The URL of the server; `None` for AWS.
    pub endpoint: Option<Url>,
    /// The region.
    pub region: String,
    /// Whether URLs contain the bucket in the path, not in the host name.
    pub path_style: bool,
    /// The access key's id.
    pub access_key_id: SecretString,
    /// The access key's secret.
    pub secret_access_key: SecretString,
    /// The base URL of the public area for everyone; if `None`, links to public files are signed, too.
    pub public_url: Option<Url>,
}

impl S3 {
    pub(crate) fn store(&self) -> Result<Arc<dyn ObjectStore>> {
        // Only the first call in a process has an effect, and any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(self.access_key_id.expose_secret())
            .with_secret_access_key(self.secret_access_key.expose_secret())
            .with_virtual_hosted_style_request(!self.path_style)
            .with_client_options(
                ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(REQUEST_TIMEOUT / 2),
            )
            .with_retry(RetryConfig {
                max_retries: 2,
                retry_timeout: REQUEST_TIMEOUT,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &self.endpoint {
            let bucket = self.bucket()?;
            // In virtual-hosted style, the endpoint is that of the bucket itself.
            let url = if self.path_style { endpoint } else { bucket.base_url() };
            builder = builder
                .with_endpoint(url.as_str().trim_end_matches('/'))
                .with_allow_http(endpoint.scheme() == "http");
        }
        let store = builder.build().map_err(|error| Error::Configuration(error.to_string()))?;
        Ok(if self.prefix.is_empty() {
            Arc::new(store)
        } else {
            Arc::new(PrefixStore::new(store, self.prefix.as_str()))
        })
    }

    fn bucket(&self) -> Result<Bucket> {
        let aws = || format!("https://s3.{}.amazonaws.com", self.region).parse();
        let endpoint = self.endpoint.clone().map_or_else(aws, Ok);
        let endpoint =
            endpoint.map_err(|_| Error::Configuration(format!("invalid S3 region: {}", self.region)))?;
        let style = if self.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        Bucket::new(endpoint, style, self.bucket.clone(), self.region.clone())
            .map_err(|error| Error::Configuration(format!("invalid S3 endpoint: {error}")))
    }

    pub(crate) fn presigner(&self) -> Result<Presigner> {
        Ok(Presigner {
            bucket: self.bucket()?,
            prefix: self.prefix.trim_matches('/').to_owned(),
            credentials: Credentials::new(
                self.access_key_id.expose_secret(),
                self.secret_access_key.expose_secret(),
            ),
            public_url: self.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()),
        })
    }
}

/// Signs requests for clients (AWS signature version 4, in the query).
#[derive(Debug, Clone)]
pub(crate) struct Presigner {
    bucket: Bucket,
    prefix: String,
    credentials: Credentials,
    public_url: Option<String>,
}

impl Presigner {
    fn name<'a>(&self, file: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() { file.into() } else { format!("{}/{file}", self.prefix).into() }
    }

    /// The URL below which the bucket answers signed requests.
    pub(crate) fn url(&self) -> &str {
        self.bucket.base_url().as_str()
    }

    /// The URL below which everyone can read the public area.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// The stable link to a file in the public area, if the area has a public URL.
    pub(crate) fn public(&self, file: &str) -> Option<String> {
        self.public_url.as_ref().map(|base| format!("{base}/{}", self.name(file)))
    }

    pub(crate) fn get(&self, file: &str, from: Timestamp, lifetime: Duration) -> String {
        let name = self.name(file);
        let mut action = actions::GetObject::new(&self.bucket, Some(&self.credentials), &name);
        // All files are stored with the `Cache-Control` of the public area, so signed links override it.
        let seconds = lifetime.as_secs();
        action.query_mut().insert("response-cache-control", format!("private, max-age={seconds}, immutable"));
        action.sign_with_time(lifetime, &instant(from)).into()
    }

    /// The link to send the file of an upload to. It signs `headers`, which the request must contain unchanged.
    pub(crate) fn put(&self, upload: &Upload, headers: &[(&'static str, String)]) -> String {
        let file = Upload::file(upload.id);
        let name = self.name(&file);
        let mut action = actions::PutObject::new(&self.bucket, Some(&self.credentials), &name);
        for (name, value) in headers {
            action.headers_mut().insert(*name, value.clone());
        }
        // Clients send it automatically, and scripts in browsers cannot change it; the signature limits the size of the
        // upload.
        action.headers_mut().insert("content-length", upload.byte_size.to_string());
        action.sign_with_time(Upload::LIFETIME, &instant(upload.created_at)).into()
    }
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default()
}
