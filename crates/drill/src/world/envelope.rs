//! How an intensity moves over the seconds of an episode, from 0 to 1 of its peak.

use crate::rng::Rng;
use seawall_model::time::SECOND_NS;

/// The course of an intensity.
#[derive(Clone, Debug)]
pub enum Envelope {
    /// The same throughout, but for a linear drift (a piece of the day's curve): factor at the
    /// start and at the end of the episode.
    Drift { at_start: f64, at_end: f64, length_s: f64 },
    /// On in [from, to), reaching full strength after `rise_s`.
    On { from_s: f64, to_s: f64, rise_s: f64 },
    /// On and off within [from, to).
    Pulse { from_s: f64, to_s: f64, period_s: f64, duty: f64 },
    /// A crowd: up within `rise_s`, then fading with this half-life towards `floor`.
    Crowd { floor: f64, from_s: f64, rise_s: f64, half_life_s: f64 },
    /// `inside` in [from, to), `outside` elsewhere: an outage or a loss of arrivals.
    Step { from_s: f64, to_s: f64, inside: f64, outside: f64 },
}

impl Envelope {
    /// The drift of a few minutes out of a day.
    pub fn day(rng: &mut Rng, length_s: f64) -> Self {
        let slope = rng.uniform(-0.2, 0.2);
        Self::Drift { at_start: 0.8 - slope, at_end: 0.8 + slope, length_s }
    }

    /// The intensity at a time, 0 to 1.
    #[inline]
    #[must_use]
    pub fn at(&self, t_s: f64) -> f64 {
        match *self {
            Self::Drift { at_start, at_end, length_s } => {
                at_start + (at_end - at_start) * (t_s / length_s).clamp(0.0, 1.0)
            }
            Self::On { from_s, to_s, rise_s } => within(t_s, from_s, to_s) * risen(t_s - from_s, rise_s),
            Self::Pulse { from_s, to_s, period_s, duty } => {
                let phase = (t_s - from_s) / period_s;
                let fraction = phase - (phase as i64) as f64;
                if fraction < duty { within(t_s, from_s, to_s) } else { 0.0 }
            }
            Self::Crowd { floor, from_s, rise_s, half_life_s } => {
                if t_s < from_s {
                    return floor;
                }
                let fade = 1.0 / (1.0 + ((t_s - from_s - rise_s).max(0.0) / half_life_s));
                floor + (1.0 - floor) * risen(t_s - from_s, rise_s) * fade
            }
            Self::Step { from_s, to_s, inside, outside } => {
                if (from_s..to_s).contains(&t_s) {
                    inside
                } else {
                    outside
                }
            }
        }
    }

    /// When the next event is, in nanoseconds, of a random process with `per_s` events per second at the
    /// peak, before `until_s` (thinning; Lewis and Shedler, 1979).
    pub fn next_event_ns(&self, after_ns: i64, per_s: f64, until_s: f64, rng: &mut Rng) -> Option<i64> {
        let mut t_s = after_ns as f64 / SECOND_NS as f64;
        loop {
            t_s += rng.exponential(1.0 / per_s);
            if t_s >= until_s {
                return None;
            }
            let level = self.at(t_s);
            if level >= 1.0 || rng.chance(level) {
                return Some((t_s * SECOND_NS as f64) as i64);
            }
        }
    }
}

fn within(t_s: f64, from_s: f64, to_s: f64) -> f64 {
    if t_s >= from_s && t_s < to_s { 1.0 } else { 0.0 }
}

fn risen(since_s: f64, rise_s: f64) -> f64 {
    if rise_s <= 0.0 { 1.0 } else { (since_s / rise_s).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_where_they_should_be() {
        let on = Envelope::On { from_s: 10.0, to_s: 20.0, rise_s: 4.0 };
        assert_eq!((on.at(9.9), on.at(12.0), on.at(15.0), on.at(20.0)), (0.0, 0.5, 1.0, 0.0));
        let pulse = Envelope::Pulse { from_s: 10.0, to_s: 30.0, period_s: 10.0, duty: 0.3 };
        assert_eq!((pulse.at(11.0), pulse.at(14.0), pulse.at(22.0)), (1.0, 0.0, 1.0));
        let crowd = Envelope::Crowd { floor: 0.1, from_s: 5.0, rise_s: 5.0, half_life_s: 10.0 };
        assert!((crowd.at(20.0) - 0.55).abs() < 1e-9);
    }
}
