//! Sends a press release to every journalist on a list exactly once, through several providers.
