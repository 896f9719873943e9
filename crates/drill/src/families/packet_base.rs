//! What every packet episode begins with: a protected network and what passes on any day.

use crate::episode::{Draft, Origin, Scene, Truth};
use crate::net::payload as payloads;
use crate::net::{Clients, PacketScene, PortPick, SizePick, Stream, StreamKind, Talk, TalkKind, Targets};
use crate::rng::Rng;
use crate::world::{Envelope, Networks, Timing, public_v4};
use seawall_model::change::Change;
use std::net::{IpAddr, Ipv4Addr};

/// A packet episode in the making.
pub(super) struct PacketDraft {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) timing: Timing,
    /// First address of the protected /24.
    pub(super) base: u32,
    pub(super) streams: Vec<Stream>,
    pub(super) sampling: u32,
    pub(super) inbound_only: bool,
    pub(super) loss: Envelope,
    /// Packets per second on any day, about.
    pub(super) usual_per_s: f64,
    pub(super) changes: Vec<Change>,
}

/// Packets that background traffic may make in an episode, about.
const BACKGROUND_BUDGET: f64 = 20_000.0;
/// Packets that a flood may make in an episode, about.
const FLOOD_BUDGET: f64 = 46_000.0;

impl PacketDraft {
    /// A network in which nothing passes.
    pub(super) fn empty(seed: u64, timing: Timing, mut rng: Rng) -> Self {
        let base = u32::from(public_v4(&mut rng)) & !0xFF;
        Self {
            seed,
            rng,
            timing,
            base,
            streams: Vec::new(),
            sampling: 1,
            inbound_only: false,
            loss: Envelope::Step { from_s: 0.0, to_s: 0.0, inside: 0.0, outside: 0.0 },
            usual_per_s: 0.0,
            changes: Vec::new(),
        }
    }

    /// A network with its usual traffic.
    pub(super) fn new(seed: u64, timing: Timing, rng: Rng) -> Self {
        let mut draft = Self::empty(seed, timing, rng);
        let most = (BACKGROUND_BUDGET / timing.length_s).clamp(5.0, 2_000.0);
        let per_s = draft.rng.log_uniform(5.0, most);
        draft.usual_traffic(per_s);
        draft
    }

    /// Usual traffic with this many packets per second, about.
    pub(super) fn usual_traffic(&mut self, packets_per_s: f64) {
        self.usual_per_s += packets_per_s;
        let web = self.rng.uniform(0.4, 1.0);
        self.web(packets_per_s * web);
        if self.rng.chance(0.6) {
            self.questions(packets_per_s * 0.08, 53);
        }
        if self.rng.chance(0.3) {
            self.questions(0.3, 123);
        }
        if self.rng.chance(0.3) {
            self.call(packets_per_s * self.rng.clone().uniform(0.1, 0.4));
        }
        if self.rng.chance(0.4) {
            let talk = TalkKind::Ping { count: 5 };
            let servers = Targets::One(self.host(10));
            self.talk(talk, servers, PortPick::Fixed(0), false, 0.2);
        }
        if self.rng.chance(0.3) {
            let talk = TalkKind::Chat { lines: 40, gap_s: 0.4, payload: payloads::SSH_DATA };
            let servers = Targets::One(self.host(11));
            self.talk(talk, servers, PortPick::Fixed(22), false, 0.05);
        }
        if self.rng.chance(0.3) {
            // the scanning that every address gets
            let talk = TalkKind::Probe { open_share: 0.05, refused_share: 0.5 };
            let servers = Targets::Carpet { base: self.base, host_bits: 8 };
            self.talk(talk, servers, PortPick::Any, false, 0.3);
        }
    }

    /// People at the web server.
    pub(super) fn web(&mut self, packets_per_s: f64) {
        let answer_bytes = self.rng.log_uniform(3_000.0, 40_000.0);
        let requests_mean = self.rng.uniform(1.0, 6.0);
        let talk = TalkKind::Web {
            tls: self.rng.chance(0.8),
            requests_mean,
            answer_bytes,
            think_s: self.rng.log_uniform(0.5, 6.0),
        };
        let packets = 8.0 + requests_mean * (3.0 + answer_bytes * 1.5 / 1_448.0 * 1.5);
        let port = if matches!(talk, TalkKind::Web { tls: true, .. }) { 443 } else { 80 };
        let servers = Targets::One(self.host(10));
        self.talk(talk, servers, PortPick::Fixed(port), false, packets_per_s / packets);
    }

