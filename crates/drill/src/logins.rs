//! Attempts to log in, as the logs of terminals and mailboxes show them.

use crate::episode::{MAX_OBSERVATIONS, Origin};
use crate::rng::Rng;
use crate::world::{Agenda, Envelope, Timing, WORDS};
use seawall_model::observation::{Login, Observation};
use seawall_model::time::SECOND_NS;
use std::net::IpAddr;

/// Attempts of one kind.
#[derive(Clone, Debug)]
pub struct LoginStream {
    pub clients: Vec<IpAddr>,
    pub per_s: f64,
    pub envelope: Envelope,
    /// Share that succeeds.
    pub succeeds: f64,
    /// Tries any user name, not the client's own.
    pub invents_users: bool,
    pub origin: Origin,
}

/// All there is in an episode of log-ins.
#[derive(Clone, Debug)]
pub struct LoginScene {
    pub seed: u64,
    pub timing: Timing,
    pub service: &'static str,
    pub streams: Vec<LoginStream>,
}

/// Names that guessers try first.
const USERS: [&str; 12] = [
    "root", "admin", "test", "oracle", "postgres", "ubuntu", "git", "user", "guest", "ftpuser", "mysql", "pi",
];

impl LoginScene {
    pub(crate) fn play(&self, sink: &mut dyn FnMut(&Observation<'_>, Origin)) {
        let mut rng = Rng::new(self.seed ^ 0x1061);
        let mut agenda = Agenda::default();
        for (i, stream) in self.streams.iter().enumerate() {
            self.schedule(stream, i as u32, 0, &mut rng, &mut agenda);
        }
        let mut told = 0;
        while let Some((at_ns, id)) = agenda.next() {
            if told >= MAX_OBSERVATIONS {
                return;
            }
            told += 1;
            let stream = &self.streams[id as usize];
            let who = rng.index(stream.clients.len());
            let user = if stream.invents_users { *rng.pick(&USERS) } else { WORDS[who % WORDS.len()] };
            let login = Login {
                time: self.timing.start.plus_ns(at_ns).floor_to(SECOND_NS),
                client: stream.clients[who],
                succeeded: rng.chance(stream.succeeds),
                challenged: false,
                service: self.service,
                user: user.as_bytes(),
            };
            sink(&Observation::Login(login), stream.origin);
            self.schedule(stream, id, at_ns, &mut rng, &mut agenda);
        }
    }

    fn schedule(&self, stream: &LoginStream, id: u32, after_ns: i64, rng: &mut Rng, agenda: &mut Agenda) {
        let until_s = self.timing.length_s;
        if let Some(at_ns) = stream.envelope.next_event_ns(after_ns, stream.per_s, until_s, rng) {
            agenda.enter(at_ns, id);
        }
    }
}
