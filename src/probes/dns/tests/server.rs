//! A name server that does what its script says, over UDP and TCP on one port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, NS, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// One question as it came.
pub(in crate::probes) struct Asked {
    pub message: Message,
    pub tcp: bool,
    /// How many came before it.
    pub before: usize,
}

/// What is said to a question: these messages, after a while.
#[derive(Default)]
pub(in crate::probes) struct Say {
    pub after: Duration,
    pub messages: Vec<Vec<u8>>,
    /// Over TCP: these bytes as they are, and then the end.
    pub raw: Option<Vec<u8>>,
}

impl Say {
    pub fn nothing() -> Self {
        Say::default()
    }

    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Say { messages: vec![bytes.into()], ..Say::default() }
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Say { raw: Some(bytes.into()), ..Say::default() }
    }

    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }
}

impl From<Message> for Say {
    fn from(message: Message) -> Self {
        Say::bytes(message.to_vec().unwrap())
    }
}

impl Asked {
    pub fn name(&self) -> String {
        self.message.queries[0].name().to_ascii().trim_end_matches('.').to_lowercase()
    }

    pub fn kind(&self) -> RecordType {
        self.message.queries[0].query_type()
    }

    /// An answer to it, without records.
    pub fn code(&self, code: ResponseCode) -> Message {
        let mut message = Message::response(self.message.id, self.message.op_code);
        message.metadata.response_code = code;
        message.add_query(self.message.queries[0].clone());
        message
    }

    pub fn records(&self, data: impl IntoIterator<Item = RData>) -> Message {
        let mut message = self.code(ResponseCode::NoError);
        for data in data {
            message.add_answer(Record::from_rdata(self.message.queries[0].name().clone(), 300, data));
        }
        message
    }

    pub fn address(&self, last: u8) -> Message {
        self.records([a(last)])
    }
}

pub(in crate::probes) fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

pub(in crate::probes) fn loopback(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(127, 0, 0, last)))
}

pub(in crate::probes) fn name(text: &str) -> Name {
    let mut name = Name::from_str(text).unwrap();
    name.set_fqdn(true);
    name
}

pub(in crate::probes) fn ns(text: &str) -> RData {
    RData::NS(NS(name(text)))
}

pub(in crate::probes) fn cname(text: &str) -> RData {
    RData::CNAME(CNAME(name(text)))
}

pub(in crate::probes) fn soa(serial: u32) -> RData {
    RData::SOA(SOA::new(name("ns1.vendor.example"), name("admin.vendor.example"), serial, 7200, 3600, 1_209_600, 300))
}

pub(in crate::probes) trait Script: Fn(&Asked) -> Say + Send + Sync + 'static {}
impl<F: Fn(&Asked) -> Say + Send + Sync + 'static> Script for F {}

pub(in crate::probes) async fn serve(script: impl Script) -> SocketAddr {
    serve_at(Ipv4Addr::LOCALHOST.into(), 0, script).await
}

/// At that address; port 0 is any.
pub(in crate::probes) async fn serve_at(ip: IpAddr, port: u16, script: impl Script) -> SocketAddr {
    let (udp, tcp) = loop {
        let tcp = TcpListener::bind(SocketAddr::new(ip, port)).await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    let script = Arc::new(script);
    let count = Arc::new(AtomicUsize::new(0));
    let (of_udp, counted) = (script.clone(), count.clone());
    let udp = Arc::new(udp);
    tokio::spawn(async move {
        let mut question = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut question).await {
            let message = Message::from_vec(&question[..length]).unwrap();
            let say = of_udp(&Asked { message, tcp: false, before: counted.fetch_add(1, Ordering::Relaxed) });
            let udp = udp.clone();
            tokio::spawn(async move {
                tokio::time::sleep(say.after).await;
                for message in say.messages {
                    let _ = udp.send_to(&message, from).await;
                }
            });
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            tokio::spawn(converse(stream, script.clone(), count.clone()));
        }
    });
    address
}

/// One question over a stream, in plain or within TLS.
pub(in crate::probes) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Arc<impl Script>,
    count: Arc<AtomicUsize>,
) {
    let Ok(length) = stream.read_u16().await else { return };
    let mut question = vec![0; usize::from(length)];
    if stream.read_exact(&mut question).await.is_err() {
        return;
    }
    let message = Message::from_vec(&question).unwrap();
    let say = script(&Asked { message, tcp: true, before: count.fetch_add(1, Ordering::Relaxed) });
    tokio::time::sleep(say.after).await;
    let framed = say.messages.iter().flat_map(|m| [&u16::try_from(m.len()).unwrap().to_be_bytes()[..], m].concat()).collect();
    let silent = say.raw.is_none() && say.messages.is_empty();
    let bytes: Vec<u8> = say.raw.unwrap_or(framed);
    let _ = stream.write_all(&bytes).await;
    if silent {
        // It holds the line until the other side has had enough.
        let _ = stream.read_u8().await;
    }
    let _ = stream.shutdown().await;
}
