//! Passwords: rules for new ones (ASVS 6.2), and argon2id on a bounded thread pool.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_cpu_pool::{CpuPool, Priority, Work};
use blegram_domain::Violation;
use blegram_limits::Subject;
use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;
use zxcvbn::{Score, zxcvbn};

use crate::{Error, Result, token::random_bytes};

/// A new password: 10 to 128 code points, and not easy to guess.
#[derive(Debug, Clone)]
pub struct NewPassword(SecretString);

/// The number of characters whose strength is estimated: a strong beginning makes the whole password strong. The cost
/// of the estimate grows faster than the length, and it runs on a thread that serves requests.
const ESTIMATED_CHARS: usize = 32;

impl NewPassword {
    /// The smallest number of code points.
    pub const MIN_CHARS: usize = 10;
    /// The largest number of code points.
    pub const MAX_CHARS: usize = 128;

    /// Normalises `raw` to NFC, so that composed and decomposed Hangul are the same password; never trims. `known` is
    /// what an attacker may know about the user: names, addresses.
    ///
    /// # Errors
    /// [`Violation::TooShort`], [`Violation::TooLong`] or [`Violation::WeakPassword`].
    pub fn parse(raw: &str, known: &[&str]) -> Result<Self, Violation> {
        let password: String = raw.nfc().collect();
        let chars = password.chars().count();
        if chars < Self::MIN_CHARS {
            return Err(Violation::TooShort { min: Self::MIN_CHARS });
        }
        if chars > Self::MAX_CHARS {
            return Err(Violation::TooLong { max: Self::MAX_CHARS, unit: "characters" });
        }
        let password = Self(password.into());
        password.validate(known)?;
        Ok(password)
    }

    /// Generates an unguessable password of 144 random bits, to be stored in a password manager.
    pub fn generate() -> Self {
        Self(URL_SAFE_NO_PAD.encode(&random_bytes()[..18]).into())
    }

    /// The password, for its owner only.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Estimates the strength against an attacker who has the `known` data about the user.
    pub(crate) fn validate(&self, known: &[&str]) -> Result<(), Violation> {
        let known: Vec<&str> = known.iter().copied().chain(["blegram"]).collect();
        let prefix: String = self.0.expose_secret().chars().take(ESTIMATED_CHARS).collect();
        if zxcvbn(&prefix, &known).score() < Score::Three {
            return Err(Violation::WeakPassword(
                "is too easy to guess; use a few unrelated words, without your name or common passwords",
            ));
        }
        Ok(())
    }
}

/// A password entered for a login; only its size is limited.
#[derive(Debug, Clone)]
pub struct EnteredPassword(SecretString);

impl EnteredPassword {
    /// The largest number of bytes as sent: more than any accepted password has in any normal form.
    pub const MAX_BYTES: usize = 4096;

    /// Normalises `raw` like [`NewPassword::parse`].
    ///
    /// # Errors
    /// [`Violation::TooLong`].
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        if raw.len() > Self::MAX_BYTES {
            return Err(Violation::TooLong { max: Self::MAX_BYTES, unit: "bytes" });
        }
        Ok(Self(raw.nfc().collect::<String>().into()))
    }
}

impl From<NewPassword> for EnteredPassword {
    fn from(password: NewPassword) -> Self {
        Self(password.0)
    }
}

/// The cost of one password hash: argon2id (RFC 9106). The defaults are those of OWASP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Degree of parallelism (lanes).
    pub parallelism: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// The result of a password check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, with a new hash at the configured cost.
    RightButOutdated(String),
}

/// Hashes passwords on a few dedicated threads. Hashing is slow and memory-hungry by design: it must not block other
/// requests, queue without limit, or compete with them for every core.
#[derive(Clone)]
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    cpu_pool: CpuPool<Subject>,
    /// Verified when there is no hash, so that the response takes the same time.
    dummy: Arc<str>,
}

