//! E-mail addresses.

use email_address::Options;
use unicode_normalization::UnicodeNormalization;

use crate::Violation;

/// A syntactically valid e-mail address: a local part, `@`, a domain with a dot; at most 254 bytes (RFC 5321). Whether
/// it belongs to the account's owner is a separate question: see [`crate::Account::email_verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

/// What two addresses of one mailbox have in common, to compare and to find addresses (decision 39): the local part in
/// NFC and lower case, and the domain in ASCII. Mail is sent to the address as its owner wrote it, never to the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(String);

impl EmailKey {
    /// The key as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const NOT_AN_ADDRESS: Violation =
    Violation::InvalidCharacters("must be an e-mail address such as ann@example.com");

impl EmailAddress {
    /// The largest number of bytes.
    pub const MAX_BYTES: usize = 254;

    /// Validates `raw` and lower-cases its domain, which is case-insensitive.
    ///
    /// # Errors
    /// [`Violation::TooLong`], or [`Violation::InvalidCharacters`] for anything that is not an address.
    pub fn parse(raw: &str) -> Result<Self, Violation> {
        let raw = raw.trim();
        if raw.len() > Self::MAX_BYTES {
            return Err(Violation::TooLong { max: Self::MAX_BYTES, unit: "bytes" });
        }
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        let address =
            email_address::EmailAddress::parse_with_options(raw, options).map_err(|_| NOT_AN_ADDRESS)?;
        // Mail is sent to the domain in ASCII.
        if raw.chars().any(char::is_control) || idna::domain_to_ascii(address.domain()).is_err() {
            return Err(NOT_AN_ADDRESS);
        }
        Ok(Self(format!("{}@{}", address.local_part(), address.domain().to_lowercase())))
    }

    /// The address as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the last `@`.
    pub fn local_part(&self) -> &str {
        self.split().0
    }

    /// The domain in ASCII (IDNA), as mail servers know it.
    pub fn ascii_domain(&self) -> String {
        let domain = self.split().1;
        // Never fails for a parsed address.
        idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned())
    }

    /// The key of the mailbox.
    pub fn key(&self) -> EmailKey {
        let local: String = self.local_part().nfc().collect();
        EmailKey(format!("{}@{}", local.to_lowercase(), self.ascii_domain()))
    }

    fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_address_is_accepted_with_its_domain_in_lower_case() {
        assert_eq!(EmailAddress::parse(" Ann+tag@Example.COM ").unwrap().as_str(), "Ann+tag@example.com");
        assert!(EmailAddress::parse("민수@예시.한국").is_ok());
    }

    #[test]
    fn email_that_is_not_an_address_is_rejected() {
        for bad in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "ann@localhost",
            "a b@example.com",
            "ann@example.com\r\nBcc: x",
            "Ann <ann@example.com>",
            "ann@[127.0.0.1]",
            "ann@xn--zz--zzzzzz.com",
        ] {
            assert!(matches!(EmailAddress::parse(bad), Err(Violation::InvalidCharacters(_))), "{bad}");
        }
        let long = format!("{}@example.com", "a".repeat(300));
        assert!(matches!(EmailAddress::parse(&long), Err(Violation::TooLong { .. })));
    }

    #[test]
    fn addresses_of_one_mailbox_have_one_key() {
        let key = |raw: &str| EmailAddress::parse(raw).unwrap().key();
        assert_eq!(key("Ann@Example.com"), key("ann@EXAMPLE.com"));
        assert_eq!(key("민수@예시.한국"), key("민수@xn--vv4b11d.xn--3e0b707e"));
        // One name, composed and decomposed.
        assert_eq!(key("민수@example.com"), key("\u{1106}\u{1175}\u{11ab}\u{1109}\u{116e}@example.com"));
        assert_ne!(key("ann+tag@example.com"), key("ann@example.com"));
        assert_ne!(key("a.nn@example.com"), key("ann@example.com"));
        assert_ne!(key("ann@example.com"), key("ann@example.org"));
    }
}
