//! What distinguishes the known providers: endpoints, parameters, deviations from the standards, and how far their data
//! is trusted. `docs/guide/login.md` says what an operator enters at each of them.

use super::settings::Preset;

/// The protocol of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// OpenID Connect: an ID token says who logged in.
    Oidc,
    /// OAuth 2.0: the endpoint for profiles says who logged in.
    OAuth2,
}

/// How the site authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    /// `client_secret_post`.
    Post,
    /// As the metadata of the provider says: `client_secret_basic` if it is supported.
    Discovered,
    /// A JSON Web Token signed with the private key from Apple.
    AppleKey,
}

/// The rule for the nonce of an ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonceRule {
    /// It must be there.
    Required,
    /// It must be equal if it is there. PKCE protects the login otherwise (RFC 9700, 2.1.1).
    WhenEchoed,
}

/// When the endpoint for profiles is called after an ID token was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Userinfo {
    /// Never: the ID token contains the profile.
    Never,
    /// If the ID token has no name: with the code flow, many providers return the profile only there (OpenID Connect Core,
    /// 5.4).
    WhenUnnamed,
    /// For the profile; the ID token says who logged in.
    Profile,
    /// If there is no ID token.
    Fallback,
}

/// How far the e-mail address of a provider is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EmailTrust {
    /// Never: the provider does not say whether it verified the address.
    Never,
    /// If the provider says that it verified the address.
    WhenVerified,
    /// The same, for addresses that Google itself manages.
    Google,
}

/// The kind of unlink notices that a provider sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoticeKind {
    None,
    Kakao,
    Naver,
    Facebook,
}

/// How the site ends the link to a user at a provider without a token of the user; with the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnlinkKind {
    /// It cannot.
    None,
    /// With the admin key.
    Kakao(&'static str),
    /// With the client id and the client secret; the address of the Graph API.
    Facebook(&'static str),
}

/// JSON pointers to the claims of a profile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims {
    pub(super) subject: &'static str,
    pub(super) names: &'static [&'static str],
    pub(super) email: &'static str,
    /// All of them must be true for a verified address.
    pub(super) email_verified: &'static [&'static str],
    pub(super) pictures: &'static [&'static str],
}

/// The endpoints of a provider without a usable discovery document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoints {
    pub(super) authorization: &'static str,
    pub(super) token: &'static str,
    pub(super) userinfo: Option<&'static str>,
    pub(super) jwks: Option<&'static str>,
}

/// A known provider.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blueprint {
    pub(super) name: &'static str,
    pub(super) protocol: Protocol,
    pub(super) issuer: Option<&'static str>,
    /// `None`: from the discovery document.
    pub(super) endpoints: Option<Endpoints>,
    /// Overrides the endpoint for profiles of the discovery document.
    pub(super) userinfo_endpoint: Option<&'static str>,
    pub(super) scopes: &'static [&'static str],
    /// Further parameters of the authorization request.
    pub(super) parameters: &'static [(&'static str, &'static str)],
    pub(super) client_auth: ClientAuth,
    pub(super) nonce: NonceRule,
    pub(super) has_pkce: bool,
    /// Whether the token request must repeat the state.
    pub(super) repeats_state: bool,
    /// Whether `expires_in` is a number in a string.
    pub(super) expires_in_is_text: bool,
    /// Whether profiles come in an envelope with a result code.
    pub(super) has_envelope: bool,
    /// Whether requests for profiles carry a proof of the client secret.
    pub(super) proves_secret: bool,
    pub(super) userinfo: Userinfo,
    pub(super) claims: Claims,
    /// The claims at the endpoint for profiles, if they are called differently there.
    pub(super) userinfo_claims: Claims,
    pub(super) email_trust: EmailTrust,
    /// Hosts of endpoints beside that of the issuer.
    pub(super) hosts: &'static [&'static str],
    /// Domains of profile pictures.
    pub(super) picture_domains: &'static [&'static str],
    pub(super) notice: NoticeKind,
    pub(super) unlink: UnlinkKind,
}

const STANDARD_CLAIMS: Claims = Claims {
    subject: "/sub",
    names: &["/nickname", "/name", "/preferred_username"],
    email: "/email",
    email_verified: &["/email_verified"],
    pictures: &["/picture"],
};

/// Any provider that follows the standards.
const GENERIC: Blueprint = Blueprint {
    name: "OpenID Connect",
    protocol: Protocol::Oidc,
    issuer: None,
    endpoints: None,
    userinfo_endpoint: None,
    scopes: &["openid", "profile", "email"],
    parameters: &[],
    client_auth: ClientAuth::Discovered,
    nonce: NonceRule::Required,
    has_pkce: true,
    repeats_state: false,
    expires_in_is_text: false,
    has_envelope: false,
    proves_secret: false,
    userinfo: Userinfo::WhenUnnamed,
    claims: STANDARD_CLAIMS,
    userinfo_claims: STANDARD_CLAIMS,
    email_trust: EmailTrust::WhenVerified,
    hosts: &[],
    picture_domains: &[],
    notice: NoticeKind::None,
    unlink: UnlinkKind::None,
};

