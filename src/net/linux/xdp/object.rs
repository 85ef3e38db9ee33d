//! Loading and attaching the program, and saying why that failed.

use std::error::Error as StdError;
use std::io;

use aya::maps::xdp::DevMap;
use aya::maps::{Map, MapData, RingBuf};
use aya::programs::{RawTracePoint, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};

use super::slots::Slots;
use crate::error::Error;
use crate::net::link::{LinkOptions, Proof};

/// Which step failed, and why.
pub(super) type Failure = (&'static str, Box<dyn StdError>);

/// The program on an interface, and its maps.
pub(super) struct Loaded {
    pub(super) object: Ebpf,
    pub(super) control: MapData,
    pub(super) slots: MapData,
    pub(super) records: RingBuf<MapData>,
    pub(super) senders: usize,
}

impl Loaded {
    /// Loads the program and attaches it to the interface numbered `index`: to prove replies to the ports of `options`, and to send for
    /// `senders`.
    pub(super) fn attach(
        loader: EbpfLoader<'_>,
        index: u32,
        options: &LinkOptions,
        proof: &Proof,
        senders: usize,
    ) -> Result<Self, Failure> {
        let [key0, key1] = halves(proof.key);
        // It may live for a shorter time than it was made for.
        let mut loader = loader;
        let mut object = loader
            // Nothing is read of the kernel's structures: its types need not be searched.
            .btf(None)
            .override_global("key0", &key0, true)
            .override_global("key1", &key1, true)
            .override_global("first_port", &options.first_port, true)
            .override_global("last_port", &options.last_port, true)
            .override_global("numbers", &proof.numbers, true)
            .map_max_entries("slots", Slots::of(senders) as u32)
            .load(include_bytes_aligned!("link.bpf.o"))
            .map_err(step(LOAD))?;
        for (name, point) in [("offered", "xdp_devmap_xmit"), ("not_redirected", "xdp_redirect_err"), ("answered", "xdp_bulk_tx")] {
            let counter: &mut RawTracePoint = program(&mut object, name)?;
            counter.load().map_err(step("load counter of drops for"))?;
            counter.attach(point).map_err(step("attach counter of drops for"))?;
        }
        let device = object.map_mut("device").ok_or_else(|| (LOAD, "no map is named device".into()))?;
        let mut device = DevMap::try_from(device).map_err(step(LOAD))?;
        device.set(0, index, None, 0).map_err(step("have the XDP program send to"))?;
        let [control, slots] = [array(&mut object, "control")?, array(&mut object, "slots")?];
        let records = object.take_map("records").ok_or_else(|| (LOAD, "no ring is named records".into()))?;
        let records = RingBuf::try_from(records).map_err(step("map records of"))?;
        let link: &mut Xdp = program(&mut object, "link")?;
        link.load().map_err(step(LOAD))?;
        link.attach_to_if_index(index, XdpMode::Driver).map_err(step("attach XDP program to"))?;
        Ok(Self { object, control, slots, records, senders })
    }
}

/// An array of the object's that can be mapped.
fn array(object: &mut Ebpf, name: &'static str) -> Result<MapData, Failure> {
    match object.take_map(name) {
        Some(Map::Array(data)) => Ok(data),
        _ => Err((LOAD, format!("no array is named {name}").into())),
    }
}

fn program<'a, P>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut P, Failure>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let found = object.program_mut(name).ok_or_else(|| (LOAD, format!("none is named {name}").into()))?;
    found.try_into().map_err(step(LOAD))
}

/// Names the step that failed.
pub(super) fn step<E: StdError + 'static>(name: &'static str) -> impl Fn(E) -> Failure {
    move |error| (name, Box::new(error))
}

/// What could not be done on `interface`, and what helps.
pub(super) fn explained(interface: &str, (operation, error): &Failure) -> Error {
    let cause = match root(error.as_ref()).and_then(io::Error::raw_os_error) {
        Some(libc::EBUSY | libc::EEXIST) => "another XDP program is attached".to_owned(),
        Some(libc::EOPNOTSUPP) => NOT_NATIVE.to_owned(),
        Some(libc::ERANGE) => "it has too few receive queues for XDP".to_owned(),
        Some(libc::EPERM | libc::EACCES) => {
            "operation not permitted: it takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON outside any user namespace".to_owned()
        }
        Some(number) => io::Error::from_raw_os_error(number).to_string(),
        None => error.to_string(),
    };
    Error::machine(operation, interface, cause).hint(INSTEAD)
}

/// The error of the operating system behind `error`.
fn root<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.filter_map(|error| error.downcast_ref()).last()
}

fn halves(key: [u8; 16]) -> [u64; 2] {
    let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| key[at + i]));
    [half(0), half(8)]
}

const LOAD: &str = "load XDP program for";
/// Why most interfaces that cannot, cannot.
pub(super) const NOT_NATIVE: &str = "its driver has no native XDP";
/// What to do where XDP cannot be used.
pub(super) const INSTEAD: &str = "use --engine packet";
