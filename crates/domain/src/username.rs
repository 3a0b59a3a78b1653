//! Usernames: unique names for links and mentions, protected against look-alikes.

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use crate::Violation;

/// 3 to 30 of `a`–`z`, digits, `.`, `_` and precomposed Hangul syllables; no leading, trailing or double dot. Stored
/// and looked up in NFC and lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(String);

impl Username {
    /// The smallest number of characters.
    pub const MIN_CHARS: usize = 3;
    /// The largest number of characters.
    pub const MAX_CHARS: usize = 30;

    /// Normalises and validates `raw`.
    ///
    /// # Errors
    /// The first rule that the name violates.
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        let name: String = match raw.is_ascii() {
            // Most names. The normal form of ASCII is itself.
            true => raw.to_ascii_lowercase(),
            false => raw.nfc().flat_map(char::to_lowercase).nfc().collect(),
        };
        if !name.chars().all(is_username_char) {
            return Err(Violation::InvalidCharacters(
                "may contain only letters a-z, digits, '.', '_' and Hangul syllables",
            ));
        }
        if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
            return Err(Violation::InvalidCharacters(
                "must not start or end with a dot, or contain two dots in a row",
            ));
        }
        match name.chars().count() {
            0..Self::MIN_CHARS => Err(Violation::TooShort { min: Self::MIN_CHARS }),
            Self::MIN_CHARS..=Self::MAX_CHARS => Ok(Self(name)),
            _ => Err(Violation::TooLong { max: Self::MAX_CHARS, unit: "characters" }),
        }
    }

    /// The name, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The skeleton for uniqueness: two names with one skeleton look alike, so only one of them may exist.
    pub fn skeleton(&self) -> Skeleton {
        Skeleton(fold_confusables(&self.0))
    }

    /// Whether users may not take the name, because it would seem to speak for the site.
    pub fn is_reserved(&self) -> bool {
        RESERVED_SKELETONS.contains(&self.skeleton())
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Username {
    type Error = Violation;

    fn try_from(name: String) -> Result<Self, Violation> {
        Self::parse(&name)
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.0
    }
}

/// The confusable skeleton of a name (UTS 39), for uniqueness only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Skeleton(String);

impl Skeleton {
    /// The skeleton as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// UTS 39 maps `0` to capital `O` and `1` to `l`: lower-casing in between makes `0` match `o`.
fn fold_confusables(name: &str) -> String {
    let once: String = skeleton(name).flat_map(char::to_lowercase).collect();
    skeleton(&once).flat_map(char::to_lowercase).nfc().collect()
}

pub(crate) fn is_username_char(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '.' | '_') || is_hangul_syllable(c)
}

pub(crate) fn is_hangul_syllable(c: char) -> bool {
    matches!(c, '가'..='힣')
}

static RESERVED_SKELETONS: LazyLock<Vec<Skeleton>> =
    LazyLock::new(|| RESERVED.iter().map(|name| Skeleton(fold_confusables(name))).collect());

const RESERVED: &[&str] = &[
    "about",
    "abuse",
    "admin",
    "administrator",
    "all",
    "anonymous",
    "api",
    "auth",
    "blegram",
    "bot",
    "channel",
    "contact",
    "deleted",
    "docs",
    "everyone",
    "explore",
    "gateway",
    "guest",
    "help",
    "here",
    "home",
    "info",
    "login",
    "logout",
    "mail",
    "media",
    "mod",
    "moderator",
    "noreply",
    "notifications",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "privacy",
    "problems",
    "root",
    "search",
    "security",
    "settings",
    "signup",
    "staff",
    "status",
    "suggested",
    "support",
    "sysadmin",
    "system",
    "team",
    "terms",
    "timelines",
    "undefined",
    "user",
    "users",
    "webmaster",
    "관리자",
    "운영자",
    "운영팀",
    "고객센터",
    "블레그램",
    "공지사항",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(raw: &str) -> Username {
        Username::parse(raw).unwrap()
    }

    #[test]
    fn username_is_lower_cased_and_composed() {
        assert_eq!(name("Ann.Lee_7").as_str(), "ann.lee_7");
        assert_eq!(name("\u{1112}\u{1161}\u{11ab}글이").as_str(), "한글이");
    }

    #[test]
    fn username_is_rejected_with_the_reason() {
        let characters = [
            "ann lee",
            " ann",
            "ann@home",
            "änn",
            "ㅋㅋㅋ",
            "ann\u{3164}",
            "аnn",
            "李小龍",
            "ann\0",
            ".ann",
            "ann.",
            "a..nn",
        ];
        for bad in characters {
            assert!(matches!(Username::parse(bad), Err(Violation::InvalidCharacters(_))), "{bad}");
        }
        assert_eq!(Username::parse("민수"), Err(Violation::TooShort { min: 3 }));
        assert_eq!(Username::parse(""), Err(Violation::TooShort { min: 3 }));
        assert_eq!(Username::parse(&"a".repeat(31)), Err(Violation::TooLong { max: 30, unit: "characters" }));
    }

    #[test]
    fn usernames_that_look_alike_share_a_skeleton() {
        for (a, b) in [("paypal", "paypa1"), ("google", "g00gle"), ("modern", "rnodern")] {
            assert_eq!(name(a).skeleton(), name(b).skeleton(), "{a} {b}");
        }
        for (a, b) in [("ann", "bob"), ("민수야", "민수아"), ("a.b", "a_b"), ("ann1", "ann2")] {
            assert_ne!(name(a).skeleton(), name(b).skeleton(), "{a} {b}");
        }
    }

    #[test]
    fn usernames_that_look_official_are_reserved() {
        for reserved in ["admin", "Admin", "r00t", "b1egram", "관리자"] {
            assert!(name(reserved).is_reserved(), "{reserved}");
        }
        assert!(!name("ann").is_reserved());
    }

    proptest! {
        #[test]
        fn username_parsing_is_idempotent(raw in "[a-zA-Z0-9._가-힣ᄀ-ᇿ]{1,32}") {
            if let Ok(name) = Username::parse(&raw) {
                prop_assert_eq!(Username::parse(name.as_str()), Ok(name));
            }
        }

        #[test]
        fn username_parsing_never_panics(raw in ".{0,40}") {
            let _ = Username::parse(&raw);
        }
    }
}
