//! The addresses to which browsers go after a login with a provider.

use blegram_auth::{FailedLogin, ReturnTo};
use blegram_domain::ProviderId;

use crate::{
    App,
    problem::{Code, Problem},
};

/// The page after a login without a target.
pub(crate) const DONE: &str = "/login/done";

/// The page that asks for a username.
pub(crate) const SIGN_UP: &str = "/signup/complete";

/// The page that asks for a second factor.
pub(crate) const SECOND_FACTOR: &str = "/login/second-factor";

/// The page about errors.
const ERROR: &str = "/login/error";

/// Where the browser goes after a login that failed. It learns the code of a problem; what the provider said is never
/// repeated.
///
/// # Errors
/// For a failure of this site itself, such as a database that does not respond: then there is no answer to go on with.
pub(crate) fn after_failure(
    app: &App,
    failed: FailedLogin,
    provider: &ProviderId,
) -> Result<String, Problem> {
    let problem = Problem::from(failed.error);
    let code = problem.code();
    if matches!(code, Code::Internal | Code::Unavailable | Code::Overloaded) {
        return Err(problem);
    }
    Ok(match failed.to {
        ReturnTo::Page => {
            with_query(&app.auth.page(ERROR), &[("code", code.as_str()), ("provider", provider.as_str())])
        }
        ReturnTo::Path(path) => with_query(&app.auth.page(&path), &[("login_error", code.as_str())]),
        ReturnTo::App { redirect_uri, state } => {
            let state = state.as_deref().map(|state| ("state", state));
            let error = [("error", app_error(code)), ("error_description", code.as_str())];
            with_query(&redirect_uri, &error.into_iter().chain(state).collect::<Vec<_>>())
        }
    })
}

/// The error that an app receives (RFC 6749, 4.1.2.1).
const fn app_error(code: Code) -> &'static str {
    match code {
        Code::ProviderUnavailable => "temporarily_unavailable",
        Code::LoginRejected => "server_error",
        _ => "access_denied",
    }
}

/// Appends parameters to the query of an address.
pub(crate) fn with_query(address: &str, parameters: &[(&str, &str)]) -> String {
    let (address, fragment) = match address.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (address, None),
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let separator = match address.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{address}{separator}{query}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_appended_to_the_query() {
        let table = [
            ("/a", "/a?code=x%26y"),
            ("/a?b=c", "/a?b=c&code=x%26y"),
            ("/a?", "/a?code=x%26y"),
            ("/a?b#c", "/a?b&code=x%26y#c"),
            ("com.example.app:/cb", "com.example.app:/cb?code=x%26y"),
        ];
        for (address, expected) in table {
            assert_eq!(with_query(address, &[("code", "x&y")]), expected);
        }
    }
}
