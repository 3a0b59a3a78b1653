//! The languages of the texts that blegram itself writes: pages and mails.

use crate::stored::stored_enum;

stored_enum! {
    /// A language of pages and mails.
    Language {
        /// Korean.
        Korean = "ko",
        /// English.
        English = "en",
    }
}

impl Language {
    /// The language that a client prefers according to its `Accept-Language` (RFC 9110, 12.5.4); `None` if it names
    /// neither.
    pub fn preferred(accept_language: &str) -> Option<Self> {
        let mut best: Option<(Self, f32)> = None;
        for range in accept_language.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            let Some(weight) = weight.ok().filter(|weight| *weight > 0.0) else { continue };
            // Of equal weights, the first range wins.
            if best.is_none_or(|(_, other)| weight > other) {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    /// The language of a language tag such as `ko-KR` (RFC 5646).
    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.iter().copied().find(|language| language.as_str().eq_ignore_ascii_case(primary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_is_negotiated_by_weight() {
        for (header, expected) in [
            ("ko", Some(Language::Korean)),
            ("en-US,en;q=0.9,ko;q=0.8", Some(Language::English)),
            ("fr, en;q=0.2, ko-KR;q=0.7", Some(Language::Korean)),
            ("KO-kr", Some(Language::Korean)),
            ("ko;q=0, en;q=0.1", Some(Language::English)),
            ("ko;q=nonsense", None),
            ("kok", None),
            ("fr, *;q=0.5", None),
            ("", None),
            (";;,,", None),
        ] {
            assert_eq!(Language::preferred(header), expected, "{header}");
        }
    }
}
