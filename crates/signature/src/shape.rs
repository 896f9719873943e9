//! Shapes of request text. They live with the words (`seawall_model::text`), since detection
//! needs them too.

pub use seawall_model::text::{
    ANY_PARAMETER, ANY_SEGMENT, ANY_WORD, fits_query_shape, fits_template, path_template, query_shape,
    referrer_origin,
};
