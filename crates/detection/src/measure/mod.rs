//! Windows as findings.
