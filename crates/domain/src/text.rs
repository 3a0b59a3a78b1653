//! User-written text: normalised to NFC, trimmed, limited, and free of characters that break storage or deceive
//! readers. It is stored raw, never as HTML: clients escape it when they display it.

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

use crate::Violation;

/// The rules for one kind of text.
struct Rule {
    min_graphemes: usize,
    max_graphemes: usize,
    /// A second limit, because one grapheme may contain any number of code points.
    max_bytes: usize,
    multi_line: bool,
}

const CONTROL: Violation = Violation::InvalidCharacters("must not contain control characters");
const DIRECTION: Violation =
    Violation::InvalidCharacters("must close every text direction control that it opens");

impl Rule {
    fn apply(&self, raw: &str) -> Result<String, Violation> {
        let text: String = raw.replace("\r\n", "\n").nfc().collect();
        let text = text.trim();
        if text.chars().any(|c| self.is_rejected(c)) {
            return Err(CONTROL);
        }
        check_direction(text)?;
        if !text.is_empty() && text.chars().all(is_invisible) {
            return Err(Violation::Blank);
        }
        self.check_length(text)?;
        Ok(text.to_owned())
    }

    fn is_rejected(&self, c: char) -> bool {
        match c {
            '\n' | '\t' | '\u{2028}' | '\u{2029}' => !self.multi_line,
            _ => c.is_control(),
        }
    }

    fn check_length(&self, text: &str) -> Result<(), Violation> {
        // Bytes first: counting the graphemes of a megabyte is expensive.
        if text.len() > self.max_bytes {
            return Err(Violation::TooLong { max: self.max_bytes, unit: "bytes" });
        }
        let graphemes = text.graphemes(true).count();
        if graphemes > self.max_graphemes {
            return Err(Violation::TooLong { max: self.max_graphemes, unit: "characters" });
        }
        if graphemes < self.min_graphemes {
            return Err(if text.is_empty() {
                Violation::Blank
            } else {
                Violation::TooShort { min: self.min_graphemes }
            });
        }
        Ok(())
    }
}

/// Rejects text that leaves a direction control open, which would reorder the text that a client prints after it
/// (Unicode TR 36, 2.7). PDF closes an embedding or override; PDI closes an isolate and everything opened inside it. A
/// PDF or PDI with nothing to close has no effect (UAX 9, X6a and X7), nor has one after the end of a paragraph, which
/// closes all of them (X8).
fn check_direction(text: &str) -> Result<(), Violation> {
    text.split(['\n', '\u{2029}']).try_for_each(check_paragraph)
}

fn check_paragraph(text: &str) -> Result<(), Violation> {
    const PDF: char = '\u{202c}';
    const PDI: char = '\u{2069}';
    let mut open = Vec::new();
    for c in text.chars() {
        match c {
            '\u{202a}' | '\u{202b}' | '\u{202d}' | '\u{202e}' => open.push(PDF),
            '\u{2066}'..='\u{2068}' => open.push(PDI),
            PDF => {
                let _ = open.pop_if(|closer| *closer == PDF);
            }
            PDI => {
                let isolate = open.iter().rposition(|closer| *closer == PDI);
                open.truncate(isolate.unwrap_or(open.len()));
            }
            _ => {}
        }
    }
    if open.is_empty() { Ok(()) } else { Err(DIRECTION) }
}

/// White space, format characters, and letters that fonts draw as nothing: the Hangul fillers and the empty Braille
/// pattern.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c.general_category(), GeneralCategory::Control | GeneralCategory::Format)
        || matches!(
            c,
            '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}'
        )
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident { graphemes: $min:literal..=$max:literal, bytes: $bytes:literal, multi_line: $lines:literal })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The largest number of characters as readers count them (grapheme clusters, UAX 29).
            pub const MAX_GRAPHEMES: usize = $max;
            /// The largest number of UTF-8 bytes.
            pub const MAX_BYTES: usize = $bytes;

            const RULE: Rule = Rule {
                min_graphemes: $min,
                max_graphemes: $max,
                max_bytes: $bytes,
                multi_line: $lines,
            };

            /// Normalises and validates `raw`.
            ///
            /// # Errors
            /// The first rule that the text violates.
            pub fn parse(raw: &str) -> Result<Self, Violation> {
                Self::RULE.apply(raw).map(Self)
            }

            /// The text as it is stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )*};
}

