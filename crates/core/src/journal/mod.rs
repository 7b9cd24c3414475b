//! The room for journals.
