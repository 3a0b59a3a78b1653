//! Passkeys. Their options and responses are objects of `WebAuthn` Level 3, which browsers make and read: their members are
//! described there and may grow, so here they are objects with any members.

use std::borrow::Cow;

use blegram_auth::{PasskeyResponse, Proof};
use poem_openapi::{
    Object,
    registry::{MetaExternalDocument, MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{body::request, schema::factor::parse_challenge};

macro_rules! web_authn {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $anchor:literal, $description:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Serialize)]
        #[serde(transparent)]
        pub(crate) struct $name(Value);

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $wire.into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Reference($wire.to_owned())
            }

            fn register(registry: &mut Registry) {
                registry.create_schema::<Self, _>($wire.to_owned(), |_| MetaSchema {
                    description: Some($description),
                    external_docs: Some(MetaExternalDocument {
                        url: concat!("https://www.w3.org/TR/webauthn-3/#", $anchor).to_owned(),
                        description: None,
                    }),
                    additional_properties: Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY)))),
                    ..MetaSchema::new("object")
                });
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                value.filter(Value::is_object).map(Self).ok_or_else(|| ParseError::custom("must be an object"))
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                Some(self.0.clone())
            }
        }
    )*};
}

web_authn! {
    /// The options of a registration.
    CreationOptions = "PublicKeyCredentialCreationOptionsJSON", "dictdef-publickeycredentialcreationoptionsjson",
        "Options for a new passkey, as of WebAuthn Level 3. Pass them to `PublicKeyCredential.parseCreationOptionsFromJSON()`, and the result as `publicKey` to `navigator.credentials.create()`. 새 패스키를 만드는 옵션(WebAuthn Level 3). `PublicKeyCredential.parseCreationOptionsFromJSON()`의 결과를 `navigator.credentials.create()`에 `publicKey`로 전달하세요.";
    /// The options of a login.
    RequestOptions = "PublicKeyCredentialRequestOptionsJSON", "dictdef-publickeycredentialrequestoptionsjson",
        "Options for a login with a passkey, as of WebAuthn Level 3. Pass them to `PublicKeyCredential.parseRequestOptionsFromJSON()`, and the result as `publicKey` to `navigator.credentials.get()`. 패스키로 로그인하는 옵션(WebAuthn Level 3). `PublicKeyCredential.parseRequestOptionsFromJSON()`의 결과를 `navigator.credentials.get()`에 `publicKey`로 전달하세요.";
    /// The result of a registration.
    RegistrationResponse = "RegistrationResponseJSON", "dictdef-registrationresponsejson",
        "A new passkey, as of WebAuthn Level 3: `toJSON()` of what `navigator.credentials.create()` returned. 새 패스키(WebAuthn Level 3). `navigator.credentials.create()`가 반환한 값의 `toJSON()`입니다.";
    /// The result of a login.
    AuthenticationResponse = "AuthenticationResponseJSON", "dictdef-authenticationresponsejson",
        "Proof of a passkey, as of WebAuthn Level 3: `toJSON()` of what `navigator.credentials.get()` returned. 패스키의 증명(WebAuthn Level 3). `navigator.credentials.get()`이 반환한 값의 `toJSON()`입니다.";
}

/// The start of the registration of a passkey.
/// 패스키 등록 시작.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PasskeySetup {
    /// Id of the factor, for finishPasskey.
    /// finishPasskey에 쓰는 인증 수단의 ID.
    id: Uuid,
    /// Options for the browser.
    /// 브라우저에 전달할 옵션.
    options: CreationOptions,
}

impl From<blegram_auth::PasskeySetup> for PasskeySetup {
    fn from(setup: blegram_auth::PasskeySetup) -> Self {
        Self { id: setup.id.as_uuid(), options: CreationOptions(setup.options) }
    }
}

/// The start of a login with a passkey.
/// 패스키 로그인 시작.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PasskeyRequest {
    /// Options for the browser.
    /// 브라우저에 전달할 옵션.
    options: RequestOptions,
}

impl PasskeyRequest {
    pub(crate) const fn new(options: Value) -> Self {
        Self { options: RequestOptions(options) }
    }
}

request! {
    /// A new passkey.
    /// 새 패스키.
    pub(crate) struct FinishPasskey {
        /// The new passkey.
        /// 새 패스키.
        credential: RegistrationResponse = object(),
    }

    fn parse(fields) -> Option<PasskeyResponse> {
        credential.as_ref().map(passkey_response)
    }
}

request! {
    /// The start of a login with a passkey.
    /// 패스키 로그인 시작.
    pub(crate) struct StartPasskeyLogin {
        /// `challenge` of the response of logIn, to complete that login. Without it, the passkey names the account.
        /// logIn 응답의 `challenge`. 그 로그인을 완료할 때 보내세요. 없으면 패스키가 계정을 알려 줍니다.
        challenge: Option<String> = text(parse_challenge),
    }

    fn parse(fields) -> Option<Option<String>> {
        Some(challenge)
    }
}

request! {
    /// A login with a passkey.
    /// 패스키 로그인.
    pub(crate) struct FinishPasskeyLogin {
        /// Proof of the passkey.
        /// 패스키의 증명.
        credential: AuthenticationResponse = object(),
        #[oai(flatten)]
        device: super::account::ClientDevice = flatten(),
    }

    fn parse(fields) -> Option<(PasskeyResponse, blegram_auth::Device)> {
        Some((passkey_response(&credential?), device?))
    }
}

pub(crate) fn passkey_response(credential: &Value) -> PasskeyResponse {
    PasskeyResponse::new(credential.to_string())
}

pub(crate) fn passkey_proof(credential: &Value) -> Proof {
    Proof::Passkey(passkey_response(credential))
}
