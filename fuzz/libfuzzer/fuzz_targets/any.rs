//! One libFuzzer program for all decoders; the environment variable `TARGET` names the one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_fuzz::targets::by_name;
use std::sync::OnceLock;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let run = RUN.get_or_init(|| {
        let name = std::env::var("TARGET").unwrap_or_default();
        by_name(&name).unwrap_or_else(|| panic!("TARGET is '{name}', which is no target")).run
    });
    run(bytes);
});
