//! Sends mails by SMTP.

use std::{fmt, pin::Pin, time::Duration};

use blegram_auth::{Mailer, OutgoingMail, SendError};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{
        Error, PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use tokio::time::timeout;

use super::message;
use crate::config::MailTls;

/// The longest time for one mail, which must be less than the lease of its job.
const DEADLINE: Duration = Duration::from_secs(45);

/// The largest part of a server's answer in the log.
const MAX_REASON_CHARS: usize = 300;

/// How to reach an SMTP server.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// User name and password.
    pub credentials: Option<Credentials>,
    /// The time limit for each step.
    pub timeout: Duration,
    /// A certificate authority in PEM that is trusted besides those of the system.
    pub ca: Option<Vec<u8>>,
}

/// Without the credentials.
impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Sends mails by an SMTP server, over one connection that stays open for a while.
pub struct SmtpMailer {
    // With a pool: without one, the transport ends each connection, and reports a delivered mail as failed if that fails.
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// Sends mails from `from`. Does not connect yet.
    ///
    /// # Errors
    /// When the certificate authority or the host name is invalid.
    pub fn new(settings: SmtpSettings, from: Mailbox) -> Result<Self, Error> {
        // Fails if another part of the process has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let SmtpSettings { host, port, tls, credentials, timeout, ca } = settings;
        let parameters = || -> Result<TlsParameters, Error> {
            let mut builder = TlsParameters::builder(host.clone());
            if let Some(ca) = &ca {
                builder = builder.add_root_certificate(Certificate::from_pem(ca)?);
            }
            builder.build_rustls()
        };
        let tls = match tls {
            MailTls::StartTls => Tls::Required(parameters()?),
            MailTls::Tls => Tls::Wrapper(parameters()?),
            MailTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(timeout))
            .pool_config(PoolConfig::new().max_size(1));
        if let Some(credentials) = credentials {
            builder = builder.credentials(credentials);
        }
        Ok(Self { transport: builder.build(), from })
    }

    async fn deliver(&self, mail: &OutgoingMail) -> Result<(), SendError> {
        let message = message(mail, &self.from)?;
        match timeout(DEADLINE, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(SendError::Temporary("the SMTP server did not answer in time".to_owned())),
        }
    }
}

/// Whether a mail can be sent later. Only what the server says about the mail or its recipient is final (RFC 5321, 4.2.2):
/// wrong credentials or a command that the server does not know are errors of the configuration, which the operator
/// corrects while the mails wait.
fn classify(error: &Error) -> SendError {
    let reason: String = chain(error).chars().take(MAX_REASON_CHARS).collect();
    let is_rejection = error.status().is_some_and(|code| (550..=559).contains(&u16::from(code)));
    // The transport's own error, without a code: the server cannot send to a local part that is not ASCII.
    let is_unsupported = error.is_client() && reason.contains("SMTPUTF8");
    let is_final = is_rejection || is_unsupported;
    if is_final { SendError::Rejected(reason) } else { SendError::Temporary(reason) }
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    std::iter::once(error.to_string()).chain(sources.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

impl Mailer for SmtpMailer {
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>> {
        Box::pin(self.deliver(mail))
    }
}
