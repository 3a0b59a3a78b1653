//! Configuration. Precedence, lowest first: defaults, `blegram.toml`, `.env` (development only), environment.
//!
//! [`Config::load`] is a pure function of its [`Inputs`]; only [`Config::read`] accesses the file system and the
//! environment. All problems are reported at once, each with the key, its source, the expected type and an example.
//!
//! To add a setting, add a line to `config/sections.rs`, then run `cargo xtask gen` and commit the generated pages.

mod conversions;
mod dotenv;
mod error;
mod items;
mod kubernetes;
mod layers;
mod login;
mod mail;
mod redis;
mod reference;
mod rules;
mod sections;
mod setting;
mod value;
mod words;

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path};

use blegram_media::{Location, S3};
use url::Url;

pub use self::{
    error::{Error, Problem},
    login::{ClientId, Issuer, Login, LoginProvider, ProviderName, Scope, SecretText},
    mail::{Host, MailTransport, Sender},
    redis::{Redis, RedisUrl},
    reference::{env_example, markdown},
    sections::{Accounts, Database, Gateway, Limits, Listener, Log, Mail, Media, Metrics, Secrets, Server},
    value::{Backend, DatabaseUrl, LogFilter, Origin, Secret, SecretKey, StorageUrl, WebSource},
    words::{LogFormat, MailTls, Profile},
};
use self::{
    layers::{Effective, Layers},
    sections::Root,
    setting::Section,
    value::{Shape, Value, items},
};

/// The default configuration file; it is optional.
const DEFAULT_FILE: &str = "blegram.toml";

/// A validated configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The profile, which decides how strict the validation is.
    pub profile: Profile,
    /// Listen address, public URL, trusted origins and proxies, data directory.
    pub server: Server,
    /// Limits of the HTTP listener.
    pub listener: Listener,
    /// The database; see also [`Config::database_url`].
    pub database: Database,
    /// Accounts, passwords and sessions.
    pub accounts: Accounts,
    /// Mail; see also [`Config::mail_transport`].
    pub mail: Mail,
    /// Login with other providers.
    pub login: Login,
    /// Login providers; see also [`Config::provider_settings`].
    pub login_providers: Vec<LoginProvider>,
    /// Image storage and processing; see also [`Config::media_location`].
    pub media: Media,
    /// The realtime gateway.
    pub gateway: Gateway,
    /// The connection between nodes.
    pub redis: Redis,
    /// Rate limits.
    pub limits: Limits,
    /// Secret keys.
    pub secrets: Secrets,
    /// Logging.
    pub log: Log,
    /// Metrics for monitoring.
    pub metrics: Metrics,
    effective: Vec<Effective>,
    ignored: Vec<String>,
}

/// Everything that the configuration depends on.
pub struct Inputs<'a> {
    /// Name (for messages) and content of the configuration file.
    pub file: Option<(&'a str, &'a str)>,
    /// The environment; variables without the prefix `BLEGRAM_` are ignored.
    pub env: &'a BTreeMap<String, String>,
    /// The content of `.env`; ignored in production.
    pub dotenv: Option<&'a str>,
    /// Reads the file named by a variable that ends in `_FILE`.
    pub read_secret: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Without the values, of which some are secrets.
impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs").field("file", &self.file.map(|(name, _)| name)).finish_non_exhaustive()
    }
}

impl Config {
    /// Merges the layers, parses each value and checks the rules between settings.
    ///
    /// # Errors
    /// All problems. Rules between settings are checked only if each setting is valid by itself.
    pub fn load(inputs: &Inputs<'_>) -> Result<Self, Error> {
        let mut layers = Layers::new(inputs);
        derive_defaults(&mut layers);
        let config = Self::from_layers(&mut layers);
        let mut problems = layers.problems;
        problems.extend(config.as_ref().map(rules::check).unwrap_or_default());
        config.filter(|_| problems.is_empty()).ok_or(Error { problems })
    }

