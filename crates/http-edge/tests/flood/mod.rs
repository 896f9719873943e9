//! The scene of a flood on a small site, and the edges that are compared in it.

pub mod edges;
pub mod scene;
