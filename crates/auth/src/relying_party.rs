//! Verification of passkeys (`WebAuthn` Level 3) with the library `webauthn_rp`. Passkeys are discoverable credentials with
//! user verification, so that one alone is two factors: the authenticator, and what unlocks it.
//!
//! Nothing here accesses the database: [`crate::passkey`] stores the ceremonies and the credentials.

use std::sync::Arc;

use blegram_domain::{User, UserId};
use blegram_persistence::{factors::Passkey, passkey_ceremonies::Purpose};
use webauthn_rp::{
    AuthenticatedCredential,
    bin::{Decode, Encode},
    request::{
        AsciiDomain, Credentials, ExtensionInfo, PublicKeyCredentialDescriptor, RpId,
        UserVerificationRequirement,
        auth::{
            AllowedCredentials, AuthenticationVerificationOptions, DiscoverableAuthenticationServerState,
            DiscoverableCredentialRequestOptions, NonDiscoverableAuthenticationServerState,
            NonDiscoverableCredentialRequestOptions,
        },
        register::{
            CredProtect, Nickname, PublicKeyCredentialCreationOptions, PublicKeyCredentialUserEntity,
            RegistrationServerState, RegistrationVerificationOptions, UserHandle16, Username,
        },
    },
    response::{
        AuthTransports, CredentialId,
        auth::{DiscoverableAuthentication16, NonDiscoverableAuthentication16, error::AuthCeremonyErr},
        register::{CompressedPubKey, DynamicState, Registration, StaticState},
    },
};

/// The site as browsers and authenticators know it: its domain, and the origins whose pages may use its passkeys.
#[derive(Debug, Clone)]
pub(crate) struct RelyingParty {
    id: Arc<RpId>,
    origins: Arc<[String]>,
}

/// What a client needs to start a ceremony, and what the server needs to finish it.
#[derive(Debug)]
pub(crate) struct Started {
    /// The options for `navigator.credentials`, as JSON.
    pub(crate) options: serde_json::Value,
    pub(crate) challenge: [u8; 16],
    pub(crate) state: Vec<u8>,
}

/// Why a response of an authenticator was rejected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    /// The signature counter did not increase: there may be a copy of the authenticator.
    #[error("the signature counter went back")]
    Counter,
    #[error("{0}")]
    Other(String),
}

impl Rejected {
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    fn new(cause: impl ToString) -> Self {
        Self::Other(cause.to_string())
    }
}

type Result<T> = std::result::Result<T, Rejected>;

/// A public key as the library stores it: Ed25519, P-256, P-384 or RSA.
type PublicKey = CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>;

/// A new credential.
#[derive(Debug)]
pub(crate) struct NewCredential {
    pub(crate) id: Vec<u8>,
    pub(crate) credential: Vec<u8>,
    pub(crate) state: Vec<u8>,
    pub(crate) transports: i16,
}

impl RelyingParty {
    /// The relying party of a site at `url` with pages at `origins`; `None` if its host is an IP address, for which
    /// browsers create no passkeys. Passkeys work on those origins that are in the site's domain.
    pub(crate) fn new(url: &str, origins: &[String]) -> Option<Self> {
        let site = url::Url::parse(url).ok()?;
        let url::Host::Domain(domain) = site.host()? else { return None };
        let is_inside = |origin: &&String| {
            let host = url::Url::parse(origin).ok().and_then(|url| url.host_str().map(ToOwned::to_owned));
            host.is_some_and(|host| host == domain || host.ends_with(&format!(".{domain}")))
        };
        let own = site.origin().ascii_serialization();
        let others = origins.iter().filter(|origin| **origin != own).filter(is_inside).cloned();
        Some(Self {
            id: Arc::new(RpId::Domain(AsciiDomain::try_from(domain.to_owned()).ok()?)),
            origins: std::iter::once(own.clone()).chain(others).collect(),
        })
    }

    /// Starts the registration of a passkey for `user`, whose authenticators must not have one of `existing`.
    pub(crate) fn start_registration(&self, user: &User, existing: &[Passkey]) -> Result<Started> {
        let handle = handle(user.summary.id);
        let entity = PublicKeyCredentialUserEntity {
            name: Username::try_from(user.summary.username.as_str()).map_err(Rejected::new)?,
            id: &handle,
            // Only shown to the user: a name that the library does not accept is left out.
            display_name: Nickname::try_from(user.summary.display_name.as_str()).ok(),
        };
        let existing = existing.iter().map(descriptor).collect::<Result<Vec<_>>>()?;
        let mut options = PublicKeyCredentialCreationOptions::passkey(&self.id, entity, existing);
        // Asked for and not enforced: browsers would not use authenticators that do not know it, as most do not.
        options.extensions.cred_protect =
            CredProtect::UserVerificationRequired(ExtensionInfo::AllowDontEnforceValue);
        let challenge = options.challenge.as_data().to_le_bytes();
        let (server, client) = options.start_ceremony().map_err(Rejected::new)?;
        let state = server.encode().map_err(Rejected::new)?;
        Ok(Started { options: serde_json::to_value(&client).map_err(Rejected::new)?, challenge, state })
    }

    /// Finishes a registration: verifies that an authenticator with user verification created the credential for this
    /// site, on a page of it, for this challenge. Attestation is not asked for.
    pub(crate) fn finish_registration(&self, state: &[u8], response: &str) -> Result<NewCredential> {
        let response = Registration::from_json_relaxed(response.as_bytes()).map_err(Rejected::new)?;
        let state = RegistrationServerState::<16>::decode(state).map_err(Rejected::new)?;
        let options = RegistrationVerificationOptions::<String, String> {
            allowed_origins: &self.origins,
            error_on_unsolicited_extensions: false,
            ..RegistrationVerificationOptions::default()
        };
        let registered = state.verify(&self.id, &response, &options).map_err(Rejected::new)?;
        let (Ok(credential), Ok(state), Ok(transports)) = (
            registered.static_state().encode(),
            registered.dynamic_state().encode(),
            registered.transports().encode(),
        );
        Ok(NewCredential {
            id: registered.id().as_ref().to_vec(),
            credential,
            state: state.to_vec(),
            transports: transports.into(),
        })
    }

