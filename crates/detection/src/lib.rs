//! Detection: observations are counted into windows, windows are compared with what is normal,
//! and what is abnormal becomes findings.
//!
//! - [`sketch`]: summaries of bounded size that merge exactly, in any order.
//! - [`feature`]: the window, and how each observation is counted.
//! - [`detector`]: sequential change detection that dates the onset.
//! - [`measure`]: a window, beside a reference, as findings and rankings.

pub mod detector;
pub mod feature;
pub mod measure;
pub mod sketch;

pub use feature::Window;
