//! Every setting: `defaults < blegram.toml < .env (development) < environment`.
//!
//! Loading is a pure function of its [`Inputs`]; only [`Config::read`] touches the machine. All problems are
//! reported at once, each with the key, where it came from, what is expected and an example.
//!
//! To add a setting, add a line to `config/sections.rs`, then run the tests and commit the pages they name.

mod dotenv;
mod error;
mod kubernetes;
mod layers;
mod reference;
mod rules;
mod sections;
mod value;
mod words;

use std::{collections::BTreeMap, io, net::SocketAddr, path::Path};

use blegram_media::{Location, S3};

pub use self::{
    error::{Error, Problem},
    reference::{env_example, markdown},
    sections::{Accounts, Database, Gateway, Limits, Listener, Log, Media, Rate, Secrets, Server},
    value::{Backend, DatabaseUrl, LogFilter, Origin, Secret, SecretKey, StorageUrl},
    words::{LogFormat, Profile, Registration},
};
use self::{
    layers::{Effective, Layers},
    sections::{Root, Section},
    value::{Shape, items},
};

/// The file read when nobody names one; it need not exist.
const DEFAULT_FILE: &str = "blegram.toml";

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// How strict the rules are.
    pub profile: Profile,
    /// Addresses, origins, proxies, files.
    pub server: Server,
    /// What one client may take of the listener.
    pub listener: Listener,
    /// Where the data is; see also [`Config::database_url`].
    pub database: Database,
    /// Accounts, passwords and sessions.
    pub accounts: Accounts,
    /// Images; see also [`Config::media_location`].
    pub media: Media,
    /// Live connections.
    pub gateway: Gateway,
    /// How often something may be tried.
    pub limits: Limits,
    /// Keys.
    pub secrets: Secrets,
    /// What is logged, and how.
    pub log: Log,
    effective: Vec<Effective>,
    ignored: Vec<String>,
}

/// Everything that a configuration depends on.
pub struct Inputs<'a> {
    /// The file's name, for messages, and its text.
    pub file: Option<(&'a str, &'a str)>,
    /// The environment; names without the prefix `BLEGRAM_` are ignored.
    pub env: &'a BTreeMap<String, String>,
    /// The text of `.env`; ignored in production.
    pub dotenv: Option<&'a str>,
    /// Reads the file that a variable ending in `_FILE` names.
    pub read_secret: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Config {
    /// Merges the layers, parses each value and checks the rules between them.
    ///
    /// # Errors
    /// All problems found. Rules between settings are only checked once each setting is valid by itself.
    pub fn load(inputs: &Inputs<'_>) -> Result<Self, Error> {
        let mut layers = Layers::new(inputs);
        derive_defaults(&mut layers);
        let config = Self::from_layers(&mut layers);
        let mut problems = layers.problems;
        problems.extend(config.as_ref().map(rules::broken).unwrap_or_default());
        config.filter(|_| problems.is_empty()).ok_or(Error { problems })
    }

    fn from_layers(layers: &mut Layers) -> Option<Self> {
        // All are read before any `?`, so that one bad section does not hide the next.
        let root = Root::read(layers);
        let (server, listener) = (Server::read(layers), Listener::read(layers));
        let (database, accounts) = (Database::read(layers), Accounts::read(layers));
        let (media, gateway) = (Media::read(layers), Gateway::read(layers));
        let (limits, secrets, log) = (Limits::read(layers), Secrets::read(layers), Log::read(layers));
        Some(Self {
            profile: root?.profile,
            server: server?,
            listener: listener?,
            database: database?,
            accounts: accounts?,
            media: media?,
            gateway: gateway?,
            limits: limits?,
            secrets: secrets?,
            log: log?,
            effective: std::mem::take(&mut layers.effective),
            ignored: std::mem::take(&mut layers.ignored),
        })
    }

    /// Reads the file, `.env` and the environment of this process, then [`Config::load`]s them.
    ///
    /// # Errors
    /// As [`Config::load`]; also when `path` is given, or `.env` is there, and cannot be read.
    pub fn read(path: Option<&Path>) -> Result<Self, Error> {
        let file =
            path.map_or_else(|| optional(DEFAULT_FILE.as_ref()), |it| std::fs::read_to_string(it).map(Some));
        let name = path.map_or_else(|| DEFAULT_FILE.into(), |it| it.display().to_string());
        let text = file.map_err(|error| unreadable(&name, &error))?;
        let dotenv = optional(".env".as_ref()).map_err(|error| unreadable(".env", &error))?;
        Self::load(&Inputs {
            file: text.as_deref().map(|text| (name.as_str(), text)),
            env: &environment(),
            dotenv: dotenv.as_deref(),
            read_secret: &|path| std::fs::read_to_string(path),
        })
    }

    /// The configured database, or the embedded one in the data folder.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        let embedded = || DatabaseUrl::sqlite(&self.server.data_dir.join(crate::data_folder::DATABASE));
        self.database.url.clone().unwrap_or_else(embedded)
    }

    /// Where images are: as configured, or in the data folder.
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

    /// The address that people use, without a slash at the end.
    #[must_use]
    pub fn site(&self) -> String {
        self.server.public_url.as_str().trim_end_matches('/').to_owned()
    }

    /// Logs which variables were ignored. Called once the log works.
    pub fn log_ignored(&self) {
        if !self.ignored.is_empty() {
            tracing::debug!(
                variables = self.ignored.join(" "),
                "variables of Kubernetes services are ignored"
            );
        }
    }

    /// What is in effect, as TOML, each line with its origin. Secrets are redacted.
    #[must_use]
    pub fn show(&self) -> String {
        let mut page = String::new();
        let mut section = "";
        for line in &self.effective {
            if line.setting.section != section {
                section = line.setting.section;
                page.push_str(&format!("\n[{section}]\n"));
            }
            page.push_str(&shown(line));
        }
        page
    }
}

