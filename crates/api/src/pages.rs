//! Small pages for people: logging in, and what the links in mails open. A site with a front end of its own sets
//! `accounts.pages_url` and does not use them.
//!
//! They need no script, load nothing but the icon, and work on a phone. Their rules are in [`PAGES`], and the gate enforces them as
//! for the operations of the API: a form is accepted from a page of this site only, and counts under the rate limits.
//!
//! - A GET changes nothing: programs that scan mails open the links in them. The page shows a button, and its POST acts.
//! - All text is inserted by `maud`, which escapes it. The Content-Security-Policy allows the style sheet by its hash, and
//!   nothing else.
//! - A token is in the query of a link. It is in no log, because the access log has only the path's template, and in no
//!   `Referer`.
//! - Browsers send no `Origin` for the forms of a page with `no-referrer`; all current ones send `Sec-Fetch-Site`, by which
//!   the gate accepts them.
//!
//! To add a page: write `pages/<name>.rs` with its handlers, name it in [`PAGES`] and [`mount`]. [`Visit`] is the request,
//! [`Fields`] the form, [`Page`] the answer; [`text`] pairs each text in Korean and English.

mod done;
mod error;
mod fields;
mod layout;
mod login;
mod reset_password;
mod second_factor;
mod sign_up;
mod verify_email;
mod visit;

use blegram_domain::Language;
use blegram_http::{
    Deadline, Login, RequestBody, Rule,
    router::{Route, RoutedOperation},
};
use blegram_limits::Policy;
use poem::{get, http::Method};

pub(crate) use self::{
    error::{message, rejected},
    fields::Fields,
    layout::{Page, app_link, other, text_field},
    visit::{Accepts, Visit, preferred_language},
};

/// The path of a page, and what its GET and its POST demand.
struct Paths {
    path: &'static str,
    get: &'static str,
    post: Option<(&'static str, &'static Rule)>,
}

static SHOW: Rule = Rule::read(Login::None);
static LOG_IN: Rule = submit(Policy::Login);
static USE_CODE: Rule = Rule { deadline: Deadline::Standard, ..submit(Policy::Login) };
static USE_TOKEN: Rule = submit(Policy::EmailToken);
static SIGN_UP: Rule = submit(Policy::ExternalLogin);

/// The rule of a form that hashes a password.
const fn submit(policy: Policy) -> Rule {
    Rule {
        body: RequestBody::Fields,
        policy: Some(policy),
        deadline: Deadline::PasswordHash,
        ..Rule::write(Login::None)
    }
}

const PAGES: &[Paths] = &[
    Paths { path: "/login", get: "showLogin", post: Some(("submitLogin", &LOG_IN)) },
    Paths {
        path: "/login/second-factor",
        get: "showSecondFactor",
        post: Some(("submitSecondFactor", &USE_CODE)),
    },
    Paths { path: "/login/error", get: "showLoginError", post: None },
    Paths { path: "/verify-email", get: "showVerifyEmail", post: Some(("submitVerifyEmail", &USE_TOKEN)) },
    Paths {
        path: "/reset-password",
        get: "showResetPassword",
        post: Some(("submitResetPassword", &USE_TOKEN)),
    },
    Paths { path: "/login/done", get: "showLoginDone", post: None },
    Paths { path: "/login/unlinked", get: "showUnlinked", post: None },
    Paths { path: "/signup/complete", get: "showSignUp", post: Some(("submitSignUp", &SIGN_UP)) },
];

/// Adds the pages to the routes.
pub(crate) fn mount(routes: poem::Route) -> poem::Route {
    routes
        .at("/login", get(login::show).post(login::submit))
        .at("/login/second-factor", get(second_factor::show).post(second_factor::submit))
        .at("/login/error", get(error::show))
        .at("/verify-email", get(verify_email::show).post(verify_email::submit))
        .at("/reset-password", get(reset_password::show).post(reset_password::submit))
        .at("/login/done", get(done::show))
        .at("/login/unlinked", get(done::show_unlinked))
        .at("/signup/complete", get(sign_up::show).post(sign_up::submit))
}

/// The routes of the pages with their rules, for the gate.
pub(crate) fn routes() -> impl Iterator<Item = Route> {
    PAGES.iter().flat_map(|page| {
        let route = |method, id, rule| Route {
            method,
            path: page.path.to_owned(),
            operation: Some(RoutedOperation { id, rule }),
            required_query: Vec::new(),
            label: id,
        };
        let post = page.post.map(|(id, rule)| route(Method::POST, id, rule));
        std::iter::once(route(Method::GET, page.get, &SHOW)).chain(post)
    })
}

/// Whether errors of requests for `path` are shown as a page.
pub(crate) fn is_page(path: &str) -> bool {
    PAGES.iter().any(|page| page.path == path)
}

/// A text in each language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text {
    korean: &'static str,
    english: &'static str,
}

/// Pairs a text in Korean and in English.
pub(crate) const fn text(korean: &'static str, english: &'static str) -> Text {
    Text { korean, english }
}

impl Text {
    /// The text in `language`.
    pub(crate) const fn of(self, language: Language) -> &'static str {
        match language {
            Language::Korean => self.korean,
            Language::English => self.english,
        }
    }
}
