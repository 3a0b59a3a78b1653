//! Notices that a user ended the link to the site at the provider. Each provider authenticates them in its own way.

use std::time::Duration;

use aes_gcm::aes::{
    Aes128,
    cipher::{BlockDecrypt, KeyInit as _, generic_array::GenericArray},
};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use blegram_domain::IdentityKey;
use hmac::{Hmac, KeyInit as _, Mac};
use md5::Md5;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Notice, NoticeReply, NoticeSubject, ProviderError, blueprint::NoticeKind, settings::Parts};

/// How old a notice may be. A copy of an old one must not end a link that was made since.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Authenticates a notice. `None` if the provider sends none, or the key for them is not configured.
pub(super) fn read(parts: &Parts, notice: &Notice) -> Option<Result<NoticeSubject, ProviderError>> {
    let invalid = || ProviderError::Rejected("the notice is not authentic".to_owned());
    let subject = match parts.blueprint.notice {
        NoticeKind::None => return None,
        NoticeKind::Kakao => {
            let key = parts.settings.admin_key.as_ref()?.expose_secret();
            kakao(key, notice).map(|subject| (subject, NoticeReply::Ok))
        }
        NoticeKind::Naver => {
            naver(parts, parts.secret()?, notice).map(|subject| (subject, NoticeReply::NoContent))
        }
        NoticeKind::Facebook => {
            facebook(parts, parts.secret()?, notice).map(|subject| (subject, NoticeReply::Confirmation))
        }
    };
    // As subjects in rows are.
    let is_valid = |subject: &str| {
        (1..=IdentityKey::MAX_SUBJECT_BYTES).contains(&subject.len())
            && subject.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let subject = subject.filter(|(subject, _)| is_valid(subject));
    Some(subject.map(|(subject, reply)| NoticeSubject { subject, reply }).ok_or_else(invalid))
}

/// Kakao sends the admin key of the app in the header.
fn kakao(key: &str, notice: &Notice) -> Option<String> {
    let expected = format!("KakaoAK {key}");
    let given = notice.authorization.as_ref()?.expose_secret();
    // Compared by their hashes, so that the time does not depend on the first difference.
    let is_authentic = Sha256::digest(given) == Sha256::digest(expected);
    let user = notice.parameters.get("user_id").filter(|_| is_authentic)?;
    (!user.is_empty()).then(|| user.clone())
}

/// Naver signs its notices and encrypts the user's id, both with the MD5 of the client secret (Naver Login developer
/// guide, 4.4).
fn naver(parts: &Parts, secret: &str, notice: &Notice) -> Option<String> {
    let parameter = |name: &str| notice.parameters.get(name).map(String::as_str);
    let (client, user) = (parameter("clientId")?, parameter("encryptUniqueId")?);
    let (time, signature) = (parameter("timestamp")?, parameter("signature")?);
    let key: [u8; 16] = Md5::digest(secret).into();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("clientId={client}&encryptUniqueId={user}&timestamp={time}").as_bytes());
    mac.verify_slice(&BASE64_URL.decode(signature.trim()).ok()?).ok()?;
    let is_ours = client == parts.settings.client_id && is_recent(parts, time.parse().ok()?);
    let user = BASE64_URL.decode(user.trim()).ok().filter(|_| is_ours)?;
    String::from_utf8(decrypt_cbc(&key, &user)?).ok()
}

/// AES-128-CBC with PKCS #7 padding; the first block is the initialisation vector. Only for data whose signature is
/// verified: otherwise an attacker could learn it from the errors.
fn decrypt_cbc(key: &[u8; 16], data: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes128::new(GenericArray::from_slice(key));
    let blocks: Vec<&[u8]> = data.chunks(16).collect();
    if blocks.len() < 2 || blocks.iter().any(|block| block.len() != 16) {
        return None;
    }
    let mut plain = Vec::with_capacity(data.len());
    for pair in blocks.windows(2) {
        let mut block = GenericArray::clone_from_slice(pair[1]);
        cipher.decrypt_block(&mut block);
        plain.extend(block.iter().zip(pair[0]).map(|(byte, previous)| byte ^ previous));
    }
    let padding = usize::from(*plain.last()?);
    let length = plain.len().checked_sub(padding).filter(|_| (1..=16).contains(&padding))?;
    plain[length..].iter().all(|byte| usize::from(*byte) == padding).then(|| plain[..length].to_vec())
}

