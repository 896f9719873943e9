//! The one table of commands and options; help, man page and completions are made from it.

use crate::console::ColorChoice;
use crate::pipeline::{Addresses, Reading};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use seawall_drill::live::{MOST_PER_S, Peer};
use seawall_model::Prefix;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Says in seconds whether your service is under attack, overrun or broken, with evidence
#[derive(Debug, Parser)]
#[command(name = "seawall", version, propagate_version = true, arg_required_else_help = true)]
#[command(max_term_width = 80)]
#[command(after_help = EXIT_STATUS)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// Exit statuses, told in the help of every command that has a verdict.
const EXIT_STATUS: &str = "Exit status: 0: no attack; 1: attack; 2: could not run";

#[derive(Debug, Subcommand)]
pub enum Command {
    Triage(TriageArgs),
    Guard(GuardArgs),
    Undo(UndoArgs),
    /// Let the running guard read its configuration again; a bad one changes nothing
    Reload(AdminArgs),
    /// Let the program that is installed now take over from the running guard, without a break
    Upgrade(AdminArgs),
    Change(ChangeArgs),
    Protect(ProtectArgs),
    #[command(subcommand)]
    Reroute(RerouteCommand),
    #[command(subcommand)]
    Kernel(KernelCommand),
    Learn(LearnArgs),
    Replay(ReplayArgs),
    Drill(DrillArgs),
    #[command(subcommand)]
    Incident(IncidentCommand),
    CheckConfig(CheckConfigArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Read logs and captures, and say what happened
///
/// Reads access logs, captures, flow exports and DNS logs, any mix of them, compressed or not,
/// recognised by their content. Says what happened, since when and how surely, with the evidence,
/// what rules out every other cause, and rules ready to paste.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_STATUS)]
pub struct TriageArgs {
    /// Files to read; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Normal traffic to compare with: logs, captures, or what `seawall learn` wrote
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    pub baseline: Vec<PathBuf>,
    /// What was changed and when: JSON with `time`, `kind`, `text`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub changes: Option<PathBuf>,
    /// Configuration with the `[policy]` that rules are made under
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Also record what was read, for `seawall replay`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// Also write a postmortem to send: HTML, or Markdown if the name ends in `.md`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Databases of countries and networks to look addresses up in (MaxMind DB, .mmdb)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, num_args = 1..)]
    pub geo: Vec<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How to read files.
#[derive(Args, Clone, Debug)]
pub struct ReadingArgs {
    /// The nginx `log_format` or Apache `LogFormat` string of the logs, where they are unusual
    #[arg(long, value_name = "STRING")]
    pub log_format: Option<String>,
    /// Threads to read with, instead of one for each core; the report is the same
    #[arg(long, value_name = "COUNT", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
    /// Proxies to believe when they name the client, beside private addresses and known CDNs
    #[arg(long, value_name = "PREFIX", num_args = 1..)]
    pub trusted_proxy: Vec<Prefix>,
    /// How to tell addresses of clients, in reports and recordings
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub addresses: AddressForm,
    /// Secret to encrypt addresses with: any file of at least 16 bytes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_if_eq("addresses", "encrypted"))]
    pub address_key: Option<PathBuf>,
}

/// How addresses are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AddressForm {
    /// As they are
    #[default]
    Full,
    /// Their network only (/24, /48); clients of one network count as one
    Cut,
    /// Encrypted, networks staying networks: the same verdict with figures that hardly differ
    Encrypted,
}

impl ReadingArgs {
    /// The arguments with the key read.
    ///
    /// # Errors
    /// If the key cannot be read or is too short.
    pub fn resolve(&self) -> anyhow::Result<Reading> {
        let addresses = match (self.addresses, &self.address_key) {
            (AddressForm::Full, _) => Addresses::Full,
            (AddressForm::Cut, _) => Addresses::Cut,
            (AddressForm::Encrypted, None) => anyhow::bail!("--addresses encrypted needs --address-key"),
            (AddressForm::Encrypted, Some(path)) => Addresses::from_key_file(path)?,
        };
        let proxies = self.trusted_proxy.clone();
        Ok(Reading { log_format: self.log_format.clone(), threads: self.threads, proxies, addresses })
    }
}

/// How to print a report.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Form of the output
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub format: Format,
    /// All evidence and all rules, whatever their length
    #[arg(long, short)]
    pub verbose: bool,
    /// When to use colour
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorChoice,
    /// Columns to use instead of the terminal's
    #[arg(long, value_name = "COLUMNS")]
    pub width: Option<usize>,
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, on a terminal
    #[default]
    Text,
    /// For programs: the contract `seawall.triage/1`
    Json,
    /// For a ticket or a mail
    Markdown,
}

/// Stand in front of a site: pass requests on, name trouble within seconds, act on it
///
/// Takes HTTP/1.1, and HTTP/2 where it has certificates, measures every request, and says what is
/// wrong as soon as something is. When the cause is an attack, measures against it are put into
/// force, watched, and withdrawn when they harm clients that were there before. A SIGTERM drains, a
/// SIGHUP reads the configuration again.
#[derive(Args, Clone, Debug)]
pub struct GuardArgs {
    /// Listen here and pass on to there, such as `0.0.0.0:8080=http://127.0.0.1:3000`; several
    /// upstreams are joined by commas
    #[arg(long, value_name = "LISTEN=UPSTREAM")]
    pub http: Vec<String>,
    /// See the packets of this interface, and let the kernel drop what a plan names; as root
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Listen for DNS here and pass on to there, such as `0.0.0.0:53=127.0.0.1:5300`; several name
    /// servers are joined by commas
    #[arg(long, value_name = "LISTEN=SERVER")]
    pub dns: Vec<String>,
    /// Transfer a zone in, such as `example.org=127.0.0.1:5300`, so that names it does not have need
    /// no name server
    #[arg(long, value_name = "NAME=PRIMARY")]
    pub dns_zone: Vec<String>,
    /// Follow this access log of an existing server; may be given several times
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log: Vec<PathBuf>,
    /// The nginx `log_format` or Apache `LogFormat` string of the logs, where they are unusual
    #[arg(long, value_name = "STRING")]
    pub log_format: Option<String>,
    /// Put measures into this folder, which the existing nginx includes, and reload it
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub nginx: Option<PathBuf>,
    /// Put measures into the existing HAProxy by its admin socket, as it runs
    #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath)]
    pub haproxy: Vec<PathBuf>,
    /// Configuration with `[[site]]`, `[guard]`, `[limits]` and `[policy]`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Measure, explain and propose; change nothing
    #[arg(long)]
    pub observe: bool,
    /// Write a line for each request here
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub access_log: Option<PathBuf>,
    /// Folder for the recording and the incidents; without it nothing is kept
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Tell what happens as lines of JSON (`seawall.guard-event/1`) instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Where the running guard takes orders
#[derive(Args, Clone, Debug)]
pub struct AdminArgs {
    /// The guard's admin socket [default: `seawall.sock` in the runtime folder]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub admin_socket: Option<PathBuf>,
}

/// Withdraw every measure of the running guard, now
#[derive(Args, Clone, Debug)]
pub struct UndoArgs {
    /// Let it take measures again, before the trouble is over
    #[arg(long)]
    pub end: bool,
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Let the running guard refuse nothing to a client, also while it is attacked
#[derive(Args, Clone, Debug)]
pub struct ProtectArgs {
    /// An address or a prefix
    #[arg(value_name = "ADDRESS")]
    pub prefix: String,
    /// Take that back; what the configuration protects stays so
    #[arg(long)]
    pub end: bool,
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Tell the running guard of a change, so that it can be weighed as a cause
#[derive(Args, Clone, Debug)]
pub struct ChangeArgs {
    /// What was changed, such as "deploy 1.4.2"
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// What kind of change: deploy, configuration, load-balancer, scaling, database, network, campaign
    /// or load-test [default: the first word of the text, where that is one]
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Have a zone served by a provider that was prepared beforehand
#[derive(Debug, Subcommand)]
pub enum RerouteCommand {
    /// Show who is delegated to, and which providers are ready
    Status(RerouteArgs),
    /// Try everything that a switch needs, and delegate nothing; exit status 2: not ready
    Rehearse(RerouteToArgs),
    /// Rehearse, and if nothing stands against it delegate the zone to the provider
    Switch(RerouteToArgs),
    /// Delegate the zone to those who had it before the switch
    Back(RerouteArgs),
}

/// What is rerouted.
#[derive(Args, Clone, Debug)]
pub struct RerouteArgs {
    /// The zone, where the configuration has several
    #[arg(value_name = "ZONE")]
    pub zone: Option<String>,
    /// The configuration with `[[reroute]]`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// What is rerouted, and to whom.
#[derive(Args, Clone, Debug)]
pub struct RerouteToArgs {
    #[command(flatten)]
    pub common: RerouteArgs,
    /// The provider, where the zone has several
    #[arg(long, value_name = "PROVIDER")]
    pub to: Option<String>,
}

/// Look at the filter in the kernel
#[derive(Debug, Subcommand)]
pub enum KernelCommand {
    /// Show what is in force, with hits and expiry, as the kernel itself has it; as root
    Status,
}

/// Learn what is normal from old logs or captures
#[derive(Args, Clone, Debug)]
pub struct LearnArgs {
    /// Files to read; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Where to write the baseline
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Run a recording again, under the same or another policy
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_STATUS)]
pub struct ReplayArgs {
    /// The recording
    #[arg(value_name = "RECORDING", value_hint = ValueHint::FilePath)]
    pub recording: PathBuf,
    /// Configuration with the `[policy]` to use instead of the recorded one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Rehearse real outages on this machine, and score what Seawall made of them
///
/// Builds small sites on loopback, with people who visit them, and lets happen to them what
/// happened to real teams, in front of a `seawall guard` of its own. Needs no root, nothing to
/// install, and sends nothing to anywhere else.
#[derive(Args, Debug)]
#[command(after_help = DRILL_STATUS, args_conflicts_with_subcommands = true)]
pub struct DrillArgs {
    #[command(subcommand)]
    pub command: Option<DrillCommand>,
    #[command(flatten)]
    pub live: LiveArgs,
}

const DRILL_STATUS: &str = "Exit status: 0: every bar held; 1: a bar was missed; 2: could not run";

/// How to rehearse.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// Which outage: library, phantom, shop, webapp, nameservers, or all
    #[arg(value_name = "WORLD", default_value = "all")]
    pub world: String,
    /// Also each wrong theory alone, as a world in which it is what is really wrong
    #[arg(long)]
    pub traps: bool,
    /// Tell the story as it unfolds
    #[arg(long)]
    pub watch: bool,
    /// The same seed makes the same worlds; times and shares are measured and differ
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Rehearse so many times, with seeds that follow each other; tells medians and worst shares
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// Also try the same attack on this program in the place of Seawall: haproxy, nginx (sites) or
    /// dnsdist (name servers); skipped where it is not installed
    #[arg(long, value_name = "PROGRAM", value_parser = peer)]
    pub peer: Vec<Peer>,
    /// Real servers (nginx, HAProxy, PostgreSQL, NSD, Knot) in network namespaces, forged packets and
    /// the kernel filter; as root
    #[arg(long, conflicts_with = "peer")]
    pub lab: bool,
    /// Given by the program to itself: the network namespace outside of the lab
    #[arg(long, hide = true, value_name = "NAMESPACE")]
    pub lab_of: Option<String>,
    /// Folder for the history of drills, and for the last recording and write-ups of each world; with
    /// it, a drill that is worse than the ones before fails
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Also write what happened as a page with charts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Write everything that was measured as JSON (`seawall.drill/2`)
    #[arg(long)]
    pub json: bool,
}

fn peer(word: &str) -> Result<Peer, String> {
    let known = Peer::ALL.map(Peer::name);
    let found = Peer::ALL.into_iter().find(|p| p.name() == word);
    found.ok_or_else(|| format!("known are {}", known.join(", ")))
}

fn rate(word: &str) -> Result<f64, String> {
    let rate = word.parse().ok().filter(|r| (1.0..=MOST_PER_S).contains(r));
    rate.ok_or_else(|| format!("a number from 1 to {MOST_PER_S} is expected"))
}

fn threads(word: &str) -> Result<NonZeroUsize, String> {
    word.parse().map_err(|_| "a whole number from 1 on is expected".into())
}

/// Rehearsals of other kinds
#[derive(Debug, Subcommand)]
pub enum DrillCommand {
    Probe(ProbeArgs),
    History(HistoryArgs),
    Simulate(SimulateArgs),
    Tabletop(TabletopArgs),
}

/// Try a short flood on a service of your own on this machine, without Seawall and behind it
///
/// Reads some pages for their links, sends nothing but GET, and at most `--rate` requests a second
/// for some seconds: first straight to the service, then through a `seawall guard` of its own. Any
/// target that is not a loopback address is refused. Use a staging service: the first part may well
/// bring it down.
#[derive(Args, Clone, Debug)]
#[command(after_help = PROBE_STATUS)]
pub struct ProbeArgs {
    /// A page of the service, such as `http://127.0.0.1:3000/`
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// The Host that it is asked for, where it serves several [default: that of the URL]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Requests of the flood a second, 1200 at most
    #[arg(long, value_name = "N", default_value_t = 150.0, value_parser = rate)]
    pub rate: f64,
    /// Draws addresses and times
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Tell the story as it unfolds
    #[arg(long)]
    pub watch: bool,
    /// Folder for the guard's recording and write-ups
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,
    /// Write everything that was measured as JSON (`seawall.drill-probe/1`)
    #[arg(long)]
    pub json: bool,
}

const PROBE_STATUS: &str =
    "Exit status: 0: people were answered behind Seawall; 1: they were not; 2: could not run";

/// Show what the drills of a state folder measured: medians and the worst of each world
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// The folder that was given as `--state`
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
}

/// Rehearse an outage with people: what came in, questions, decisions, and a debrief
#[derive(Args, Clone, Debug)]
pub struct TabletopArgs {
    /// Which outage: library, phantom, shop, webapp or nameservers
    #[arg(value_name = "WORLD")]
    pub world: String,
    /// Draws the order of the answers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Also write the debrief into a file, as Markdown
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// Generate traffic episodes of every kind and score the verdicts on them
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// How many episodes
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub episodes: u32,
    /// The same seed gives the same episodes
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Write the score as JSON
    #[arg(long)]
    pub json: bool,
}

/// Write up a disturbance from a report saved with `triage --format json`
#[derive(Debug, Subcommand)]
pub enum IncidentCommand {
    Show(ShowArgs),
    Postmortem(PostmortemArgs),
    Status(StatusArgs),
}

/// Show a saved report again
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_STATUS)]
pub struct ShowArgs {
    /// The saved report; `-` is standard input
    #[arg(value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub report: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Write the postmortem of a saved report
#[derive(Args, Clone, Debug)]
pub struct PostmortemArgs {
    /// The saved report; `-` is standard input
    #[arg(value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub report: PathBuf,
    /// Where to write it: HTML, or Markdown if the name ends in `.md`; without it, Markdown on standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// Write a notice for the status page
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// The saved report; `-` is standard input
    #[arg(value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub report: PathBuf,
    /// Which notice
    #[arg(long, value_name = "STAGE", value_enum, default_value_t)]
    pub stage: Stage,
}

/// Which notice of the status page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The trouble is known
    #[default]
    First,
    /// The cause is known and measures are on the way
    Update,
    /// The service is back
    Resolved,
}

/// Check a configuration file and report every error at once
#[derive(Args, Clone, Debug)]
pub struct CheckConfigArgs {
    /// The configuration file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Print the completions for a shell
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or write one page per command into a folder
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Folder to write `seawall.1`, `seawall-triage.1`, … into
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_table_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn files_and_baselines_are_kept_apart() {
        let cli =
            Cli::try_parse_from(["seawall", "triage", "a", "b", "--baseline", "c", "d"]).expect("valid");
        let Command::Triage(args) = cli.command else { panic!("not triage") };
        assert_eq!(args.files, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(args.baseline, [PathBuf::from("c"), PathBuf::from("d")]);
    }

    #[test]
    fn triage_without_a_file_is_refused() {
        assert!(Cli::try_parse_from(["seawall", "triage"]).is_err());
        assert!(Cli::try_parse_from(["seawall", "triage", "--baseline", "c"]).is_err());
    }

    #[test]
    fn a_flood_of_a_rate_that_no_probe_has_is_refused_and_not_played_at_another() {
        let probe = |rate| {
            let words = ["seawall", "drill", "probe", "--target", "http://127.0.0.1:1/", "--rate", rate];
            Cli::try_parse_from(words).map(drop).map_err(|e| e.to_string())
        };
        assert_eq!(probe("1200"), Ok(()));
        for rate in ["0", "1201", "nan", "inf", "many"] {
            let error = probe(rate).expect_err(rate);
            assert!(error.contains("from 1 to 1200"), "{error}");
        }
    }

    #[test]
    fn no_threads_are_refused_in_words_of_their_own() {
        let error = Cli::try_parse_from(["seawall", "triage", "a", "--threads", "0"]).expect_err("none");
        assert!(error.to_string().contains("a whole number from 1 on"), "{error}");
    }
}
