//! Whole files: the configuration, and inputs of any kind as the sensor opens them.

use seawall::pipeline::recording::{Recorder, Recording, Writer};
use seawall_detection::Window;
use seawall_engine::{Engine, Input};
use seawall_model::observation::{Observation, Request};
use seawall_model::policy::Policy;
use seawall_model::{Timestamp, hash};
use seawall_sensor::{Options, Tally};

/// A configuration file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(mistakes) = seawall::config::parse(text) {
        assert!(!mistakes.to_string().is_empty());
    }
}

/// A recording, played to an engine. The checksum keeps most mutations out of the frames, so the
/// bytes are also taken for a window as such.
pub fn recording(bytes: &[u8]) {
    match Recording::read(bytes) {
        Ok(recording) => {
            let mut engine = Engine::new(recording.policy.clone(), None);
            let ending = recording.play(|now, input, _| drop(engine.step(now, input)));
            assert!(ending.inputs.is_some() || ending.torn.is_some());
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
    if let Ok(mut window) = postcard::from_bytes::<Window>(bytes) {
        let other = window.clone();
        window.merge(&other);
        window.seal(1.0);
        let _ = seawall_detection::measure::findings(&window, Some(&other), None);
    }
}

/// A small recording, and its window as such.
pub fn recordings() -> Vec<Vec<u8>> {
    let path = scratch_file();
    let mut window = Window::default();
    for n in 0..40_u64 {
        let client = [192, 0, 2, n as u8].into();
        let request = Request { path: b"/a", user_agent: b"curl/7", ..Request::new(Timestamp(1), client) };
        window.observe(&Observation::Request(request), hash::mix(n));
    }
    let bytes = postcard::to_stdvec(&window).expect("a window can be stored");
    let mut recorder = Recorder::begin(&path, &Policy::default(), Writer::Reader)
        .expect("the folder for temporary files is writable");
    let input = Input::Window { tick: Timestamp(0), window: Box::new(window) };
    recorder.step(Timestamp(0), &input).expect("written as the header was");
    recorder.finish(&[]).expect("written as the header was");
    vec![std::fs::read(&path).expect("it was written"), bytes]
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
