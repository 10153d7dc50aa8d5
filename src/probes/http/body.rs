//! Reading a vendor's body: all of it up to the cap, or past it without looking.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::exchange::{Line, failure};
use crate::fetch::unpack::{Coding, Unpacked, Unusable};
use crate::model::Reason;
use crate::model::observation::Evidence;
use crate::probes::failure::Failure;

/// All of the body, unpacked, if that is at most `cap` bytes.
pub(super) async fn keep(body: &mut Incoming, coding: Coding, cap: usize, line: &mut Line) -> Result<Vec<u8>, Failure> {
    let mut unpacked = Unpacked::new(coding, cap);
    while let Some(data) = next_data(body, line).await? {
        unpacked.add(&data).map_err(refused)?;
    }
    unpacked.finish().map_err(refused)
}

/// Reads up to `cap` bytes as they come, packed or not, and keeps the first that may be wanted as evidence.
pub(super) async fn skip(body: &mut Incoming, cap: usize, line: &mut Line) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut start) = (0, Vec::new());
    while let Some(data) = next_data(body, line).await? {
        let room = Evidence::BODY_BYTES_MAX - start.len();
        start.extend_from_slice(&data[..data.len().min(room)]);
        bytes += data.len();
        if bytes > cap {
            break;
        }
    }
    Ok(start)
}

async fn next_data(body: &mut Incoming, line: &mut Line) -> Result<Option<Bytes>, Failure> {
    loop {
        match line.drive(body.frame()).await {
            None => return Ok(None),
            Some(Err(error)) => return Err(failure("the vendor", &error)),
            // Trailers are not looked at.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A body that cannot be taken is the vendor's fault.
pub(super) fn refused(unusable: Unusable) -> Failure {
    let reason = match unusable {
        Unusable::TooLarge(_) => Reason::BodyTooLarge,
        Unusable::Damaged(_) => Reason::Protocol,
    };
    Failure::new(reason, unusable.to_string())
}
