//! A TLS ClientHello as a browser sends it, by RFC 8446 section 4.1.2.

const CIPHERS: [u16; 8] = [0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0x009C];
const GROUPS: [u16; 3] = [0x001D, 0x0017, 0x0018];
const SIGNATURES: [u16; 5] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805];
/// Browsers pad to this (RFC 7685 says why).
const PADDED_BYTES: usize = 512;

/// The whole record; `seed` stands for what is random in it.
pub fn client_hello(host: &str, seed: u64) -> Vec<u8> {
    let random = |n: u64| seawall_model::hash::combine(seed, n).to_be_bytes();
    let mut body = vec![3, 3];
    (0..4).for_each(|n| body.extend_from_slice(&random(n)));
    body.push(32);
    (4..8).for_each(|n| body.extend_from_slice(&random(n)));
    body.extend_from_slice(&words(&CIPHERS));
    body.extend_from_slice(&[1, 0]);
    let mut name = vec![0];
    name.extend_from_slice(&sized(host.as_bytes()));
    let mut extensions = Vec::new();
    extension(&mut extensions, 0, &sized(&name));
    extension(&mut extensions, 10, &words(&GROUPS));
    extension(&mut extensions, 16, &sized(b"\x02h2\x08http/1.1"));
    extension(&mut extensions, 13, &words(&SIGNATURES));
    extension(&mut extensions, 43, &[4, 3, 4, 3, 3]);
    let filled = 4 + body.len() + 2 + extensions.len() + 4;
    extension(&mut extensions, 21, &vec![0; PADDED_BYTES.saturating_sub(filled)]);
    body.extend_from_slice(&sized(&extensions));
    let mut handshake = vec![1, 0];
    handshake.extend_from_slice(&sized(&body));
    let mut record = vec![22, 3, 1];
    record.extend_from_slice(&sized(&handshake));
    record
}

/// Bytes after their length in two bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u16).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

fn words(words: &[u16]) -> Vec<u8> {
    sized(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>())
}

fn extension(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&sized(body));
}
