//! Excerpts of users' texts, for places that show one line.

use blegram_domain::Language;
use unicode_segmentation::UnicodeSegmentation;

/// The most bytes of an excerpt: a single visible character may have any number of combining marks.
const MAX_BYTES: usize = 1_000;

/// The first `max` characters of `text` as readers count them (grapheme clusters), on one line. White space becomes one space;
/// control characters and those that change the direction of the text around them are left out.
pub(super) fn excerpt(text: &str, max: usize) -> String {
    let (mut line, mut count, mut has_space) = (String::new(), 0, false);
    for character in text.graphemes(true) {
        if character.chars().all(char::is_whitespace) {
            has_space = !line.is_empty();
            continue;
        }
        let visible: String = character.chars().filter(|c| is_safe(*c)).collect();
        if visible.is_empty() {
            continue;
        }
        count += 1 + usize::from(has_space);
        if count > max || line.len() + visible.len() > MAX_BYTES {
            line.push('…');
            return line;
        }
        if has_space {
            line.push(' ');
            has_space = false;
        }
        line.push_str(&visible);
    }
    line
}

/// Neither a control character nor an embedding, override or isolate of the bidirectional algorithm (UAX 9).
fn is_safe(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The language of a text for previews: Korean if a character of it is Hangul.
pub(super) fn language(text: &str) -> Language {
    let is_hangul =
        |c: char| matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7a3}');
    if text.chars().any(is_hangul) { Language::Korean } else { Language::English }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_is_one_line_of_whole_characters() {
        for (text, max, expected) in [
            ("", 5, ""),
            ("  a\n\n b\t ", 5, "a b"),
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abcdef…"),
            ("abc def", 4, "abc…"),
            ("abc   ", 3, "abc"),
            ("👨‍👩‍👧‍👦👍🏽🇰🇷!", 3, "👨‍👩‍👧‍👦👍🏽🇰🇷…"),
            ("\u{1100}\u{1161}\u{11a8}나", 1, "\u{1100}\u{1161}\u{11a8}…"),
            ("a\u{202e}b\u{2067}c\u{0}\u{7f}d", 9, "abcd"),
            ("שלום עולם", 4, "שלום…"),
        ] {
            assert_eq!(excerpt(text, max), expected, "{text:?}");
        }
    }

    #[test]
    fn excerpt_is_bounded_for_any_character() {
        let marks = format!("a{}b", "\u{301}".repeat(5_000));
        assert!(excerpt(&marks, 10).len() <= MAX_BYTES + '…'.len_utf8());
        assert!(excerpt(&"가".repeat(10_000), 5_000).len() <= MAX_BYTES + '…'.len_utf8());
    }

    proptest::proptest! {
        #[test]
        fn excerpt_has_at_most_as_many_characters(text in "\\PC{0,200}", max in 0_usize..50) {
            proptest::prop_assert!(excerpt(&text, max).graphemes(true).count() <= max + 1);
        }
    }

    #[test]
    fn language_is_korean_with_any_hangul() {
        assert_eq!(language("Jeju 제주"), Language::Korean);
        assert_eq!(language("ㅋㅋ"), Language::Korean);
        assert_eq!(language("Jeju 済州"), Language::English);
    }
}
