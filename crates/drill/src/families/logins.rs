//! Logs of services that ask for passwords: terminals, mailboxes, transfers.

use crate::episode::{Draft, Origin, Scene, Truth};
use crate::logins::{LoginScene, LoginStream};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Timing};
use seawall_model::Cause;

fn scene(seed: u64, timing: Timing, rng: &mut Rng) -> LoginScene {
    let service = *rng.pick(&["ssh", "ssh", "imap", "ftp", "smtp"]);
    let networks = rng.log_uniform(3.0, 60.0) as usize;
    let people: Vec<_> = {
        let from = Networks::access(rng, networks, 0.2);
        (0..rng.log_uniform(4.0, 200.0) as usize).map(|_| from.draw(rng)).collect()
    };
    let usual = LoginStream {
        clients: people,
        per_s: rng.log_uniform(0.3, 4.0),
        envelope: Envelope::day(rng, timing.length_s),
        succeeds: rng.uniform(0.85, 0.99),
        invents_users: false,
        origin: Origin::Normal,
    };
    LoginScene { seed, timing, service, streams: vec![usual] }
}

/// People and programs that know their passwords, mostly.
pub(super) fn normal(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::quiet(&mut rng);
    let scene = scene(seed, timing, &mut rng);
    let truth = Truth::new(Cause::Normal, &timing);
    Draft { truth, timing, changes: Vec::new(), scene: Scene::Logins(Box::new(scene)) }
}

/// Guesses from one or many machines.
pub(super) fn guessing(seed: u64) -> Draft {
    let mut rng = Rng::new(seed);
    let timing = Timing::any(&mut rng, 0.2);
    let timing = if timing.trouble_s() < 15.0 { Timing::with_lead_in(&mut rng) } else { timing };
    let mut scene = scene(seed, timing, &mut rng);
    let count = if rng.chance(0.5) { 1 } else { rng.log_uniform(10.0, 500.0) as usize };
    let from = Networks::scattered(&mut rng, count);
    scene.streams.push(LoginStream {
        clients: (0..count).map(|_| from.draw(&mut rng)).collect(),
        per_s: rng.log_uniform(1.0, 40.0),
        envelope: Envelope::On { from_s: timing.onset_s, to_s: timing.end_s, rise_s: 0.0 },
        succeeds: rng.uniform(0.0, 0.01),
        invents_users: rng.chance(0.7),
        origin: Origin::Unwanted,
    });
    let vector = if count == 1 { "single-source" } else { "distributed" };
    let truth = Truth::new(Cause::CredentialAbuse, &timing).vectors(&[vector]);
    Draft { truth, timing, changes: Vec::new(), scene: Scene::Logins(Box::new(scene)) }
}
