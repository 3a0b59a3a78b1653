//! The settings of mail: the types of their values, and what follows from them.

use std::path::PathBuf;

use lettre::{message::Mailbox, transport::smtp::authentication::Credentials};
use secrecy::ExposeSecret;

use super::{
    Config,
    value::{Secret, Value},
    words::Profile,
};

/// How mails are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailTransport<'a> {
    /// By an SMTP server.
    Smtp(&'a Host),
    /// Not at all: they are written to files.
    Folder(PathBuf),
}

impl Config {
    /// How mails are sent; `None` if the site sends none.
    #[must_use]
    pub fn mail_transport(&self) -> Option<MailTransport<'_>> {
        match (&self.mail.host, &self.mail.folder) {
            (Some(host), _) => Some(MailTransport::Smtp(host)),
            (None, Some(folder)) => Some(MailTransport::Folder(folder.clone())),
            (None, None) if self.profile == Profile::Development => {
                Some(MailTransport::Folder(self.server.data_dir.join(crate::data_folder::MAIL)))
            }
            (None, None) => None,
        }
    }

    /// The sender of mails.
    #[must_use]
    pub fn mail_sender(&self) -> Mailbox {
        let local = || "blegram <noreply@localhost>".parse().expect("a sender");
        self.mail.from.as_ref().map_or_else(local, |from| from.mailbox().clone())
    }

    /// The credentials for the SMTP server, if it requires a login.
    #[must_use]
    pub fn mail_credentials(&self) -> Option<Credentials> {
        let (username, password) = (self.mail.username.as_ref()?, self.mail.password.as_ref()?);
        let expose = |secret: &Secret| secret.secret().expose_secret().to_owned();
        Some(Credentials::new(expose(username), expose(password)))
    }

    /// The URL below which the links in mails are, without a trailing slash.
    #[must_use]
    pub fn pages_url(&self) -> String {
        self.accounts.pages_url.as_str().trim_end_matches('/').to_owned()
    }
}

/// The name or the IP address of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// The host as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether connections to it do not leave this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let address = self.0.parse::<std::net::IpAddr>();
        address.map_or_else(|_| self.0 == "localhost", |address| address.is_loopback())
    }
}

impl Value for Host {
    const EXPECTED: &'static str = "a host name or an IP address, without a port";
    const EXAMPLE: &'static str = "smtp.example.com";

    fn parse(text: &str) -> Option<Self> {
        let is_name = |text: &str| {
            let is_label = |label: &str| {
                !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            };
            text.len() <= 253 && text.split('.').all(is_label)
        };
        let is_host = text.parse::<std::net::IpAddr>().is_ok() || is_name(text);
        is_host.then(|| Self(text.to_ascii_lowercase()))
    }
}

/// The sender of mails: an address, or a name and an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// The sender, for the header of a mail.
    #[must_use]
    pub const fn mailbox(&self) -> &Mailbox {
        &self.0
    }
}

impl Value for Sender {
    const EXPECTED: &'static str = "an e-mail address, or a name and an address in angle brackets";
    const EXAMPLE: &'static str = "blegram <noreply@blegram.example>";

    fn parse(text: &str) -> Option<Self> {
        (!text.chars().any(char::is_control)).then(|| text.parse().ok().map(Self)).flatten()
    }
}