const KAKAO: Blueprint = Blueprint {
    name: "Kakao",
    issuer: Some("https://kauth.kakao.com"),
    // Not `account_email`: apps need a review by Kakao for it, and without one the login fails (KOE205).
    scopes: &["openid", "profile_nickname", "profile_image"],
    client_auth: ClientAuth::Post,
    hosts: &["kapi.kakao.com"],
    picture_domains: &["kakaocdn.net"],
    notice: NoticeKind::Kakao,
    unlink: UnlinkKind::Kakao("https://kapi.kakao.com/v1/user/unlink"),
    userinfo: Userinfo::Never,
    ..GENERIC
};

const NAVER_CLAIMS: Claims = Claims {
    subject: "/id",
    names: &["/nickname", "/name"],
    email: "/email",
    email_verified: &[],
    pictures: &["/profile_image"],
};

const NAVER_PROFILE: &str = "https://openapi.naver.com/v1/nid/me";

const NAVER: Blueprint = Blueprint {
    name: "Naver",
    issuer: Some("https://nid.naver.com"),
    userinfo_endpoint: Some(NAVER_PROFILE),
    scopes: &["openid", "profile"],
    client_auth: ClientAuth::Post,
    nonce: NonceRule::WhenEchoed,
    repeats_state: true,
    expires_in_is_text: true,
    has_envelope: true,
    userinfo: Userinfo::Profile,
    userinfo_claims: NAVER_CLAIMS,
    // A contact address that the user can change at will.
    email_trust: EmailTrust::Never,
    hosts: &["openapi.naver.com"],
    picture_domains: &["pstatic.net"],
    notice: NoticeKind::Naver,
    ..GENERIC
};

const NAVER_OAUTH2: Blueprint = Blueprint {
    protocol: Protocol::OAuth2,
    issuer: None,
    endpoints: Some(Endpoints {
        authorization: "https://nid.naver.com/oauth2.0/authorize",
        token: "https://nid.naver.com/oauth2.0/token",
        userinfo: Some(NAVER_PROFILE),
        jwks: None,
    }),
    userinfo_endpoint: None,
    // Ignored by Naver: the console says which items a site gets.
    scopes: &[],
    has_pkce: false,
    claims: NAVER_CLAIMS,
    hosts: &["nid.naver.com", "openapi.naver.com"],
    ..NAVER
};

const FACEBOOK: Blueprint = Blueprint {
    name: "Facebook",
    issuer: Some("https://www.facebook.com"),
    // The discovery document has neither a token endpoint nor the code flow.
    endpoints: Some(Endpoints {
        authorization: "https://www.facebook.com/v24.0/dialog/oauth",
        token: "https://graph.facebook.com/v24.0/oauth/access_token",
        userinfo: Some("https://graph.facebook.com/v24.0/me?fields=id,name,email,picture.type(large)"),
        jwks: Some("https://www.facebook.com/.well-known/oauth/openid/jwks/"),
    }),
    scopes: &["openid", "public_profile", "email"],
    client_auth: ClientAuth::Post,
    proves_secret: true,
    userinfo: Userinfo::Fallback,
    userinfo_claims: Claims {
        subject: "/id",
        names: &["/name"],
        email: "/email",
        email_verified: &[],
        pictures: &["/picture/data/url"],
    },
    email_trust: EmailTrust::Never,
    hosts: &["graph.facebook.com"],
    picture_domains: &["fbcdn.net", "fbsbx.com"],
    notice: NoticeKind::Facebook,
    unlink: UnlinkKind::Facebook("https://graph.facebook.com/v24.0"),
    ..GENERIC
};

const GOOGLE: Blueprint = Blueprint {
    name: "Google",
    issuer: Some("https://accounts.google.com"),
    client_auth: ClientAuth::Post,
    email_trust: EmailTrust::Google,
    hosts: &["oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com"],
    picture_domains: &["googleusercontent.com"],
    userinfo: Userinfo::Never,
    ..GENERIC
};

const APPLE: Blueprint = Blueprint {
    name: "Apple",
    issuer: Some("https://appleid.apple.com"),
    scopes: &["openid", "name", "email"],
    // Required when a name or an address is requested.
    parameters: &[("response_mode", "form_post")],
    client_auth: ClientAuth::AppleKey,
    userinfo: Userinfo::Never,
    ..GENERIC
};

impl Blueprint {
    pub(super) const fn of(preset: Preset) -> &'static Self {
        match preset {
            Preset::Kakao => &KAKAO,
            Preset::Naver => &NAVER,
            Preset::NaverOAuth2 => &NAVER_OAUTH2,
            Preset::Facebook => &FACEBOOK,
            Preset::Google => &GOOGLE,
            Preset::Apple => &APPLE,
            Preset::Oidc => &GENERIC,
        }
    }
}
