//! Builds the MIME message of a mail. `lettre` encodes every header, so that no value can add a header or a recipient.

use std::time::{Duration, SystemTime};

use blegram_auth::{OutgoingMail, SendError};
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

/// Builds the message of `mail` from `from`.
///
/// # Errors
/// [`SendError::Rejected`] if the recipient cannot be addressed.
pub fn message(mail: &OutgoingMail, from: &Mailbox) -> Result<Message, SendError> {
    let to = Address::new(mail.to.local_part(), mail.to.ascii_domain());
    let to = to.map_err(|error| SendError::Rejected(format!("the address of the recipient: {error}")))?;
    // A control character in a name would be encoded, but no reader could see it.
    let name = mail.to_name.as_ref().map(|name| name.replace(char::is_control, " "));
    // The same for each attempt, so that readers recognise a mail that was sent twice.
    let id = format!("<{}@{}>", mail.id, from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(name, to))
        .subject(mail.subject.replace(char::is_control, " "))
        .date(date(mail))
        .message_id(Some(id))
        // RFC 3834: no automatic answers.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone()))
        .map_err(|error| SendError::Rejected(format!("the message: {error}")))
}

fn date(mail: &OutgoingMail) -> SystemTime {
    let micros = u64::try_from(mail.created_at.as_micros()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}
