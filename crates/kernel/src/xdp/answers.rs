//! The program that gives DNS answers too: loading it, and trying what it sends back.

use super::blocks::Room;
use super::names::{self, Held};
use super::{CANARY, FILTER_WITH_DNS, OBJECT, XdpFilter, chain, program};
use crate::dns::DnsAnswers;
use crate::error::KernelError;
use crate::layout::BANKS;
use crate::model::Outcome;
use aya::EbpfLoader;
use aya::programs::{TestRun, TestRunOptions};

impl XdpFilter {
    /// Loads the program that gives DNS answers too, with so many places for them. `secret`: what
    /// nobody outside can know.
    ///
    /// # Errors
    /// If the kernel refuses it: it takes Linux 5.18.
    pub fn load_with_dns(places: u32, secret: [u64; 2]) -> Result<Self, KernelError> {
        let mut loader = EbpfLoader::new();
        let names_chunks = Room::here().names_chunks;
        loader
            .map_max_entries("names_known", names_chunks * BANKS)
            .map_max_entries("dns_index", places)
            .map_max_entries("dns_answers", places.saturating_mul(2))
            .map_max_entries("dns_hits", places);
        let programs = [FILTER_WITH_DNS, CANARY, names::STAGE, names::CANARY];
        let mut filter = Self::load_by(&mut loader, OBJECT, &programs)?;
        filter.name = FILTER_WITH_DNS;
        filter.held = Some(Held::open(&mut filter, names_chunks)?);
        filter.dns = Some(DnsAnswers::open(&mut filter.ebpf, places, secret)?);
        Ok(filter)
    }

    /// The tables of DNS answers, to be filled by whoever has them. Once.
    pub fn take_dns(&mut self) -> Option<DnsAnswers> {
        self.dns.take()
    }

    /// Runs the attached program on a frame, and tells what became of it.
    ///
    /// # Errors
    /// If the kernel does not run the program: it wants 14 bytes at least.
    pub fn outcome(&mut self, frame: &[u8]) -> Result<Outcome, KernelError> {
        const XDP_DROP: u32 = 1;
        const XDP_TX: u32 = 3;
        let mut sent = vec![0; 4_096];
        let options =
            TestRunOptions { data_in: Some(frame), data_out: Some(&mut sent), ..TestRunOptions::default() };
        let failed = |e| KernelError::Load(format!("it cannot be tried: {}", chain(&e)));
        let result = program(&mut self.ebpf, self.name)?.test_run(options).map_err(failed)?;
        sent.truncate(result.data_size_out as usize);
        Ok(match result.return_value {
            XDP_DROP => Outcome::Drop,
            XDP_TX => Outcome::Reply(sent),
            _ => Outcome::Pass,
        })
    }
}
