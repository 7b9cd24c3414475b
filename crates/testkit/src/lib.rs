//! Scripted servers, a manual clock and the conformance suites of depeche.

pub mod dns;
