//! How a server of the tests answers, or fails to.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    Status(u16),
    /// Reads the request and hangs up.
    Drop,
    /// The connection is reset after this many bytes of a 200.
    Reset {
        after_bytes: usize,
    },
    /// Takes the request and never answers.
    Hang,
    /// A 200 at this pace, head and body.
    Loris {
        bytes_per_second: u32,
    },
    /// A 200 whose body does not end.
    Endless,
    /// A 200 of 64 KiB that unpack to 64 MiB.
    GzipBomb,
    /// A 200 that announces more bytes than it has.
    WrongLength,
    /// A 302.
    Redirect(String),
}

impl Mode {
    /// The status in the first line, if there is one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Mode::Status(code) => Some(*code),
            Mode::Redirect(_) => Some(302),
            Mode::Drop | Mode::Hang => None,
            Mode::Reset { after_bytes } if *after_bytes < FIRST_LINE_BYTES => None,
            _ => Some(200),
        }
    }
}

const FIRST_LINE_BYTES: usize = "HTTP/1.1 200 OK\r\n".len();

/// A mode with what stands around it.
#[derive(Clone, Debug)]
pub struct Reply {
    pub mode: Mode,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Before the first byte.
    pub delay: Duration,
}

impl Reply {
    pub fn ok() -> Reply {
        Mode::Status(200).into()
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self
    }

    pub fn delay(mut self, delay: Duration) -> Reply {
        self.delay = delay;
        self
    }

    /// Answers one request. Errors are what the client does to us, and no matter of the test.
    pub fn serve(&self, method: &str, stream: TcpStream, stopped: &AtomicBool) {
        linger(&stream, self.delay, stopped);
        let _ = self.write(method, stream, stopped);
    }

    fn write(&self, method: &str, mut stream: TcpStream, stopped: &AtomicBool) -> io::Result<()> {
        let mut whole = self.head();
        if method != "HEAD" {
            whole.extend_from_slice(self.payload());
        }
        match &self.mode {
            Mode::Drop => Ok(()),
            Mode::Hang => {
                linger(&stream, Duration::MAX, stopped);
                Ok(())
            }
            Mode::Reset { after_bytes } => {
                stream.write_all(&whole[..whole.len().min(*after_bytes)])?;
                // With no time to linger, closing sends a reset instead of an end.
                Ok(set_socket_linger(&stream, Some(Duration::ZERO))?)
            }
            Mode::Loris { bytes_per_second } => trickle(stream, &whole, *bytes_per_second, stopped),
            Mode::Endless => pour(stream, &whole, stopped),
            _ => finish(stream, &whole),
        }
    }

    fn head(&self) -> Vec<u8> {
        let code = self.mode.status().unwrap_or(200);
        let mut head = format!("HTTP/1.1 {code} {}\r\nConnection: close\r\n", reason(code));
        if let Some(length) = self.length() {
            head += &format!("Content-Length: {length}\r\n");
        }
        match &self.mode {
            Mode::GzipBomb => head += "Content-Encoding: gzip\r\n",
            Mode::Redirect(to) => head += &format!("Location: {to}\r\n"),
            _ => {}
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    fn length(&self) -> Option<usize> {
        let length = self.payload().len();
        match self.mode {
            Mode::Endless | Mode::Status(204 | 304) => None,
            Mode::WrongLength => Some(length + 100),
            _ => Some(length),
        }
    }

    fn payload(&self) -> &[u8] {
        match self.mode {
            Mode::GzipBomb => bomb(),
            Mode::Status(204 | 304) => b"",
            _ => &self.body,
        }
    }
}

impl From<Mode> for Reply {
    fn from(mode: Mode) -> Reply {
        if mode == Mode::GzipBomb {
            // Packing takes a while, which is not to be taken for a slow answer.
            bomb();
        }
        Reply { mode, headers: Vec::new(), body: b"{\"status\":\"ok\"}".to_vec(), delay: Duration::ZERO }
    }
}

impl From<u16> for Reply {
    fn from(code: u16) -> Reply {
        Mode::Status(code).into()
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        200..=299 => "OK",
        300..=399 => "Elsewhere",
        _ => "Not OK",
    }
}

/// Until `time` has passed, the client has gone or the server goes away.
fn linger(mut stream: &TcpStream, time: Duration, stopped: &AtomicBool) {
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let began = std::time::Instant::now();
    let mut byte = [0];
    while !stopped.load(Ordering::SeqCst) {
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            return;
        }
        let _ = stream.set_read_timeout(Some(left.min(LOOK_EVERY)));
        match stream.read(&mut byte) {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Ok(1) => {}
            _ => return,
        }
    }
}

fn trickle(mut stream: TcpStream, whole: &[u8], bytes_per_second: u32, stopped: &AtomicBool) -> io::Result<()> {
    for byte in whole {
        stream.write_all(&[*byte])?;
        linger(&stream, Duration::from_secs(1) / bytes_per_second.max(1), stopped);
        if stopped.load(Ordering::SeqCst) {
            break;
        }
    }
    Ok(())
}

fn pour(mut stream: TcpStream, whole: &[u8], stopped: &AtomicBool) -> io::Result<()> {
    stream.write_all(whole)?;
    while !stopped.load(Ordering::SeqCst) {
        stream.write_all(&[b'x'; 4096])?;
    }
    Ok(())
}

/// Ends the answer and lets the client hang up first, so that nothing it sent makes our end a reset.
fn finish(mut stream: TcpStream, whole: &[u8]) -> io::Result<()> {
    stream.write_all(whole)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}

fn bomb() -> &'static [u8] {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..64 {
            packer.write_all(&[0; 1 << 20]).expect("memory can be written to");
        }
        packer.finish().expect("memory can be written to")
    })
}