impl Hasher {
    pub(crate) fn new(cost: PasswordCost, threads: usize, queue: usize) -> Result<Self> {
        let params =
            Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None).map_err(hashing)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // Built rather than computed: verifying it costs the same as a real hash, and no password matches its output.
        let PasswordCost { memory_kib, iterations, parallelism } = cost;
        let (salt, output) = ("A".repeat(22), "A".repeat(43));
        let dummy =
            format!("$argon2id$v=19$m={memory_kib},t={iterations},p={parallelism}${salt}${output}").into();
        let cpu_pool = CpuPool::new("hash", Priority::Interactive, threads, queue).map_err(hashing)?;
        Ok(Self { argon2, cpu_pool, dummy })
    }

    pub(crate) fn pool(&self) -> &CpuPool<Subject> {
        &self.cpu_pool
    }

    pub(crate) async fn hash(&self, password: NewPassword, work: Work<Subject>) -> Result<String> {
        let argon2 = self.argon2.clone();
        self.run(work, move || hash(&argon2, &password.0)).await
    }

    /// Verifies `password` against `phc`; without one, takes the same time and returns [`Verdict::Wrong`].
    pub(crate) async fn verify(
        &self,
        password: EnteredPassword,
        phc: Option<String>,
        work: Work<Subject>,
    ) -> Result<Verdict> {
        let (argon2, dummy) = (self.argon2.clone(), Arc::clone(&self.dummy));
        self.run(work, move || {
            let has_hash = phc.is_some();
            let verdict = verify(&argon2, &password.0, phc.as_deref().unwrap_or(&dummy))?;
            Ok(if has_hash { verdict } else { Verdict::Wrong })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: Work<Subject>,
        run: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.cpu_pool.run(work, run).await.map_err(|error| match error {
            blegram_cpu_pool::Error::Full { retry_after }
            | blegram_cpu_pool::Error::ShareFull { retry_after } => Error::Overloaded(retry_after),
            blegram_cpu_pool::Error::Panicked => hashing(error),
        })?
    }
}

fn hash(argon2: &Argon2<'_>, password: &SecretString) -> Result<String> {
    let hash: PasswordHash = argon2.hash_password(password.expose_secret().as_bytes()).map_err(hashing)?;
    Ok(hash.to_string())
}

fn verify(argon2: &Argon2<'_>, password: &SecretString, phc: &str) -> Result<Verdict> {
    let stored = PasswordHash::new(phc).map_err(hashing)?;
    if argon2.verify_password(password.expose_secret().as_bytes(), &stored).is_err() {
        return Ok(Verdict::Wrong);
    }
    let is_current = Params::try_from(&stored).is_ok_and(|params| same_cost(&params, argon2.params()));
    Ok(if is_current { Verdict::Right } else { Verdict::RightButOutdated(hash(argon2, password)?) })
}

fn same_cost(a: &Params, b: &Params) -> bool {
    (a.m_cost(), a.t_cost(), a.p_cost()) == (b.m_cost(), b.t_cost(), b.p_cost())
}

fn hashing(error: impl std::fmt::Display) -> Error {
    Error::Hashing(error.to_string())
}

#[cfg(test)]
mod tests {
    use blegram_limits::Network;

    use super::*;

    fn work() -> Work<Subject> {
        Work::of(Subject::Network(Network::around([192, 0, 2, 1].into())))
    }

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 64, iterations: 1, parallelism: 1 };

    #[test]
    fn new_password_must_be_long_and_hard_to_guess() {
        assert!(NewPassword::parse("correct horse battery", &[]).is_ok());
        assert!(NewPassword::parse("노을이 지는 제주 바다", &[]).is_ok());
        assert_eq!(NewPassword::parse("x7#kQ!2w", &[]).unwrap_err(), Violation::TooShort { min: 10 });
        let long = "correct horse ".repeat(10);
        assert_eq!(
            NewPassword::parse(&long, &[]).unwrap_err(),
            Violation::TooLong { max: 128, unit: "characters" }
        );
        for weak in ["password12", "1234567890", "qwertyuiop", "aaaaaaaaaaaa", "blegram2026"] {
            assert!(matches!(NewPassword::parse(weak, &[]), Err(Violation::WeakPassword(_))), "{weak}");
        }
        assert!(NewPassword::parse("annabellelee", &["annabellelee"]).is_err());
    }

    #[tokio::test]
    async fn password_matches_in_composed_and_decomposed_hangul() {
        let hasher = Hasher::new(CHEAP, 1, 0).unwrap();
        let phc =
            hasher.hash(NewPassword::parse("한글 암호는 길고 길다", &[]).unwrap(), work()).await.unwrap();
        let decomposed: String = "한글 암호는 길고 길다".nfd().collect();
        let password = EnteredPassword::parse(&decomposed).unwrap();
        assert_eq!(hasher.verify(password, Some(phc), work()).await.unwrap(), Verdict::Right);
    }

    #[tokio::test]
    async fn password_hash_with_outdated_cost_is_renewed() {
        let password = || EnteredPassword::parse("correct horse battery").unwrap();
        let phc = hash(&Hasher::new(CHEAP, 1, 0).unwrap().argon2, &password().0).unwrap();
        let hasher = Hasher::new(PasswordCost { iterations: 2, ..CHEAP }, 1, 0).unwrap();
        let Verdict::RightButOutdated(renewed) = hasher.verify(password(), Some(phc), work()).await.unwrap()
        else {
            panic!("expected an outdated cost");
        };
        assert_eq!(hasher.verify(password(), Some(renewed), work()).await.unwrap(), Verdict::Right);
    }

    #[tokio::test]
    async fn password_without_hash_never_matches() {
        let hasher = Hasher::new(CHEAP, 1, 0).unwrap();
        let password = EnteredPassword::parse("any password").unwrap();
        assert_eq!(hasher.verify(password, None, work()).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn hashing_beyond_the_queue_is_rejected() {
        let hasher = Hasher::new(CHEAP, 1, 1).unwrap();
        let (release, blocker) = std::sync::mpsc::channel::<()>();
        // Ends when the other end is dropped.
        let mut running = Box::pin(hasher.cpu_pool.run(work(), move || blocker.recv().is_err()));
        let verify = || hasher.verify(EnteredPassword::parse("x").unwrap(), None, work());
        let mut waiting = Box::pin(verify());
        assert!(is_pending(&mut running) && is_pending(&mut waiting));
        assert!(matches!(verify().await, Err(Error::Overloaded(_))));
        drop(release);
        assert!(running.await.unwrap());
        assert_eq!(waiting.await.unwrap(), Verdict::Wrong);
    }

    fn is_pending<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut context).is_pending()
    }
}
