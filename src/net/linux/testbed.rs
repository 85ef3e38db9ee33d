//! What tests of real links need: a namespace of their own, interfaces in it, and frames to and fro.

use std::fs;
use std::time::Duration;

use super::testing::rerun_in_namespace;
use super::veth::Wiring;
use crate::error::Result;
use crate::net::link::{Engine, Link, LinkKind, LinkOptions, Queueing, open};
use crate::net::{Frame, Receiver, Transmitter};
use crate::packet::{Checksums, Medium};

/// Defines tests whose body runs in a new network namespace, where only `lo` exists, and is up.
macro_rules! isolated {
    ($(fn $name:ident() $body:block)*) => {
        $(
            #[test]
            fn $name() {
                crate::net::linux::testbed::isolate(concat!(module_path!(), "::", stringify!($name)), || $body);
            }
        )*
    };
}
pub(super) use isolated;

/// Runs `body` in another process of this very test, named `path`.
pub(super) fn isolate(path: &str, body: impl FnOnce()) {
    let test = path.split_once("::").expect("a path with the crate's name").1;
    if rerun_in_namespace(test).inside() {
        wiring().loopback_up().unwrap();
        body();
    }
}

/// The interfaces of this namespace.
pub(super) fn wiring() -> Wiring {
    Wiring::open().unwrap()
}

/// A veth pair, `left` and `right`, both up, of which `left` can send at once: the queue of the end that was up first wakes a moment
/// later, and until then swallows frames without a word.
pub(super) fn veth() {
    wide_veth(1);
}

/// As [`veth()`], with so many queues.
pub(super) fn wide_veth(queues: u32) {
    let mut wiring = wiring();
    wiring.add_wide_veth("left", "right", None, queues).unwrap();
    for end in ["right", "left"] {
        silence(end);
        wiring.set_up(end).unwrap();
    }
}

/// Without IPv6 the kernel sends nothing of its own.
pub(super) fn silence(interface: &str) {
    fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1").ok();
}

/// Our ports in all tests.
pub(super) const PORT: u16 = 40_000;

/// A link for ports [`PORT`] to `PORT + 255` with one transmitter.
pub(super) fn link(name: &str, kind: LinkKind, engine: Engine) -> Link {
    opened(open(name, index(name), kind, &options(engine)))
}

/// The link, or the reason why not.
pub(super) fn opened(link: Result<Link>) -> Link {
    link.unwrap_or_else(|error| panic!("{error}"))
}

/// The number of interface `name`.
pub(super) fn index(name: &str) -> u32 {
    wiring().index(name).unwrap()
}

/// The options of [`link()`].
pub(super) fn options(engine: Engine) -> LinkOptions {
    LinkOptions {
        engine,
        first_port: PORT,
        last_port: PORT + 255,
        transmitters: 1,
        queueing: Queueing::Through,
        proof: None,
        receive_bytes: 1 << 20,
    }
}

/// Queues one frame.
pub(super) fn put(transmitter: &mut dyn Transmitter, frame: &[u8]) {
    transmitter.slot().expect("a free slot")[..frame.len()].copy_from_slice(frame);
    transmitter.commit(frame.len());
}

/// Sends one frame.
pub(super) fn send(transmitter: &mut dyn Transmitter, frame: &[u8]) {
    put(transmitter, frame);
    assert_eq!(transmitter.flush().unwrap(), 1);
}

/// A frame kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) wall: Option<u64>,
    pub(super) checksums: Checksums,
    pub(super) medium: Medium,
}

/// Receives until `enough` says so of what has come, or for ten seconds.
pub(super) fn receive_until(receiver: &mut dyn Receiver, enough: impl Fn(&[Kept]) -> bool) -> Vec<Kept> {
    let mut kept = Vec::new();
    for _ in 0..100 {
        let mut keep = |Frame { bytes, wall, checksums, medium, .. }: Frame<'_>| {
            kept.push(Kept { bytes: bytes.to_vec(), wall, checksums, medium });
        };
        receiver.receive(Duration::from_millis(100), &mut keep).unwrap();
        if enough(&kept) {
            return kept;
        }
    }
    panic!("not enough came: {kept:?}");
}
