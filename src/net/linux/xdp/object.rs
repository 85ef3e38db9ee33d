//! Loading the programs, and saying why that failed.

use std::io;

use aya::maps::{Map, MapData};
use aya::programs::{RawTracePoint, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};

use crate::error::Error;
use crate::net::link::Proof;

/// Why a step failed.
pub(super) type Failure = (&'static str, Box<dyn std::error::Error>);

/// Loads the program that sends on the interface numbered `target`.
pub(super) fn transmit(target: u32) -> Result<Ebpf, Failure> {
    let mut object = EbpfLoader::new()
        .override_global("target", &target, true)
        .load(include_bytes_aligned!("transmit.bpf.o"))
        .map_err(step("load program to send on"))?;
    for (name, point) in [("not_taken", "xdp_devmap_xmit"), ("not_redirected", "xdp_redirect_err")] {
        let counter: &mut RawTracePoint = program(&mut object, name)?;
        counter.load().map_err(step("load counter of drops on"))?;
        counter.attach(point).map_err(step("attach counter of drops on"))?;
    }
    let sender: &mut Xdp = program(&mut object, "transmit")?;
    sender.load().map_err(step("load program to send on"))?;
    Ok(object)
}

/// Loads the program that takes in replies to the ports from `first` to `last`, and attaches it to the interface numbered `index`.
pub(super) fn receive(index: u32, (first, last): (u16, u16), proof: &Proof) -> Result<Ebpf, Failure> {
    let [low, high] = halves(proof.key);
    let mut object = EbpfLoader::new()
        .override_global("key0", &low, true)
        .override_global("key1", &high, true)
        .override_global("first_port", &first, true)
        .override_global("last_port", &last, true)
        .override_global("numbers", &proof.numbers, true)
        .load(include_bytes_aligned!("receive.bpf.o"))
        .map_err(step("load program to receive on"))?;
    let receiver: &mut Xdp = program(&mut object, "receive")?;
    receiver.load().map_err(step("load program to receive on"))?;
    receiver.attach_to_if_index(index, XdpMode::Driver).map_err(step("attach program to"))?;
    Ok(object)
}

/// An array of the object's that can be mapped.
pub(super) fn array(object: &mut Ebpf, name: &str) -> Result<MapData, Failure> {
    match object.take_map(name) {
        Some(Map::Array(data)) => Ok(data),
        _ => Err(("find map of program on", format!("no array is named {name}").into())),
    }
}

fn program<'a, P>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut P, Failure>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    let found = object.program_mut(name).ok_or_else(|| ("find program for", format!("none is named {name}").into()))?;
    found.try_into().map_err(step("find program for"))
}

pub(super) fn step<E: std::error::Error + 'static>(name: &'static str) -> impl Fn(E) -> Failure {
    move |error| (name, Box::new(error))
}

/// What could not be done on `interface`, and what helps.
pub(super) fn explained(interface: &str, (operation, error): &Failure) -> Error {
    let number = root(error.as_ref()).and_then(io::Error::raw_os_error);
    let cause = match number {
        Some(libc::EBUSY | libc::EEXIST) => "another XDP program is attached".to_owned(),
        Some(libc::EOPNOTSUPP) => "its driver has no native XDP".to_owned(),
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
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.filter_map(|error| error.downcast_ref()).last()
}

fn halves(key: [u8; 16]) -> [u64; 2] {
    let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| key[at + i]));
    [half(0), half(8)]
}

/// What to do where XDP cannot be used.
pub(super) const INSTEAD: &str = "use --engine packet";
