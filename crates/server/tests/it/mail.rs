//! Mails on their way: the message, SMTP with a real server, the files of development, and the queue in between.

use std::{sync::Arc, time::Duration};

use blegram::{
    config::MailTls,
    jobs::Runner,
    mail::{FolderMailer, SmtpMailer, SmtpSettings, message},
};
use blegram_auth::{
    Auth, Config, Device, Mailer, NewPassword, OutgoingMail, PasswordCost, SendError, SignUp,
};
use blegram_domain::{Clock, EmailAddress, FixedClock, Job, MailId, Timestamp, Username};
use blegram_media::Media;
use blegram_persistence::{
    jobs,
    testing::{Backend, TestDatabase},
};
use blegram_social::Social;
use lettre::{message::Mailbox, transport::smtp::authentication::Credentials};
use proptest::prelude::*;
use rstest_reuse::apply;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    both_databases,
    client::in_time,
    smtp_server::{Encryption, Received, SmtpServer},
};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn sender() -> Mailbox {
    "블레그램 <noreply@blegram.example>".parse().unwrap()
}

fn mail() -> OutgoingMail {
    let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
    OutgoingMail {
        id: MailId::generate(now),
        to: EmailAddress::parse("ann@예시.한국").unwrap(),
        to_name: Some("김민수 \"앤\" <b@example.com>".to_owned()),
        subject: "[blegram] 비밀번호 재설정 / Reset your password".to_owned(),
        text: "안녕하세요\n\n.\nhttps://site.example/reset-password?lang=ko&token=ble_x\n".to_owned(),
        html: "<!DOCTYPE html><p>안녕하세요</p>".to_owned(),
        created_at: now,
    }
}

fn settings(server: &SmtpServer, tls: MailTls) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: server.address.port(),
        tls,
        credentials: None,
        timeout: Duration::from_secs(5),
        ca: (tls != MailTls::None).then(|| server.ca.clone()),
    }
}

