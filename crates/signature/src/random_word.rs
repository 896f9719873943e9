//! Machine-random words. They live with the words (`seawall_model::text`), since detection needs
//! them too.

pub use seawall_model::text::is_random_word;
