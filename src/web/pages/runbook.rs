//! `/runbooks/{name}`: what links in messages lead to. A browser gets a page, everything else the Markdown.

use std::sync::Arc;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::{Frame, Place};
use crate::web::api::Refusal;
use crate::web::server::Site;
use crate::web::{markdown, reply, runbooks};

#[derive(Template)]
#[template(path = "runbook.html", whitespace = "minimize")]
struct RunbookPage {
    frame: Frame,
    rule: &'static str,
    text: Html,
}

/// Our own text, made into mark-up by `markdown`, which escapes everything.
struct Html(String);

impl std::fmt::Display for Html {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

pub async fn runbook(State(site): State<Arc<Site>>, Path(name): Path<String>, request: Request) -> Response {
    let wants_page = reply::accepts(request.headers(), &header::ACCEPT, "text/html");
    let visit = super::visit_of(&site, request).await;
    match runbooks::find(&name) {
        Some((rule, text)) if wants_page => {
            let text = Html(markdown::to_html(text));
            let frame = Frame::new(&visit, &site, Place::Elsewhere, format!("Runbook {rule}"));
            super::page(&visit, StatusCode::OK, &RunbookPage { frame, rule, text })
        }
        Some((_, text)) => reply::text(StatusCode::OK, "text/markdown; charset=utf-8", text.to_owned(), visit.gzip),
        None if wants_page => super::refused(&visit, &site, &Refusal::unknown(format!("there is no runbook {name:?}"))),
        None => reply::text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "There is no such runbook.\n".to_owned(), false),
    }
}
