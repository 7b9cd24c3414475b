//! An HTTP server on loopback that misbehaves on the wire in ways that a mock of an API cannot:
//! it takes a request and loses the answer, cuts it, drips it, never ends it, or sends a gzip bomb.
//!
//! It speaks as much of HTTP/1.1 (RFC 9112) as it needs: requests with Content-Length, one at a time on
//! a line. What it says is decided by the test, request by request.

mod gzip;
mod says;
mod server;

pub use gzip::bomb;
pub use says::Says;
pub use server::{HttpStub, Seen};
