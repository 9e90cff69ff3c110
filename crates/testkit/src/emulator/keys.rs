//! RSA keys, their signatures, and how the issuer publishes them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _, date_time_ymd};
use serde_json::{Value, json};

use super::clock::now;

/// The name on Entra's own signing certificates.
const COMMON_NAME: &str = "accounts.accesscontrol.windows.net";

const YEAR_SECONDS: u64 = 365 * 24 * 60 * 60;

/// What stands before the modulus in the DER of a 2048-bit RSA public key (RFC 8017, appendix A.1.1): the sequence's
/// header, the integer's, and the zero that keeps the integer positive.
const BEFORE_MODULUS: usize = 9;
const MODULUS_BYTES: usize = 2048 / 8;

/// The public exponent 65537, as a JWK writes it.
const EXPONENT: &str = "AQAB";

/// The public half of a signing key in the forms that an attacker may mistake for an HMAC secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// `SubjectPublicKeyInfo` in PEM, the trailing line break included.
    pub pem: String,
    /// `SubjectPublicKeyInfo` in DER.
    pub spki: Vec<u8>,
    /// `RSAPublicKey` in DER (RFC 8017, appendix A.1.1).
    pub pkcs1: Vec<u8>,
    /// The modulus, big-endian, without a leading zero.
    pub modulus: Vec<u8>,
    /// The modulus as a JWK's `n` writes it.
    pub n: String,
    /// The certificate in DER, as `x5c` gives it in base64.
    pub certificate: Vec<u8>,
}

/// A key that signs tokens, with the certificate that is published beside it.
pub(crate) struct SigningKey {
    pair: RsaKey,
    pub(crate) public: PublicKey,
    /// The certificate's SHA-1 thumbprint, which Entra uses as the key id too.
    pub(crate) kid: String,
}

impl SigningKey {
    /// Generates a key; that takes a good part of a second in a debug build.
    #[expect(
        clippy::expect_used,
        reason = "only a broken random generator gets there, and a stand-in has nothing to do then"
    )]
    pub(crate) fn generate() -> Arc<Self> {
        Arc::new(Self::try_generate().expect("an RSA key and its certificate can be made"))
    }

    fn try_generate() -> Result<Self, Box<dyn std::error::Error>> {
        let pair = RsaKey::generate(KeySize::Rsa2048)?;
        let pkcs8 = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)?;
        let certified = KeyPair::try_from(pkcs8.as_ref())?;
        let certificate = certificate(&certified)?;
        let pkcs1 = pair.public_key().as_ref().to_vec();
        let modulus = pkcs1
            .get(BEFORE_MODULUS..BEFORE_MODULUS + MODULUS_BYTES)
            .ok_or("the key is not of 2048 bits")?
            .to_vec();
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate);
        Ok(Self {
            pair,
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            public: PublicKey {
                pem: certified.public_key_pem(),
                spki: certified.subject_public_key_info(),
                n: URL_SAFE_NO_PAD.encode(&modulus),
                pkcs1,
                modulus,
                certificate,
            },
        })
    }

    /// The first key of every issuer in this process: generated once, and only when somebody needs it.
    pub(crate) fn first() -> Arc<Self> {
        static FIRST: OnceLock<Arc<SigningKey>> = OnceLock::new();
        Arc::clone(FIRST.get_or_init(Self::generate))
    }

    /// A key that no issuer publishes.
    pub(crate) fn foreign() -> Arc<Self> {
        static FOREIGN: OnceLock<Arc<SigningKey>> = OnceLock::new();
        Arc::clone(FOREIGN.get_or_init(Self::generate))
    }

    /// The signature that this algorithm's name promises. Nothing for `none` in any case, an HMAC with the public
    /// key's PEM for `HS256`, and RSA with SHA-256 for a name that is no RSA algorithm's.
    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match algorithm {
            "HS256" => hmac_sha256(self.public.pem.as_bytes(), message),
            none if none.eq_ignore_ascii_case("none") => Vec::new(),
            "RS384" => self.rsa(&signature::RSA_PKCS1_SHA384, message),
            "RS512" => self.rsa(&signature::RSA_PKCS1_SHA512, message),
            "PS256" => self.rsa(&signature::RSA_PSS_SHA256, message),
            "PS384" => self.rsa(&signature::RSA_PSS_SHA384, message),
            "PS512" => self.rsa(&signature::RSA_PSS_SHA512, message),
            _ => self.rsa(&signature::RSA_PKCS1_SHA256, message),
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "only a broken random generator gets there, and a stand-in has nothing to do then"
    )]
    fn rsa(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), message, &mut signature)
            .expect("a key of 2048 bits can sign");
        signature
    }

    /// The entry in a key set; v2 sets say whose tokens the key signs.
    fn jwk(&self, issuer: Option<&str>) -> Value {
        let mut jwk = json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": self.public.n,
            "e": EXPONENT,
            "x5c": [STANDARD.encode(&self.public.certificate)],
        });
        if let (Some(issuer), Some(members)) = (issuer, jwk.as_object_mut()) {
            members.insert("issuer".to_owned(), issuer.into());
        }
        jwk
    }
}

/// The HMAC-SHA-256 of a message.
pub(crate) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, message).as_ref().to_vec()
}

/// A self-signed certificate as Entra's: it carries the key and vouches for nothing.
fn certificate(key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let today = date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(now()).unwrap_or_default());
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    params.not_before = today;
    params.not_after = today + Duration::from_secs(5 * YEAR_SECONDS);
    Ok(params.self_signed(key)?.der().to_vec())
}

/// The keys that an issuer publishes; the last one signs.
#[derive(Default)]
pub(crate) struct KeySet {
    own: Vec<Arc<SigningKey>>,
    /// Entries that stand before them, whatever they are.
    before: Vec<Value>,
}

impl KeySet {
    /// The key that signs.
    pub(crate) fn current(&mut self) -> Arc<SigningKey> {
        if let Some(key) = self.own.last() {
            return Arc::clone(key);
        }
        let key = SigningKey::first();
        self.own.push(Arc::clone(&key));
        key
    }

    /// Publishes one more key, which signs from now on.
    pub(crate) fn push(&mut self, key: Arc<SigningKey>) {
        self.own.push(key);
    }

    /// Publishes these entries before its own keys.
    pub(crate) fn put_before(&mut self, entries: Vec<Value>) {
        self.before = entries;
    }

    /// Publishes the current key alone.
    pub(crate) fn retain_current(&mut self) {
        let current = self.current();
        self.own = vec![current];
    }

    /// The document under `jwks_uri`, oldest key first.
    pub(crate) fn document(&mut self, issuer: Option<&str>) -> Value {
        // Makes sure that there is a key.
        self.current();
        let own = self.own.iter().map(|key| key.jwk(issuer));
        let keys: Vec<_> = self.before.iter().cloned().chain(own).collect();
        json!({ "keys": keys })
    }
}
