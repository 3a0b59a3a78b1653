//! Signing up, logging in and out, accounts and follows.

use reqwest::StatusCode;
use uuid::Uuid;

use super::{
    Client,
    request::{Request, parse},
};
use crate::{
    error::Error,
    types::{Account, AuthResult, ClientKind, Follow, LogIn, SignUp, User},
};

impl Client {
    /// Creates an account and logs in.
    ///
    /// # Errors
    /// [`Error::Rejected`] with `username-taken`, or with `invalid` and the rejected values.
    pub async fn sign_up(&self, username: &str, password: &str) -> Result<Account, Error> {
        let body = SignUp {
            username: username.to_owned(),
            password: password.to_owned(),
            client: native(),
            device_name: None,
            display_name: None,
            email: None,
        };
        self.begin_session(self.post("/auth/signup").json(&body)).await
    }

    /// Logs in as a native app, with a username or a verified e-mail address. `device_name` appears in the list of
    /// sessions.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if one of them is wrong, [`Error::SecondFactor`] if there is one.
    pub async fn log_in(&self, login: &str, password: &str, device_name: &str) -> Result<Account, Error> {
        let body = LogIn {
            login: login.to_owned(),
            password: password.to_owned(),
            client: native(),
            device_name: Some(device_name.to_owned()),
        };
        self.begin_session(self.post("/auth/login").json(&body)).await
    }

    async fn begin_session(&self, request: Request<'_>) -> Result<Account, Error> {
        let (status, body) = request.anonymous().execute().await?;
        if status == StatusCode::ACCEPTED {
            return Err(Error::SecondFactor(parse(&body)?));
        }
        let AuthResult { account, tokens } = parse(&body)?;
        self.restore(tokens.ok_or_else(|| Error::Unexpected("a login without tokens".to_owned()))?);
        Ok(account)
    }

    /// Ends the session, on the server as well.
    ///
    /// # Errors
    /// See [`Error`]; the tokens are dropped in any case.
    pub async fn log_out(&self) -> Result<(), Error> {
        let ended = self.post("/auth/logout").send_unit().await;
        self.drop_tokens();
        ended
    }

    /// The account of the session.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn me(&self) -> Result<Account, Error> {
        self.get("/me").send().await
    }

    /// A profile, by id or `@username`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn user(&self, user: &str) -> Result<User, Error> {
        self.get(format!("/users/{user}")).send().await
    }

    /// Follows an account, or requests to follow a private one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn follow(&self, user: Uuid) -> Result<Follow, Error> {
        self.put(format!("/users/{user}/follow")).send().await
    }

    /// Unfollows an account, or withdraws the request.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unfollow(&self, user: Uuid) -> Result<Follow, Error> {
        self.delete(format!("/users/{user}/follow")).send().await
    }
}

fn native() -> ClientKind {
    ClientKind::from("native".to_owned())
}
