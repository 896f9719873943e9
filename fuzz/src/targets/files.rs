//! Whole files: the configuration, and inputs of any kind as the sensor opens them.

use seawall_detection::Window;
use seawall_model::observation::Observation;
use seawall_sensor::{Options, Tally};

/// A configuration file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(mistakes) = seawall::config::parse(text) {
        assert!(!mistakes.to_string().is_empty());
    }
}

struct Counted(Window);

impl Tally for Counted {
    fn observe(&mut self, observation: &Observation<'_>, priority: u64) {
        self.0.observe(observation, priority);
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(&other.0);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A file of any kind, packed or not, read and counted to the end.
pub fn input(bytes: &[u8]) {
    let path = scratch_file();
    std::fs::write(&path, bytes).expect("the folder for temporary files is writable");
    let paths = [path.to_string_lossy().into_owned()];
    let mut last = None;
    let read = seawall_sensor::read(
        &paths,
        &Options::default(),
        || Counted(Window::default()),
        &mut |tick, _, mut counted: Counted| {
            assert!(last <= Some(tick), "ticks come in order");
            last = Some(tick);
            counted.0.seal(1.0);
        },
        &mut |_| {},
        &mut |_| {},
    );
    match read {
        Ok(reports) => assert_eq!(reports.len(), 1),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// One file per thread, written over by the next run.
fn scratch_file() -> std::path::PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    std::env::temp_dir().join(format!("seawall-fuzz-{}-{number}", std::process::id()))
}
