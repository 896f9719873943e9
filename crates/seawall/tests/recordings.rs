//! Recordings and baselines on disk: replays are the same to the byte, torn files are told, files
//! of another kind or version are refused with what to do.

use seawall::pipeline::{LearnRequest, ReplayRequest, TriageError, TriageRequest, learn, replay, triage};
use seawall_model::policy::Policy;
use seawall_model::report::TriageReport;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A folder of this test alone, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seawall-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary folders can be made");
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("the folder is writable");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind fails no test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A site with some people on it for `seconds`, and from second `flood` on a hundred machines.
fn log(seconds: u32, flood: u32) -> String {
    let mut text = String::new();
    for s in 0..seconds {
        let time = format!("17/May/2023:10:{:02}:{:02} +0000", s / 60, s % 60);
        for n in 0..4 {
            let path = ["/", "/style.css", "/about", "/logo.png"][n as usize];
            let client = (s / 20 * 4 + n) % 200 + 1;
            writeln!(
                text,
                "192.0.2.{client} - - [{time}] \"GET {path} HTTP/1.1\" 200 5120 \"https://shop.example/\" \"Mozilla/5.0 (X11; Linux x86_64) Firefox/118.0\""
            )
            .expect("memory");
        }
        for n in 0..if s >= flood { 300 } else { 0 } {
            let (client, query) = (n % 100 + 1, s * 1_000 + n);
            writeln!(
                text,
                "198.51.100.{client} - - [{time}] \"GET /?q={query} HTTP/1.1\" 200 900 \"-\" \"flood/1.0\""
            )
            .expect("memory");
        }
    }
    text
}

fn run(request: &TriageRequest) -> TriageReport {
    triage(request, &mut |_| {}).expect("the log can be read")
}

fn replayed(recording: &Path, policy: Option<Policy>) -> Result<TriageReport, TriageError> {
    replay(&ReplayRequest { recording: recording.to_owned(), policy }, &mut |_| {})
}

fn json(report: &TriageReport) -> String {
    seawall::report::json(report).expect("a report can be written")
}

#[test]
fn a_replay_is_the_report_of_that_day_to_the_byte() {
    let folder = Folder::new("replay");
    let flood = folder.file("flood.log", log(90, 60).as_bytes());
    let normal = folder.file("normal.log", log(120, 120).as_bytes());
    let recording = folder.0.join("incident.swr");
    let request = TriageRequest {
        files: vec![flood],
        baseline: vec![normal],
        record: Some(recording.clone()),
        ..TriageRequest::default()
    };
    let then = run(&request);
    assert_eq!(then.verdict.class, seawall_model::Class::Attack, "{:?}", then.verdict);
    assert_eq!(json(&replayed(&recording, None).expect("a whole recording")), json(&then));
    assert_eq!(
        json(&run(&TriageRequest { record: None, ..request })),
        json(&then),
        "recording changes nothing"
    );
}

#[test]
fn another_policy_gives_another_plan_from_the_same_recording() {
    let folder = Folder::new("policy");
    let flood = folder.file("flood.log", log(90, 60).as_bytes());
    let recording = folder.0.join("incident.swr");
    let then = run(&TriageRequest {
        files: vec![flood],
        record: Some(recording.clone()),
        ..TriageRequest::default()
    });
    let strict = Policy { min_confidence: 1.0, ..Policy::default() };
    let now = replayed(&recording, Some(strict)).expect("a whole recording");
    assert_eq!(now.inputs, then.inputs);
    assert_eq!(now.verdict.class, seawall_model::Class::Undecided, "nothing is that sure");
}

#[test]
fn a_torn_recording_is_used_as_far_as_it_goes_and_says_so() {
    let folder = Folder::new("torn");
    let flood = folder.file("flood.log", log(60, 30).as_bytes());
    let recording = folder.0.join("incident.swr");
    run(&TriageRequest { files: vec![flood], record: Some(recording.clone()), ..TriageRequest::default() });
    let bytes = std::fs::read(&recording).expect("it was written");
    for cut in [bytes.len() - 1, bytes.len() * 3 / 4, bytes.len() / 2] {
        let torn = folder.file("torn.swr", &bytes[..cut]);
        let report = replayed(&torn, None).expect("a part is intact");
        let told = report.inputs.last().expect("the recording itself is told");
        assert_eq!(told.kind, "recording");
        assert!(told.records > 0 && told.cut_short.is_some(), "{told:?}");
    }
    let empty = replayed(&folder.file("torn.swr", &bytes[..40]), None).expect_err("nothing is intact");
    assert!(empty.to_string().contains("torn.swr: "), "{empty}");
}

#[test]
fn other_files_are_refused_with_what_they_are() {
    let folder = Folder::new("other");
    let text = folder.file("access.log", log(5, 5).as_bytes());
    let error = replayed(&text, None).expect_err("a log is no recording").to_string();
    assert!(error.ends_with("is no recording of `seawall triage --record`"), "{error}");
    let error = replayed(&folder.0.join("none.swr"), None).expect_err("there is no such file").to_string();
    assert!(error.contains("no such file"), "{error}");
}

#[test]
fn a_learnt_baseline_says_the_same_as_the_log_that_it_was_learnt_from() {
    let folder = Folder::new("learn");
    let flood = folder.file("flood.log", log(90, 60).as_bytes());
    let normal = folder.file("normal.log", log(300, 300).as_bytes());
    let output = folder.0.join("shop.baseline");
    let request =
        LearnRequest { files: vec![normal.clone()], output: output.clone(), ..LearnRequest::default() };
    let said = learn(&request, &mut |_| {}).expect("the log can be read").said;
    assert!(said.starts_with("learnt 1200 observations in 5 min to "), "{said}");
    let with = |baseline: PathBuf| {
        run(&TriageRequest {
            files: vec![flood.clone()],
            baseline: vec![baseline],
            ..TriageRequest::default()
        })
    };
    assert_eq!(json(&with(normal)), json(&with(output.clone())));
    let bytes = std::fs::read(&output).expect("it was written");
    let cut = folder.file("cut.baseline", &bytes[..bytes.len() - 1]);
    let request =
        TriageRequest { files: vec![flood.clone()], baseline: vec![cut], ..TriageRequest::default() };
    let error = triage(&request, &mut |_| {}).expect_err("half a baseline is none").to_string();
    assert!(error.contains("is a baseline that is not whole"), "{error}");
}
