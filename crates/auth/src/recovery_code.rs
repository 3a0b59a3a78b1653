//! Recovery codes: each replaces a lost second factor once. They need no e-mail and no operator.

use blegram_domain::{SessionId, UserId, mail::MailKind};
use blegram_persistence::{recovery_codes, sessions::TokenHash, users};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Auth, Error, Result, audit,
    mail::Notice,
    token::{hash, random_bytes},
};

/// The number of codes that an account gets at once.
pub const COUNT: usize = 10;

/// Crockford's Base32: without letters that are read as digits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The number of characters: each has 5 of the 120 random bits (ASVS 6.5.2: from 112 bits, a plain hash is enough).
const CHARS: usize = 24;

/// A recovery code, for its owner only.
#[derive(Debug, Clone)]
pub struct RecoveryCode(SecretString);

impl RecoveryCode {
    fn generate() -> Self {
        let bits = random_bytes().into_iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(byte));
        let digits = (0..CHARS).map(|at| (bits >> (5 * at)) as usize % ALPHABET.len());
        Self(digits.map(|digit| char::from(ALPHABET[digit])).collect::<String>().into())
    }

    /// Parses what a person typed: in any case, with or without hyphens and spaces; O is 0, I and L are 1.
    fn parse(text: &str) -> Option<Self> {
        let chars = text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(CHARS + 1);
        let canonical = chars.map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
        let code: String = canonical.collect();
        let is_known = |c: char| u8::try_from(c).is_ok_and(|c| ALPHABET.contains(&c));
        (code.len() == CHARS && code.chars().all(is_known)).then(|| Self(code.into()))
    }

    fn hash(&self) -> TokenHash {
        hash(self.0.expose_secret())
    }

    /// The code in groups of four characters, as its owner writes it down.
    pub fn expose(&self) -> String {
        let code = self.0.expose_secret();
        let groups: Vec<&str> = (0..CHARS).step_by(4).map(|at| &code[at..at + 4]).collect();
        groups.join("-")
    }
}

/// The stored hash of a code that a person typed; `None` if it cannot be one.
pub(crate) fn parse_hash(text: &str) -> Option<TokenHash> {
    RecoveryCode::parse(text).map(|code| code.hash())
}

impl Auth {
    /// Creates the recovery codes of `actor`, and invalidates the previous ones. They count only while the account has
    /// another second factor.
    ///
    /// # Errors
    /// [`Error::ReauthenticationRequired`] if the last login or reauthentication is not recent; [`Error::SessionEnded`].
    pub async fn create_recovery_codes(
        &self,
        actor: UserId,
        session: SessionId,
    ) -> Result<Vec<RecoveryCode>> {
        let codes: Vec<RecoveryCode> = (0..COUNT).map(|_| RecoveryCode::generate()).collect();
        let hashes: Vec<TokenHash> = codes.iter().map(RecoveryCode::hash).collect();
        let tx = self.db.write().await?;
        let account = users::lock(&tx, actor).await?.ok_or(Error::SessionEnded)?;
        let now = self.clock.now();
        self.require_recent(&tx, session, now).await?;
        recovery_codes::replace(&tx, actor, &hashes).await?;
        self.notify(&tx, &account, Notice::new(MailKind::RecoveryCodesCreated), now).await?;
        let recorded = audit::record(&tx, audit::Kind::RecoveryCodesCreated, actor, now).await?;
        tx.commit().await?;
        recorded.log();
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn recovery_code_is_read_as_people_type_it() {
        let code = RecoveryCode::generate();
        let text = code.expose();
        assert_eq!(text.len(), 29, "{text}");
        let typed = [text.clone(), text.to_lowercase(), text.replace('-', " "), text.replace('-', "")];
        for typed in typed {
            assert_eq!(parse_hash(&typed), Some(code.hash()), "{typed}");
        }
        let misread = text.replace('0', "o").replace('1', "l");
        assert_eq!(parse_hash(&misread), Some(code.hash()), "{misread}");
    }

    #[test]
    fn recovery_code_parsing_rejects_everything_else() {
        let text = RecoveryCode::generate().expose();
        let others = ["", "0", "123456", &text[1..], &format!("{text}0"), &text.replacen('-', "U", 1)];
        for other in others {
            assert!(parse_hash(other).is_none(), "{other}");
        }
        assert!(parse_hash(&"가".repeat(24)).is_none());
    }

    #[test]
    fn recovery_codes_differ() {
        let codes: std::collections::HashSet<_> =
            (0..1000).map(|_| RecoveryCode::generate().hash()).collect();
        assert_eq!(codes.len(), 1000);
    }

    proptest! {
        #[test]
        fn recovery_code_of_any_text_does_not_panic(text in ".{0,60}", like in "[0-9A-Za-z -]{20,32}") {
            parse_hash(&text);
            if let Some(hash) = parse_hash(&like) {
                prop_assert_eq!(parse_hash(&like.to_ascii_lowercase()), Some(hash));
                prop_assert_eq!(parse_hash(&like.replace(['-', ' '], "")), Some(hash));
            }
        }
    }
}
