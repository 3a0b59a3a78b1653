//! A mail server that only the test knows.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{PASSWORD, cheap, clock};
use blegram_auth::{
    Auth, Config, Device, Error, LoggedIn, Mailer, NewPassword, OutgoingMail, SendError, SignUp,
};
use blegram_domain::{
    Clock, EmailAddress, FixedClock, Job, Timestamp, Username,
    job::{FeatureJob, MailJob},
};
use blegram_persistence::{
    jobs,
    testing::{Backend, TestDatabase},
};

/// Accepts mails, or fails with the next of `failures`.
#[derive(Default)]
pub(crate) struct Mailbox {
    mails: Mutex<Vec<OutgoingMail>>,
    failures: Mutex<Vec<SendError>>,
    loses_answers: AtomicBool,
}

impl Mailer for Mailbox {
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>> {
        Box::pin(async move {
            if let Some(failure) = self.failures.lock().unwrap().pop() {
                return Err(failure);
            }
            self.mails.lock().unwrap().push(mail.clone());
            match self.loses_answers.swap(false, Ordering::Relaxed) {
                true => Err(SendError::Temporary("the answer was lost".to_owned())),
                false => Ok(()),
            }
        })
    }
}

/// A site that sends mail.
pub(crate) struct Site {
    pub(crate) database: TestDatabase,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) auth: Auth,
    mailbox: Arc<Mailbox>,
}

impl Site {
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, cheap()).await
    }

    pub(crate) async fn with(backend: Backend, config: Config) -> Self {
        let (database, clock, mailbox) = (TestDatabase::new(backend).await, clock(), Arc::default());
        let config = Config { sends_mail: true, pages_url: "https://site.example".to_owned(), ..config };
        let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, config).unwrap();
        let auth = auth.with_mailer(Arc::clone(&mailbox) as Arc<dyn Mailer>);
        Self { database, clock, auth, mailbox }
    }

    /// The next mail will not be sent.
    pub(crate) fn fail_next(&self, error: SendError) {
        self.mailbox.failures.lock().unwrap().push(error);
    }

    /// The next mail will be sent, but this server does not learn it.
    pub(crate) fn lose_next_answer(&self) {
        self.mailbox.loses_answers.store(true, Ordering::Relaxed);
    }

    /// Runs the jobs that send mails, each once, and returns the errors of those that have to be retried.
    pub(crate) async fn run_jobs(&self) -> Vec<Error> {
        let mut errors = Vec::new();
        let now = self.clock.now();
        loop {
            let tx = self.database.db().write().await.unwrap();
            let taken = jobs::take(&tx, MailJob::KINDS, now, now + Duration::from_secs(60)).await.unwrap();
            tx.commit().await.unwrap();
            let Some(job) = taken else { return errors };
            let parsed = Job::parse(&job.kind, &job.subject).unwrap().by_feature();
            let FeatureJob::Mail(MailJob::SendMail(id)) = parsed else { panic!("{job:?}") };
            match self.auth.send_mail(id).await {
                Ok(()) => {
                    let tx = self.database.db().write().await.unwrap();
                    jobs::delete(&tx, &job).await.unwrap();
                    tx.commit().await.unwrap();
                }
                Err(error) => errors.push(error),
            }
        }
    }

    /// The mails that were sent since the last call.
    pub(crate) async fn mails(&self) -> Vec<OutgoingMail> {
        assert!(self.run_jobs().await.is_empty());
        self.take_mails()
    }

    /// The mails that were sent since the last call, without running jobs.
    pub(crate) fn take_mails(&self) -> Vec<OutgoingMail> {
        std::mem::take(&mut self.mailbox.mails.lock().unwrap())
    }

    /// The only mail that was sent since the last call.
    pub(crate) async fn mail(&self) -> OutgoingMail {
        let mut mails = self.mails().await;
        assert_eq!(mails.len(), 1, "{mails:#?}");
        mails.remove(0)
    }

    /// The recipients and subjects of the mails that were sent since the last call.
    pub(crate) async fn subjects(&self) -> Vec<(String, String)> {
        let mails = self.mails().await;
        mails.into_iter().map(|mail| (mail.to.as_str().to_owned(), mail.subject)).collect()
    }

    pub(crate) async fn sign_up(&self, name: &str, email: Option<&str>) -> LoggedIn {
        self.sign_up_from(name, email, Device::default()).await
    }

    pub(crate) async fn sign_up_from(&self, name: &str, email: Option<&str>, device: Device) -> LoggedIn {
        let sign_up = SignUp {
            username: Username::parse(name).unwrap(),
            password: NewPassword::parse(PASSWORD, &[]).unwrap(),
            display_name: None,
            email: email.map(address),
            device,
        };
        self.auth.sign_up(sign_up).await.unwrap()
    }

    /// Signs up with an address, and verifies it.
    pub(crate) async fn verified(&self, name: &str, email: &str) -> LoggedIn {
        let logged_in = self.sign_up(name, Some(email)).await;
        let token = token_in(&self.mail().await);
        self.auth.verify_email(&token).await.unwrap();
        logged_in
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

/// The token of the link in a mail.
pub(crate) fn token_in(mail: &OutgoingMail) -> String {
    let rest = mail.text.split("token=").nth(1).unwrap_or_else(|| panic!("no token: {}", mail.text));
    rest.split_whitespace().next().unwrap().to_owned()
}
