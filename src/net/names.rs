//! Host names: forward for targets, backward for what was found.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Who knows names. Tests bring their own, so that nothing is asked outside.
pub trait Resolver: Send + Sync {
    /// The addresses of a name, best first.
    ///
    /// # Errors
    /// When the name is unknown or nobody answers.
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
    /// The name of an address, if it has one. It comes from the network: escape it before it is shown.
    fn name(&self, addr: IpAddr) -> Option<String>;
}

/// The operating system: its hosts file, DNS, and whatever else it is set up to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|addr| addr.ip()).collect())
    }

    fn name(&self, addr: IpAddr) -> Option<String> {
        #[cfg(unix)]
        return dns_lookup::lookup_addr(&addr).ok();
        #[cfg(not(unix))]
        {
            let _ = addr;
            None
        }
    }
}

/// The addresses of the host `name`: all of them, or the first, IPv4 before IPv6.
///
/// # Errors
/// When the name has no address.
pub fn resolve(resolver: &dyn Resolver, name: &str, all: bool) -> Result<Vec<IpAddr>> {
    let mut found = resolver.addresses(name).map_err(|cause| Error::io("resolve", name, cause))?;
    let mut seen = HashSet::new();
    found.retain(|addr| seen.insert(*addr));
    found.sort_by_key(IpAddr::is_ipv6);
    if !all {
        found.truncate(1);
    }
    if found.is_empty() { Err(Error::machine("resolve", name, "it has no address")) } else { Ok(found) }
}

/// Looks up names of addresses beside the scan, on threads of its own that nothing ever waits for longer than it said.
pub struct ReverseLookup {
    shared: Arc<Shared>,
    questions: crossbeam_channel::Sender<IpAddr>,
}

impl ReverseLookup {
    /// Starts the threads. Where none can be started, no address gets a name.
    pub fn start(resolver: &Arc<dyn Resolver>) -> Self {
        let (questions, receiver) = crossbeam_channel::unbounded();
        let shared = Arc::new(Shared::default());
        for _ in 0..THREADS {
            let (shared, resolver, receiver) = (shared.clone(), resolver.clone(), receiver.clone());
            // They are never joined: a look-up cannot be called off, and may take many seconds.
            let _ = thread::Builder::new().name("names".into()).spawn(move || shared.work(&*resolver, &receiver));
        }
        Self { shared, questions }
    }

    /// Asks for the name of an address; asking again is free.
    pub fn ask(&self, addr: IpAddr) {
        if self.shared.state().asked.insert(addr) && self.questions.send(addr).is_err() {
            self.shared.answer(addr, None);
        }
    }

    /// The name of an address, once it is known.
    pub fn answer_for(&self, addr: IpAddr) -> Option<String> {
        self.shared.state().names.get(&addr).cloned().flatten()
    }

    /// Whether an address asked about has been dealt with: its name is known, or known not to be.
    pub fn is_settled(&self, addr: IpAddr) -> bool {
        self.shared.state().names.contains_key(&addr)
    }

    /// Waits until every question is answered, but no longer than `within` (two seconds at most), and returns the names known
    /// then. Look-ups still under way are left to themselves.
    pub fn finish(self, within: Duration) -> HashMap<IpAddr, String> {
        let Self { shared, questions } = self;
        drop(questions);
        let within = within.min(LONGEST_WAIT);
        let open = |state: &mut State| state.names.len() < state.asked.len();
        let waited = shared.changed.wait_timeout_while(shared.state(), within, open);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.over = true;
        std::mem::take(&mut state.names).into_iter().filter_map(|(addr, name)| Some((addr, name?))).collect()
    }
}

impl fmt::Debug for ReverseLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        f.debug_struct("ReverseLookup").field("asked", &state.asked.len()).field("answered", &state.names.len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: HashSet<IpAddr>,
    names: HashMap<IpAddr, Option<String>>,
    /// Nobody wants to know any more.
    over: bool,
}

impl Shared {
    fn work(&self, resolver: &dyn Resolver, questions: &crossbeam_channel::Receiver<IpAddr>) {
        for addr in questions {
            if self.state().over {
                return;
            }
            // A resolver that panics knows no name.
            let name = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| resolver.name(addr))).ok().flatten();
            // A system without names for addresses may answer with the address.
            self.answer(addr, name.filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err()));
        }
    }

    fn answer(&self, addr: IpAddr, name: Option<String>) {
        self.state().names.insert(addr, name);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A few, since most of the time goes into waiting for a name server.
const THREADS: usize = 4;
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Knows `198.51.100.N` as `hostN`, panics at N = 13 and never answers for N = 99 while the gate is shut.
    #[derive(Default)]
    struct Known {
        asked: AtomicUsize,
        gate: Mutex<()>,
    }

    impl Resolver for Known {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            match name {
                "both" => Ok(["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.1"].map(|ip| ip.parse().unwrap()).to_vec()),
                "empty" => Ok(Vec::new()),
                _ => Err(io::Error::other("name unknown")),
            }
        }

        fn name(&self, addr: IpAddr) -> Option<String> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let text = addr.to_string();
            let last = text.rsplit('.').next()?;
            assert_ne!(last, "13");
            if last == "99" {
                drop(self.gate.lock());
            }
            if last == "7" { Some(text) } else { Some(format!("host{last}")) }
        }
    }

    fn start(known: &Arc<Known>) -> ReverseLookup {
        let resolver: Arc<dyn Resolver> = known.clone();
        ReverseLookup::start(&resolver)
    }

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    #[test]
    fn the_first_address_is_of_ipv4_and_none_comes_twice() {
        let known = Known::default();
        let texts = |all| resolve(&known, "both", all).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(false), ["192.0.2.1"]);
        assert_eq!(texts(true), ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        assert_eq!(resolve(&known, "nobody", true).unwrap_err().to_string(), "resolve nobody: name unknown");
        assert_eq!(resolve(&known, "empty", true).unwrap_err().to_string(), "resolve empty: it has no address");
    }

    #[test]
    fn each_address_is_looked_up_once() {
        let known = Arc::new(Known::default());
        let lookup = start(&known);
        for last in [1, 2, 1, 7, 2, 1] {
            lookup.ask(ip(last));
        }
        let names = lookup.finish(LONGEST_WAIT);
        assert_eq!(names, HashMap::from([(ip(1), "host1".into()), (ip(2), "host2".into())]), "an address is no name");
        assert_eq!(known.asked.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_resolver_that_panics_costs_one_name() {
        let lookup = start(&Arc::new(Known::default()));
        for last in [13; THREADS].into_iter().chain([5]) {
            lookup.ask(ip(last));
        }
        assert_eq!(lookup.finish(LONGEST_WAIT), HashMap::from([(ip(5), "host5".into())]));
    }

    #[test]
    fn the_end_does_not_wait_for_a_name_server_that_is_silent() {
        let known = Arc::new(Known::default());
        let shut = known.gate.lock().unwrap();
        let lookup = start(&known);
        lookup.ask(ip(99));
        assert_eq!(lookup.answer_for(ip(99)), None);
        // The gate opens only after this returned.
        assert!(lookup.finish(Duration::ZERO).is_empty());
        drop(shut);
    }
}
