//! The address of an account, and what the links in mails do.

use blegram_auth::{EnteredPassword, NewPassword};
use blegram_domain::EmailAddress;

use crate::body::request;

request! {
    /// A change of your email address.
    /// 이메일 주소 변경.
    pub(crate) struct ChangeEmail {
        /// New email address.
        /// 새 이메일 주소.
        email: String = text(EmailAddress::parse),
        /// Your password; null or absent only if the account has no password.
        /// 비밀번호. 비밀번호가 없는 계정에서만 null이거나 생략할 수 있습니다.
        password: Option<String> = text(EnteredPassword::parse),
    }

    fn parse(fields) -> Option<blegram_auth::ChangeEmail> {
        Some(blegram_auth::ChangeEmail { address: email?, password, language: None })
    }
}

request! {
    /// The token from a verification mail.
    /// 인증 메일에 있는 토큰.
    pub(crate) struct VerifyEmail {
        /// Parameter `token` of the link in the mail.
        /// 메일에 있는 링크의 `token` 매개변수.
        token: String = text(|raw| Ok(raw.to_owned())),
    }

    fn parse(fields) -> Option<String> {
        token
    }
}

request! {
    /// A request for a mail to reset a password.
    /// 비밀번호 재설정 메일 요청.
    pub(crate) struct RequestPasswordReset {
        /// Verified email address of the account.
        /// 계정의 인증된 이메일 주소.
        email: String = text(EmailAddress::parse),
    }

    fn parse(fields) -> Option<EmailAddress> {
        email
    }
}

request! {
    /// A new password, with the token from a mail.
    /// 메일에 있는 토큰으로 정하는 새 비밀번호.
    pub(crate) struct CompletePasswordReset {
        /// Parameter `token` of the link in the mail.
        /// 메일에 있는 링크의 `token` 매개변수.
        token: String = text(|raw| Ok(raw.to_owned())),
        /// Password: 10 to 128 characters, not easy to guess.
        /// 추측하기 어려운 10~128자.
        #[oai(validator(min_length = 10))]
        new_password: String = text(|raw| NewPassword::parse(raw, &[])),
    }

    fn parse(fields) -> Option<(String, NewPassword)> {
        Some((token?, new_password?))
    }
}
