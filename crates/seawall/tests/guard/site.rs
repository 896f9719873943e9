//! A site with few workers: pages, their parts, a dear search, and what can go wrong with it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Requests that the site works on at once.
pub const WORKERS: usize = 8;
/// What a page takes one worker; so the site makes [`PAGES_PER_S`].
pub const PAGE_MS: u64 = 40;
pub const SEARCH_MS: u64 = 400;
const PART_MS: u64 = 1;
pub const PAGES_PER_S: f64 = WORKERS as f64 * 1_000.0 / PAGE_MS as f64;

/// What is wrong with the site; read for each request.
#[derive(Debug, Default)]
pub struct Trouble {
    /// Everything takes so many times as long; 0 is once.
    pub slowness: AtomicU64,
    /// So many of a hundred pages fail.
    pub failing_percent: AtomicU32,
    /// Requests worked on, for numbering.
    pub served: AtomicU64,
}

/// Serves on a port of its own until the runtime ends.
pub async fn start(trouble: Arc<Trouble>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::task::spawn_local(serve_all(listener, trouble));
    address
}

async fn serve_all(listener: TcpListener, trouble: Arc<Trouble>) {
    let workers = Rc::new(Semaphore::new(WORKERS));
    while let Ok((stream, _)) = listener.accept().await {
        let (workers, trouble) = (Rc::clone(&workers), Arc::clone(&trouble));
        tokio::task::spawn_local(async move {
            // The other side may go away at any time.
            let _ = serve(stream, &workers, &trouble).await;
        });
    }
}

async fn serve(mut stream: TcpStream, workers: &Semaphore, trouble: &Trouble) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let from = head.len();
            if read.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
            let line = head[from..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        read.read_exact(&mut body).await.ok()?;
        let path = head.split(' ').nth(1)?;
        let answer = answer(path, &head, workers, trouble).await;
        write.write_all(&answer).await.ok()?;
    }
}

async fn answer(path: &str, head: &str, workers: &Semaphore, trouble: &Trouble) -> Vec<u8> {
    let number = trouble.served.fetch_add(1, Relaxed);
    let is_part = path.starts_with("/static/");
    let ms = if is_part {
        PART_MS
    } else if path.starts_with("/search") {
        SEARCH_MS
    } else {
        PAGE_MS
    };
    let held = workers.acquire().await;
    tokio::time::sleep(Duration::from_millis(ms * trouble.slowness.load(Relaxed).max(1))).await;
    drop(held);
    let fails = !is_part && number % 100 < u64::from(trouble.failing_percent.load(Relaxed));
    let status = if fails { "500 Internal Server Error" } else { "200 OK" };
    let body = "x".repeat(if is_part { 4_000 } else { 8_000 });
    let kind = if is_part { "text/css" } else { "text/html" };
    let session = if !is_part && !head.contains("session=") {
        format!("Set-Cookie: session={number:016x}; Path=/\r\n")
    } else {
        String::new()
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{session}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
