//! What every verb is handed.

use std::path::Path;
use std::sync::Arc;

use depeche::clock::{Clock, Entropy, SystemClock, SystemEntropy};

use crate::args::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::out::Out;

/// What every verb is handed.
pub(crate) struct Context<'a> {
    pub(crate) out: &'a Out,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    global: Global,
}

impl<'a> Context<'a> {
    pub(crate) fn new(global: Global, out: &'a Out) -> Self {
        Self { out, clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), global }
    }

    /// depeche.toml, which must be there.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Config::need(self.config_file(), &self.out.words)
    }

    /// depeche.toml, if it is there.
    pub(crate) fn config_if_any(&self) -> Result<Option<Config>, Failure> {
        Config::find(self.config_file(), &self.out.words)
    }

    /// The file that `--config` names.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.global.config.as_deref()
    }
}
