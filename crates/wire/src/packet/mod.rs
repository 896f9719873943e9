//! Captures and packets.
