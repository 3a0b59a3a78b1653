//! An authenticator in software: it creates passkeys and signs with them as browsers and security keys do, and deviates on
//! demand.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer},
    elliptic_curve::rand_core::OsRng,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

pub(crate) struct Passkey {
    pub(crate) id: Vec<u8>,
    key: SigningKey,
    user: Vec<u8>,
}

/// An authenticator with its browser.
pub(crate) struct Authenticator {
    /// The origin of the page.
    pub(crate) origin: String,
    /// The domain for which it signs.
    pub(crate) domain: String,
    /// Whether it verifies the user, by a PIN or a fingerprint.
    pub(crate) verifies_user: bool,
    /// The signature counter of the next use. Zero: it has none.
    pub(crate) counter: u32,
    pub(crate) passkeys: Vec<Passkey>,
}

impl Authenticator {
    pub(crate) fn new(origin: &str, domain: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            domain: domain.to_owned(),
            verifies_user: true,
            counter: 1,
            passkeys: Vec::new(),
        }
    }

    /// What `navigator.credentials.create()` returns for `options`, as JSON.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        let key = SigningKey::random(&mut OsRng);
        let id = Sha256::digest(key.verifying_key().to_sec1_bytes()).to_vec();
        self.create_with(options, id, key)
    }

    /// The same with an id of the caller's choice.
    pub(crate) fn create_with(&mut self, options: &Value, id: Vec<u8>, key: SigningKey) -> Value {
        let user = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        // A COSE key: EC2, ES256, P-256.
        let mut cose = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        cose.extend_from_slice(point.x().unwrap());
        cose.extend_from_slice(&[0x22, 0x58, 0x20]);
        cose.extend_from_slice(point.y().unwrap());
        let mut data = self.data(HAS_CREDENTIAL);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&u16::try_from(id.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&id);
        data.extend_from_slice(&cose);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend_from_slice(&data);
        let client_data = self.client_data("webauthn.create", options);
        let encoded_id = URL_SAFE_NO_PAD.encode(&id);
        self.passkeys.push(Passkey { id, key, user });
        self.counter += u32::from(self.counter > 0);
        json!({
            "id": encoded_id,
            "rawId": encoded_id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "transports": ["internal"],
            },
            "clientExtensionResults": {},
        })
    }

    /// What `navigator.credentials.get()` returns for `options` and the passkey at `index`, as JSON.
    pub(crate) fn get(&mut self, options: &Value, index: usize) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(0);
        let passkey = &self.passkeys[index];
        let signed = [&data[..], &Sha256::digest(&client_data)].concat();
        let signature: Signature = passkey.key.sign(&signed);
        let id = URL_SAFE_NO_PAD.encode(&passkey.id);
        let answer = json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature.to_der()),
                "userHandle": URL_SAFE_NO_PAD.encode(&passkey.user),
            },
            "clientExtensionResults": {},
        });
        self.counter += u32::from(self.counter > 0);
        answer
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let verified = if self.verifies_user { USER_VERIFIED } else { 0 };
        let mut data = Sha256::digest(&self.domain).to_vec();
        data.push(USER_PRESENT | verified | flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        });
        data.to_string().into_bytes()
    }
}
