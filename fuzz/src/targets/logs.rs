//! Log lines of every format, and the texts that describe formats.

use seawall_model::{Prefix, Timestamp};
use seawall_wire::log::{Format, Line, Parser, detect};

/// Lines of an unknown log: recognised, then read.
pub fn log(bytes: &[u8]) {
    if let Some(format) = detect(bytes) {
        read(format, bytes);
    }
}

fn read(format: Format, bytes: &[u8]) {
    let _ = (format.name(), format.is_stateless());
    let mut parser = Parser::new(format).near(Timestamp::from_seconds(1_704_067_200));
    for line in bytes.split(|&b| b == b'\n') {
        match parser.parse(line) {
            Ok(Line::Observation(observation)) => {
                let _ = observation.time();
            }
            Ok(Line::Change(_) | Line::Nothing) => {}
            Err(error) => {
                let _ = error.to_string();
            }
        }
    }
}

/// The first line describes the format of the others, as nginx and as Apache would.
pub fn template(bytes: &[u8]) {
    let (head, lines) = halves(bytes);
    let Ok(head) = std::str::from_utf8(head) else { return };
    for format in [Format::from_nginx(head), Format::from_apache(head)] {
        match format {
            Ok(format) => read(format, lines),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// The first line maps meanings to keys, the others are JSON.
pub fn json_map(bytes: &[u8]) {
    let (head, lines) = halves(bytes);
    let Ok(head) = std::str::from_utf8(head) else { return };
    match Format::from_json_fields(head) {
        Ok(format) => read(format, lines),
        Err(error) => drop(error.to_string()),
    }
}

fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len());
    (&bytes[..at], bytes.get(at + 1..).unwrap_or_default())
}

/// Times and prefixes as people write them.
pub fn time(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let time = text.parse::<Timestamp>();
    // The first and the last year that a time stamp reaches are cut, and not read as text.
    if let Some(time) = time.ok().filter(|t| (1678..2262).contains(&t.civil().year)) {
        // Printing keeps milliseconds.
        let printed = time.to_string();
        let again: Timestamp = printed.parse().expect("what is printed is read back");
        assert!(time.since_ns(again).abs() < 1_000_000, "{text} became {printed}");
    }
    let _ = text.parse::<Prefix>();
}
