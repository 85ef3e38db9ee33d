//! The lines that only a journal has, under the names that are kept for good.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;

use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};

use super::Order;
use super::bits;
use crate::report::json::read::words;
use crate::scan::{LeftStage, Outcome, Place, Spent};
use crate::target::{PortSet, Target, TargetSpace};

#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    Journal(Box<OrderLine>),
    Stage(StageLine),
    Answered(Answered<'a>),
    Pass(PassLine),
    Knowledge(KnowledgeLine),
    Progress(Progress),
}

#[derive(Deserialize, Serialize)]
pub(super) struct OrderLine {
    pub(super) schema_version: u32,
    pub(super) version: String,
    pub(super) directory: PathBuf,
    pub(super) addresses: String,
    pub(super) named: String,
    pub(super) ports: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) canary: Option<(IpAddr, u16)>,
    pub(super) unresolved: u64,
    pub(super) inputs: Vec<(PathBuf, String)>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct StageLine {
    pub(super) stage: usize,
    pub(super) discovers: bool,
    pub(super) senders: u64,
    pub(super) addresses: String,
    /// Port 0 is not written: a stage that discovers asks it.
    pub(super) ports: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Answered<'a> {
    pub(super) stage: usize,
    pub(super) state: Cow<'a, str>,
    pub(super) reason: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason_addr: Option<IpAddr>,
    pub(super) targets: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct PassLine {
    pub(super) stage: usize,
    pub(super) pass: u8,
    pub(super) blocks: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct KnowledgeLine {
    pub(super) stage: usize,
    pub(super) canaries: [f64; 9],
    pub(super) unseen: f64,
    /// How many blocks there are.
    pub(super) count: usize,
    /// Numbers of those that have changed, and their states.
    pub(super) changed: String,
    pub(super) blocks: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Progress {
    pub(super) elapsed: f64,
    pub(super) probes: u64,
    pub(super) canaries: u64,
    pub(super) arp_requests: u64,
    pub(super) invalid: u64,
    pub(super) malformed: u64,
    pub(super) duplicates: u64,
    pub(super) receiver_drops: u64,
    pub(super) send_errors: u64,
    pub(super) resets_lost: u64,
    pub(super) send_retries: u64,
    /// Stage, sender, attempt, steps done, answers.
    pub(super) places: Vec<(usize, u64, u8, u64, u64)>,
    pub(super) digest: String,
}

impl OrderLine {
    pub(super) fn of(order: &Order) -> Self {
        Self {
            schema_version: crate::report::SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            directory: order.directory.clone(),
            addresses: order.addresses.to_string(),
            named: order.named.to_string(),
            ports: order.ports.to_string(),
            canary: order.canary.map(|canary| (canary.addr, canary.port)),
            unresolved: order.unresolved,
            inputs: order.inputs.clone(),
        }
    }

    pub(super) fn order(self) -> Result<Order, String> {
        if self.version != env!("CARGO_PKG_VERSION") {
            return Err(format!("it is of synprobe {}, and this is {}", self.version, env!("CARGO_PKG_VERSION")));
        }
        Ok(Order {
            directory: self.directory,
            addresses: words::addresses(&self.addresses).map_err(wrong("addresses"))?,
            named: words::addresses(&self.named).map_err(wrong("named"))?,
            ports: words::ports(&self.ports).map_err(wrong("ports"))?,
            canary: self.canary.map(|(addr, port)| Target { addr, port }),
            unresolved: self.unresolved,
            inputs: self.inputs,
        })
    }
}

impl StageLine {
    pub(super) fn of(stage: &LeftStage) -> Self {
        Self {
            stage: stage.number,
            discovers: stage.discovers,
            senders: stage.senders,
            addresses: stage.addresses.to_string(),
            ports: stage.ports.iter().filter(|port| *port != 0).collect::<PortSet>().to_string(),
        }
    }

    /// The stage, with its targets numbered.
    pub(super) fn stage(self) -> Result<(LeftStage, TargetSpace), String> {
        let addresses = self.addresses.parse().map_err(|error: crate::error::Error| format!("addresses: {error}"))?;
        let ports = if self.discovers { crate::scan::Discovery::questions() } else { words::ports(&self.ports).map_err(wrong("ports"))? };
        if !(1..=MOST_SENDERS).contains(&self.senders) || self.stage > crate::scan::Stages::MOST * MOST_PARTS {
            return Err(format!("stage {} with {} senders", self.stage, self.senders));
        }
        let stage = LeftStage { discovers: self.discovers, senders: self.senders, ..LeftStage::new(self.stage, addresses, ports) };
        let space = TargetSpace::new(stage.addresses.clone(), stage.ports.clone()).map_err(|error| error.to_string())?;
        Ok((stage, space))
    }
}

/// Names the field that cannot be read.
fn wrong(field: &str) -> impl Fn(String) -> String {
    move |error| format!("{field}: {error}")
}

/// Each has a thread of its own.
const MOST_SENDERS: u64 = 1024;
/// A scan that was taken up more often than this is no scan.
const MOST_PARTS: usize = 1 << 16;

impl Answered<'_> {
    /// What was answered, and by which targets of its stage, whose space this is.
    pub(super) fn read(&self, space: &TargetSpace) -> Result<(Outcome, RoaringTreemap), String> {
        let outcome = Outcome { state: words::state(&self.state)?, reason: words::reason(&self.reason)?, reason_addr: self.reason_addr };
        let targets = bits::to_targets(&self.targets)?;
        if targets.max().is_some_and(|last| last >= space.len()) {
            return Err("a target that its stage has not".to_owned());
        }
        Ok((outcome, targets))
    }
}

impl Progress {
    pub(super) fn of(spent: &Spent, places: Vec<(usize, Place)>, digest: String) -> Self {
        let Spent {
            elapsed,
            probes,
            canaries,
            arp_requests,
            invalid,
            malformed,
            duplicates,
            receiver_drops,
            send_errors,
            resets_lost,
            send_retries,
        } = *spent;
        let places = places.into_iter().map(|(stage, Place { sender, attempt, step, answers })| (stage, sender, attempt, step, answers));
        Self {
            elapsed: elapsed.as_micros() as f64 / 1e6,
            probes,
            canaries,
            arp_requests,
            invalid,
            malformed,
            duplicates,
            receiver_drops,
            send_errors,
            resets_lost,
            send_retries,
            places: places.collect(),
            digest,
        }
    }

    pub(super) fn spent(&self) -> Spent {
        Spent {
            elapsed: std::time::Duration::try_from_secs_f64(self.elapsed).unwrap_or_default(),
            probes: self.probes,
            canaries: self.canaries,
            arp_requests: self.arp_requests,
            invalid: self.invalid,
            malformed: self.malformed,
            duplicates: self.duplicates,
            receiver_drops: self.receiver_drops,
            send_errors: self.send_errors,
            resets_lost: self.resets_lost,
            send_retries: self.send_retries,
        }
    }
}
