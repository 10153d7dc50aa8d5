//! TLS and HTTP/2: certificates good and bad, and what ALPN agrees on.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWrite;

use super::*;

/// A certificate authority with a file of its certificate.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(issuer.pem().as_bytes()).unwrap();
        Authority { issuer, file }
    }

    pub fn path(&self) -> String {
        self.file.path().to_str().unwrap().to_owned()
    }

    /// A server with a certificate for `name` that ends in that year, which answers over what ALPN agrees on.
    pub async fn serves(&self, name: &str, year: i32, alpn: &[&str]) -> SocketAddr {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 2);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![leaf.der().clone(), self.issuer.der().clone()];
        serve_tls(chain, &key, alpn).await
    }
}

impl Authority {
    /// As [`Authority::serves`], for clients with a certificate of this authority.
    pub async fn serves_those_it_knows(&self, name: &str) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let known = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(known)
            .with_single_cert(vec![leaf.der().clone()], key.into())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer_securely(stream).await;
                }
            }
        })
        .await
    }

    /// A certificate for a client, and its key, as files.
    pub fn identity(&self) -> (tempfile::NamedTempFile, tempfile::NamedTempFile) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(["client.example".to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let file = |content: String| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(content.as_bytes()).unwrap();
            file
        };
        (file(cert.pem()), file(key.serialize_pem()))
    }
}

async fn serve_tls(chain: Vec<rustls::pki_types::CertificateDer<'static>>, key: &KeyPair, alpn: &[&str]) -> SocketAddr {
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.into())
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer_securely(stream).await;
            }
        }
    })
    .await
}

async fn answer_securely(mut stream: tokio_rustls::server::TlsStream<TcpStream>) {
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        answer_http2(stream).await;
    } else {
        request_head(&mut stream).await;
        let _ = stream.write_all(OK.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

async fn answer_http2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = hyper::service::service_fn(|request: ::http::Request<hyper::body::Incoming>| async move {
        let said = format!("{} {}", request.method(), request.uri());
        Ok::<_, std::convert::Infallible>(::http::Response::new(http_body_util::Full::new(bytes::Bytes::from(said))))
    });
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(io, service).await;
}

#[tokio::test]
async fn a_verified_certificate_is_described() {
    let authority = Authority::new();
    let address = authority.serves("localhost", 2090, &[]).await;
    let url = format!("https://localhost:{}/", address.port());
    let seen = check(&url).with("ca", Value::Text(authority.path())).expect("cert.days_left > 30").sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.hops[0].tls_version, Some("1.3"));
    let certificate = seen.detail.chain().unwrap();
    assert_eq!(certificate.not_after.to_string(), "2090-01-02T00:00:00.000Z");
    assert!(certificate.leaf().unwrap().issuer.contains("rcgen"), "{certificate:?}");
    assert!(seen.phases.resolve.is_some() && seen.phases.tls.is_some());
}

#[tokio::test]
async fn certificates_that_are_refused_are_described_too() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (name, year, authority, want) in [
        ("localhost", 2090, &theirs, Reason::TlsUntrusted),
        ("localhost", 2001, &ours, Reason::TlsExpired),
        ("other.example", 2090, &ours, Reason::TlsName),
    ] {
        let address = ours.serves(name, year, &[]).await;
        let url = format!("https://localhost:{}/", address.port());
        let with = check(&url).with("ca", Value::Text(authority.path()));
        let seen = with.sees(Down, want).await;
        let certificate = seen.detail.chain().unwrap();
        assert_eq!(certificate.not_after.to_string(), format!("{year}-01-02T00:00:00.000Z"));
        assert!(seen.phases.tls.is_some());
    }
    let address = ours.serves("other.example", 2090, &[]).await;
    check(format!("https://{address}/"))
        .with("ca", Value::Text(ours.path()))
        .with("server_name", Value::Text("other.example".into()))
        .sees(Up, Reason::Ok)
        .await;
}

