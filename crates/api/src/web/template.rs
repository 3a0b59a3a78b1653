//! The document of the app, with a head that depends on its address.
//!
//! Two things in `index.html` change. Addresses get the path of the public URL: every attribute whose value begins with `/` or
//! `./` is an address, also that of `<meta name="blegram-base" content="/">`, by which the app knows where it is. And the
//! title and the description are replaced where an address has its own.

use std::ops::Range;

use maud::{Markup, html};

use super::InvalidWebApp;

/// What an address adds to the head of the document.
#[derive(Debug)]
pub(super) struct Head {
    /// The title and the description; those of `index.html` if it is `None`.
    pub(super) about: Option<About>,
    /// Whether search engines may index it.
    pub(super) is_indexable: bool,
}

/// The title and the description of a document, and its other elements about its content.
#[derive(Debug)]
pub(super) struct About {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) elements: Markup,
}

impl Head {
    /// The head of `index.html`.
    pub(super) const fn plain() -> Self {
        Self { about: None, is_indexable: true }
    }

    /// The head of `index.html`, of a page that search engines must not index.
    pub(super) const fn not_indexed() -> Self {
        Self { about: None, is_indexable: false }
    }
}

/// `index.html` with complete addresses, and the places in it that change.
#[derive(Debug, Clone)]
pub(super) struct Template {
    html: String,
    /// The title and the description, in order.
    own: Vec<Range<usize>>,
    head_end: usize,
}

impl Template {
    /// Reads `index.html` for a site below `base_path`.
    pub(super) fn parse(index: &str, base_path: &str) -> Result<Self, InvalidWebApp> {
        let html = complete_addresses(index, base_path);
        // Offsets stay the same: only ASCII letters change.
        let lower = html.to_ascii_lowercase();
        let head_end = lower.find("</head>").ok_or(InvalidWebApp::NoHead)?;
        let element = |start: &str, end: &str| {
            let at = lower[..head_end].find(start)?;
            let length = lower[at..head_end].find(end)? + end.len();
            Some(at..at + length)
        };
        let own = [element("<title", "</title>"), element("<meta name=\"description\"", ">")];
        let mut own: Vec<Range<usize>> = own.into_iter().flatten().collect();
        own.sort_by_key(|range| range.start);
        Ok(Self { html, own, head_end })
    }

    /// The document with `head`.
    pub(super) fn render(&self, head: &Head) -> String {
        let added = elements(head).into_string();
        let mut document = String::with_capacity(self.html.len() + added.len());
        let mut begin = 0;
        for own in self.own.iter().filter(|_| head.about.is_some()) {
            document.push_str(&self.html[begin..own.start]);
            begin = own.end;
        }
        document.push_str(&self.html[begin..self.head_end]);
        document.push_str(&added);
        document.push_str(&self.html[self.head_end..]);
        document
    }
}

/// The elements that are added. `maud` escapes all texts.
fn elements(head: &Head) -> Markup {
    html! {
        @if !head.is_indexable { meta name="robots" content="noindex"; }
        @if let Some(about) = &head.about {
            title { (about.title) }
            meta name="description" content=(about.description);
            (about.elements)
        }
    }
}

/// Inserts the path of the public URL before each address.
fn complete_addresses(index: &str, base_path: &str) -> String {
    let base = base_path.replace('&', "&amp;").replace('"', "&quot;");
    let mut html = String::with_capacity(index.len());
    let mut rest = index;
    while let Some(at) = rest.find("=\"") {
        let (before, value) = rest.split_at(at + 2);
        html.push_str(before);
        rest = value.strip_prefix('.').filter(|value| value.starts_with('/')).unwrap_or(value);
        // Two slashes begin the address of another host.
        if rest.starts_with('/') && !rest.starts_with("//") {
            html.push_str(&base);
        }
    }
    html.push_str(rest);
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "<!doctype html><html><head><TITLE>Own</TITLE><meta name=\"blegram-base\" content=\"/\">\
        <meta name=\"description\" content=\"Own words\"><script type=\"module\" src=\"/assets/a.js\"></script>\
        <link rel=\"stylesheet\" href=\"./assets/a.css\"></head><body data-x=\"a/b\"><a href=\"//other.example/\">o</a></body></html>";

    fn about(title: &str) -> Head {
        let elements = html! { meta property="og:title" content=(title); };
        let (title, description) = (title.to_owned(), "The post".to_owned());
        Head { about: Some(About { title, description, elements }), is_indexable: true }
    }

    #[test]
    fn addresses_get_the_path_of_the_public_url() {
        let at = |base| Template::parse(INDEX, base).unwrap().render(&Head::plain());
        assert_eq!(at(""), INDEX.replace("./assets", "/assets"));
        let below = at("/forum");
        for part in [
            "content=\"/forum/\"",
            "src=\"/forum/assets/a.js\"",
            "href=\"/forum/assets/a.css\"",
            "data-x=\"a/b\"",
            "href=\"//other.example/\"",
        ] {
            assert!(below.contains(part), "{part}: {below}");
        }
    }

    #[test]
    fn title_and_description_are_replaced_once() {
        let template = Template::parse(INDEX, "").unwrap();
        let html = template.render(&about("</title><script>\"'& 🇰🇷"));
        assert_eq!(html.to_lowercase().matches("<title>").count(), 1, "{html}");
        assert_eq!(html.matches("name=\"description\"").count(), 1, "{html}");
        let head = html.split("</head>").next().unwrap();
        assert!(head.contains("<title>&lt;/title&gt;&lt;script&gt;&quot;'&amp; 🇰🇷</title>"), "{html}");
        assert!(!html.contains("Own") && !html.contains("noindex"), "{html}");
    }

    #[test]
    fn pages_without_content_have_noindex_and_the_own_title() {
        let html = Template::parse(INDEX, "").unwrap().render(&Head::not_indexed());
        assert!(
            html.contains("<meta name=\"robots\" content=\"noindex\">") && html.contains("<TITLE>Own"),
            "{html}"
        );
    }

    #[test]
    fn document_needs_a_head() {
        assert!(matches!(Template::parse("<p>Hello", ""), Err(InvalidWebApp::NoHead)));
    }
}