    fn from_layers(layers: &mut Layers) -> Option<Self> {
        // Reads all sections before any `?`, so that one invalid section does not hide problems of the next.
        let root = Root::read(layers);
        let (server, listener) = (Server::read(layers), Listener::read(layers));
        let (database, accounts) = (Database::read(layers), Accounts::read(layers));
        let mail = Mail::read(layers);
        let (login, login_providers) = (Login::read(layers), layers.items(LoginProvider::read));
        let (media, gateway) = (Media::read(layers), Gateway::read(layers));
        let redis = Redis::read(layers);
        let (limits, secrets, log) = (Limits::read(layers), Secrets::read(layers), Log::read(layers));
        let metrics = Metrics::read(layers);
        Some(Self {
            profile: root?.profile,
            server: server?,
            listener: listener?,
            database: database?,
            accounts: accounts?,
            mail: mail?,
            login: login?,
            login_providers: login_providers?,
            media: media?,
            gateway: gateway?,
            redis: redis?,
            limits: limits?,
            secrets: secrets?,
            log: log?,
            metrics: metrics?,
            effective: std::mem::take(&mut layers.effective),
            ignored: std::mem::take(&mut layers.ignored),
        })
    }

    /// Reads settings from a text in the format of `blegram.toml`, for programs that embed blegram. The environment is
    /// ignored.
    ///
    /// ```
    /// let config = blegram::Config::from_toml("server.public_url = 'https://example.org/forum'")?;
    /// assert_eq!(config.site(), "https://example.org/forum");
    /// # Ok::<(), blegram::config::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        Self::load(&Inputs {
            file: Some(("settings", text)),
            env: &BTreeMap::new(),
            dotenv: None,
            read_secret: &|path| std::fs::read_to_string(path),
        })
    }

    /// Reads the file, `.env` and the environment of this process, then [`Config::load`]s them.
    ///
    /// # Errors
    /// As [`Config::load`]; also when the file at `path` or an existing `.env` cannot be read.
    pub fn read(path: Option<&Path>) -> Result<Self, Error> {
        let file = path
            .map_or_else(|| optional(DEFAULT_FILE.as_ref()), |path| std::fs::read_to_string(path).map(Some));
        let name = path.map_or_else(|| DEFAULT_FILE.into(), |path| path.display().to_string());
        let text = file.map_err(|error| unreadable(&name, &error))?;
        let dotenv = optional(".env".as_ref()).map_err(|error| unreadable(".env", &error))?;
        Self::load(&Inputs {
            file: text.as_deref().map(|text| (name.as_str(), text)),
            env: &environment(),
            dotenv: dotenv.as_deref(),
            read_secret: &|path| std::fs::read_to_string(path),
        })
    }

    /// The configured database, or the embedded one in the data directory.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        let embedded = || DatabaseUrl::sqlite(&self.server.data_dir.join(crate::data_folder::DATABASE));
        self.database.url.clone().unwrap_or_else(embedded)
    }

    /// The configured image storage, or the directory `media` in the data directory.
    #[must_use]
    pub fn media_location(&self) -> Location {
        let media = &self.media;
        match &media.storage {
            None => Location::Folder(self.server.data_dir.join(crate::data_folder::MEDIA)),
            Some(StorageUrl::Folder(folder)) => Location::Folder(folder.clone()),
            Some(StorageUrl::Bucket(bucket, prefix)) => Location::S3(Box::new(S3 {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                endpoint: media.s3_endpoint.clone(),
                region: media.s3_region.clone(),
                path_style: media.s3_path_style,
                access_key_id: secret(media.s3_access_key_id.as_ref()),
                secret_access_key: secret(media.s3_secret_access_key.as_ref()),
                public_url: media.s3_public_url.clone(),
            })),
        }
    }

    /// The public URL, without a trailing slash.
    #[must_use]
    pub fn site(&self) -> String {
        self.server.public_url.as_str().trim_end_matches('/').to_owned()
    }

    /// The same with the address that the system chose for port 0 of `server.listen`, also in the URLs that are derived from
    /// it.
    #[must_use]
    pub(crate) fn listening_on(mut self, address: SocketAddr) -> Self {
        let old = std::mem::replace(&mut self.server.listen, address);
        let [old, new] = [old, address].map(|address| Url::parse(&format!("http://{address}")).ok());
        for url in [&mut self.server.public_url, &mut self.accounts.pages_url] {
            // One that was set stays: it never has the port 0, which no client can reach.
            if let (true, Some(new)) = (old.as_ref() == Some(url), &new) {
                *url = new.clone();
            }
        }
        self
    }

    /// Logs the ignored variables. Call it after logging is initialised.
    pub fn log_ignored(&self) {
        if !self.ignored.is_empty() {
            tracing::debug!(
                variables = self.ignored.join(" "),
                "ignored environment variables of Kubernetes services"
            );
        }
    }

    /// Formats the effective configuration as TOML, with the source of each value. Secrets are redacted.
    #[must_use]
    pub fn show(&self) -> String {
        let mut page = String::new();
        let mut section = ("", None);
        for line in &self.effective {
            let own = (line.setting.section, items::index_of(&line.key));
            if own != section {
                section = own;
                page.push_str(&match own {
                    (_, Some(_)) => format!("\n[[{}]]\n", items::LIST),
                    (name, None) => format!("\n[{name}]\n"),
                });
            }
            page.push_str(&redacted(line));
        }
        page
    }
}

