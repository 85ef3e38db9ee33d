//! The simulated network on a real interface of a private network: what `synprobe demo` and tests scan by the ordinary path.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use ipnetwork::{IpNetwork, Ipv4Network};

use super::network::Network;
use super::wire::{Served, serve};
use crate::error::{Error, Result};
use crate::net::link::{LinkKind, LinkOptions, tap};
use crate::net::linux::namespace::Namespace;
use crate::net::linux::veth::{NewRoute, Wiring};

/// A simulated network at the far end of a veth pair, answering in real time on a thread of its own.
pub struct Practice {
    stop: Arc<AtomicBool>,
    server: JoinHandle<std::io::Result<(Network, Served)>>,
    /// The far end lives as long as this.
    _far: Namespace,
}

/// Where the scanner stands in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The scanner's address and its subnet.
    pub address: Ipv4Addr,
    /// The length of the subnet's prefix.
    pub prefix: u8,
    /// What lies behind the gateway, and the gateway.
    pub beyond: Option<(Ipv4Network, Ipv4Addr)>,
}

impl Practice {
    /// Puts `network` at the far end of an interface `lab0` of the calling thread's network namespace, which must be a private one
    /// ([`crate::net::linux::namespace::enter_private`]): its loopback is switched on, and it gets the address and routes of `place`.
    ///
    /// # Errors
    /// Without the privileges that [`crate::net::linux::namespace::enter_private`] brings.
    pub fn begin(network: Network, place: Place) -> Result<Self> {
        let far = Namespace::new()?;
        let (mut here, mut there) = (Wiring::open()?, Wiring::open_in(&far)?);
        here.loopback_up()?;
        here.add_veth(NEAR, FAR, Some(&far))?;
        there.set_up(FAR)?;
        let subnet = Ipv4Network::new(place.address, place.prefix).map_err(|error| Error::asked("place", place.address, error))?;
        here.add_address(NEAR, IpNetwork::V4(subnet))?;
        here.set_up(NEAR)?;
        if let Some((beyond, gateway)) = place.beyond {
            here.add_route(NewRoute::through(IpNetwork::V4(beyond), gateway.into()))?;
        }
        let index = there.index(FAR)?;
        let link = far.run(|| tap(FAR, index, LinkKind::Ethernet, LinkOptions::RECEIVE_BYTES))??;
        let transmitter = link.transmitters.into_iter().next().ok_or_else(|| Error::machine("open", FAR, "no transmitter"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let wish = Arc::clone(&stop);
        let server = thread::Builder::new()
            .name("practice".into())
            .spawn(move || serve(network, transmitter, link.receiver, &wish))
            .map_err(|cause| Error::io("start", "the practice network", cause))?;
        Ok(Self { stop, server, _far: far })
    }

    /// Ends it and returns the network, which knows what really happened, and what passed the link.
    ///
    /// # Errors
    /// When the link failed meanwhile.
    ///
    /// # Panics
    /// When the network's thread did.
    pub fn end(self) -> Result<(Network, Served)> {
        self.stop.store(true, Ordering::Relaxed);
        let served = self.server.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        served.map_err(|cause| Error::io("serve", "the practice network", cause))
    }
}

const NEAR: &str = "lab0";
const FAR: &str = "far0";
