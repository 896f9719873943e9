//! A zone and its names.

use crate::rng::{Rng, Weighted};
use crate::world::{Span, Text, WORDS, random_word};

/// A zone with names by popularity.
#[derive(Clone, Debug)]
pub struct Zone {
    pub apex: Span,
    pub names: Vec<Span>,
    pub popularity: Weighted,
    /// Signed zones answer more bytes.
    pub signed: bool,
}

impl Zone {
    pub fn new(rng: &mut Rng, text: &mut Text, names: usize) -> Self {
        let apex = format!("{}-{}.example", rng.pick(&WORDS), rng.pick(&WORDS));
        let mut list = vec![text.add(&apex), text.add(&format!("www.{apex}"))];
        for i in 2..names.max(3) {
            let name = match i % 4 {
                0 => format!("{}.{apex}", rng.pick(&WORDS)),
                1 => format!("{}{}.{apex}", rng.pick(&WORDS), rng.below(30)),
                2 => {
                    format!("{}.{}.{apex}", rng.pick(&WORDS), rng.pick(&["dev", "api", "eu", "mail", "cdn"]))
                }
                _ => format!("{}-{}.{apex}", rng.pick(&WORDS), rng.pick(&WORDS)),
            };
            list.push(text.add(&name));
        }
        let exponent = rng.uniform(0.8, 1.4);
        Self {
            apex: text.add(&apex),
            popularity: Weighted::zipf(list.len(), exponent),
            names: list,
            signed: rng.chance(0.4),
        }
    }

    /// A zone whose names a machine made, as content networks and trackers have them.
    pub fn hashed(rng: &mut Rng, text: &mut Text, names: usize) -> Self {
        let mut zone = Self::new(rng, text, 3);
        let apex = String::from_utf8_lossy(text.get(zone.apex)).into_owned();
        let (style, length) = (*rng.pick(&[0, 2, 3]), rng.between(8, 24) as usize);
        let mut label = Vec::new();
        zone.names = (0..names)
            .map(|_| {
                label.clear();
                random_word(rng, style, length, &mut label);
                label.make_ascii_lowercase();
                text.add(&format!("{}.{apex}", String::from_utf8_lossy(&label)))
            })
            .collect();
        zone.popularity = Weighted::zipf(names, 0.9);
        zone
    }
}
