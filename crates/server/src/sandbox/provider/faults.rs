//! What can be wrong with an answer as a whole: redirects, odd bodies, odd headers, echoed keys.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::{
    own_pages,
    stream::ReplyBody,
    switches::{Echo, OddBody, OddHeaders, Report, Switches},
};

const HTML_ERROR: &str = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>\
<body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudfront</center></body></html>";

const NOISE: [(&str, &str); 9] = [
    ("set-cookie", "__cf_bm=sandbox; path=/; HttpOnly; Secure"),
    ("server", "cloudfront-sandbox"),
    ("alt-svc", "h3=\":443\"; ma=86400"),
    ("cf-ray", "8f00ba4-SND"),
    ("strict-transport-security", "max-age=31536000"),
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "x-request-id"),
    ("www-authenticate", "Bearer realm=\"upstream\""),
    ("keep-alive", "timeout=5"),
];

pub(super) fn static_value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

/// The redirect that is switched, if one is.
pub(super) fn redirect(switches: &Switches) -> Option<Response<ReplyBody>> {
    let status = StatusCode::from_u16(switches.errors.redirect?).ok()?;
    let to = switches.errors.to.as_deref().unwrap_or(own_pages::TRAP);
    let mut response = Response::new(ReplyBody::whole(""));
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, to.parse().ok()?);
    Some(response)
}

/// Adds and replaces what is switched.
pub(super) fn spoil(
    response: &mut Response<ReplyBody>,
    key: Option<&str>,
    account_headers: &[(&'static str, &'static str)],
    switches: &Switches,
) {
    if let Some(odd) = switches.bytes.body {
        replace_body(response, odd);
    }
    let headers = response.headers_mut();
    if let Some(seconds) = switches.errors.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if switches.bytes.headers == Some(OddHeaders::Noisy) {
        for (name, value) in NOISE.iter().chain(account_headers) {
            headers.append(HeaderName::from_static(name), static_value(value));
        }
    }
    let echoed = key.filter(|_| switches.errors.echo == Some(Echo::Header));
    if let Some(value) = echoed.and_then(|key| format!("Bearer {key}").parse().ok()) {
        headers.insert("x-debug-authorization", value);
    }
}

/// A plain answer's body with the key as one of its members, where that is switched.
pub(super) fn spoil_json(mut body: String, key: Option<&str>, switches: &Switches) -> Bytes {
    if let Some(key) = key.filter(|_| switches.errors.echo == Some(Echo::Json)) {
        body.pop();
        body.push_str(",\"debug\":");
        body.push_str(&serde_json::json!({ "authorization": format!("Bearer {key}") }).to_string());
        body.push('}');
    }
    body.into()
}

/// Whether a plain answer that arrives whole does not tell what was used.
pub(super) fn hides_usage(switches: &Switches) -> bool {
    switches.usage.report == Report::Missing || switches.bytes.body.is_some_and(|odd| odd != OddBody::Gzip)
}

fn replace_body(response: &mut Response<ReplyBody>, odd: OddBody) {
    let (content_type, body) = match odd {
        OddBody::Html => ("text/html", Bytes::from(HTML_ERROR)),
        OddBody::Empty => ("application/json", Bytes::new()),
        OddBody::Garbage => ("application/json", Bytes::from("{\"id\": \"half an answ")),
        // The status is changed where the bytes are written: no server library sends this.
        OddBody::NoContent => ("application/json", Bytes::from("{\"no\": \"content\"}")),
        OddBody::Gzip => {
            let ReplyBody::Whole(whole) = response.body() else {
                return;
            };
            let compressed = gzip(whole.bytes());
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, static_value("gzip"));
            *response.body_mut() = ReplyBody::whole(compressed);
            return;
        }
    };
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, static_value(content_type));
    *response.body_mut() = ReplyBody::whole(body);
}

/// Gzip (RFC 1952) of stored blocks (RFC 1951, section 3.2.4): valid, and no smaller.
fn gzip(body: &Bytes) -> Vec<u8> {
    const MOST_STORED: usize = 65_535;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let blocks = body.len().div_ceil(MOST_STORED).max(1);
    for number in 0..blocks {
        let start = number * MOST_STORED;
        let block = body.slice(start..body.len().min(start + MOST_STORED));
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(number + 1 == blocks));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(&block);
    }
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&crc32(body).to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out
}

/// CRC-32 as gzip wants it (RFC 1952, section 8).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
