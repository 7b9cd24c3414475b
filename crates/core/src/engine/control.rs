//! How a running engine is told to stop.

use tokio::sync::watch;

/// How far a run is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As planned.
    Run,
    /// Take no new recipients, finish those in flight (the first Ctrl-C).
    Drain,
    /// Leave now; those in flight become unknown (the second).
    Leave,
}

/// The stopping side.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Level>);

/// The engine's side.
#[derive(Debug, Clone)]
pub struct Control(watch::Receiver<Level>);

impl Stop {
    /// A stop and the control that hears it.
    #[must_use]
    pub fn new() -> (Self, Control) {
        let (sender, receiver) = watch::channel(Level::Run);
        (Self(sender), Control(receiver))
    }

    /// Takes no new recipients. A later [`Stop::leave`] is stronger; the reverse changes nothing.
    pub fn drain(&self) {
        self.raise(Level::Drain);
    }

    /// Leaves now.
    pub fn leave(&self) {
        self.raise(Level::Leave);
    }

    fn raise(&self, level: Level) {
        self.0.send_if_modified(|known| {
            let rises = level > *known;
            *known = level.max(*known);
            rises
        });
    }
}

impl Control {
    /// A control that nobody can stop.
    #[must_use]
    pub fn unstoppable() -> Self {
        Stop::new().1
    }

    /// How far to go on.
    #[must_use]
    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Waits until the level rises; for ever when nobody can raise it any more.
    pub(crate) async fn risen(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
