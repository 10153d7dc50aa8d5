//! DNS over TLS and over HTTPS, with certificates good and bad.

use std::convert::Infallible;
use std::io::Write as _;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::{Script, converse};
use super::*;

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(issuer.pem().as_bytes()).unwrap();
        Authority { issuer, file }
    }

    fn path(&self) -> Value {
        text(self.file.path().to_str().unwrap())
    }

    fn acceptor(&self, name: &str, alpn: &str) -> TlsAcceptor {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2090, 1, 2);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![leaf.der().clone(), self.issuer.der().clone()];
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    async fn over_tls(&self, name: &str, script: impl Script) -> SocketAddr {
        let (listener, script, acceptor) = (listener().await, Arc::new(script), self.acceptor(name, "dot"));
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(converse(stream, script.clone(), Arc::default()));
                }
            }
        });
        address
    }

    /// Status, media type and body for a question.
    async fn over_https(&self, say: fn(&Asked) -> (u16, &'static str, Vec<u8>)) -> SocketAddr {
        let (listener, acceptor) = (listener().await, self.acceptor("localhost", "h2"));
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let service = hyper::service::service_fn(move |request| respond(request, say));
                let serving =
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        });
        address
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn respond(
    request: ::http::Request<Incoming>,
    say: fn(&Asked) -> (u16, &'static str, Vec<u8>),
) -> Result<::http::Response<Full<Bytes>>, Infallible> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/dns-query"));
    assert_eq!(request.headers()["content-type"], "application/dns-message");
    let question = request.into_body().collect().await.unwrap().to_bytes();
    let message = Message::from_vec(&question).unwrap();
    assert_eq!(message.id, 0);
    let (status, media, body) = say(&Asked { message, tcp: true, before: 0 });
    let response = ::http::Response::builder().status(status).header("content-type", media).body(Full::new(body.into()));
    Ok(response.unwrap())
}

fn dot(address: SocketAddr, authority: &Authority) -> Check {
    check().with("server", text(&format!("localhost:{}", address.port()))).with("transport", text("tls")).with("ca", authority.path())
}

fn doh(address: SocketAddr, authority: &Authority) -> Check {
    let server = format!("https://localhost:{}/dns-query", address.port());
    check().with("server", text(&server)).with("transport", text("https")).with("ca", authority.path())
}

#[tokio::test]
async fn over_tls_the_answer_and_the_certificate_are_seen() {
    let authority = Authority::new();
    let address = authority.over_tls("localhost", |asked: &Asked| asked.address(1).into()).await;
    let seen = dot(address, &authority).expect("cert.days_left > 30").expect_more("tls.version >= 1.3").sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "NOERROR, 1 answer");
    assert!(seen.detail.chain().unwrap().verified);
    let phases = seen.phases;
    assert!(phases.resolve.is_some() && phases.connect.is_some() && phases.tls.is_some() && phases.processing.is_some(), "{phases:?}");
}

#[tokio::test]
async fn over_tls_a_wrong_certificate_is_told() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let address = ours.over_tls("localhost", |asked: &Asked| asked.address(1).into()).await;
    dot(address, &theirs).sees(Down, Reason::TlsUntrusted).await;
    let address = ours.over_tls("other.example", |asked: &Asked| asked.address(1).into()).await;
    dot(address, &ours).sees(Down, Reason::TlsName).await;
    dot(address, &ours).with("server_name", text("other.example")).sees(Up, Reason::Ok).await;
    let plain = server::serve(|_: &Asked| Say::nothing()).await;
    assert_eq!(dot(plain, &ours).within(Duration::from_millis(200)).await.reason, Reason::TlsHandshake);
}

#[tokio::test]
async fn over_tls_half_an_answer_is_none() {
    let authority = Authority::new();
    let address = authority.over_tls("localhost", |_: &Asked| Say::raw([0, 200, 1])).await;
    dot(address, &authority).sees(Down, Reason::Receive).await;
}

#[tokio::test]
async fn over_https_the_answer_is_the_body_of_a_200() {
    const DNS: &str = "application/dns-message";
    let authority = Authority::new();
    let good = authority.over_https(|asked| (200, DNS, asked.address(1).to_vec().unwrap())).await;
    let seen = doh(good, &authority).expect("dns.answers == '192.0.2.1'").expect_more("cert.days_left > 30").sees(Up, Reason::Ok).await;
    assert!(seen.phases.tls.is_some() && seen.phases.processing.is_some());
    assert_eq!(seen.detail.hops.len(), 1);

    let code = authority.over_https(|asked| (200, DNS, asked.code(ResponseCode::NXDomain).to_vec().unwrap())).await;
    doh(code, &authority).sees(Down, Reason::DnsNxdomain).await;
    let status = authority.over_https(|_| (502, "text/html", b"bad gateway".to_vec())).await;
    let seen = doh(status, &authority).sees(Down, Reason::HttpStatus).await;
    assert!(seen.detail.evidence.unwrap().body.contains("bad gateway"));
    let limited = authority.over_https(|_| (429, "text/html", Vec::new())).await;
    doh(limited, &authority).sees(Unknown, Reason::RateLimited).await;
    let media = authority.over_https(|asked| (200, "text/html", asked.address(1).to_vec().unwrap())).await;
    doh(media, &authority).sees(Down, Reason::Protocol).await;
    let garbage = authority.over_https(|_| (200, DNS, vec![0; 40])).await;
    doh(garbage, &authority).sees(Down, Reason::Protocol).await;
    let long = authority.over_https(|_| (200, DNS, vec![0; 70_000])).await;
    doh(long, &authority).sees(Down, Reason::BodyTooLarge).await;
}
