//! A run as the command line sees it: opened, driven, told, shown.

pub(crate) mod admission;
mod bars;
pub(crate) mod campaign;
pub(crate) mod document;
pub(crate) mod drive;
pub(crate) mod evidence;
pub(crate) mod fidelity;
pub(crate) mod frozen;
pub(crate) mod outage;
pub(crate) mod overlay;
pub(crate) mod pace;
pub(crate) mod prepare;
pub(crate) mod quota;
pub(crate) mod session;
pub(crate) mod store;
mod tell;
pub(crate) mod warmth;
