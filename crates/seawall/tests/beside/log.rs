//! Beside a server, by its access log alone, without any right but to read it.

use super::{Folder, Guard};
use seawall_model::Timestamp;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::SystemTime;

/// The time as a server writes it.
fn stamp() -> String {
    #[allow(clippy::disallowed_methods, reason = "the guard lives by the wall's clock")]
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let c = Timestamp(since.as_nanos() as i64).civil();
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS[usize::from(c.month - 1)];
    format!("{:02}/{month}/{}:{:02}:{:02}:{:02} +0000", c.day, c.year, c.hour, c.minute, c.second)
}

pub fn line(client: &str, path: &str, agent: &str) -> String {
    format!("{client} - - [{}] \"GET {path} HTTP/1.1\" 200 5120 \"-\" \"{agent}\"\n", stamp())
}

#[test]
fn a_flood_is_named_by_the_log_alone_also_after_the_log_is_turned() {
    let folder = Folder::new("log");
    let log = folder.0.join("access.log");
    std::fs::write(&log, "").expect("a log");
    let guard = Guard::start(&folder.0, &["--log", log.to_str().expect("text"), "--observe"]);
    let mut number = 0_u32;
    let mut write = |count: u32, flood: bool| {
        let mut text = String::new();
        for _ in 0..count {
            number += 1;
            text += &if flood {
                line(
                    "203.0.113.9",
                    &format!("/search?q={:x}", number.wrapping_mul(2_654_435_761)),
                    "python-requests/2.31",
                )
            } else {
                line(
                    &format!("192.0.2.{}", number % 200 + 1),
                    &format!("/page/{}", number % 40),
                    "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0",
                )
            };
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&log).expect("the log");
        file.write_all(text.as_bytes()).expect("written");
    };
    for _ in 0..60 {
        write(1, false);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    std::fs::rename(&log, folder.0.join("access.log.1")).expect("turned");
    // It may be called something else before enough of it was seen.
    guard.wait_for("HTTP flood", || write(60, true));
    guard.wait_for("203.0.113.9", || write(60, true));
}
