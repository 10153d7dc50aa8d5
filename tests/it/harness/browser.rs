//! A real browser without a window, driven over the Chrome DevTools Protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>): what it complains about, what it draws, what scripts see.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{s, wait_for};

/// An answer, or a page that is loaded.
const WITHIN: Duration = s(30);

pub struct Browser {
    child: Child,
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
    next: u64,
    /// What it complained about since it was asked last.
    complaints: Vec<String>,
    loaded: usize,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`: there is none on this machine.
    pub fn start() -> Option<Browser> {
        let profile = tempfile::Builder::new().prefix("vendord-browser-").tempdir().expect("a temporary directory");
        let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
        let child = names.iter().find_map(|name| command(name, profile.path()).spawn().ok())?;
        let active = profile.path().join("DevToolsActivePort");
        let (port, path) = wait_for("the browser", s(60), || {
            let text = fs::read_to_string(&active).ok()?;
            let (port, path) = text.split_once('\n')?;
            Some((port.parse::<u16>().ok()?, path.trim().to_owned()))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let socket = runtime.block_on(connect(port, &path));
        let mut browser = Browser { child, runtime, socket, session: None, next: 0, complaints: Vec::new(), loaded: 0, _profile: profile };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Width in CSS pixels, and what the system prefers.
    pub fn looks(&mut self, width: u32, dark: bool) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 }),
        );
        let scheme = if dark { "dark" } else { "light" };
        self.ask("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }));
    }

    pub fn scripts(&mut self, enabled: bool) {
        self.ask("Emulation.setScriptExecutionDisabled", json!({ "value": !enabled }));
    }

    /// Opens a page and waits until it is loaded.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        let before = self.loaded;
        self.ask("Page.navigate", json!({ "url": url }));
        while self.loaded == before {
            self.hear();
        }
    }

    /// The value of a script's expression; scripts of the protocol run also where those of the page may not.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    pub fn key(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key.len() == 1 { key } else { "" };
            self.ask("Input.dispatchKeyEvent", json!({ "type": kind, "key": key, "text": if kind == "keyDown" { text } else { "" } }));
        }
    }

    /// Moves the pointer into the middle of an element.
    pub fn point(&mut self, selector: &str) {
        let middle = format!(
            "(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{ block: 'center' }}); const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        );
        let at = self.evaluate(&middle);
        self.ask("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": at[0], "y": at[1] }));
    }

    /// The whole page as PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        let picture = self.ask("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        let text = picture["data"].as_str().unwrap_or_default();
        base64::engine::general_purpose::STANDARD.decode(text).expect("the protocol sends base64")
    }

    /// What it complained about: refused by the policy, not found, thrown.
    pub fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    #[track_caller]
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let sent = self.runtime.block_on(self.socket.send(Message::text(message.to_string())));
        sent.expect("the browser hears");
        loop {
            let heard = self.hear();
            if heard["id"] == id {
                assert!(heard["error"].is_null(), "{method}: {}", heard["error"]);
                return heard["result"].clone();
            }
        }
    }

    /// The next message; events are noted.
    #[track_caller]
    fn hear(&mut self) -> Value {
        let next = self.runtime.block_on(async { timeout(WITHIN, self.socket.next()).await });
        let message = next.expect("the browser answers in time").expect("the browser lives").expect("a message");
        let heard: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        match heard["method"].as_str() {
            Some("Page.loadEventFired") => self.loaded += 1,
            Some("Log.entryAdded") => self.complaints.push(heard["params"]["entry"]["text"].to_string()),
            Some("Runtime.exceptionThrown") => self.complaints.push(heard["params"]["exceptionDetails"].to_string()),
            _ => {}
        }
        heard
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(name: &str, profile: &Path) -> Command {
    let mut command = Command::new(name);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

async fn connect(port: u16, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the browser listens");
    let request = format!("ws://127.0.0.1:{port}{path}").into_client_request().expect("a request");
    let connected = tokio_tungstenite::client_async(request, stream).await;
    connected.expect("the browser speaks its protocol").0
}
