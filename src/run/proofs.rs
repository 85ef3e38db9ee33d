//! From a received frame to the proof that is told: frames of proven SYN-ACKs wait for their findings.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::plan::Plan;
use super::request::{Evidence, Request, Technique};
use crate::error::{Error, Result};
use crate::net::privilege;
use crate::net::{Engine, Frame};
use crate::packet::Medium;
use crate::scan::{Finding, Proof, Record};
use crate::time::Time;

/// A frame that proved a port open.
#[derive(Debug)]
struct Caught {
    key: (u8, u64),
    interface: Arc<str>,
    medium: Medium,
    bytes: Vec<u8>,
    arrived: Time,
}

/// One link's end: copies what proves a port open.
#[derive(Debug)]
pub(super) struct Catch {
    interface: Arc<str>,
    inlet: Sender<Caught>,
}

impl Catch {
    /// Keeps the frame of a record, if that says open. It is called before the record goes on its way.
    pub(super) fn keep(&self, record: &Record, frame: &Frame<'_>, arrived: Time) {
        if record.is_open() {
            let caught = Caught {
                key: (record.stage, record.index),
                interface: Arc::clone(&self.interface),
                medium: frame.medium,
                bytes: frame.bytes.to_vec(),
                arrived,
            };
            // The reporter is gone: nobody asks any more.
            _ = self.inlet.send(caught);
        }
    }
}

/// The reporter's end.
#[derive(Debug)]
pub(super) struct Proofs {
    outlet: Receiver<Caught>,
    inlet: Sender<Caught>,
    waiting: HashMap<(u8, u64), Caught>,
}

impl Proofs {
    /// Where a request wants proofs; an error where some of its targets would have none.
    pub(super) fn of(request: &Request, plan: &Plan) -> Result<Option<Self>> {
        if request.evidence == Evidence::Dropped {
            return Ok(None);
        }
        match request.engine {
            // Both hand over frames as they came.
            Engine::Packet | Engine::Pnet => {}
            Engine::Xdp => {
                let error = Error::asked("keep", "packets as evidence", "the XDP engine proves replies in the driver and drops them there");
                return Err(error.hint("use --engine packet"));
            }
        }
        if plan.syn.is_none() || !plan.connect.is_empty() {
            let (who, hint) = match (request.technique, &plan.syn) {
                (Technique::Connect, _) => ("all targets", "leave --connect out".to_owned()),
                (_, None) => ("all targets", privilege::hint()),
                (_, Some(_)) => ("some targets", "leave those out that have no raw link, as IPv6".to_owned()),
            };
            let cause = format!("{who} would be asked by connect(), which sees none");
            return Err(Error::asked("keep", "packets as evidence", cause).hint(hint));
        }
        let (inlet, outlet) = unbounded();
        Ok(Some(Self { outlet, inlet, waiting: HashMap::new() }))
    }

    /// The end of the link over this interface.
    pub(super) fn catch(&self, interface: &str) -> Catch {
        Catch { interface: interface.into(), inlet: self.inlet.clone() }
    }

    /// The proof of a finding. Its frame was caught by the thread that then sent the record: it is here.
    pub(super) fn of_record(&mut self, record: &Record, finding: &Finding) -> Option<Proof> {
        if !record.is_open() {
            return None;
        }
        self.waiting.extend(self.outlet.try_iter().map(|caught| (caught.key, caught)));
        let Caught { interface, medium, bytes, arrived, .. } = self.waiting.remove(&(record.stage, record.index))?;
        Some(Proof { finding: *finding, interface, medium, reply: bytes, arrived })
    }
}
