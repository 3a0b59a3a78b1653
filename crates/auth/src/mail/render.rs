//! Makes the text and the HTML of a mail.

use std::time::Duration;

use blegram_domain::{Account, EmailAddress, Language, Timestamp, factor::FactorKind, mail::MailKind};
use blegram_persistence::mails::Mail;
use maud::{DOCTYPE, Markup, html};
use serde::{Deserialize, Serialize};

use super::{
    OutgoingMail,
    texts::{Content, content},
};
use crate::EmailToken;

/// The name of the site, in subjects.
const SITE: &str = "blegram";

/// What the text of a mail needs beside its account, as stored with the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Details {
    Login(LoginDetails),
    Factor(FactorKind),
    None,
}

impl Details {
    fn of(mail: &Mail) -> Self {
        let text = mail.details.as_deref().unwrap_or_default();
        let details = match mail.kind {
            MailKind::NewLogin => serde_json::from_str(text).ok().map(Self::Login),
            MailKind::FactorAdded | MailKind::FactorRemoved => text.parse().ok().map(Self::Factor),
            MailKind::VerifyEmail
            | MailKind::ResetPassword
            | MailKind::PasswordChanged
            | MailKind::PasswordReset
            | MailKind::EmailChanged
            | MailKind::LoginsLimited
            | MailKind::RecoveryCodesCreated
            | MailKind::FactorsReset => None,
        };
        details.unwrap_or(Self::None)
    }
}

/// What a notice of a login says about it. None of it is text that the client chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoginDetails {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    /// The client's network, which is less precise than its address.
    pub(crate) network: Option<String>,
    /// The browser and the operating system, in words of this server.
    pub(crate) device: Option<String>,
}

impl LoginDetails {
    pub(super) fn korean(&self) -> String {
        // Korea has had no daylight saving time since 1988.
        const KOREA: Duration = Duration::from_secs(9 * 60 * 60);
        let at =
            Timestamp::from_micros(self.at).map(|at| format!("시각: {} (한국 시간)", minute(at + KOREA)));
        let device = self.device.as_ref().map(|device| format!("기기: {device}"));
        let network = self.network.as_ref().map(|network| format!("네트워크: {network}"));
        [at, device, network].into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    pub(super) fn english(&self) -> String {
        let at = Timestamp::from_micros(self.at).map(|at| format!("Time: {} UTC", minute(at)));
        let device = self.device.as_ref().map(|device| format!("Device: {device}"));
        let network = self.network.as_ref().map(|network| format!("Network: {network}"));
        [at, device, network].into_iter().flatten().collect::<Vec<_>>().join("\n")
    }
}

/// The instant to the minute, such as `2026-11-29 10:25`.
fn minute(at: Timestamp) -> String {
    at.to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// Renders a mail in the recipient's language or, if that is not known, in all languages.
pub(super) fn render(
    mail: &Mail,
    account: &Account,
    token: Option<&EmailToken>,
    pages_url: &str,
) -> OutgoingMail {
    let details = Details::of(mail);
    let languages = match mail.language {
        Some(language) => vec![language],
        None => Language::ALL.to_vec(),
    };
    let contents: Vec<(Language, Content)> = languages
        .into_iter()
        .map(|language| (language, content(mail.kind, language, account, &details)))
        .collect();
    let subjects: Vec<&str> = contents.iter().map(|(_, content)| content.subject.as_str()).collect();
    let subject = format!("[{SITE}] {}", subjects.join(" / "));
    let url = |language| link(mail.kind, token, pages_url, language);
    let is_verified = mail.kind != MailKind::VerifyEmail;
    OutgoingMail {
        id: mail.id,
        to: recipient(mail, account),
        to_name: is_verified.then(|| account.user.summary.display_name.clone()),
        text: text(&contents, url),
        html: document(&subject, &contents, url).into_string(),
        subject,
        created_at: mail.created_at,
    }
}

/// A request for a new password has the address as it was typed: the mail goes to the address that the owner verified.
fn recipient(mail: &Mail, account: &Account) -> EmailAddress {
    let verified = account.verified_email().filter(|_| mail.kind == MailKind::ResetPassword);
    verified.unwrap_or_else(|| mail.address.clone())
}

/// The page that the link of a mail opens, in the language of the mail.
fn link(kind: MailKind, token: Option<&EmailToken>, pages_url: &str, language: Language) -> String {
    let page = match kind {
        MailKind::VerifyEmail => "verify-email",
        MailKind::ResetPassword
        | MailKind::PasswordChanged
        | MailKind::PasswordReset
        | MailKind::EmailChanged
        | MailKind::NewLogin
        | MailKind::LoginsLimited
        | MailKind::FactorAdded
        | MailKind::FactorRemoved
        | MailKind::RecoveryCodesCreated
        | MailKind::FactorsReset => "reset-password",
    };
    let token = token.map(|token| format!("&token={}", token.expose())).unwrap_or_default();
    format!("{pages_url}/{page}?lang={}{token}", language.as_str())
}

fn text(contents: &[(Language, Content)], url: impl Fn(Language) -> String) -> String {
    let one = |(language, content): &(Language, Content)| {
        let link = content.link.map(|label| format!("{label}:\n{}", url(*language)));
        let paragraphs = content.paragraphs.iter().cloned().chain(link);
        let paragraphs = paragraphs.chain([content.otherwise.to_owned()]);
        paragraphs.collect::<Vec<_>>().join("\n\n")
    };
    let texts: Vec<String> = contents.iter().map(one).collect();
    format!("{}\n\n-- \n{SITE}\n", texts.join("\n\n----\n\n"))
}

// Mail programs ignore style sheets, but not the attribute. Colours are left to the reader's theme, except the button's.
const BODY: &str = "margin:0;padding:24px 16px;font:16px/1.6 system-ui,-apple-system,'Segoe UI','Apple SD Gothic Neo',\
    'Malgun Gothic',sans-serif;word-break:keep-all;overflow-wrap:anywhere";
const COLUMN: &str = "max-width:30rem;margin:0 auto";
const HEADING: &str = "font-size:20px;line-height:1.3;margin:0 0 16px";
const PARAGRAPH: &str = "margin:0 0 16px;white-space:pre-line";
const BUTTON: &str = "display:inline-block;padding:12px 20px;border-radius:8px;background:#4338ca;color:#ffffff;\
    font-weight:600;text-decoration:none";
const SMALL: &str = "margin:0 0 16px;font-size:14px";
const RULE: &str = "border:0;border-top:1px solid #8b8b99;margin:24px 0";

fn document(subject: &str, contents: &[(Language, Content)], url: impl Fn(Language) -> String) -> Markup {
    let first = contents.first().map_or(Language::English, |(language, _)| *language);
    html! {
        (DOCTYPE)
        html lang=(first.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (subject) }
            }
            body style=(BODY) {
                div style=(COLUMN) {
                    @for (at, (language, content)) in contents.iter().enumerate() {
                        @if at > 0 { hr style=(RULE); }
                        div lang=(language.as_str()) { (section(content, &url(*language))) }
                    }
                }
            }
        }
    }
}

fn section(content: &Content, url: &str) -> Markup {
    html! {
        h1 style=(HEADING) { (content.subject) }
        @for paragraph in &content.paragraphs {
            p style=(PARAGRAPH) { (paragraph) }
        }
        @if let Some(label) = content.link {
            p style=(PARAGRAPH) { a href=(url) style=(BUTTON) { (label) } }
        }
        p style=(SMALL) { (content.otherwise) }
    }
}
