//! The calls that exist on Unix only: the mode of a file, core dumps, and SIGTERM.

use std::path::Path;

/// The mode of a file that others than its owner can read.
pub(crate) fn open_mode(path: &Path) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o044 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// A file that is made with these options is its owner's alone (mode 600).
pub(crate) fn owner_only(options: &mut std::fs::OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    {
        let _ = options;
    }
}

/// No core of this process is ever written: passwords and keys are in its memory while it sends.
///
/// Linux hands a core to a program (`core_pattern` with a pipe) whatever the limit is, but for a limit of
/// one octet, which it refuses both ways (fs/coredump.c). A limit that cannot be lowered is left as it is.
pub(crate) fn no_core_dump() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Core).maximum;
        let current = Some(maximum.map_or(1, |most| most.min(1)));
        let _ = setrlimit(Resource::Core, Rlimit { current, maximum });
    }
}

/// Ctrl-C, SIGTERM, and SIGHUP: a terminal that closes, or a line to it that is lost. Heard from the first moment on, so that none is lost between two.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// `None` where `nohup` had it ignored: then the process is to live on.
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn listen() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt()).ok()?;
        let terminate = signal(SignalKind::terminate()).ok()?;
        let hang_up = hears_hang_ups().then(|| signal(SignalKind::hangup()).ok()).flatten();
        Some(Self { interrupt, terminate, hang_up })
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> Option<Self> {
        Some(Self {})
    }

    /// Waits for the next one; false when none can come.
    pub(crate) async fn next(&mut self) -> bool {
        #[cfg(unix)]
        {
            tokio::select! {
                heard = self.interrupt.recv() => heard.is_some(),
                heard = self.terminate.recv() => heard.is_some(),
                heard = heard_from(&mut self.hang_up) => heard,
            }
        }
        #[cfg(not(unix))]
        {
            tokio::signal::ctrl_c().await.is_ok()
        }
    }
}

#[cfg(unix)]
async fn heard_from(signal: &mut Option<tokio::signal::unix::Signal>) -> bool {
    match signal {
        Some(signal) => signal.recv().await.is_some(),
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP is not ignored: bit 0 of `SigIgn` (proc_pid_status(5)). Where that cannot be read, it is left as
/// it is.
#[cfg(unix)]
fn hears_hang_ups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 0)
}
