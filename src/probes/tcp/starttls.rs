//! The way from plain text to TLS, in the protocols that have one.
//!
//! - A server that does not offer TLS, refuses it or speaks something else is `protocol`, with its own words.
//! - What a server says after it agreed and before the handshake could come from anybody, so it is refused (RFC 3207 4.2
//!   and 6 tell the client to forget what it knew).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ldap;
use crate::model::Reason;
use crate::probes::dialogue::{Said, broken};
use crate::probes::failure::{Deadline, Failure, Trace, timed};

/// More is no greeting and no list of capabilities.
const HEARD_BYTES_MAX: usize = 64 << 10;

/// RFC 5321 4.5.3.1 allows 512 and RFC 2683 3.2.1.5 speaks of 8000.
const LINE_BYTES_MAX: usize = 8 << 10;

const CHUNK_BYTES: usize = 1 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Smtp,
    Imap,
    Pop3,
    Ftp,
    Ldap,
    Postgres,
}

impl Protocol {
    pub const WORDS: &[&str] = &["smtp", "imap", "pop3", "ftp", "ldap", "postgres"];

    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "smtp" => Protocol::Smtp,
            "imap" => Protocol::Imap,
            "pop3" => Protocol::Pop3,
            "ftp" => Protocol::Ftp,
            "ldap" => Protocol::Ldap,
            "postgres" => Protocol::Postgres,
            _ => return None,
        })
    }

    /// Until both sides agreed that a handshake is next.
    pub async fn begin_tls(
        self,
        stream: &mut TcpStream,
        host: &str,
        deadline: Deadline,
        trace: &mut Trace,
        said: &mut Said,
    ) -> Result<(), Failure> {
        let mut wire = Wire { stream, host, pending: Vec::new(), said };
        let agreeing = async {
            match self {
                Protocol::Smtp => smtp(&mut wire).await,
                Protocol::Imap => imap(&mut wire).await,
                Protocol::Pop3 => pop3(&mut wire).await,
                Protocol::Ftp => ftp(&mut wire).await,
                Protocol::Ldap => ldap_extended(&mut wire).await,
                Protocol::Postgres => postgres(&mut wire).await,
            }?;
            wire.is_quiet()
        };
        let what = || format!("{host} did not come to TLS");
        timed(&mut trace.hop.phases.processing, deadline.bound(agreeing, Reason::TimeoutBody, what)).await?
    }
}

/// RFC 3207.
async fn smtp(wire: &mut Wire<'_>) -> Result<(), Failure> {
    wire.reply(220, "greets with").await?;
    // RFC 5321 4.1.4: an address, where we have no name that others know.
    let own = match wire.stream.local_addr().map(|address| address.ip()) {
        Ok(ip) if ip.is_ipv6() => format!("[IPv6:{ip}]"),
        Ok(ip) => format!("[{ip}]"),
        Err(_) => "localhost".into(),
    };
    wire.send_line(&format!("EHLO {own}")).await?;
    let offers = wire.reply(250, "answers EHLO with").await?;
    let offered = offers.iter().any(|line| line.get(4..).is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS")));
    if !offered {
        return Err(wire.refused("does not offer STARTTLS"));
    }
    wire.send_line("STARTTLS").await?;
    wire.reply(220, "refuses STARTTLS with").await?;
    Ok(())
}

/// RFC 9051 6.2.1, and RFC 3501 before it.
async fn imap(wire: &mut Wire<'_>) -> Result<(), Failure> {
    let greeting = wire.line().await?;
    if !begins(&greeting, "* OK") {
        return Err(wire.refused(&format!("greets with {greeting}")));
    }
    wire.send_line("a1 CAPABILITY").await?;
    let offered = tagged(wire, "a1", "answers CAPABILITY with").await?;
    if !offered {
        return Err(wire.refused("does not offer STARTTLS"));
    }
    wire.send_line("a2 STARTTLS").await?;
    tagged(wire, "a2", "refuses STARTTLS with").await?;
    Ok(())
}

/// Reads to the end of the answer to command `tag`; whether STARTTLS was offered on the way.
async fn tagged(wire: &mut Wire<'_>, tag: &str, otherwise: &str) -> Result<bool, Failure> {
    let mut offered = false;
    loop {
        let line = wire.line().await?;
        if begins(&line, "* CAPABILITY ") {
            offered |= line.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("STARTTLS"));
        } else if !line.starts_with("* ") {
            let good = begins(&line, &format!("{tag} OK"));
            return if good { Ok(offered) } else { Err(wire.refused(&format!("{otherwise} {line}"))) };
        }
    }
}

/// RFC 2595 4; `CAPA` is of RFC 2449, and older servers do without.
async fn pop3(wire: &mut Wire<'_>) -> Result<(), Failure> {
    wire.plus("greets with").await?;
    wire.send_line("CAPA").await?;
    let answer = wire.line().await?;
    if begins(&answer, "+OK") {
        let mut offered = false;
        loop {
            let line = wire.line().await?;
            if line == "." {
                break;
            }
            offered |= line.trim().eq_ignore_ascii_case("STLS");
        }
        if !offered {
            return Err(wire.refused("does not offer STLS"));
        }
    } else if !begins(&answer, "-ERR") {
        return Err(wire.refused(&format!("answers CAPA with {answer}")));
    }
    wire.send_line("STLS").await?;
    wire.plus("refuses STLS with").await
}

