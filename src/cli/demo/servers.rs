//! The vendors' side of the wire: an API and a status page for each, on ports of the loopback address that the system chooses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::cast::{Felt, Platform, VENDORS, Vendor};
use super::pages::Shown;
use super::world::{World, asks_for};
use crate::clock;
use crate::web::server::serve;

/// What every API answers that is well: what the steps of a payment need is in it too.
const WELL: &str = r#"{"status":"ok","token":"tok_demo","id":"pay_demo"}"#;

/// The places of one vendor, open and not yet answering.
pub struct Open {
    pub vendor: &'static Vendor,
    pub api: Place,
    pub page: Option<(Platform, Place)>,
}

pub struct Place {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Place {
    pub async fn open() -> io::Result<Place> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Place { address: listener.local_addr()?, listener })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers from now on.
    pub fn serve(self, router: Router, stop: &CancellationToken) {
        tokio::spawn(serve(self.listener, router, stop.clone()));
    }
}

pub async fn open() -> io::Result<Vec<Open>> {
    let mut all = Vec::new();
    for vendor in &VENDORS {
        let page = match vendor.platform {
            Some(platform) => Some((platform, Place::open().await?)),
            None => None,
        };
        all.push(Open { vendor, api: Place::open().await?, page });
    }
    Ok(all)
}

/// All of them answer as the world is at the instant of the request.
pub fn start(open: Vec<Open>, world: &Arc<World>, stop: &CancellationToken) {
    for Open { vendor, api, page } in open {
        api.serve(api_of(vendor, world.clone()), stop);
        if let Some((platform, page)) = page {
            let address = page.url();
            page.serve(page_of(vendor, platform, address, world.clone()), stop);
        }
    }
}

fn api_of(vendor: &'static Vendor, world: Arc<World>) -> Router {
    Router::new().fallback(move |uri: Uri| answer(vendor, world, uri))
}

async fn answer(vendor: &'static Vendor, world: Arc<World>, uri: Uri) -> Response {
    let Some(check) = vendor.checks.iter().find(|check| asks_for(check, uri.path())) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let now = clock::now();
    tokio::time::sleep(world.latency(vendor, check, now)).await;
    let (status, body) = match world.felt(vendor, check.name, now) {
        Felt::Nothing | Felt::Slow => (StatusCode::OK, WELL),
        Felt::Down(_) => (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"upstream connect error"}"#),
        Felt::Refused => (StatusCode::UNAUTHORIZED, r#"{"error":"this key has expired"}"#),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn page_of(vendor: &'static Vendor, platform: Platform, address: String, world: Arc<World>) -> Router {
    let document = move |uri: Uri| async move {
        let shown = Shown::of(&world, vendor, platform, &address, clock::now());
        match shown.document(uri.path()) {
            Some(document) => ([(header::CONTENT_TYPE, HeaderValue::from_static(document.content_type))], document.body).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    Router::new().fallback(document)
}