    /// Questions that our hosts ask the world.
    pub(super) fn questions(&mut self, packets_per_s: f64, port: u16) {
        let talk = if port == 53 {
            TalkKind::Exchange {
                question_bytes: SizePick::Between(30, 60),
                answer_bytes: SizePick::Between(60, 420),
                question: payloads::DNS_QUERY,
                answer: payloads::DNS_ANSWER,
            }
        } else {
            TalkKind::Exchange {
                question_bytes: SizePick::Fixed(48),
                answer_bytes: SizePick::Fixed(48),
                question: payloads::NTP_CLIENT,
                answer: payloads::NTP_SERVER,
            }
        };
        let servers = Targets::One(IpAddr::V4(public_v4(&mut self.rng)));
        self.talk(talk, servers, PortPick::Fixed(port), true, packets_per_s / 2.0);
    }

    /// Calls, games and tunnels.
    pub(super) fn call(&mut self, packets_per_s: f64) {
        let seconds = self.rng.log_uniform(10.0, 120.0);
        let mut talk = self.udp_stream(seconds);
        let TalkKind::Stream { client_gap_ms, server_gap_ms, seconds: lasts_s, .. } = &mut talk else {
            return;
        };
        let rate = 1_000.0 * (1.0 / *client_gap_ms + 1.0 / *server_gap_ms);
        // shorter calls where the budget has no room for a few long ones
        *lasts_s = lasts_s.min(packets_per_s * self.timing.length_s / 4.0 / rate).max(0.5);
        let packets = *lasts_s * rate;
        let outward = self.rng.chance(0.5);
        let server = if outward { IpAddr::V4(public_v4(&mut self.rng)) } else { self.host(12) };
        let port = *self.rng.pick(&[3_478, 50_004, 27_015, 51_820, 443, 5_060, 8_801, 19_302]);
        self.talk(talk, Targets::One(server), PortPick::Fixed(port), outward, packets_per_s / packets);
    }

    pub(super) fn udp_stream(&mut self, seconds: f64) -> TalkKind {
        let payload =
            *self.rng.pick(&[payloads::RTP, payloads::GAME, payloads::WIREGUARD, payloads::QUIC_SHORT]);
        TalkKind::Stream {
            client_gap_ms: self.rng.log_uniform(8.0, 60.0),
            server_gap_ms: self.rng.log_uniform(5.0, 60.0),
            client_bytes: SizePick::Between(60, 400),
            server_bytes: SizePick::Between(200, 1_250),
            payload,
            seconds,
        }
    }

    /// Conversations of the usual kind.
    pub(super) fn talk(
        &mut self,
        kind: TalkKind,
        servers: Targets,
        port: PortPick,
        outward: bool,
        per_s: f64,
    ) {
        let clients = if outward {
            let inside: Vec<IpAddr> = (0..self.rng.between(1, 12) as u8).map(|i| self.host(20 + i)).collect();
            Clients::These(crate::net::Sources::List(inside))
        } else {
            let networks = self.rng.between(5, 200) as usize;
            Clients::From(Networks::access(&mut self.rng, networks, 0.0))
        };
        let envelope = Envelope::day(&mut self.rng, self.timing.length_s);
        let talk = Talk { kind, clients, servers, port, outward, rtt_ms: (4.0, 180.0) };
        self.streams.push(Stream { kind: StreamKind::Talk(talk), origin: Origin::Normal, per_s, envelope });
    }

    /// Adds unwanted traffic from the onset to the end.
    pub(super) fn unwanted(&mut self, kind: StreamKind, per_s: f64, envelope: Envelope) {
        self.streams.push(Stream { kind, origin: Origin::Unwanted, per_s, envelope });
    }

    /// Packets per second of a flood: it stands out from the usual traffic.
    pub(super) fn flood_per_s(&mut self) -> f64 {
        let trouble_s = self.timing.trouble_s();
        let total = self.rng.log_uniform(1_500.0, FLOOD_BUDGET);
        (total / trouble_s).max(60.0).max(self.usual_per_s * 0.8)
    }

    pub(super) fn on(&self) -> Envelope {
        Envelope::On { from_s: self.timing.onset_s, to_s: self.timing.end_s, rise_s: 0.0 }
    }

    /// A host of the protected network.
    pub(super) fn host(&self, number: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(self.base | u32::from(number)))
    }

    pub(super) fn finish(self, truth: Truth) -> Draft {
        let mut scene = PacketScene::new(self.seed, self.timing, self.streams);
        scene.sampling = self.sampling;
        scene.inbound_only = self.inbound_only;
        scene.loss = self.loss;
        Draft { truth, timing: self.timing, changes: self.changes, scene: Scene::Packets(Box::new(scene)) }
    }
}
