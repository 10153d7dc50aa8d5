//! As much HTTP/1.1 as a test needs: a server with one thread and one request per connection, and a client.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{free_port, wait_for};

/// How long a request, or an answer of the daemon, may take.
const WITHIN: Duration = Duration::from_secs(10);

/// How long a busy machine may take to open or close a port: more than [`bind`] has.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: Instant,
    pub wall: SystemTime,
    pub method: String,
    /// With the query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(have, _)| have == name);
    found.map(|(_, value)| value.as_str())
}

type Handler = dyn Fn(Request, TcpStream, &AtomicBool) + Send + Sync;

/// Listens on a port of its own, which it keeps while it is closed.
pub struct Server {
    pub port: u16,
    gate: Arc<Gate>,
}

/// Whether the server should listen, and whether it does.
#[derive(Default)]
struct Gate {
    wanted: Mutex<Wanted>,
    changed: Condvar,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Wanted {
    open: bool,
    is_open: bool,
}

impl Server {
    /// `handler` gets the connection and a flag that says that the server is going away.
    pub fn start(handler: impl Fn(Request, TcpStream, &AtomicBool) + Send + Sync + 'static) -> Server {
        let server = Server { port: free_port(), gate: Arc::default() };
        let (port, gate) = (server.port, server.gate.clone());
        let handler: Arc<Handler> = Arc::new(handler);
        std::thread::spawn(move || listen(port, &gate, &handler));
        server.open();
        server
    }

    pub fn open(&self) {
        self.want(true);
    }

    /// Connections are refused from now on; those that exist go on.
    pub fn close(&self) {
        self.want(false);
    }

    #[track_caller]
    fn want(&self, open: bool) {
        let mut wanted = self.gate.wanted();
        wanted.open = open;
        self.gate.changed.notify_all();
        if !open && wanted.is_open {
            self.wake();
        }
        let settled = |w: &mut Wanted| w.is_open != open;
        let waited = self.gate.changed.wait_timeout_while(wanted, PATIENCE, settled);
        let (_wanted, late) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!late.timed_out(), "port {} cannot be opened or closed", self.port);
    }

    /// Wakes the thread that waits for a connection.
    fn wake(&self) {
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Gate {
    /// Also after a test that panicked while it held them: others go on, and so does what follows that panic.
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    /// Waits for nothing and panics at nothing: it may run because a test fails.
    fn drop(&mut self) {
        self.gate.stopped.store(true, Ordering::SeqCst);
        self.gate.wanted().open = false;
        self.gate.changed.notify_all();
        self.wake();
    }
}

fn listen(port: u16, gate: &Arc<Gate>, handler: &Arc<Handler>) {
    loop {
        let idle = |w: &mut Wanted| !w.open && !gate.stopped.load(Ordering::SeqCst);
        drop(gate.changed.wait_while(gate.wanted(), idle));
        if gate.stopped.load(Ordering::SeqCst) {
            return;
        }
        let listener = bind(port);
        is_open(gate, true);
        accept(&listener, gate, handler);
        drop(listener);
        is_open(gate, false);
    }
}

/// A child that was started while the last listener was open may hold that one until it executes.
fn bind(port: u16) -> TcpListener {
    wait_for("a port of our own", WITHIN, || TcpListener::bind(("127.0.0.1", port)).ok())
}

fn is_open(gate: &Gate, open: bool) {
    gate.wanted().is_open = open;
    gate.changed.notify_all();
}

fn accept(listener: &TcpListener, gate: &Arc<Gate>, handler: &Arc<Handler>) {
    for stream in listener.incoming().flatten() {
        if !gate.wanted().open {
            return;
        }
        let (gate, handler) = (gate.clone(), handler.clone());
        std::thread::spawn(move || {
            if let Ok(request) = read_request(&stream) {
                handler(request, stream, &gate.stopped);
            }
        });
    }
}

fn read_request(stream: &TcpStream) -> io::Result<Request> {
    stream.set_read_timeout(Some(WITHIN))?;
    let mut reader = BufReader::new(stream);
    let first = read_line(&mut reader)?;
    let (at, wall) = (Instant::now(), SystemTime::now());
    let headers = read_headers(&mut reader)?;
    let length = header(&headers, "content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ').map(str::to_owned);
    Ok(Request { at, wall, method: words.next().unwrap_or_default(), target: words.next().unwrap_or_default(), headers, body })
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match reader.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

fn read_headers(reader: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            return Ok(headers);
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// An answer of the daemon.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Page {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

pub fn get(port: u16, path: &str) -> io::Result<Page> {
    get_with(port, path, &[])
}

pub fn get_with(port: u16, path: &str, headers: &[(&str, &str)]) -> io::Result<Page> {
    ask(port, "GET", path, headers, b"")
}

pub fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Page> {
    ask(port, "POST", path, headers, body)
}

fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Page> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(WITHIN))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head += &format!("Host: 127.0.0.1:{port}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    stream.write_all(body)?;
    read_page(BufReader::new(stream))
}

fn read_page(mut reader: impl BufRead) -> io::Result<Page> {
    let first = read_line(&mut reader)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let headers = read_headers(&mut reader)?;
    let mut body = Vec::new();
    if header(&headers, "transfer-encoding") == Some("chunked") {
        while read_chunk(&mut reader, &mut body)? > 0 {}
    } else if let Some(length) = header(&headers, "content-length") {
        body.resize(length.parse().map_err(io::Error::other)?, 0);
        reader.read_exact(&mut body)?;
    } else {
        reader.read_to_end(&mut body)?;
    }
    Ok(Page { status: status.ok_or_else(|| io::Error::other(format!("no status: {first}")))?, headers, body })
}

fn read_chunk(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<u64> {
    let size = u64::from_str_radix(&read_line(reader)?, 16).map_err(io::Error::other)?;
    reader.by_ref().take(size).read_to_end(body)?;
    read_line(reader)?;
    Ok(size)
}
