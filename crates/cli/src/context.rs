//! What every verb is handed.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use depeche::clock::{Clock, Entropy, SystemClock, SystemEntropy};

use crate::args::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::out::Out;

/// What every verb is handed.
pub(crate) struct Context<'a> {
    pub(crate) out: &'a Out,
    pub(crate) clock: Arc<dyn Clock>,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "a file has no clock"))]
    followed: Arc<ContextClock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    global: Global,
}

/// The system's clock, or that of the journal's server once there is one: all that share a journal go by
/// one clock, however wrong their own may be.
#[derive(Default)]
struct ContextClock(OnceLock<Arc<dyn Clock>>);

impl Clock for ContextClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.get().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }
}

impl<'a> Context<'a> {
    pub(crate) fn new(global: Global, out: &'a Out) -> Self {
        let followed = Arc::<ContextClock>::default();
        Self {
            out,
            clock: Arc::clone(&followed) as Arc<dyn Clock>,
            followed,
            entropy: Arc::new(SystemEntropy),
            global,
        }
    }

    /// Goes by `clock` from here on; the first one counts.
    #[cfg(feature = "postgres")]
    pub(crate) fn follow(&self, clock: Arc<dyn Clock>) {
        let _ = self.followed.0.set(clock);
    }

    /// depeche.toml, which must be there.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Config::need(self.config_file(), &self.out.words)
    }

    /// depeche.toml, if it is there.
    pub(crate) fn config_if_any(&self) -> Result<Option<Config>, Failure> {
        Config::find(self.config_file(), &self.out.words)
    }

    /// The machine's name, for people.
    pub(crate) fn machine(&self) -> String {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name =
            kernel.or_else(|| std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")).ok());
        let name = depeche::outcome::one_line(name.as_deref().unwrap_or_default());
        if name.is_empty() { "?".to_owned() } else { name }
    }

    /// The file that `--config` names.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.global.config.as_deref()
    }
}
