//! A client that behaves as a browser does: one connection, cookies, the parts of a page, and
//! Seawall's own pages as their script or their timed refresh has it.

use seawall_http_edge::act::gate;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

pub const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
];
/// Longest for one answer.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn cookie(&self) -> Option<String> {
        let line = self.head.lines().find(|l| l.to_ascii_lowercase().starts_with("set-cookie:"))?;
        line.split_once(':')?.1.split(';').next().map(|c| c.trim().to_owned())
    }
}

/// A browser at an address.
#[derive(Debug)]
pub struct Browser {
    pub source: IpAddr,
    pub agent: &'static str,
    pub cookies: Vec<String>,
    connection: Option<BufReader<TcpStream>>,
}

impl Browser {
    pub fn new(source: IpAddr, agent: &'static str) -> Self {
        Self { source, agent, cookies: Vec::new(), connection: None }
    }

    pub fn close(&mut self) {
        self.connection = None;
    }

    /// One request; over a new connection if the old one has gone.
    pub async fn get(&mut self, guard: SocketAddr, path: &str, referrer: &str) -> Option<Answer> {
        let cookie = if self.cookies.is_empty() {
            String::new()
        } else {
            format!("Cookie: {}\r\n", self.cookies.join("; "))
        };
        let referrer = if referrer.is_empty() { String::new() } else { format!("Referer: {referrer}\r\n") };
        let accept = if path.starts_with("/static/") || path.ends_with(".css") {
            "*/*"
        } else {
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        };
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: {}\r\nAccept: {accept}\r\n\
             Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip\r\n{referrer}{cookie}\r\n",
            self.agent
        );
        let answer = tokio::time::timeout(PATIENCE, self.exchange(guard, &text)).await.ok().flatten();
        match &answer {
            None => self.connection = None,
            Some(answer) => {
                if answer.head.to_ascii_lowercase().contains("connection: close") {
                    self.connection = None;
                }
                if let Some(cookie) = answer.cookie() {
                    let name = cookie.split('=').next().unwrap_or_default().to_owned() + "=";
                    self.cookies.retain(|c| !c.starts_with(&name));
                    self.cookies.push(cookie);
                }
            }
        }
        answer
    }

    async fn exchange(&mut self, guard: SocketAddr, text: &str) -> Option<Answer> {
        let is_old = self.connection.is_some();
        if let Some(answer) = self.once(guard, text).await {
            return Some(answer);
        }
        self.connection = None;
        // The server may have closed an idle connection at this moment; browsers try once more.
        if is_old { self.once(guard, text).await } else { None }
    }

    async fn once(&mut self, guard: SocketAddr, text: &str) -> Option<Answer> {
        if self.connection.is_none() {
            self.connection = Some(BufReader::new(connect(self.source, guard).await?));
        }
        let stream = self.connection.as_mut()?;
        stream.get_mut().write_all(text.as_bytes()).await.ok()?;
        read_answer(stream).await
    }

    /// Asks for a page until it is there, by the ways that Seawall's own pages offer. Gives the
    /// status in the end.
    pub async fn page(&mut self, guard: SocketAddr, path: &str, referrer: &str) -> Option<u16> {
        for _ in 0..8 {
            let answer = self.get(guard, path, referrer).await?;
            let Some(look) = between(&answer.body, "href=\"/.seawall/look.css", "\"") else {
                return Some(answer.status);
            };
            let look = format!("/.seawall/look.css{look}");
            self.get(guard, &look, "").await?;
            match (
                between(&answer.body, "data-puzzle=\"", "\""),
                between(&answer.body, "data-level=\"", "\""),
            ) {
                (Some(puzzle), Some(level)) => {
                    let solution = gate::solved(puzzle.as_bytes(), level.parse().ok()?);
                    // A telephone takes about so long.
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    let pass = format!("/.seawall/pass?puzzle={puzzle}&solution={solution}");
                    self.get(guard, &pass, "").await?;
                }
                _ => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        Some(503)
    }
}

/// A connection from a source.
pub async fn connect(source: IpAddr, guard: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    let address = SocketAddr::new(source, 0);
    socket.bind(address).ok()?;
    let stream = tokio::time::timeout(PATIENCE, socket.connect(guard)).await.ok()?.ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

pub async fn read_answer(stream: &mut BufReader<TcpStream>) -> Option<Answer> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let from = head.len();
        if stream.read_line(&mut head).await.ok()? == 0 {
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
    stream.read_exact(&mut body).await.ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let end = text[start..].find(after)?;
    Some(&text[start..start + end])
}