    /// Starts a login in which the passkey names the account.
    pub(crate) fn start_login(&self) -> Result<Started> {
        let options = DiscoverableCredentialRequestOptions::passkey(&self.id);
        let challenge = options.0.challenge.as_data().to_le_bytes();
        let (server, client) = options.start_ceremony().map_err(Rejected::new)?;
        let state = server.encode().map_err(Rejected::new)?;
        Ok(Started { options: serde_json::to_value(&client).map_err(Rejected::new)?, challenge, state })
    }

    /// Starts the second step of a login with one of `passkeys`.
    pub(crate) fn start_second_factor(&self, passkeys: &[Passkey]) -> Result<Started> {
        let mut allowed = AllowedCredentials::with_capacity(passkeys.len());
        for passkey in passkeys {
            allowed.push(descriptor(passkey)?.into());
        }
        let options = NonDiscoverableCredentialRequestOptions::second_factor(&self.id, allowed);
        let mut options = options.map_err(Rejected::new)?;
        options.options().user_verification = UserVerificationRequirement::Required;
        let challenge = options.options().challenge.as_data().to_le_bytes();
        let (server, client) = options.start_ceremony().map_err(Rejected::new)?;
        let state = server.encode().map_err(Rejected::new)?;
        Ok(Started { options: serde_json::to_value(&client).map_err(Rejected::new)?, challenge, state })
    }

    /// Finishes a login: verifies that the authenticator of `passkey` signed the challenge with user verification, on a
    /// page of this site. Returns the new state of the credential.
    pub(crate) fn finish_login(
        &self,
        purpose: &Purpose,
        state: &[u8],
        passkey: &Passkey,
        response: &str,
    ) -> Result<Vec<u8>> {
        let handle = handle(passkey.user);
        let dynamic = <[u8; 7]>::try_from(&passkey.state[..]).map_err(Rejected::new)?;
        let mut credential = AuthenticatedCredential::new(
            CredentialId::<&[u8]>::decode(&passkey.credential_id[..]).map_err(Rejected::new)?,
            &handle,
            StaticState::<PublicKey>::decode(&passkey.credential[..]).map_err(Rejected::new)?,
            DynamicState::decode(dynamic).map_err(Rejected::new)?,
        )
        .map_err(Rejected::new)?;
        let options = AuthenticationVerificationOptions::<String, String> {
            allowed_origins: &self.origins,
            error_on_unsolicited_extensions: false,
            ..AuthenticationVerificationOptions::default()
        };
        let json = response.as_bytes();
        let verified = match purpose {
            Purpose::LogIn => {
                let any = NonDiscoverableAuthentication16::from_json_relaxed(json).map_err(Rejected::new)?;
                if any.response().user_handle().is_none() {
                    // webauthn_rp 0.3.0 accepts null here, and panics when it compares it.
                    return Err(Rejected::new("the passkey does not name its account"));
                }
                let response =
                    DiscoverableAuthentication16::from_json_relaxed(json).map_err(Rejected::new)?;
                let state = DiscoverableAuthenticationServerState::decode(state).map_err(Rejected::new)?;
                state.verify(&self.id, &response, &mut credential, &options)
            }
            Purpose::CompleteLogin(..) | Purpose::Register(..) => {
                let response =
                    NonDiscoverableAuthentication16::from_json_relaxed(json).map_err(Rejected::new)?;
                let state = NonDiscoverableAuthenticationServerState::decode(state).map_err(Rejected::new)?;
                state.verify(&self.id, &response, &mut credential, &options)
            }
        };
        verified.map_err(|error| match error {
            AuthCeremonyErr::SignatureCounter => Rejected::Counter,
            other => Rejected::new(other),
        })?;
        let Ok(state) = credential.dynamic_state().encode();
        Ok(state.to_vec())
    }
}

/// The challenge that a registered credential answers; `None` if the response is malformed.
pub(crate) fn registration_challenge(response: &str) -> Option<[u8; 16]> {
    let response = Registration::from_json_relaxed(response.as_bytes()).ok()?;
    Some(response.challenge_relaxed().ok()?.0.to_le_bytes())
}

/// The challenge that an assertion answers, and the id of its credential; `None` if it is malformed.
pub(crate) fn login_challenge(response: &str) -> Option<([u8; 16], Vec<u8>)> {
    let response = NonDiscoverableAuthentication16::from_json_relaxed(response.as_bytes()).ok()?;
    let challenge = response.challenge_relaxed().ok()?.0.to_le_bytes();
    Some((challenge, response.raw_id().as_ref().to_vec()))
}

/// The user handle of an account: its id, which is public and says nothing about a person.
fn handle(user: UserId) -> UserHandle16 {
    let decoded = UserHandle16::decode(*user.as_uuid().as_bytes());
    decoded.unwrap_or_else(|never| match never {})
}

fn descriptor(passkey: &Passkey) -> Result<PublicKeyCredentialDescriptor<Vec<u8>>> {
    let transports = u8::try_from(passkey.transports).map_err(Rejected::new)?;
    Ok(PublicKeyCredentialDescriptor {
        id: CredentialId::<Vec<u8>>::decode(passkey.credential_id.clone()).map_err(Rejected::new)?,
        transports: AuthTransports::decode(transports).map_err(Rejected::new)?,
    })
}
