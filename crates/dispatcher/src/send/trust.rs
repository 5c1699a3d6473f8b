//! Trust in receivers' certificates, and explanations of TLS failures.
//!
//! An endpoint that pins its receiver's certificate trusts exactly that one, even if it claims to be an authority, as
//! `openssl req -x509` makes it: a certificate equal byte for byte to a pinned one needs no issuer. Its dates are
//! still checked, and its names if it has any. The TLS library's errors are translated for readers who know
//! certificates but not the library.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Maximum names of a certificate that are shown.
const MAX_NAMES: usize = 10;

/// Trusts what the owner of an endpoint gave, and nothing else.
#[derive(Debug)]
pub(super) struct Pinned {
    given: Vec<CertificateDer<'static>>,
    issued: Arc<WebPkiServerVerifier>,
}

impl Pinned {
    /// Trusts these certificates themselves, and what they issued.
    pub(super) fn new(given: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in &given {
            roots.add(certificate.clone())?;
        }
        let issued = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { given, issued })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .issued
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if self.given.contains(end_entity) && is_about_issuer(&error) => {
                match verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name) {
                    Err(error) if has_names(&error) => Err(error),
                    _ => Ok(ServerCertVerified::assertion()),
                }
            }
            Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
                if presented.is_empty() && self.given.contains(end_entity) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

/// Recognises a certificate that was rejected for its issuer or its permitted usage. Dates are checked before these.
fn is_about_issuer(error: &Error) -> bool {
    use CertificateError::{InvalidPurpose, InvalidPurposeContext, Other, UnknownIssuer};
    matches!(
        error,
        Error::InvalidCertificate(UnknownIssuer | Other(_) | InvalidPurpose | InvalidPurposeContext { .. })
    )
}

/// Recognises a failed name comparison; old certificates have no names to compare.
fn has_names(error: &Error) -> bool {
    !matches!(
        error,
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) if presented.is_empty()
    )
}

/// Describes a TLS failure for somebody who can fix it.
pub(super) fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => format!("the receiver broke off the TLS handshake: {}", alert_in_words(*alert)),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "the receiver does not speak TLS on this port, or not as it should: are the URL's scheme and port right?"
                .into()
        }
        Error::NoCertificatesPresented => "the receiver showed no certificate".into(),
        Error::PeerIncompatible(_) => {
            "the receiver and we have no version of TLS (1.2 or 1.3), or no ciphers, in common".into()
        }
        Error::NoApplicationProtocol => "the receiver speaks neither HTTP/1.1 nor HTTP/2 (ALPN)".into(),
        Error::PeerMisbehaved(_) | Error::DecryptError | Error::PeerSentOversizedRecord => {
            "the receiver does not keep to TLS".into()
        }
        _ => "the TLS handshake failed".into(),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "the receiver's certificate has expired".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the receiver's certificate expired on {}", date(*not_after))
        }
        CertificateError::NotValidYet => "the receiver's certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the receiver's certificate is valid from {} on only", date(*not_before))
        }
        CertificateError::UnknownIssuer => {
            "no authority that is trusted here issued the receiver's certificate: either it is self-signed or of a \
             private authority (give that as the endpoint's trusted CA), or the receiver does not send the \
             intermediate certificates that lead to its authority (it should send the whole chain)"
                .into()
        }
        CertificateError::NotValidForName => "the receiver's certificate is not for this host".into(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            if presented.is_empty() {
                return format!("the receiver's certificate bears no name, so it is not for `{expected}`");
            }
            let shown: Vec<_> = presented.iter().take(MAX_NAMES).map(|name| plain(name)).collect();
            let more = presented.len().saturating_sub(MAX_NAMES);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let shown = shown.join(", ");
            format!("the receiver's certificate is not for `{expected}`, but for {shown}{more}")
        }
        CertificateError::Revoked => "the receiver's certificate was revoked by its authority".into(),
        CertificateError::BadSignature => {
            "a signature on the receiver's certificate is not that of its issuer: is its chain the right one?".into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the receiver's certificate may not be used for servers (extended key usage)".into()
        }
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => {
            "the revocation status of the receiver's certificate is unknown".into()
        }
        CertificateError::UnhandledCriticalExtension => {
            "the receiver's certificate has a critical extension that is not known here".into()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the receiver's certificate is signed in a way that is not trusted any more, or not known here (SHA-1, for \
             one)"
                .into()
        }
        CertificateError::BadEncoding => "the receiver's certificate can't be read".into(),
        CertificateError::Other(other) => match format!("{other:?}") {
            text if text.contains("CaUsedAsEndEntity") => {
                "the receiver shows the certificate of an authority as its own: give exactly this certificate as the \
                 endpoint's trusted CA, or make one that is not for an authority"
                    .into()
            }
            text if text.contains("EndEntityUsedAsCa") => {
                "the receiver's certificate was issued by one that is not an authority's".into()
            }
            text if text.contains("UnsupportedCertVersion") => {
                "the receiver's certificate is of an old version: X.509 version 3 is needed".into()
            }
            _ => "the receiver's certificate can't be trusted".into(),
        },
        _ => "the receiver's certificate can't be trusted".into(),
    }
}

fn alert_in_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "it wants a client certificate".into()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::DecryptError
        | AlertDescription::AccessDenied => "it does not accept our client certificate, or wants one".into(),
        AlertDescription::CertificateExpired => "it says that our client certificate has expired".into(),
        AlertDescription::CertificateRevoked => "it says that our client certificate was revoked".into(),
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor TLS 1.3".into(),
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "it and we have no ciphers in common, or it wants a client certificate".into()
        }
        AlertDescription::UnrecognisedName => "it knows no host of this name".into(),
        AlertDescription::NoApplicationProtocol => "it speaks neither HTTP/1.1 nor HTTP/2 (ALPN)".into(),
        AlertDescription::InternalError => "it says that something is wrong on its side".into(),
        other => format!("its alert was {}", u8::from(other)),
    }
}

fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_or_else(
        |_| "a day out of reach".into(),
        |at| at.strftime("%F %H:%M UTC").to_string(),
    )
}

/// A name as people write it: the library tells them as `DnsName("a.example")`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"').to_owned()
}
