//! Extractors for the authenticated user of a request. The gate authenticates the request before they run.

use blegram_auth::Authenticated;
use blegram_domain::{SessionId, UserId, session::Kind, user::Role};
use poem::{FromRequest, Request, RequestBody};

use crate::Rejection;

/// The viewer of an operation that requires a login.
#[derive(Debug, Clone, Copy)]
pub struct Viewer(Authenticated);

/// The viewer of an operation that does not require a login.
#[derive(Debug, Clone, Copy, Default)]
pub struct MaybeViewer(Option<Authenticated>);

impl Viewer {
    /// The session and its user.
    pub const fn authenticated(self) -> Authenticated {
        self.0
    }

    /// The user.
    pub const fn id(self) -> UserId {
        self.0.user
    }

    /// The user's role.
    pub const fn role(self) -> Role {
        self.0.role
    }

    /// The session.
    pub const fn session(self) -> SessionId {
        self.0.session
    }

    /// The session, if it was authenticated by the cookie.
    pub fn cookie_session(self) -> Option<SessionId> {
        (self.0.kind == Kind::Browser).then_some(self.0.session)
    }
}

impl MaybeViewer {
    /// The session and its user.
    pub const fn authenticated(self) -> Option<Authenticated> {
        self.0
    }

    /// The user.
    pub fn id(self) -> Option<UserId> {
        self.0.map(|viewer| viewer.user)
    }

    /// The session.
    pub fn session(self) -> Option<SessionId> {
        self.0.map(|viewer| viewer.session)
    }

    /// The session, if it was authenticated by the cookie.
    pub fn cookie_session(self) -> Option<SessionId> {
        self.0.filter(|viewer| viewer.kind == Kind::Browser).map(|viewer| viewer.session)
    }
}

impl From<Viewer> for MaybeViewer {
    fn from(Viewer(viewer): Viewer) -> Self {
        Self(Some(viewer))
    }
}

impl<'a> FromRequest<'a> for MaybeViewer {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self(request.data::<Authenticated>().copied()))
    }
}

impl<'a> FromRequest<'a> for Viewer {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        // The gate has already rejected anonymous requests to operations with `Login::Required`. An operation whose row
        // lacks that is rejected here instead of running without a viewer.
        let viewer = request.data::<Authenticated>().copied();
        Ok(Self(viewer.ok_or(Rejection::Unauthenticated)?))
    }
}
