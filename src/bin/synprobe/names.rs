//! Who is asked for names: the system, or the practice network.

use std::sync::{Arc, OnceLock};

use synprobe::net::names::{Resolver, SystemResolver};

/// Who is asked.
pub(crate) fn resolver() -> Arc<dyn Resolver> {
    Arc::clone(RESOLVER.get_or_init(|| Arc::new(SystemResolver)))
}

/// Has `resolver` asked from now on; too late once somebody was asked.
pub(crate) fn ask(resolver: impl Resolver + 'static) {
    let _ = RESOLVER.set(Arc::new(resolver));
}

static RESOLVER: OnceLock<Arc<dyn Resolver>> = OnceLock::new();
