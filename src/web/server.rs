//! The HTTP server: a few routes, each with a limit.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::stream;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::board::Board;
use super::metrics::{Style, render, to_open_metrics};
use super::reply::{accepts, gzip_quickly};
use super::{assets, gate, pages, probe, push};
use crate::clock;
use crate::config::Config;
use crate::telemetry::Telemetry;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// A request's head must have arrived by then; also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Without descriptors `accept` fails at once: wait instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// hyper's read buffer bounds the request head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Asks the daemon to reload; the answer says why not.
pub type ReloadRequest = oneshot::Sender<Result<(), String>>;

/// What the routes need.
pub struct Site {
    pub board: Arc<Board>,
    pub telemetry: Telemetry,
    pub ready: AtomicBool,
    pub metrics_full: AtomicBool,
    pub lifecycle: AtomicBool,
    pub reload: mpsc::Sender<ReloadRequest>,
    /// What runs now, for looks on request.
    pub config: ArcSwap<Config>,
    pub admit: push::Admit,
    pub push_failures: push::Failures,
}

/// All routes, under `prefix` ("/" for none).
pub fn router(site: Arc<Site>, prefix: &str) -> Router {
    let routes = pages::routes(&site)
        .route("/assets/{name}", get(assets::asset))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(|| async { "vendord is healthy.\n" }))
        .route("/-/ready", get(ready))
        .route("/-/reload", any(reload))
        .route("/probe", get(probe::probe))
        .route("/push/{vendor}/{check}", any(push::report))
        .route("/push/{vendor}/{check}/{token}", any(push::report_with_token))
        .layer(from_fn_with_state(site.clone(), count))
        .with_state(site);
    let routes = match prefix.trim_end_matches('/') {
        "" => routes,
        prefix => Router::new().fallback_service(routes).layer(from_fn_with_state(Arc::<str>::from(prefix), below)),
    };
    routes.layer(from_fn(gate::dress))
}

/// Takes the prefix off, with or without a slash behind it; beside it there is nothing.
async fn below(State(prefix): State<Arc<str>>, mut request: Request, next: Next) -> Response {
    let uri = request.uri();
    let rest = uri.path().strip_prefix(&*prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let inside = rest.map(|rest| format!("/{}{query}", rest.trim_start_matches('/')));
    match inside.and_then(|inside| inside.parse().ok()) {
        Some(inside) => {
            *request.uri_mut() = inside;
            next.run(request).await
        }
        None => (StatusCode::NOT_FOUND, format!("vendord is at {prefix}/\n")).into_response(),
    }
}

/// Accepts until `stop`; then open connections have until the runtime ends.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut maker = router.into_make_service_with_connect_info::<SocketAddr>();
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(service) = maker.call(Peer(peer)).await.map_err(|e: Infallible| e);
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            if let Err(error) = connection.await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(permit);
        });
    }
}

/// The address of a client, in the shape that axum asks its target for.
struct Peer(SocketAddr);

impl axum::extract::connect_info::Connected<Peer> for SocketAddr {
    fn connect_info(peer: Peer) -> Self {
        peer.0
    }
}

async fn count(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let handler = handler_of(request.uri().path());
    let began = clock::instant();
    let response = next.run(request).await;
    site.telemetry.http_requests.with_label_values(&[handler, response.status().as_str()]).inc();
    site.telemetry.http_duration.with_label_values(&[handler]).observe(began.elapsed().as_secs_f64());
    response
}

/// A label with few values, whatever is asked for.
fn handler_of(path: &str) -> &'static str {
    const HANDLERS: &[&str] = &["/metrics", "/probe", "/-/healthy", "/-/ready", "/-/reload"];
    const FOLDERS: &[&str] = &["/push/", "/runbooks/", "/assets/", "/api/", "/vendors/", "/incidents", "/outages"];
    if let Some(folder) = FOLDERS.iter().find(|folder| path.contains(**folder)) {
        return folder.trim_end_matches('/');
    }
    match HANDLERS.iter().find(|h| path.ends_with(**h)) {
        Some(handler) => handler,
        None if path.ends_with('/') => "/",
        None => "other",
    }
}

async fn ready(State(site): State<Arc<Site>>) -> impl IntoResponse {
    if site.ready.load(Ordering::Acquire) {
        (StatusCode::OK, "vendord is ready.\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "vendord is starting or stopping.\n")
    }
}

async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let open_metrics = accepts(&headers, &header::ACCEPT, "application/openmetrics-text");
    let pieces = page(&site, open_metrics);
    let kind = if open_metrics {
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    let response = Response::builder().header(header::CONTENT_TYPE, kind).header(header::VARY, "Accept, Accept-Encoding");
    let response = if accepts(&headers, &header::ACCEPT_ENCODING, "gzip") {
        response.header(header::CONTENT_ENCODING, "gzip").body(Body::from(gzip_quickly(pieces)))
    } else {
        response.body(Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>))))
    };
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// In pieces: every piece is made when it can be sent.
fn page(site: &Site, open_metrics: bool) -> impl Iterator<Item = String> + Send + 'static {
    let style = Style { full: site.metrics_full.load(Ordering::Relaxed), open_metrics };
    let mut own = Vec::new();
    site.telemetry.render(&mut own);
    let own = String::from_utf8_lossy(&own);
    let own = if open_metrics { to_open_metrics(&own) + "# EOF\n" } else { own.into_owned() };
    render(site.board.figures(), style, clock::now()).chain([own])
}

/// `POST|PUT /-/reload`: off by default, and from this machine only while there are no tokens.
async fn reload(State(site): State<Arc<Site>>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request) -> Response {
    let refuse = |status: StatusCode, text: &'static str| (status, text).into_response();
    if !matches!(request.method().as_str(), "POST" | "PUT") {
        return ([(header::ALLOW, "POST, PUT")], refuse(StatusCode::METHOD_NOT_ALLOWED, "Use POST or PUT.\n")).into_response();
    }
    if !site.lifecycle.load(Ordering::Relaxed) {
        return refuse(StatusCode::FORBIDDEN, "Reloading by HTTP is off: set [web] lifecycle = true, or send SIGHUP.\n");
    }
    if !peer.ip().to_canonical().is_loopback() {
        return refuse(StatusCode::FORBIDDEN, "Reloading is allowed from this machine only.\n");
    }
    if request.headers().contains_key(header::ORIGIN) || request.headers().contains_key("sec-fetch-site") {
        return refuse(StatusCode::FORBIDDEN, "Reloading is not for browsers.\n");
    }
    let (answer, reloaded) = oneshot::channel();
    if site.reload.send(answer).await.is_err() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "vendord is stopping.\n");
    }
    match reloaded.await {
        Ok(Ok(())) => "Reloaded.\n".into_response(),
        Ok(Err(why)) => (StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "vendord is stopping.\n"),
    }
}
