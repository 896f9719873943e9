//! What request text looks like: words that machines drew, and the shapes that vary only in
//! numbers and such words.

mod random_word;
mod shape;
mod tracking;

pub use random_word::is_random_word;
pub use shape::{
    ANY_PARAMETER, ANY_SEGMENT, ANY_WORD, fits_query_shape, fits_template, path_template, query_shape,
    referrer_origin,
};
pub use tracking::{is_tracking, without_tracking};
