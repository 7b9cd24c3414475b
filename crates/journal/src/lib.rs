//! The write-ahead journal of depeche on SQLite.
