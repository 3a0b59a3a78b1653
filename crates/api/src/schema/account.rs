use blegram_auth::{Device, GivenPassword, NewPassword};
use blegram_domain::{DeviceName, DisplayName, EmailAddress, Username, Violation};
use blegram_social::{UserView, UserViewer};
use poem_openapi::{Enum, Object};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{Fields, Input},
    schema::{
        Time,
        user::{User, UserViewerState},
    },
};

/// Your account: your profile with what only you see.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Account {
    id: Uuid,
    /// Unique; 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables.
    username: String,
    /// The name that the profile shows; not unique.
    display_name: String,
    avatar_url: Option<String>,
    /// What you say of yourself; may be empty.
    bio: String,
    /// Whether only followers see your posts.
    is_private: bool,
    /// Your posts, whoever may see them.
    post_count: u64,
    follower_count: u64,
    following_count: u64,
    created_at: Time,
    /// How you stand to yourself.
    viewer: Option<UserViewerState>,
    /// The address you gave.
    email: Option<String>,
    /// Whether you proved to receive mail there.
    email_verified: bool,
    /// Whether a password opens the account.
    has_password: bool,
    /// What you may do: `user`, `moderator` or `admin`. New roles may come.
    role: String,
    /// Whether search and suggestions may show you.
    discoverable: bool,
}

impl From<blegram_domain::Account> for Account {
    fn from(account: blegram_domain::Account) -> Self {
        let user = User::from(UserView { user: account.user, viewer: Some(UserViewer::default()) });
        Self {
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            avatar_url: user.avatar_url,
            bio: user.bio,
            is_private: user.is_private,
            post_count: user.post_count,
            follower_count: user.follower_count,
            following_count: user.following_count,
            created_at: user.created_at,
            viewer: user.viewer,
            email: account.email,
            email_verified: account.email_verified,
            has_password: account.has_password,
            role: account.role.as_str().to_owned(),
            discoverable: account.discoverable,
        }
    }
}

/// You, logged in.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuthResult {
    account: Account,
    /// Null for browsers, whose session is the cookie.
    tokens: Option<Tokens>,
}

/// What a native app keeps instead of a cookie.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Tokens {
    access_token: String,
    token_type: String,
    /// Seconds until the access token ends.
    expires_in: u64,
    refresh_token: String,
    /// Seconds until the refresh token ends.
    refresh_expires_in: u64,
}

impl AuthResult {
    pub(crate) fn browser(account: blegram_domain::Account) -> Self {
        Self { account: account.into(), tokens: None }
    }
}

/// The proof for requests that name no origin.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CsrfToken {
    /// To be sent as `X-CSRF-Token`; null when you are not logged in, and need none.
    pub(crate) csrf_token: Option<String>,
}

/// What you log in with.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Client {
    /// The session is the cookie `auth-blegram`.
    Browser,
}

/// A new account.
#[derive(Debug, Object)]
pub(crate) struct SignUp {
    /// 3 to 30 of a-z, digits, `.`, `_` and Hangul syllables, in any case; not like a name that is taken.
    #[oai(validator(min_length = 3))]
    username: String,
    /// 10 to 128 characters, not easy to guess.
    #[oai(validator(min_length = 10))]
    password: String,
    /// The name that the profile shows, 1 to 30 characters; the username unless given.
    display_name: Option<String>,
    email: Option<String>,
    client: Client,
    /// What you call the device, 1 to 60 characters.
    device_name: Option<String>,
}

impl Input for SignUp {
    type Parsed = blegram_auth::SignUp;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let username = fields.text("username", |raw| Username::parse(raw.trim()));
        let display_name = fields.optional_text("display_name", DisplayName::parse);
        let email = fields.optional_text("email", EmailAddress::parse);
        let known: Vec<&str> = [
            username.as_ref().map(Username::as_str),
            display_name.as_ref().map(DisplayName::as_str),
            email.as_ref().map(EmailAddress::as_str),
        ]
        .into_iter()
        .flatten()
        .collect();
        let password = fields.text("password", |raw| NewPassword::parse(raw, &known));
        let client = fields.text("client", parse_client);
        let device = parse_device(fields);
        client?;
        Some(blegram_auth::SignUp { username: username?, password: password?, display_name, email, device })
    }
}

/// What opens an account.
#[derive(Debug, Object)]
pub(crate) struct LogIn {
    /// Your username in any case, with or without `@`.
    login: String,
    password: String,
    client: Client,
    /// What you call the device, 1 to 60 characters.
    device_name: Option<String>,
}

impl Input for LogIn {
    type Parsed = blegram_auth::LogIn;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let login = fields.text("login", |raw| {
            let max = EmailAddress::MAX_BYTES;
            if raw.len() > max { Err(Violation::TooLong { max, unit: "bytes" }) } else { Ok(raw.to_owned()) }
        });
        let password = fields.text("password", GivenPassword::parse);
        let client = fields.text("client", parse_client);
        let device = parse_device(fields);
        client?;
        Some(blegram_auth::LogIn { login: login?, password: password?, device })
    }
}

fn parse_client(raw: &str) -> Result<Client, Violation> {
    match raw {
        "browser" => Ok(Client::Browser),
        _ => Err(Violation::OutOfRange("must be \"browser\"")),
    }
}

fn parse_device(fields: &mut Fields) -> Device {
    let name = fields.optional_text("device_name", DeviceName::parse);
    Device { name: name.map(String::from), ..Device::default() }
}
