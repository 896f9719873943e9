//! HTTP/2 on the wire (RFC 9113, RFC 7541), the server's side. No sockets and no tasks: bytes go
//! in, requests come out as the text of HTTP/1, answers go into one buffer for the client.
//!
//! Written for cost: frames are read where they lie, header blocks decoded straight into text,
//! and answers appended to what goes out in one write. A stream is a slot in a table, and a
//! slot's memory is used again.

pub mod connection;
pub mod fields;
pub mod flood;
pub mod frame;
pub mod hpack;
pub mod huffman;
pub mod streams;

pub use connection::{Broken, Connection};
pub use frame::Code;
pub use streams::Upload;
