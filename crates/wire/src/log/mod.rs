//! Access logs and their kin, line by line.