fn headers(text: &str) -> Vec<(String, String)> {
    // Continued lines belong to the header before them.
    let unfolded = text.replace("\r\n", "\n").replace("\n ", " ");
    let head = unfolded.split("\n\n").next().unwrap().to_owned();
    head.lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

fn header(text: &str, name: &str) -> String {
    let all = headers(text);
    let mut found = all.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    let value = found.next().unwrap_or_else(|| panic!("no {name}: {all:?}")).1.clone();
    assert!(found.next().is_none(), "several {name}: {all:?}");
    value
}

#[test]
fn message_has_the_headers_of_an_automatic_mail() {
    let mail = mail();
    let message = message(&mail, &sender()).unwrap();
    let text = String::from_utf8(message.formatted()).unwrap();
    assert!(text.is_ascii(), "{text}");
    assert_eq!(header(&text, "Message-ID"), format!("<{}@blegram.example>", mail.id));
    assert_eq!(header(&text, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&text, "Date"), "Mon, 21 Sep 2026 14:13:20 +0000");
    assert_eq!(header(&text, "MIME-Version"), "1.0");
    assert!(header(&text, "Content-Type").starts_with("multipart/alternative; "), "{text}");
    assert!(header(&text, "To").ends_with("<ann@xn--vv4b11d.xn--3e0b707e>"), "{text}");
    assert!(
        text.contains("Content-Type: text/plain; charset=utf-8")
            && text.contains("Content-Type: text/html; charset=utf-8")
    );
    let recipients: Vec<String> = message.envelope().to().iter().map(ToString::to_string).collect();
    assert_eq!(recipients, ["ann@xn--vv4b11d.xn--3e0b707e"]);
    // Attempts of one mail are recognisably the same mail.
    let again = self::message(&mail, &sender()).unwrap().formatted();
    assert_eq!(header(&String::from_utf8(again).unwrap(), "Message-ID"), header(&text, "Message-ID"));
}

proptest! {
    // Nothing in a mail adds a header, a recipient or a part, whatever it consists of.
    #[test]
    fn text_cannot_inject_headers(name in "\\PC{0,40}|.{0,40}|[\r\n<>\",:;@ a-zé한]{0,40}", subject in ".{0,200}|[\r\nBc: @a-z]{0,80}", text in ".{0,200}|[\r\n.\\-a-z]{0,80}") {
        let crafted = OutgoingMail {
            to_name: Some(format!("{name}\r\nBcc: thief@example.com")),
            subject: format!("{subject}\nBcc: thief@example.com\r\n\r\nbody"),
            text: format!("{text}\r\n.\r\nMAIL FROM:<x@y.z>"),
            ..mail()
        };
        let message = message(&crafted, &sender()).unwrap();
        let formatted = String::from_utf8(message.formatted()).unwrap();
        prop_assert!(formatted.lines().all(|line| line.len() <= 998), "{formatted}");
        let mut names: Vec<String> = headers(&formatted).into_iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        prop_assert_eq!(
            names,
            ["auto-submitted", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"]
        );
        prop_assert_eq!(message.envelope().to().len(), 1);
    }
}

async fn send(server: &SmtpServer, settings: SmtpSettings) -> Result<Received, SendError> {
    let mailer = SmtpMailer::new(settings, sender()).unwrap();
    mailer.send(&mail()).await?;
    let mut received = server.take();
    assert_eq!(received.len(), 1);
    Ok(received.remove(0))
}

#[tokio::test]
async fn mail_is_sent_over_each_kind_of_connection() {
    for (encryption, tls) in [
        (Encryption::None, MailTls::None),
        (Encryption::StartTls, MailTls::StartTls),
        (Encryption::Tls, MailTls::Tls),
    ] {
        let server = SmtpServer::start(encryption).await;
        let received = send(&server, settings(&server, tls)).await.unwrap();
        assert_eq!(received.is_encrypted, tls != MailTls::None, "{encryption:?}");
        assert_eq!(
            (received.from.as_str(), received.to.as_str()),
            ("noreply@blegram.example", "ann@xn--vv4b11d.xn--3e0b707e")
        );
        assert_eq!(header(&received.data, "Auto-Submitted"), "auto-generated");
    }
}

#[tokio::test]
async fn server_without_a_trusted_certificate_gets_no_mail() {
    for (encryption, tls) in [(Encryption::StartTls, MailTls::StartTls), (Encryption::Tls, MailTls::Tls)] {
        let server = SmtpServer::start(encryption).await;
        let other = SmtpServer::start(encryption).await;
        let settings = SmtpSettings { ca: Some(other.ca.clone()), ..settings(&server, tls) };
        let sent = send(&server, settings).await;
        assert!(matches!(sent, Err(SendError::Temporary(_))), "{sent:?}");
        assert!(server.take().is_empty());
    }
}

#[tokio::test]
async fn server_that_does_not_offer_starttls_gets_no_mail() {
    let server = SmtpServer::start(Encryption::None).await;
    let sent = send(&server, settings(&server, MailTls::StartTls)).await;
    assert!(matches!(sent, Err(SendError::Temporary(_))), "{sent:?}");
    assert!(server.take().is_empty());
}

#[tokio::test]
async fn server_may_require_a_login() {
    let server = SmtpServer::start(Encryption::StartTls).await;
    server.require_password("right");
    let with = |password: &str| SmtpSettings {
        credentials: Some(Credentials::new("blegram".to_owned(), password.to_owned())),
        ..settings(&server, MailTls::StartTls)
    };
    let received = send(&server, with("right")).await.unwrap();
    assert_eq!(received.credentials, Some(("blegram".to_owned(), "right".to_owned())));
    // The operator corrects it while the mails wait, although the server's answer is a permanent one.
    for settings in [with("wrong"), settings(&server, MailTls::StartTls)] {
        let sent = send(&server, settings).await;
        assert!(matches!(sent, Err(SendError::Temporary(_))), "{sent:?}");
    }
}

#[tokio::test]
async fn answers_of_the_server_decide_about_retries() {
    let server = SmtpServer::start(Encryption::None).await;
    for (answer, is_final) in [
        ("421 4.3.2 shutting down", false),
        ("450 4.2.1 mailbox busy", false),
        ("452 4.3.1 insufficient storage", false),
        ("550 5.1.1 no such user", true),
        ("552 5.2.2 mailbox full", true),
        ("554 5.7.1 rejected as spam", true),
        ("500 5.5.1 unknown command", false),
    ] {
        server.answer_next(answer);
        match send(&server, settings(&server, MailTls::None)).await {
            Err(SendError::Rejected(reason)) => assert!(is_final, "{answer}: {reason}"),
            Err(SendError::Temporary(reason)) => assert!(!is_final, "{answer}: {reason}"),
            Ok(_) => panic!("{answer}"),
        }
    }
    send(&server, settings(&server, MailTls::None)).await.unwrap();
}

#[tokio::test]
async fn unreachable_and_silent_servers_fail_in_time() {
    let server = SmtpServer::start(Encryption::None).await;
    let closed = SmtpSettings { port: 1, ..settings(&server, MailTls::None) };
    assert!(matches!(send(&server, closed).await, Err(SendError::Temporary(_))));
    server.fall_silent();
    let hasty = SmtpSettings { timeout: Duration::from_millis(200), ..settings(&server, MailTls::None) };
    assert!(matches!(send(&server, hasty).await, Err(SendError::Temporary(_))));
}

#[tokio::test]
async fn local_part_in_unicode_needs_a_server_that_accepts_it() {
    let server = SmtpServer::start(Encryption::None).await;
    let unicode = OutgoingMail { to: EmailAddress::parse("민수@example.com").unwrap(), ..mail() };
    let mailer = || SmtpMailer::new(settings(&server, MailTls::None), sender()).unwrap();
    mailer().send(&unicode).await.unwrap();
    assert_eq!(server.take()[0].to, "민수@example.com");
    server.speak_ascii_only();
    assert!(matches!(mailer().send(&unicode).await, Err(SendError::Rejected(_))));
}

/// A site whose mails go to an SMTP server.
struct Site {
    database: TestDatabase,
    clock: Arc<FixedClock>,
    auth: Auth,
}

impl Site {
    async fn new(backend: Backend, settings: SmtpSettings) -> Self {
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(1_790_000_000_000_000).unwrap()));
        let database = TestDatabase::new(backend).await;
        let config = Config {
            password_cost: PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 },
            sends_mail: true,
            ..Config::default()
        };
        let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, config).unwrap();
        let auth = auth.with_mailer(Arc::new(SmtpMailer::new(settings, sender()).unwrap()));
        Self { database, clock, auth }
    }

    async fn sign_up(&self, name: &str) {
        let sign_up = SignUp {
            username: Username::parse(name).unwrap(),
            password: NewPassword::parse("small room with a sea view", &[]).unwrap(),
            display_name: None,
            email: Some(EmailAddress::parse(&format!("{name}@example.com")).unwrap()),
            device: Device::default(),
        };
        self.auth.sign_up(sign_up).await.unwrap();
    }

    async fn run_jobs(&self) -> usize {
        self.runner().run_due().await.unwrap()
    }

    fn runner(&self) -> Runner {
        let (db, time) = (self.database.db().clone(), Arc::clone(&self.clock) as Arc<dyn Clock>);
        let media = Media::new(db.clone(), Arc::clone(&time), blegram_media::Config::default()).unwrap();
        let social = Social::new(db.clone(), Arc::clone(&time));
        Runner::new(db, time, self.auth.clone(), social, media, CancellationToken::new())
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn mail_waits_while_the_server_is_down_and_is_delivered_once(#[case] backend: Backend) {
    let server = SmtpServer::start(Encryption::None).await;
    let (address, settings) = (server.address, settings(&server, MailTls::None));
    drop(server);
    let site = Site::new(backend, settings).await;
    site.sign_up("ann").await;
    for _ in 0..4 {
        assert_eq!(site.run_jobs().await, 1);
        assert_eq!(site.run_jobs().await, 0, "waits before the next attempt");
        site.clock.advance(HOUR);
    }
    assert_eq!(site.database.count("mails").await, 1);

    let server = SmtpServer::start_at(address, Encryption::None).await;
    server.answer_next("451 4.3.0 not now");
    assert_eq!(site.run_jobs().await, 1);
    assert!(server.take().is_empty());
    site.clock.advance(HOUR);
    for _ in 0..3 {
        site.run_jobs().await;
        site.clock.advance(HOUR);
    }
    let received = server.take();
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(received[0].to, "ann@example.com");
    assert_eq!((site.database.count("mails").await, site.database.count("jobs").await), (0, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn mail_that_the_server_rejects_is_dropped(#[case] backend: Backend) {
    let server = SmtpServer::start(Encryption::None).await;
    let site = Site::new(backend, settings(&server, MailTls::None)).await;
    site.sign_up("ann").await;
    server.answer_next("550 5.1.1 no such user");
    assert_eq!(site.run_jobs().await, 1);
    assert_eq!((site.database.count("mails").await, site.database.count("jobs").await), (0, 0));
    site.clock.advance(HOUR);
    assert_eq!(site.run_jobs().await, 0);
    assert!(server.take().is_empty());
}

#[apply(both_databases)]
#[tokio::test]
async fn silent_mail_server_does_not_delay_other_jobs(#[case] backend: Backend) {
    let server = SmtpServer::start(Encryption::None).await;
    server.fall_silent();
    let patient = SmtpSettings { timeout: Duration::from_secs(60), ..settings(&server, MailTls::None) };
    let site = Site::new(backend, patient).await;
    let runner = site.runner();
    let mut work = JoinSet::new();
    work.spawn(async move { runner.work().await });
    // As many as could keep all other workers busy.
    for name in ["ann", "bob", "cho"] {
        site.sign_up(name).await;
    }
    let connected = async {
        while server.connections() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(connected).await;
    let tx = site.database.db().write().await.unwrap();
    jobs::insert(&tx, Job::Reindex, site.clock.now(), site.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let done = async {
        while site.database.lines("SELECT kind AS line FROM jobs").await.iter().any(|kind| kind == "reindex")
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(done).await;
    assert_eq!(site.database.count("mails").await, 3);
}

#[tokio::test]
async fn mails_of_development_are_files() {
    use std::os::unix::fs::PermissionsExt;

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("mail");
    let mailer = FolderMailer::new(folder.clone(), sender());
    let mail = mail();
    mailer.send(&mail).await.unwrap();
    mailer.send(&mail).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [folder.join(format!("{}.eml", mail.id))]);
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert_eq!(header(&text, "Auto-Submitted"), "auto-generated");

    std::fs::write(parent.path().join("file"), "").unwrap();
    let blocked = FolderMailer::new(parent.path().join("file"), sender());
    assert!(matches!(blocked.send(&mail).await, Err(SendError::Temporary(_))));
}