/// A missing secret has been rejected by the rules before.
fn secret(secret: Option<&Secret>) -> secrecy::SecretString {
    secret.map(Secret::secret).unwrap_or_default()
}

impl Default for Config {
    /// The defaults of `docs/configuration.md`: a development server on the embedded database.
    fn default() -> Self {
        Self::from_toml("").expect("the defaults are valid")
    }
}

fn redacted(line: &Effective) -> String {
    let (name, source) = (line.setting.name, &line.source);
    let Some(text) = &line.text else { return format!("# {name} is not set\n") };
    let value = match line.setting.shape {
        Shape::Bare => text.clone(),
        Shape::Text => format!("{text:?}"),
        // A comment, so that the output is valid as a configuration file.
        Shape::Secret => return format!("{:<50} # {source}\n", format!("# {name} = {text}")),
        Shape::List => format!("{:?}", items(text).collect::<Vec<_>>()),
    };
    format!("{:<50} # {source}\n", format!("{name} = {value}"))
}

/// Sets defaults that depend on other settings or on the machine.
fn derive_defaults(layers: &mut Layers) {
    // An invalid listen address must not cause a second problem, about the URL derived from it.
    let listen = layers.text("server.listen").and_then(|text| text.parse::<SocketAddr>().ok());
    layers.derive(
        "server.public_url",
        listen.map_or("http://localhost".into(), |address| format!("http://{address}")),
    );
    // An invalid public URL must not cause a second problem either.
    let public_url = layers.text("server.public_url").filter(|text| <Url as Value>::parse(text).is_some());
    layers.derive("accounts.pages_url", public_url.unwrap_or_else(|| "http://localhost".to_owned()));
    let port = match layers.text("mail.tls").as_deref() {
        Some("tls") => "465",
        Some("none") => "25",
        _ => "587",
    };
    layers.derive("mail.port", port);
    layers.derive("accounts.hash_threads", blegram_auth::Config::default().hash_threads.to_string());
    layers.derive("media.threads", blegram_media::Config::default().threads.to_string());
    let is_production = layers.text("profile").as_deref() == Some("production");
    derive_signup_from_loopback(layers, is_production);
    layers.derive("limits.loopback_factor", if is_production { "1" } else { LOOPBACK_FACTOR });
    layers.derive("log.format", if is_production { "json" } else { "pretty" });
}

/// The factor of the limits of clients that connect over loopback in development: more than one machine can send.
const LOOPBACK_FACTOR: &str = "10000";

/// In development, allows more sign-ups over loopback, because developers sign up repeatedly from one address. If
/// `signup_per_address` is set, it applies to loopback, too.
fn derive_signup_from_loopback(layers: &mut Layers, is_production: bool) {
    const TIMES: u32 = 20;
    let (burst, period) = ("limits.signup_per_address.burst", "limits.signup_per_address.per_seconds");
    let is_wide = !is_production && !layers.is_set(burst) && !layers.is_set(period);
    let times = if is_wide { TIMES } else { 1 };
    // A value that is not a number is reported under its own key.
    let number = |key| layers.text(key).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    let (burst, period) = (number(burst).saturating_mul(times).max(1), number(period).max(1));
    layers.derive("limits.signup_from_loopback.burst", burst.to_string());
    layers.derive("limits.signup_from_loopback.per_seconds", period.to_string());
}

fn environment() -> BTreeMap<String, String> {
    // `vars` would panic on a name or value that is not Unicode; this way its parser rejects it.
    let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

fn optional(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    let advice = format!("cannot be read: {error}");
    Error { problems: vec![Problem { key: name.into(), found: None, origin: "file".into(), advice }] }
}