/// RFC 4217 4.
async fn ftp(wire: &mut Wire<'_>) -> Result<(), Failure> {
    wire.reply(220, "greets with").await?;
    wire.send_line("AUTH TLS").await?;
    wire.reply(234, "refuses AUTH TLS with").await?;
    Ok(())
}

/// RFC 4511 4.14.
async fn ldap_extended(wire: &mut Wire<'_>) -> Result<(), Failure> {
    wire.said.request.push_str("ExtendedRequest 1.3.6.1.4.1.1466.20037\n");
    wire.send(ldap::START_TLS).await?;
    let foreign = |wire: &Wire<'_>| wire.refused("does not answer with LDAP");
    let head = wire.bytes(2).await?;
    let length = match ldap::length([head[0], head[1]]).ok_or_else(|| foreign(wire))? {
        Ok(length) => length,
        Err(bytes) => wire.bytes(bytes).await?.into_iter().fold(0, |sum, byte| sum << 8 | usize::from(byte)),
    };
    if length > LINE_BYTES_MAX {
        return Err(foreign(wire));
    }
    let message = wire.bytes(length).await?;
    let answer = ldap::answer(&message).ok_or_else(|| foreign(wire))?;
    wire.said.response.push_str(&format!("ExtendedResponse {} {}\n", answer.code, answer.diagnostic));
    if answer.code == 0 {
        return Ok(());
    }
    Err(wire.refused(&format!("refuses StartTLS with result {} {}", answer.code, answer.diagnostic)))
}

/// `SSLRequest`: its length and the code 80877103, answered by one byte
/// (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>).
async fn postgres(wire: &mut Wire<'_>) -> Result<(), Failure> {
    wire.said.request.push_str("SSLRequest\n");
    wire.send(b"\x00\x00\x00\x08\x04\xd2\x16\x2f").await?;
    let answer = wire.bytes(1).await?;
    wire.said.response.push_str(&format!("{}\n", String::from_utf8_lossy(&answer)));
    match answer[..] {
        [b'S'] => Ok(()),
        [b'N'] => Err(wire.refused("does not offer TLS")),
        [b'E'] => Err(wire.refused("answers SSLRequest with an error")),
        _ => Err(wire.refused("does not answer as PostgreSQL does")),
    }
}

/// Case does not matter in any of these protocols. What is compared is ASCII, so no character is cut in two.
fn begins(line: &str, with: &str) -> bool {
    line.as_bytes().get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
}

/// A connection in which lines and bytes are read, within bounds.
struct Wire<'a> {
    stream: &'a mut TcpStream,
    host: &'a str,
    /// Came already, and is not read yet.
    pending: Vec<u8>,
    said: &'a mut Said,
}

impl Wire<'_> {
    fn refused(&self, what: &str) -> Failure {
        Failure::new(Reason::Protocol, format!("{} {what}", self.host))
    }

    async fn send_line(&mut self, line: &str) -> Result<(), Failure> {
        self.said.request.push_str(&format!("{line}\n"));
        self.send(format!("{line}\r\n").as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).await.map_err(|error| broken(self.host, &error, Reason::Send))
    }

    async fn more(&mut self) -> Result<(), Failure> {
        self.pending.reserve(CHUNK_BYTES);
        match self.stream.take(CHUNK_BYTES as u64).read_buf(&mut self.pending).await {
            Ok(0) if self.said.response.is_empty() && self.pending.is_empty() => {
                Err(Failure::new(Reason::Receive, format!("{} closed the connection without a word", self.host)))
            }
            Ok(0) => Err(Failure::new(Reason::Receive, format!("{} closed the connection before TLS", self.host))),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(self.host, &error, Reason::Receive)),
        }
    }

    async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.pending.len() < count {
            self.more().await?;
        }
        Ok(self.pending.drain(..count).collect())
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<String, Failure> {
        let mut looked = 0;
        let end = loop {
            if let Some(at) = self.pending[looked..].iter().position(|byte| *byte == b'\n') {
                break looked + at;
            }
            looked = self.pending.len();
            if looked > LINE_BYTES_MAX {
                return Err(self.refused("sends a line without an end"));
            }
            self.more().await?;
        };
        let line: Vec<u8> = self.pending.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        self.said.response.push_str(&line);
        self.said.response.push('\n');
        if self.said.response.len() > HEARD_BYTES_MAX {
            return Err(self.refused("says more than anybody would before TLS"));
        }
        Ok(line)
    }

    /// A reply of SMTP or FTP with this code, of one or more lines (RFC 5321 4.2.1, RFC 959 4.2).
    async fn reply(&mut self, code: u16, otherwise: &str) -> Result<Vec<String>, Failure> {
        let first = self.line().await?;
        if !first.starts_with(&code.to_string()) {
            return Err(self.refused(&format!("{otherwise} {first}")));
        }
        let goes_on = format!("{code}-");
        let (mut last, mut lines) = (!first.starts_with(&goes_on), vec![first]);
        while !last {
            let line = self.line().await?;
            last = line == code.to_string() || line.starts_with(&format!("{code} "));
            lines.push(line);
        }
        Ok(lines)
    }

    /// A good answer of POP3.
    async fn plus(&mut self, otherwise: &str) -> Result<(), Failure> {
        let line = self.line().await?;
        if begins(&line, "+OK") { Ok(()) } else { Err(self.refused(&format!("{otherwise} {line}"))) }
    }

    /// Nothing was said beyond what was asked for.
    fn is_quiet(&self) -> Result<(), Failure> {
        if self.pending.is_empty() { Ok(()) } else { Err(self.refused("says more after it agreed to TLS")) }
    }
}
