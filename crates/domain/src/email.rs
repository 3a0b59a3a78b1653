//! E-mail addresses.

use email_address::Options;

use crate::Violation;

/// A syntactically valid e-mail address: a local part, `@`, a domain with a dot; at most 254 bytes (RFC 5321). Whether
/// it belongs to the account's owner is a separate question: see [`crate::Account::email_verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

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
        if raw.chars().any(char::is_control) {
            return Err(NOT_AN_ADDRESS);
        }
        Ok(Self(format!("{}@{}", address.local_part(), address.domain().to_lowercase())))
    }

    /// The address as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
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
        ] {
            assert!(matches!(EmailAddress::parse(bad), Err(Violation::InvalidCharacters(_))), "{bad}");
        }
        let long = format!("{}@example.com", "a".repeat(300));
        assert!(matches!(EmailAddress::parse(&long), Err(Violation::TooLong { .. })));
    }
}
