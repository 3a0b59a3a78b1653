//! Identities: accounts of users at other providers, with which they log in.

use std::{fmt, str::FromStr};

use unicode_normalization::UnicodeNormalization;

use crate::{Timestamp, UserId, Username, Violation, username::is_username_char};

/// The id of a login provider in paths and rows: 1 to 32 of `a`–`z`, digits and `-`, beginning with a letter. It is part
/// of the key of every identity, so it never changes while identities use it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(String);

impl ProviderId {
    /// The largest number of characters.
    pub const MAX_CHARS: usize = 32;

    /// Validates `raw`.
    ///
    /// # Errors
    /// The first rule that the id violates.
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        let is_char = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
        if !raw.starts_with(|c: char| c.is_ascii_lowercase()) || !raw.chars().all(is_char) {
            return Err(Violation::InvalidCharacters(
                "must begin with a letter a-z and contain only letters a-z, digits and '-'",
            ));
        }
        if raw.len() > Self::MAX_CHARS {
            return Err(Violation::TooLong { max: Self::MAX_CHARS, unit: "characters" });
        }
        Ok(Self(raw.to_owned()))
    }

    /// The id as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProviderId {
    type Err = Violation;

    fn from_str(raw: &str) -> Result<Self, Violation> {
        Self::parse(raw)
    }
}

/// The key of an identity. Names and e-mail addresses are never a key: they change hands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityKey {
    /// The provider.
    pub provider: ProviderId,
    /// The provider's id of the user.
    pub subject: String,
}

impl IdentityKey {
    /// The largest number of bytes of a subject (OpenID Connect Core, 2: 255 ASCII characters).
    pub const MAX_SUBJECT_BYTES: usize = 255;
}

/// An identity that is linked to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider and its id of the user.
    pub key: IdentityKey,
    /// The account.
    pub user: UserId,
    /// Another id of the same user, which the provider's notices contain.
    pub alternate_subject: Option<String>,
    /// The user's name at the provider when the identity was linked.
    pub display_name: Option<String>,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// The last login with it.
    pub last_login_at: Option<Timestamp>,
}

impl Username {
    /// Derives a username from a name that a user has elsewhere: characters that a username cannot contain are dropped,
    /// and spaces become dots. `None` if too little is left.
    pub fn suggest(name: &str) -> Option<Self> {
        let mut suggested = String::new();
        for c in name.nfkc().flat_map(char::to_lowercase).nfc() {
            let c = if c.is_whitespace() || c == '-' { '.' } else { c };
            let is_repeated_dot = c == '.' && (suggested.is_empty() || suggested.ends_with('.'));
            if is_username_char(c) && !is_repeated_dot {
                suggested.push(c);
            }
        }
        let cut: String = suggested.chars().take(Self::MAX_CHARS).collect();
        Self::parse(cut.trim_end_matches('.')).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn provider_id_is_short_and_plain() {
        for good in ["kakao", "naver-oauth2", "a", "x2"] {
            assert_eq!(ProviderId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "2a", "Kakao", "a_b", "카카오", "a/b", &"a".repeat(33)] {
            assert!(ProviderId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn username_is_suggested_from_a_nickname() {
        let table = [
            ("Ann Lee", Some("ann.lee")),
            ("하늘 바다", Some("하늘.바다")),
            ("  --Ann--  ", Some("ann")),
            ("★민수★ㅋㅋ씨", Some("민수씨")),
            ("ＡＮＮ", Some("ann")),
            ("a..b", Some("a.b")),
            ("민수", None),
            ("李小龍", None),
            ("", None),
            ("\u{3164}\u{3164}\u{3164}", None),
        ];
        for (name, expected) in table {
            assert_eq!(Username::suggest(name).as_ref().map(Username::as_str), expected, "{name}");
        }
        let long = format!("{}.{}", "a".repeat(29), "b".repeat(9));
        assert_eq!(Username::suggest(&long).unwrap().as_str(), "a".repeat(29));
    }

    proptest! {
        #[test]
        fn suggestion_is_a_username(name in "\\PC*") {
            if let Some(suggested) = Username::suggest(&name) {
                prop_assert_eq!(Username::parse(suggested.as_str()).unwrap(), suggested);
            }
        }
    }
}
