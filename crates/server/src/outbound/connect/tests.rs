use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::outbound::{plain_url, tls};

/// A DER element; lengths here fit in two bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    match length {
        [0, short] if short < 0x80 => [&[tag, short], content].concat(),
        [0, length] => [&[tag, 0x81, length], content].concat(),
        [high, low] => [&[tag, 0x82, high, low], content].concat(),
    }
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

/// A self-signed certificate of `host` (RFC 5280, section 4.1), and its key.
fn self_signed(host: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    const ECDSA_WITH_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    const EC_PUBLIC_KEY: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
    const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();

    let algorithm = sequence(&[der(0x06, &ECDSA_WITH_SHA256)]);
    let name = sequence(&[der(
        0x31,
        &sequence(&[der(0x06, &COMMON_NAME), der(0x0c, host.as_bytes())]),
    )]);
    let bits = |bytes: &[u8]| der(0x03, &[&[0], bytes].concat());
    let public_key = sequence(&[
        sequence(&[der(0x06, &EC_PUBLIC_KEY), der(0x06, &P256)]),
        bits(pair.public_key().as_ref()),
    ]);
    let alternative = der(0x04, &sequence(&[der(0x82, host.as_bytes())]));
    let extensions = sequence(&[sequence(&[der(0x06, &SUBJECT_ALT_NAME), alternative])]);
    let body = sequence(&[
        der(0xa0, &der(0x02, &[2])),
        der(0x02, &[1]),
        algorithm.clone(),
        name.clone(),
        sequence(&[der(0x17, b"200101000000Z"), der(0x17, b"490101000000Z")]),
        name,
        public_key,
        der(0xa3, &extensions),
    ]);
    let signature = pair.sign(&SystemRandom::new(), &body).unwrap();
    let certificate = sequence(&[body, algorithm, bits(signature.as_ref())]);
    let key = PrivatePkcs8KeyDer::from(pair.to_pkcs8v1().unwrap().as_ref().to_vec());
    (certificate.into(), key.into())
}

fn origin(url: &str, allowed: &[String]) -> Origin {
    Origin::of(&plain_url(url).unwrap(), allowed).unwrap()
}

/// Connects to `https://localhost` as served with a certificate for `host`, whose issuer is trusted
/// or not.
async fn connect_to(
    host: &str,
    is_trusted: bool,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Box<dyn Stream>, ConnectError> {
    let (certificate, key) = self_signed(host);
    let mut roots = if is_trusted {
        RootCertStore::empty()
    } else {
        tls::public_roots()
    };
    if is_trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = async {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = acceptor.accept(stream).await;
    };

    let origin = origin(&format!("https://localhost:{port}"), &[format!("localhost:{port}")]);
    let connector = tls::connector(roots).unwrap();
    let (connected, ()) = tokio::join!(connect(&origin, &connector, Duration::from_secs(5)), accepting);
    connected
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_with_a_host_whose_certificate_is_trusted_and_names_it() {
    for version in [&version::TLS12, &version::TLS13] {
        assert!(connect_to("localhost", true, &[version]).await.is_ok());
    }
}

#[tokio::test]
async fn threat_90_a_certificate_that_is_not_trusted_or_names_another_host_is_refused() {
    let both = [&version::TLS13, &version::TLS12];

    let self_signed = connect_to("localhost", false, &both).await;
    let of_another = connect_to("other.example", true, &both).await;

    for refused in [self_signed, of_another] {
        let Err(ConnectError::Unreachable(error)) = refused else {
            panic!("connected");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
    }
}

#[tokio::test]
async fn threat_84_a_name_that_leads_to_a_private_address_is_not_connected_to() {
    // A public name, as an attacker in control of DNS would have it resolved.
    let refused = reach(&origin("https://localhost", &[])).await;

    assert!(matches!(refused, Err(ConnectError::NotAllowed)));
}

#[tokio::test]
async fn threat_84_what_counts_is_the_address_at_the_other_end_of_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();

    let refused = check_peer(&origin("https://localhost", &[]), stream);

    assert!(matches!(refused, Err(ConnectError::NotAllowed)));
}
