//! What frames do to a connection, without sockets.
