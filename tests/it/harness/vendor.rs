//! A vendor whose API does what the test says, and which keeps what it answered: the truth that the daemon's figures
//! are compared with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use super::http::Server;
use super::reply::Reply;

/// One answer, noted before it was sent.
#[derive(Clone, Debug)]
pub struct Served {
    pub at: Instant,
    pub wall: SystemTime,
    pub path: String,
    /// `None`: no status was sent.
    pub code: Option<u16>,
}

pub struct FakeVendor {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    otherwise: Mutex<Reply>,
    served: Mutex<Vec<Served>>,
}

impl FakeVendor {
    /// Answers 200 to everything.
    pub fn start() -> FakeVendor {
        let shared = Arc::new(Shared { replies: Mutex::default(), otherwise: Mutex::new(Reply::ok()), served: Mutex::default() });
        let serving = shared.clone();
        let server = Server::start(move |request, stream, stopped| {
            let reply = serving.reply(request.path());
            reply.serve(&request.method, stream, stopped);
        });
        FakeVendor { server, shared }
    }

    /// `http://127.0.0.1:port/path`
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.server.port)
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// From now on `path` is answered so: a status, a [`super::Mode`] or a whole [`Reply`].
    pub fn set(&self, path: &str, reply: impl Into<Reply>) {
        let mut replies = self.shared.replies.lock().unwrap();
        replies.insert(path.to_owned(), reply.into());
    }

    /// From now on every path is answered so.
    pub fn set_all(&self, reply: impl Into<Reply>) {
        self.shared.replies.lock().unwrap().clear();
        *self.shared.otherwise.lock().unwrap() = reply.into();
    }

    /// Connections are refused until [`FakeVendor::listen`].
    pub fn refuse(&self) {
        self.server.close();
    }

    pub fn listen(&self) {
        self.server.open();
    }

    pub fn served(&self) -> Vec<Served> {
        self.shared.served.lock().unwrap().clone()
    }

    /// How often `path` was asked for.
    pub fn hits(&self, path: &str) -> usize {
        let served = self.shared.served.lock().unwrap();
        served.iter().filter(|s| s.path == path).count()
    }
}

impl Shared {
    fn reply(&self, path: &str) -> Reply {
        let own = self.replies.lock().unwrap().get(path).cloned();
        let reply = own.unwrap_or_else(|| self.otherwise.lock().unwrap().clone());
        self.served.lock().unwrap().push(Served {
            at: Instant::now(),
            wall: SystemTime::now(),
            path: path.to_owned(),
            code: reply.mode.status(),
        });
        reply
    }
}
