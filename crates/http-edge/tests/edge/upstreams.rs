//! ups
