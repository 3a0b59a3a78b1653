//! The check of the Korean README: it must follow the English one.
//!
//! A text cannot be compared with its translation, but what both share can: the levels of the headings, the code, and the
//! targets of the links, each in order.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::root;

const ENGLISH: &str = "README.md";
const KOREAN: &str = "README.ko.md";

/// What a README and its translation have in common.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outline {
    /// The number signs of each heading.
    headings: Vec<String>,
    /// Each line of the code blocks.
    code: Vec<String>,
    /// The target of each link, except for those from one README to the other.
    links: Vec<String>,
}

impl Outline {
    fn of(markdown: &str) -> Self {
        let (mut outline, mut is_code) = (Self::default(), false);
        for line in markdown.lines() {
            let is_fence = line.starts_with("```");
            if is_fence || is_code {
                is_code ^= is_fence;
                outline.code.push(line.to_owned());
                continue;
            }
            if line.starts_with('#') {
                outline.headings.push(line.chars().take_while(|sign| *sign == '#').collect());
            }
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            let others =
                targets.map(|(target, _)| target).filter(|target| ![ENGLISH, KOREAN].contains(target));
            outline.links.extend(others.map(ToOwned::to_owned));
        }
        // A translation has its links in the order of its own sentences.
        outline.links.sort_unstable();
        outline
    }

    /// The first part in which a translation differs.
    fn difference(&self, translation: &Self) -> Option<String> {
        [
            ("headings", &self.headings, &translation.headings),
            ("code blocks", &self.code, &translation.code),
            ("links", &self.links, &translation.links),
        ]
        .into_iter()
        .find_map(|(part, one, other)| {
            let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
            let [one, other] = [one, other].map(|lines| lines.get(at).map_or("nothing", String::as_str));
            Some(format!("{part} differ: {ENGLISH} has `{one}`, {KOREAN} has `{other}`"))
        })
    }
}

/// Fails at the first difference.
pub(crate) fn check() -> Result<()> {
    let read = |name: &str| fs::read_to_string(root().join(name)).with_context(|| format!("reading {name}"));
    match Outline::of(&read(ENGLISH)?).difference(&Outline::of(&read(KOREAN)?)) {
        None => Ok(()),
        Some(difference) => bail!(difference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A\n[ko](README.ko.md) see [b](b.md), [c](c.md)\n```sh\n# run\n```\n## D\n";

    fn difference(translation: &str) -> Option<String> {
        Outline::of(TEXT).difference(&Outline::of(translation))
    }

    #[test]
    fn translation_with_the_same_outline_is_accepted() {
        let translation = "# 가\n[en](README.md) [나](c.md), [다](b.md) 참고\n```sh\n# run\n```\n## 라\n";
        assert_eq!(difference(translation), None);
    }

    #[test]
    fn missing_heading_code_or_link_is_a_difference() {
        for (from, to, expected) in [
            ("## D\n", "", "headings differ: README.md has `##`, README.ko.md has `nothing`"),
            ("# run", "# walk", "code blocks differ: README.md has `# run`, README.ko.md has `# walk`"),
            ("(c.md)", "(d.md)", "links differ: README.md has `c.md`, README.ko.md has `d.md`"),
        ] {
            assert_eq!(difference(&TEXT.replace(from, to)).as_deref(), Some(expected));
        }
    }
}
