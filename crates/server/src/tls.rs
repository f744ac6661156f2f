//! Serving HTTPS: the certificate chain and its key, from PEM files.

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::config::Tls;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the certificate {file}: {reason}")]
    Certificate { file: String, reason: String },
    #[error("cannot read the private key {file}: {reason}")]
    Key { file: String, reason: String },
    #[error("the certificate and its key do not serve: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3, HTTP/1.1.
pub fn acceptor(tls: &Tls) -> Result<ServerConfig, TlsError> {
    let unreadable = |error: rustls::pki_types::pem::Error| TlsError::Certificate {
        file: tls.certificate.display().to_string(),
        reason: error.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| TlsError::Key {
        file: tls.key.display().to_string(),
        reason: error.to_string(),
    })?;
    let mut config =
        ServerConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
