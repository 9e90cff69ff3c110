//! A certificate authority for one run, and the vault's certificate from it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::clock::now;
use super::names::SPEECH_HOSTS;

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// An app's public name, for a test that asks it through a proxy.
const APP_HOST: &str = "contoso-keys.azurewebsites.net";

/// What ALPN calls HTTP/2 (RFC 9113, section 3.2).
pub(crate) const HTTP2: &[u8] = b"h2";

/// What a run has for TLS, in PEM but for the acceptor.
pub(crate) struct Tls {
    /// It offers HTTP/1.1 alone.
    pub(crate) acceptor: TlsAcceptor,
    /// It offers HTTP/2, too.
    pub(crate) http2_acceptor: TlsAcceptor,
    /// The authority that vouches for the certificate. Its key is dropped: nothing else can ever be signed with it.
    pub(crate) ca: String,
    /// For this machine's names, the hosts of the Speech double and `APP_HOST`.
    pub(crate) certificate: String,
    /// The certificate's.
    pub(crate) key: String,
}

impl Tls {
    pub(crate) fn new() -> io::Result<Self> {
        make().map_err(io::Error::other)
    }
}

fn make() -> Result<Tls, Box<dyn std::error::Error + Send + Sync>> {
    let mut ca_params = params("keyvault-cors emulator CA", Vec::new())?;
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(ca_params, KeyPair::generate()?)?;

    let names = ["localhost", "127.0.0.1", "::1", APP_HOST]
        .into_iter()
        .chain(SPEECH_HOSTS);
    let mut leaf_params = params("keyvault-cors emulator", names.map(str::to_owned).collect())?;
    // Python 3.13 verifies strictly: it wants the key usage and the authority's key identifier.
    leaf_params.use_authority_key_identifier_extension = true;
    leaf_params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf_params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let leaf = leaf_params.signed_by(&leaf_key, &ca)?;

    // The provider is named rather than installed: a process-wide default would decide for the test or example that
    // this library runs in.
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der())),
        )?;
    let acceptor = |protocols: &[&[u8]]| {
        let mut config = config.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    };
    Ok(Tls {
        acceptor: acceptor(&[b"http/1.1"]),
        http2_acceptor: acceptor(&[HTTP2, b"http/1.1"]),
        ca: ca.pem(),
        certificate: leaf.pem(),
        key: leaf_key.serialize_pem(),
    })
}

/// A connector that trusts this authority, given in PEM, and no other.
pub(crate) fn connector(ca_pem: &str) -> Result<TlsConnector, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Parameters for a certificate that is good from yesterday, for clocks that disagree, and for a month: some clients
/// refuse certificates that live for years.
fn params(common_name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let today = date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(now()).unwrap_or_default());
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = today - Duration::from_secs(DAY_SECONDS);
    params.not_after = today + Duration::from_secs(30 * DAY_SECONDS);
    Ok(params)
}