/// Missing ones are refused before this, by the rules.
fn secret(secret: Option<&Secret>) -> secrecy::SecretString {
    secret.map(Secret::secret).unwrap_or_default()
}

fn shown(line: &Effective) -> String {
    let (name, source) = (line.setting.name, &line.source);
    let Some(text) = &line.text else { return format!("# {name} is not set\n") };
    let value = match line.setting.shape {
        Shape::Bare => text.clone(),
        Shape::Text => format!("{text:?}"),
        // A comment, so that the page can be read back.
        Shape::Secret => return format!("{:<50} # {source}\n", format!("# {name} = {text}")),
        Shape::List => format!("{:?}", items(text).collect::<Vec<_>>()),
    };
    format!("{:<50} # {source}\n", format!("{name} = {value}"))
}

/// Defaults that depend on other settings or on the machine.
fn derive_defaults(layers: &mut Layers) {
    // A listen address that is refused must not also be blamed for a URL nobody wrote.
    let listen = layers.text("server.listen").and_then(|it| it.parse::<SocketAddr>().ok());
    layers.derive("server.public_url", listen.map_or("http://localhost".into(), |it| format!("http://{it}")));
    layers.derive("accounts.hash_threads", blegram_auth::Config::default().hash_threads.to_string());
    layers.derive("media.threads", blegram_media::Config::default().threads.to_string());
    let is_production = layers.text("profile").as_deref() == Some("production");
    derive_signup_from_loopback(layers, is_production);
    layers.derive("log.format", if is_production { "json" } else { "pretty" });
}

/// Whoever develops signs up again and again, from one address. What an operator set holds there too.
fn derive_signup_from_loopback(layers: &mut Layers, is_production: bool) {
    const TIMES: u32 = 20;
    let (burst, period) = ("limits.signup_per_address.burst", "limits.signup_per_address.per_seconds");
    let is_wide = !is_production && !layers.is_set(burst) && !layers.is_set(period);
    let times = if is_wide { TIMES } else { 1 };
    // A value that is not a number is refused under its own key.
    let number = |key| layers.text(key).and_then(|text| text.parse::<u32>().ok()).unwrap_or(1);
    let (burst, period) = (number(burst).saturating_mul(times).max(1), number(period).max(1));
    layers.derive("limits.signup_from_loopback.burst", burst.to_string());
    layers.derive("limits.signup_from_loopback.per_seconds", period.to_string());
}

fn environment() -> BTreeMap<String, String> {
    // A name or value that is not Unicode would make `vars` panic; here it is refused by its parser instead.
    let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
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