#[derive(Deserialize)]
struct SignedRequest {
    algorithm: String,
    issued_at: i64,
    user_id: String,
}

/// Facebook sends `signed_request`: a signature and JSON.
fn facebook(parts: &Parts, secret: &str, notice: &Notice) -> Option<String> {
    let (signature, payload) = notice.parameters.get("signed_request")?.split_once('.')?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(payload.as_bytes());
    mac.verify_slice(&BASE64_URL.decode(signature).ok()?).ok()?;
    let request: SignedRequest = serde_json::from_slice(&BASE64_URL.decode(payload).ok()?).ok()?;
    let is_valid =
        request.algorithm.eq_ignore_ascii_case("HMAC-SHA256") && is_recent(parts, request.issued_at);
    is_valid.then_some(request.user_id)
}

fn is_recent(parts: &Parts, seconds: i64) -> bool {
    let at = seconds.checked_mul(1_000_000).and_then(blegram_domain::Timestamp::from_micros);
    at.is_some_and(|at| parts.clock.now().is_near(at, MAX_AGE))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc};

    use aes_gcm::aes::cipher::BlockEncrypt;
    use blegram_domain::{Clock, FixedClock, ProviderId, Timestamp};
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;
    use crate::provider::{
        blueprint::Blueprint,
        egress::{Egress, Hosts},
        settings::{Preset, ProviderSettings},
    };

    const NOW: i64 = 1_790_000_000;

    fn parts(preset: Preset) -> Parts {
        let id = ProviderId::parse(preset.as_str()).unwrap();
        let mut settings = ProviderSettings::new(preset, id, "client".to_owned(), Some("a secret".into()));
        settings.admin_key = Some("admin key".into());
        let clock = Arc::new(FixedClock::new(Timestamp::from_micros(NOW * 1_000_000).unwrap()));
        Parts {
            blueprint: Blueprint::of(preset),
            settings,
            hosts: Hosts::default(),
            picture_hosts: Hosts::default(),
            egress: Egress::new(false).unwrap(),
            clock: clock as Arc<dyn Clock>,
        }
    }

    fn read_parameters(preset: Preset, parameters: &[(&str, &str)]) -> Option<String> {
        let parameters: HashMap<String, String> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let notice = Notice { authorization: None, parameters };
        read(&parts(preset), &notice).unwrap().ok().map(|subject| subject.subject)
    }

    fn encrypt_cbc(key: &[u8; 16], text: &str) -> String {
        let padding = 16 - text.len() % 16;
        let mut plain = text.as_bytes().to_vec();
        plain.extend(std::iter::repeat_n(u8::try_from(padding).unwrap(), padding));
        let (cipher, mut data) = (Aes128::new(GenericArray::from_slice(key)), vec![7_u8; 16]);
        for block in plain.chunks(16) {
            let previous = data[data.len() - 16..].to_vec();
            let mixed: Vec<u8> = block.iter().zip(previous).map(|(a, b)| a ^ b).collect();
            let mut block = GenericArray::clone_from_slice(&mixed);
            cipher.encrypt_block(&mut block);
            data.extend_from_slice(&block);
        }
        BASE64_URL.encode(data)
    }

    fn naver_notice(secret: &str, client: &str, time: i64) -> Option<String> {
        let key: [u8; 16] = Md5::digest(secret).into();
        let (user, time) = (encrypt_cbc(&key, "naver-user-1"), time.to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("clientId={client}&encryptUniqueId={user}&timestamp={time}").as_bytes());
        let signature = BASE64_URL.encode(mac.finalize().into_bytes());
        let parameters = [
            ("clientId", client),
            ("encryptUniqueId", &user),
            ("timestamp", &time),
            ("signature", &signature),
        ];
        read_parameters(Preset::Naver, &parameters)
    }

    fn facebook_notice(secret: &str, algorithm: &str, time: i64) -> Option<String> {
        let payload = serde_json::json!({"algorithm": algorithm, "issued_at": time, "user_id": "fb-1"});
        let payload = BASE64_URL.encode(payload.to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(payload.as_bytes());
        let signature = BASE64_URL.encode(mac.finalize().into_bytes());
        read_parameters(Preset::Facebook, &[("signed_request", &format!("{signature}.{payload}"))])
    }

    #[test]
    fn signed_notices_are_authenticated() {
        assert_eq!(naver_notice("a secret", "client", NOW).as_deref(), Some("naver-user-1"));
        assert_eq!(naver_notice("another", "client", NOW), None);
        assert_eq!(naver_notice("a secret", "another", NOW), None);
        assert_eq!(naver_notice("a secret", "client", NOW - 600), None, "an old copy");
        assert_eq!(facebook_notice("a secret", "HMAC-SHA256", NOW).as_deref(), Some("fb-1"));
        assert_eq!(facebook_notice("another", "HMAC-SHA256", NOW), None);
        assert_eq!(facebook_notice("a secret", "none", NOW), None);
        assert_eq!(facebook_notice("a secret", "HMAC-SHA256", NOW - 600), None);
        for malformed in ["", ".", "a.b", "....", "é.é"] {
            assert_eq!(
                read_parameters(Preset::Facebook, &[("signed_request", malformed)]),
                None,
                "{malformed}"
            );
        }
        assert_eq!(read_parameters(Preset::Naver, &[]), None);
    }

    #[test]
    fn notice_of_kakao_has_the_admin_key() {
        let notice = |header: Option<&str>| Notice {
            authorization: header.map(SecretString::from),
            parameters: HashMap::from([("user_id".to_owned(), "4711".to_owned())]),
        };
        let read = |header| read(&parts(Preset::Kakao), &notice(header)).unwrap().ok();
        assert_eq!(read(Some("KakaoAK admin key")).unwrap().subject, "4711");
        for header in [None, Some(""), Some("KakaoAK "), Some("admin key"), Some("KakaoAK admin keys")] {
            assert_eq!(read(header), None, "{header:?}");
        }
        let mut unconfigured = parts(Preset::Kakao);
        unconfigured.settings.admin_key = None;
        assert!(super::read(&unconfigured, &notice(Some("KakaoAK admin key"))).is_none());
    }

    #[test]
    fn decryption_rejects_invalid_data() {
        let key = [1; 16];
        for length in [0, 1, 15, 16, 17, 31, 33] {
            assert_eq!(decrypt_cbc(&key, &vec![0; length]), None, "{length}");
        }
        assert_eq!(decrypt_cbc(&key, &BASE64_URL.decode(encrypt_cbc(&key, "a")).unwrap()).unwrap(), b"a");
    }

    #[test]
    fn invented_notices_are_rejected() {
        let providers = [Preset::Kakao, Preset::Naver, Preset::Facebook].map(parts);
        let like = "[A-Za-z0-9_=-]{0,50}[.]?[A-Za-z0-9_=-]{0,80}";
        proptest!(|(text in ".{0,60}", like in like, time in any::<i64>(), header in ".{0,30}")| {
            for text in [text, like] {
                let time = time.to_string();
                let parameters = [
                    ("signed_request", text.as_str()),
                    ("clientId", "client"),
                    ("encryptUniqueId", &text),
                    ("timestamp", &time),
                    ("signature", &text),
                    ("user_id", "4711"),
                ];
                let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
                let notice = Notice { authorization: Some(header.clone().into()), parameters };
                for parts in &providers {
                    prop_assert!(read(parts, &notice).unwrap().is_err());
                }
            }
        });
    }

    proptest! {
        #[test]
        fn decryption_of_any_data_does_not_panic(data in proptest::collection::vec(any::<u8>(), 0..80)) {
            decrypt_cbc(&[1; 16], &data);
        }
    }
}
