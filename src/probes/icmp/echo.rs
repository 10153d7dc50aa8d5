//! Echo messages of ICMP (RFC 792) and ICMPv6 (RFC 4443 4). Pure.

/// Type, code, checksum, identifier, sequence number.
pub(super) const HEADER_BYTES: usize = 8;

/// What makes our echoes our own; at the beginning of what is sent along.
pub(super) const MARK_BYTES: usize = 8;

/// The echoes of one run. An answer is one of them when everything that was sent came back.
pub(super) struct Echoes {
    pub v6: bool,
    /// Of this run; nobody else can guess it.
    pub mark: u64,
    /// What is sent along, in bytes; at least [`MARK_BYTES`].
    pub size: usize,
}

impl Echoes {
    pub fn request(&self, sequence: u16) -> Vec<u8> {
        let kind = if self.v6 { 128 } else { 8 };
        let mut message = self.message(kind, sequence);
        // The kernel fills it in for ICMPv6 (RFC 3542 3.1), and for the datagram sockets of both.
        let sum = if self.v6 { 0 } else { checksum(&message) };
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        message
    }

    /// Which of our echoes came back. `whole`: as raw IPv4 sockets give it, the IP header in front.
    /// The identifier is not compared: the kernel puts its own into those of datagram sockets.
    pub fn sequence(&self, packet: &[u8], whole: bool) -> Option<u16> {
        let message = if whole { packet.get(usize::from(packet.first()? & 0x0f) * 4..)? } else { packet };
        let head = message.get(..HEADER_BYTES)?;
        let sequence = u16::from_be_bytes([head[6], head[7]]);
        let kind = if self.v6 { 129 } else { 0 };
        let ours = head[0] == kind && head[1] == 0 && message[HEADER_BYTES..] == self.message(kind, sequence)[HEADER_BYTES..];
        ours.then_some(sequence)
    }

    fn message(&self, kind: u8, sequence: u16) -> Vec<u8> {
        let [high, low, ..] = self.mark.to_be_bytes();
        let [first, second] = sequence.to_be_bytes();
        let mut message = vec![kind, 0, 0, 0, high, low, first, second];
        // The mark is another one in each echo, so that an old answer is not taken for a new one.
        message.extend((self.mark ^ u64::from(sequence)).to_be_bytes());
        message.extend((MARK_BYTES..self.size).map(|at| at as u8));
        message
    }
}

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoes(v6: bool) -> Echoes {
        Echoes { v6, mark: 0x0123_4567_89ab_cdef, size: 11 }
    }

    /// As the other side sends it back.
    fn reply(request: &[u8], v6: bool) -> Vec<u8> {
        let mut reply = request.to_vec();
        reply[0] = if v6 { 129 } else { 0 };
        reply
    }

    #[test]
    fn what_came_back_is_known() {
        for v6 in [false, true] {
            let request = echoes(v6).request(7);
            assert_eq!(request.len(), HEADER_BYTES + 11);
            assert_eq!(echoes(v6).sequence(&reply(&request, v6), false), Some(7));
            assert_eq!(echoes(v6).sequence(&request, false), None, "our own question, as it passes by on the loopback");
        }
        let request = echoes(false).request(7);
        assert_eq!(checksum(&request), 0, "a message with its checksum sums up to zero");
        let mut whole = vec![0x46; 24];
        whole.extend(reply(&request, false));
        assert_eq!(echoes(false).sequence(&whole, true), Some(7), "an IP header with options in front");
    }

    #[test]
    fn what_is_not_ours_is_not_taken() {
        let ours = echoes(false);
        let good = reply(&ours.request(7), false);
        let changed = |at: usize, value: u8| {
            let mut other = good.clone();
            other[at] = value;
            other
        };
        let shorter = good[..good.len() - 1].to_vec();
        let longer = [good.clone(), vec![0]].concat();
        let unreachable = [vec![3, 1, 0, 0, 0, 0, 0, 0], ours.request(7)].concat();
        for packet in
            [changed(0, 3), changed(1, 1), changed(7, 8), changed(8, 0), changed(18, 0), shorter, longer, unreachable, vec![], vec![0; 8]]
        {
            assert_eq!(ours.sequence(&packet, false), None, "{packet:?}");
            assert_eq!(ours.sequence(&packet, true), None, "{packet:?}");
        }
        let other_run = Echoes { mark: 1, ..echoes(false) };
        assert_eq!(other_run.sequence(&good, false), None);
        assert_eq!(ours.sequence(&[0x4f; 30], true), None, "a header longer than the packet");
    }
}