#[tokio::test]
async fn http2_is_spoken_where_alpn_agrees() {
    let authority = Authority::new();
    let both = authority.serves("localhost", 2090, &["h2", "http/1.1"]).await;
    let old = authority.serves("localhost", 2090, &["http/1.1"]).await;
    let of = |address: SocketAddr, version: &str| {
        check(format!("https://localhost:{}/x?y=z", address.port()))
            .with("ca", Value::Text(authority.path()))
            .with("http_version", Value::Text(version.into()))
    };
    of(both, "auto").expect("http.version == 2").sees(Up, Reason::Ok).await;
    let said = format!("body == 'GET https://localhost:{}/x?y=z'", both.port());
    of(both, "2").expect(&said).sees(Up, Reason::Ok).await;
    let named = of(both, "2").header("Host", "other.example");
    let said = "body == 'GET https://other.example/x?y=z'";
    named.expect(said).sees(Up, Reason::Ok).await;
    of(both, "1.1").expect("http.version == 1.1").sees(Up, Reason::Ok).await;
    of(old, "auto").expect("http.version == 1.1").sees(Up, Reason::Ok).await;
    of(old, "2").sees(Down, Reason::TlsHandshake).await;

    let plain = serve(answer_http2).await;
    let known = check(format!("http://{plain}/")).with("http_version", Value::Text("2".into()));
    known.sees(Up, Reason::Ok).await;
    let not = check(format!("http://{}/", says(OK).await)).with("http_version", Value::Text("2".into()));
    not.sees(Down, Reason::Protocol).await;
}

#[tokio::test]
async fn what_is_not_tls_fails_the_handshake() {
    let authority = Authority::new();
    for said in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let address = serve(move |mut stream| async move {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(said.as_bytes()).await;
            let _ = stream.shutdown().await;
        })
        .await;
        let with = check(format!("https://{address}/")).with("ca", Value::Text(authority.path()));
        with.sees(Down, Reason::TlsHandshake).await;
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_it_is_named() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        for (name, year, want) in
            [("localhost", 2090, Reason::Ok), ("localhost", 2001, Reason::TlsExpired), ("other.example", 2090, Reason::TlsName)]
        {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.is_ca = is_ca;
            params.not_after = rcgen::date_time_ymd(year, 1, 2);
            let key = KeyPair::generate().unwrap();
            let own = params.self_signed(&key).unwrap();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(own.pem().as_bytes()).unwrap();
            let address = serve_tls(vec![own.der().clone()], &key, &[]).await;
            let url = format!("https://localhost:{}/", address.port());
            let path = file.path().to_str().unwrap().to_owned();
            let seen = check(&url).with("ca", Value::Text(path)).see().await;
            assert_eq!(seen.reason, want, "{is_ca:?} {}", seen.detail.message);
            let stranger = Authority::new();
            let seen = check(&url).with("ca", Value::Text(stranger.path())).see().await;
            assert!(matches!(seen.reason, Reason::TlsUntrusted | Reason::TlsExpired));
        }
    }
}

#[tokio::test]
async fn f19_a_header_flood_over_http2_is_refused() {
    let address = serve(|stream| async move {
        let service = hyper::service::service_fn(|_| async {
            let long = "x".repeat(10 << 10);
            let mut answer = ::http::Response::new(http_body_util::Full::new(bytes::Bytes::new()));
            for _ in 0..10 {
                answer.headers_mut().append("x-flood", long.parse().unwrap());
            }
            Ok::<_, std::convert::Infallible>(answer)
        });
        let executor = hyper_util::rt::TokioExecutor::new();
        let io = hyper_util::rt::TokioIo::new(stream);
        let _ = hyper::server::conn::http2::Builder::new(executor).serve_connection(io, service).await;
    })
    .await;
    let version = Value::Text("2".into());
    let flood = check(format!("http://{address}/")).with("http_version", version);
    flood.sees(Down, Reason::Protocol).await;
}
