//! The DNS edge alone, for measuring it beside other fronts:
//! `front LISTEN BACKEND[,BACKEND…] [ZONE=PRIMARY…] [limit=value…]`; prints its counters when its
//! standard input ends.

use seawall_dns_edge::message::name;
use seawall_dns_edge::{Backend, Counter, Edge, Limits, Pool, Settings, ZoneSource};
use seawall_model::Timestamp;
use std::io::Read;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (listen, behind) =
        words.next().zip(words.next()).ok_or("usage: front LISTEN BACKENDS [ZONE=PRIMARY]")?;
    let backend = |a: &str| -> Result<Backend, std::net::AddrParseError> {
        Ok(Backend { name: a.to_owned(), address: a.parse()?, weight: 1, tier: 0, proxy_protocol: false })
    };
    let backends = behind.split(',').map(backend).collect::<Result<Vec<_>, _>>()?;
    let mut limits = Limits::default();
    let (mut zones, mut enforce, mut threads) = (Vec::new(), true, 1);
    for word in words {
        let (left, right) = word.split_once('=').ok_or("expected NAME=VALUE")?;
        match left {
            "observe" => enforce = right != "true",
            "threads" => threads = right.parse()?,
            _ => match limits.by_name(left) {
                Some(limit) => *limit = right.parse()?,
                None => {
                    let apex = name::parse(left).ok_or("no zone and no limit")?;
                    zones.push(ZoneSource { apex, primary: right.parse()?, key: None });
                }
            },
        }
    }
    let pools = vec![Pool { suffix: Box::new([0]), backends }];
    let settings =
        Settings { listeners: vec![listen.parse()?], tls: None, pools, zones, limits, threads, enforce };
    let mut secret = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut secret)?;
    #[allow(clippy::disallowed_methods, reason = "the program reads the clock")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let now = Timestamp(i64::try_from(since.as_nanos())?);
    let edge = Edge::start(settings, now, &secret)?;
    println!("listening on {}", edge.addresses()[0]);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    for line in edge.take_said() {
        println!("{line}");
    }
    for counter in Counter::ALL.iter().filter(|c| edge.count(**c) > 0) {
        println!("{} {}", counter.name(), edge.count(*counter));
    }
    edge.stop();
    Ok(())
}
