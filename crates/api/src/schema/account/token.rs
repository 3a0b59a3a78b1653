//! Tokens of native clients, and the grants that are exchanged for them (RFC 6749).

use blegram_domain::Violation;
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::body::request;

/// The tokens of a native client.
/// 네이티브 클라이언트의 토큰.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Tokens {
    /// Access token. Send it with every request as `Authorization: Bearer <token>`. Apps treat it as opaque.
    /// 액세스 토큰. 모든 요청에 `Authorization: Bearer <token>`으로 보내세요. 내용은 해석하지 마세요.
    access_token: String,
    /// Always `Bearer`.
    /// 항상 `Bearer`입니다.
    token_type: String,
    /// Seconds until the access token expires.
    /// 액세스 토큰이 만료될 때까지의 초.
    expires_in: u64,
    /// Refresh token. Exchange it once for new tokens with issueToken. Store it where only the app can read it.
    /// 갱신 토큰. issueToken에 한 번만 사용해 새 토큰을 받습니다. 앱만 읽을 수 있는 곳에 보관하세요.
    refresh_token: String,
    /// Seconds until the refresh token expires.
    /// 갱신 토큰이 만료될 때까지의 초.
    refresh_expires_in: u64,
}

impl From<blegram_auth::Tokens> for Tokens {
    fn from(tokens: blegram_auth::Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            token_type: "Bearer".to_owned(),
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token.expose().to_owned(),
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
        }
    }
}

/// The type of a grant.
/// 권한 부여 방식.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum GrantType {
    /// Needs `refresh_token`.
    RefreshToken,
    /// Needs `code`, `code_verifier` and `redirect_uri`, from a login with another provider.
    AuthorizationCode,
}

request! {
    /// A grant to exchange for tokens (RFC 6749, 4.1.3 and 6).
    /// 토큰과 교환할 권한 부여(RFC 6749, 4.1.3과 6).
    pub(crate) struct IssueToken {
        /// Type of the grant; decides which other fields are required.
        /// 권한 부여 방식. 이에 따라 필요한 다른 필드가 달라집니다.
        grant_type: GrantType = text(parse_grant_type),
        /// Required for `refresh_token`.
        /// `refresh_token`일 때 필요합니다.
        refresh_token: Option<String> = text_if(grant_type == Some(GrantType::RefreshToken), parse_grant),
        /// Required for `authorization_code`.
        /// `authorization_code`일 때 필요합니다.
        code: Option<String> = text_if(grant_type == Some(GrantType::AuthorizationCode), parse_grant),
        /// Required for `authorization_code` (RFC 7636).
        /// `authorization_code`일 때 필요합니다(RFC 7636).
        code_verifier: Option<String> =
            text_if(grant_type == Some(GrantType::AuthorizationCode), parse_grant),
        /// Required for `authorization_code`.
        /// `authorization_code`일 때 필요합니다.
        redirect_uri: Option<String> = text_if(grant_type == Some(GrantType::AuthorizationCode), parse_grant),
    }

    fn parse(fields) -> Option<Grant> {
        match grant_type? {
            GrantType::RefreshToken => refresh_token.map(Grant::RefreshToken),
            GrantType::AuthorizationCode => {
                let (code, code_verifier, redirect_uri) = (code?, code_verifier?, redirect_uri?);
                Some(Grant::AuthorizationCode { code, code_verifier, redirect_uri })
            }
        }
    }
}

/// A parsed [`IssueToken`].
#[derive(Debug)]
pub(crate) enum Grant {
    RefreshToken(String),
    AuthorizationCode { code: String, code_verifier: String, redirect_uri: String },
}

/// Largest accepted grant, in bytes; longer than every issued one.
const MAX_GRANT_BYTES: usize = 1024;

fn parse_grant_type(raw: &str) -> Result<GrantType, Violation> {
    match raw {
        "refresh_token" => Ok(GrantType::RefreshToken),
        "authorization_code" => Ok(GrantType::AuthorizationCode),
        _ => Err(Violation::OutOfRange("must be \"refresh_token\" or \"authorization_code\"")),
    }
}

fn parse_grant(raw: &str) -> Result<String, Violation> {
    if raw.len() > MAX_GRANT_BYTES {
        return Err(Violation::TooLong { max: MAX_GRANT_BYTES, unit: "bytes" });
    }
    Ok(raw.to_owned())
}
