//! What the mails say, in each language.

use blegram_domain::{Account, Language, factor::FactorKind, mail::MailKind};

use super::render::{Details, LoginDetails};

/// The text of a mail in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) subject: String,
    pub(super) paragraphs: Vec<String>,
    /// The label of the link, if the mail has one.
    pub(super) link: Option<&'static str>,
    /// What to do if the mail is unexpected.
    pub(super) otherwise: &'static str,
}

const IGNORE: (&str, &str) = (
    "요청한 적이 없다면 이 메일을 무시하세요. 아무것도 바뀌지 않습니다.",
    "If you did not ask for this, ignore this mail. Nothing will change.",
);

const SECURE: (&str, &str) = (
    "직접 한 일이 아니라면 지금 비밀번호를 재설정하고, 사이트 운영자에게 알리세요.",
    "If this was not you, reset your password now, and inform the operators of the site.",
);

const CONTACT: (&str, &str) = (
    "직접 한 일이 아니라면 사이트 운영자에게 알리세요.",
    "If this was not you, inform the operators of the site.",
);

/// The text of a mail of `kind` in `language`.
pub(super) fn content(kind: MailKind, language: Language, account: &Account, details: &Details) -> Content {
    let username = &account.user.summary.username;
    let factor = names_of(details);
    let (korean, english) = match kind {
        // Without the username: the address may belong to a stranger, who must not read what another person typed.
        MailKind::VerifyEmail => (
            plain(
                "이메일 주소 확인",
                "blegram 계정에 이 이메일 주소가 입력되었습니다. 본인이 입력했다면 아래 링크에서 확인해 주세요. 링크는 24시간 동안 한 번만 쓸 수 있습니다.",
            ),
            plain(
                "Confirm your e-mail address",
                "This e-mail address was entered for a blegram account. If you did that, confirm it with the link below. The link is valid once, for 24 hours.",
            ),
        ),
        MailKind::ResetPassword => (
            plain(
                "비밀번호 재설정",
                &format!(
                    "@{username} 계정의 새 비밀번호를 아래 링크에서 정할 수 있습니다. 링크는 30분 동안 한 번만 쓸 수 있습니다."
                ),
            ),
            plain(
                "Reset your password",
                &format!(
                    "With the link below, you can choose a new password for @{username}. The link is valid once, for 30 minutes."
                ),
            ),
        ),
        MailKind::PasswordChanged => (
            plain(
                "비밀번호가 변경되었습니다",
                &format!("@{username} 계정의 비밀번호가 변경되었고, 다른 기기는 모두 로그아웃되었습니다."),
            ),
            plain(
                "Your password was changed",
                &format!("The password of @{username} was changed, and all other devices were logged out."),
            ),
        ),
        MailKind::PasswordReset => (
            plain(
                "비밀번호가 재설정되었습니다",
                &format!(
                    "메일의 링크로 @{username} 계정의 비밀번호가 재설정되었고, 모든 기기가 로그아웃되었습니다."
                ),
            ),
            plain(
                "Your password was reset",
                &format!(
                    "The password of @{username} was reset with a link from a mail, and all devices were logged out."
                ),
            ),
        ),
        MailKind::EmailChanged => (
            plain(
                "이메일 주소가 변경되었습니다",
                &format!(
                    "@{username} 계정의 이메일 주소가 다른 주소로 변경되었습니다. 이 주소로는 더 이상 로그인하거나 비밀번호를 재설정할 수 없습니다."
                ),
            ),
            plain(
                "Your e-mail address was changed",
                &format!(
                    "@{username} now has another e-mail address. You can no longer log in or reset the password with this one."
                ),
            ),
        ),
        MailKind::NewLogin => (
            plain(
                "새로운 기기에서 로그인했습니다",
                &format!("@{username} 계정에 처음 보는 기기에서 로그인했습니다."),
            ),
            plain("New login to your account", &format!("A new device logged in to @{username}.")),
        ),
        MailKind::LoginsLimited => (
            plain(
                "로그인 시도가 제한되었습니다",
                &format!(
                    "@{username} 계정에 잘못된 로그인 시도가 너무 많아, 처음 보는 기기에서의 로그인을 당분간 제한합니다. 로그인한 적이 있는 기기는 계속 쓸 수 있습니다. 이 메일은 하루에 한 번만 보냅니다."
                ),
            ),
            plain(
                "Logins to your account are limited",
                &format!(
                    "There were too many failed logins to @{username}. For a while, new devices cannot log in; devices that you have used before still can. You get this mail at most once a day."
                ),
            ),
        ),
        MailKind::FactorAdded => (
            plain(
                "2단계 인증 수단이 추가되었습니다",
                &format!(
                    "@{username} 계정에 2단계 인증 수단이 추가되었습니다: {}. 이제 이것으로도 로그인을 마칠 수 있습니다.",
                    factor.0
                ),
            ),
            plain(
                "A second factor was added",
                &format!(
                    "A second factor was added to @{username}: {}. Logins can be completed with it from now on.",
                    factor.1
                ),
            ),
        ),
        MailKind::FactorRemoved => (
            plain(
                "2단계 인증 수단이 삭제되었습니다",
                &format!("@{username} 계정에서 2단계 인증 수단이 삭제되었습니다: {}.", factor.0),
            ),
            plain(
                "A second factor was removed",
                &format!("A second factor was removed from @{username}: {}.", factor.1),
            ),
        ),
        MailKind::RecoveryCodesCreated => (
            plain(
                "복구 코드를 새로 만들었습니다",
                &format!(
                    "@{username} 계정의 복구 코드를 새로 만들었습니다. 이전 복구 코드는 더 이상 쓸 수 없습니다."
                ),
            ),
            plain(
                "New recovery codes were created",
                &format!(
                    "New recovery codes were created for @{username}. Earlier ones are no longer valid."
                ),
            ),
        ),
        MailKind::FactorsReset => (
            plain(
                "2단계 인증이 해제되었습니다",
                &format!(
                    "사이트 운영자가 @{username} 계정의 2단계 인증 수단과 복구 코드를 모두 삭제했습니다. 이제 비밀번호만으로 로그인됩니다. 다시 등록해 주세요."
                ),
            ),
            plain(
                "Your second factors were removed",
                &format!(
                    "An operator of the site removed all second factors and recovery codes of @{username}. The password alone logs in now: set up a second factor again."
                ),
            ),
        ),
    };
    let otherwise = match kind {
        MailKind::VerifyEmail | MailKind::ResetPassword => IGNORE,
        MailKind::PasswordChanged
        | MailKind::PasswordReset
        | MailKind::NewLogin
        | MailKind::FactorAdded
        | MailKind::FactorRemoved
        | MailKind::RecoveryCodesCreated => SECURE,
        MailKind::EmailChanged => CONTACT,
        MailKind::FactorsReset => (
            "요청한 적이 없다면 지금 비밀번호를 재설정하고, 사이트 운영자에게 알리세요.",
            "If you did not ask for this, reset your password now, and inform the operators of the site.",
        ),
        MailKind::LoginsLimited => (
            "비밀번호가 길고 다른 곳에서 쓰지 않는 것이라면 아무것도 하지 않아도 됩니다.",
            "If your password is long and used nowhere else, there is nothing to do.",
        ),
    };
    let link = match kind {
        MailKind::VerifyEmail => Some(("주소 확인하기", "Confirm the address")),
        MailKind::ResetPassword => Some(("새 비밀번호 정하기", "Choose a new password")),
        MailKind::PasswordChanged
        | MailKind::PasswordReset
        | MailKind::NewLogin
        | MailKind::FactorAdded
        | MailKind::FactorRemoved
        | MailKind::RecoveryCodesCreated
        | MailKind::FactorsReset => Some(("비밀번호 재설정하기", "Reset your password")),
        MailKind::EmailChanged | MailKind::LoginsLimited => None,
    };
    let login = match details {
        Details::Login(login) => Some(login),
        Details::Factor(_) | Details::None => None,
    };
    let ((subject, first), details) = match language {
        Language::Korean => (korean, login.map(LoginDetails::korean)),
        Language::English => (english, login.map(LoginDetails::english)),
    };
    let choose = |pair: (&'static str, &'static str)| match language {
        Language::Korean => pair.0,
        Language::English => pair.1,
    };
    Content {
        subject,
        paragraphs: std::iter::once(first).chain(details).collect(),
        link: link.map(choose),
        otherwise: choose(otherwise),
    }
}

/// The names of a second factor in a sentence, in Korean and English.
const fn names_of(details: &Details) -> (&'static str, &'static str) {
    match details {
        Details::Factor(FactorKind::Totp) => ("인증 앱", "an authenticator app"),
        Details::Factor(FactorKind::Passkey) => ("패스키", "a passkey"),
        // A later version may have queued the mail.
        Details::Login(_) | Details::None => ("알 수 없는 종류", "of an unknown kind"),
    }
}

/// A subject and the first paragraph.
fn plain(subject: &str, paragraph: &str) -> (String, String) {
    (subject.to_owned(), paragraph.to_owned())
}
