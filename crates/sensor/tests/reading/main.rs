//! Reading whole inputs: packed, merged, damaged, odd in time, and real ones.

mod common;
mod damage;
mod exports;
mod input;
mod material;
