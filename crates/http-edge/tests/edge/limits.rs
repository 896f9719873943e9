//! The limits.
