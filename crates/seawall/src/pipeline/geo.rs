//! Databases of networks that the user names (MaxMind DB: countries, autonomous systems).

use super::TriageError;
use maxminddb::{Reader, geoip2};
use seawall_model::address;
use seawall_model::place::{Place, Places};
use std::net::IpAddr;
use std::path::PathBuf;

/// The opened databases; of two that know the same, the first is believed.
#[derive(Default)]
pub struct Databases {
    opened: Vec<(PathBuf, Reader<Vec<u8>>)>,
}

impl Databases {
    /// Opens the files.
    ///
    /// # Errors
    /// If one cannot be read or is no such database.
    pub fn open(files: &[PathBuf]) -> Result<Self, TriageError> {
        let opened = files.iter().map(|path| {
            let bytes =
                std::fs::read(path).map_err(|source| TriageError::Read { path: path.clone(), source })?;
            let reader = Reader::from_source(bytes).map_err(|e| {
                unusable(path, &format!("is no MaxMind database of networks (.mmdb), or a damaged one: {e}"))
            })?;
            Ok((path.clone(), reader))
        });
        Ok(Self { opened: opened.collect::<Result<_, _>>()? })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty()
    }

    /// Where the addresses are.
    ///
    /// # Errors
    /// If a database turns out to be damaged.
    pub fn places(&self, addresses: &[IpAddr]) -> Result<Places, TriageError> {
        let mut found = Vec::new();
        for address in addresses.iter().filter(|a| address::is_public(**a)) {
            let mut place = Place::default();
            for (path, reader) in &self.opened {
                look_up(reader, *address, &mut place)
                    .map_err(|e| unusable(path, &format!("is damaged; fetch it anew: {e}")))?;
            }
            found.push((*address, place));
        }
        Ok(Places::of(found))
    }
}

fn look_up(
    reader: &Reader<Vec<u8>>,
    address: IpAddr,
    place: &mut Place,
) -> Result<(), maxminddb::MaxMindDbError> {
    if reader.metadata().ip_version == 4 && address.is_ipv6() {
        return Ok(());
    }
    let entry = reader.lookup(address)?;
    if place.country.is_none() {
        let country = entry.decode::<geoip2::Country<'_>>()?.and_then(|c| c.country.iso_code);
        place.country = country.filter(|c| is_country(c)).map(str::to_owned);
    }
    if place.network_number.is_none() {
        let number = entry.decode::<geoip2::Asn<'_>>()?.and_then(|a| a.autonomous_system_number);
        place.network_number = number.filter(|n| *n > 0);
    }
    Ok(())
}

/// What is no such code would be no test that a rule can hold.
fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())
}

fn unusable(path: &std::path::Path, reason: &str) -> TriageError {
    TriageError::Content { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
#[path = "../../tests/fixtures/mmdb.rs"]
mod mmdb;

#[cfg(test)]
mod tests {
    use super::mmdb::{Network, database};
    use super::*;
    use std::path::Path;

    /// The lower half of the IPv4 space is in NL and AS64500, of the upper half nothing is known.
    fn tiny(version: u8) -> Vec<u8> {
        let lower = Network { first: [0; 4], bits: 1, country: Some("NL"), number: Some(64_500) };
        database(version, &[lower])
    }

    fn opened(bytes: Vec<u8>) -> Databases {
        Databases { opened: vec![("tiny.mmdb".into(), Reader::from_source(bytes).unwrap())] }
    }

    #[test]
    fn countries_and_networks_are_found() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let asked = [address("81.2.69.142"), address("203.1.2.3"), address("10.0.0.1"), address("2a00::1")];
        for version in [4, 6] {
            let places = opened(tiny(version)).places(&asked).unwrap();
            let place = places.get(asked[0]).unwrap();
            assert_eq!((place.country.as_deref(), place.network_number), (Some("NL"), Some(64_500)));
            assert!(asked[1..].iter().all(|a| places.get(*a).is_none()));
        }
    }

    /// Whatever a damaged file holds, it is told and never a crash.
    #[test]
    fn every_flipped_bit_and_every_cut_is_told() {
        let good = tiny(4);
        let asked: Vec<IpAddr> = vec!["81.2.69.142".parse().unwrap(), "203.1.2.3".parse().unwrap()];
        let mut refused = 0;
        let mut judge = |bytes: Vec<u8>| match Reader::from_source(bytes) {
            Ok(reader) => {
                let one = Databases { opened: vec![("x.mmdb".into(), reader)] };
                refused += usize::from(one.places(&asked).is_err());
            }
            Err(_) => refused += 1,
        };
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            judge(bytes);
        }
        (0..good.len()).for_each(|cut| judge(good[..cut].to_vec()));
        assert!(refused > good.len(), "{refused}");
    }

    #[test]
    fn published_damaged_databases_are_told() {
        let folder = std::env::var_os("SEAWALL_MMDB_BAD_DATA").map(PathBuf::from);
        let Some(folder) = folder.filter(|f| f.is_dir()) else {
            return println!("skipped: SEAWALL_MMDB_BAD_DATA names no folder of damaged databases");
        };
        let asked: Vec<IpAddr> = (0..=255u8).map(|n| IpAddr::from([n, 2, 69, 142])).collect();
        let mut left = vec![folder];
        let mut told = 0;
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            } else if path.extension().is_some_and(|e| e == "mmdb") {
                let outcome = Databases::open(std::slice::from_ref(&path)).and_then(|d| d.places(&asked));
                told += usize::from(outcome.is_err_and(|e| e.to_string().contains("damaged")));
            }
        }
        assert!(told > 0);
    }

    #[test]
    fn what_is_no_database_is_told_with_its_name() {
        let error = Databases::open(&[Path::new("Cargo.toml").to_owned()]).err().unwrap().to_string();
        assert!(error.starts_with("Cargo.toml: is no MaxMind database"), "{error}");
    }
}