texts! {
    /// The text of a post. May be empty, for a post with images; may have several lines.
    PostText { graphemes: 0..=2200, bytes: 10240, multi_line: true }
    /// The text of a comment; may have several lines.
    CommentText { graphemes: 1..=1000, bytes: 5120, multi_line: true }
    /// The text of a message. May be empty, for a message with images; may have several lines.
    MessageText { graphemes: 0..=2000, bytes: 8192, multi_line: true }
    /// The title of a group conversation; one line.
    ConversationTitle { graphemes: 1..=60, bytes: 400, multi_line: false }
    /// A reporter's note to the moderators; may have several lines.
    ReportNote { graphemes: 1..=1000, bytes: 5120, multi_line: true }
    /// The display name of a profile; one line, not unique.
    DisplayName { graphemes: 1..=30, bytes: 200, multi_line: false }
    /// The biography on a profile. May be empty; may have several lines.
    Bio { graphemes: 0..=300, bytes: 2048, multi_line: true }
    /// The text of a search; one line.
    SearchText { graphemes: 1..=100, bytes: 4000, multi_line: false }
    /// The alternative text of an image, for people who cannot see it; may have several lines.
    AltText { graphemes: 1..=1000, bytes: 5120, multi_line: true }
    /// The user's name for a device that they log in from; one line.
    DeviceName { graphemes: 1..=60, bytes: 240, multi_line: false }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_composed_and_trimmed() {
        assert_eq!(PostText::parse("  \u{1112}\u{1161}\u{11ab}글 \n").unwrap().as_str(), "한글");
        assert_eq!(PostText::parse("a\r\nb").unwrap().as_str(), "a\nb");
    }

    #[test]
    fn text_length_counts_grapheme_clusters() {
        let family = "👨‍👩‍👧‍👦";
        assert!(DisplayName::parse(&family.repeat(8)).is_ok());
        assert!(PostText::parse(&"가".repeat(2200)).is_ok());
        let over = Violation::TooLong { max: 2200, unit: "characters" };
        assert_eq!(PostText::parse(&"가".repeat(2201)), Err(over));
        let zalgo = format!("a{}", "\u{0301}\u{0300}".repeat(5000));
        assert_eq!(PostText::parse(&zalgo), Err(Violation::TooLong { max: 10240, unit: "bytes" }));
    }

    #[test]
    fn text_of_invisible_characters_is_rejected() {
        for blank in [
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{ffa0} \u{3164}",
            "\u{200b}\u{200d}",
            "\u{2800}",
            "\u{feff}",
            "\u{fe0f}",
        ] {
            assert_eq!(DisplayName::parse(blank), Err(Violation::Blank), "{blank:?}");
            assert!(PostText::parse(blank).is_err(), "{blank:?}");
        }
        assert_eq!(DisplayName::parse("  "), Err(Violation::Blank));
        assert_eq!(PostText::parse("  ").unwrap().as_str(), "");
    }

    #[test]
    fn text_with_control_characters_is_rejected() {
        for bad in [
            "a\0b",
            "a\u{7}b",
            "a\u{85}b",
            "\u{202e}evil",
            "a\u{2066}b",
            "\u{2066}a\u{202c}",
            "\u{202e}a\u{2069}",
            "\u{202e}a\nb\u{202c}",
            "\u{2066}a\u{2029}b\u{2069}",
        ] {
            assert!(matches!(PostText::parse(bad), Err(Violation::InvalidCharacters(_))), "{bad:?}");
        }
        assert!(DisplayName::parse("\u{202e}evil").is_err());
        for separator in ['\n', '\t', '\u{2028}', '\u{2029}'] {
            assert!(DisplayName::parse(&format!("two{separator}lines")).is_err(), "{separator:?}");
        }
    }

    #[test]
    fn text_with_closed_direction_controls_is_accepted() {
        for closed in [
            "see \u{2067}עברית\u{2069} here",
            "\u{202b}עברית\u{202c}",
            "\u{202d}a\u{202a}b\u{202c}\u{202c}c",
            "\u{2068}\u{202b}a\u{2069}b",
            "\u{2066}\u{202e}\u{202d}a\u{2069}b",
            "\u{2066}\u{2067}a\u{2069}b\u{2069}",
            "a\u{202c}b\u{2069}c",
        ] {
            assert!(PostText::parse(closed).is_ok(), "{closed:?}");
            assert!(DisplayName::parse(closed).is_ok(), "{closed:?}");
        }
    }

    /// Whether a letter after each paragraph of `text` keeps its direction under the Unicode Bidirectional Algorithm:
    /// it does if nothing is open.
    fn leaves_following_letter_unaffected(text: &str) -> bool {
        let printed = format!("{}x", text.replace('\n', "x\n"));
        let info = unicode_bidi::BidiInfo::new(&printed, Some(unicode_bidi::Level::ltr()));
        let letters = printed.char_indices().filter(|(_, c)| *c == 'x');
        letters.into_iter().all(|(at, _)| info.levels[at].number() == 0)
    }

    proptest! {
        #[test]
        fn text_with_open_direction_controls_is_rejected(
            text in "[a-cא-ג1\n\u{202a}-\u{202e}\u{2066}-\u{2069}]{0,14}",
            // The algorithm supports a depth of up to 125.
            deep in "([\u{202a}\u{202b}\u{202d}\u{202e}]{120,140}|[\u{2066}-\u{2068}]{120,140}|)",
            closed in "[\u{202c}\u{2069}a]{0,140}",
        ) {
            let text = format!("{text}{deep}{closed}");
            prop_assert_eq!(check_direction(&text).is_ok(), leaves_following_letter_unaffected(&text), "{:?}", text);
        }

        #[test]
        fn text_parsing_is_idempotent(raw in ".{0,80}") {
            if let Ok(text) = PostText::parse(&raw) {
                prop_assert_eq!(PostText::parse(text.as_str()), Ok(text));
            }
        }
    }
}
