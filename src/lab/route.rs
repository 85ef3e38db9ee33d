//! The way of a packet through a topology as a flat list of steps.

use std::net::Ipv4Addr;

use super::counters::Cause;
use super::element::{Passage, Stage, Traffic};
use super::hash::Key;
use super::path::{Element, PathSpec};
use super::topology::{Router, Segment, Topology, mac_of};
use crate::packet::MacAddr;
use crate::time::Time;

/// All stages and routers of a network, and the way to each segment and back.
pub(super) struct Routes {
    pub(super) stages: Vec<Stage>,
    pub(super) routers: Vec<Router>,
    pub(super) ways: Vec<Way>,
    /// Copies made since somebody last looked.
    pub(super) copies: u64,
}

/// The way to one segment and back.
#[derive(Default)]
pub(super) struct Way {
    pub(super) up: Vec<Step>,
    pub(super) down: Vec<Step>,
    /// For each router passed: its number, and the place in `down` where its own packets join.
    pub(super) routers: Vec<(usize, usize)>,
    /// The hardware address of the first router.
    pub(super) next_hop: Option<MacAddr>,
}

/// One step of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Through an element.
    Stage(usize),
    /// Through a router.
    Router(usize),
    /// Until its time has come: what follows must see packets in the order of their times.
    Pause,
}

/// A packet somewhere on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) step: usize,
    pub(super) hops: u8,
    pub(super) at: Time,
}

/// Where a walk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At a pause, or at the end of the way.
    Rest(Walk),
    /// At a router, its time to live used up.
    Expired(Walk, usize),
    Lost(Cause),
}

impl Routes {
    pub(super) fn walk_up(&mut self, place: usize, walk: Walk, traffic: Traffic, ttl: u8, copies: &mut Vec<Walk>) -> End {
        let before = copies.len();
        let end = go(&mut self.stages, &self.ways[place].up, walk, traffic, ttl, copies);
        self.copies += (copies.len() - before) as u64;
        end
    }

    pub(super) fn walk_down(&mut self, place: usize, walk: Walk, traffic: Traffic, copies: &mut Vec<Walk>) -> End {
        let before = copies.len();
        let end = go(&mut self.stages, &self.ways[place].down, walk, traffic, u8::MAX, copies);
        self.copies += (copies.len() - before) as u64;
        end
    }

    pub(super) fn new(topology: &Topology, key: Key) -> Self {
        let mut built = Self { stages: Vec::new(), routers: topology.routers.clone(), ways: Vec::new(), copies: 0 };
        for address in topology.segments.iter().flat_map(|segment| &segment.via) {
            if built.router(*address).is_none() {
                built.routers.push(Router::new(*address));
            }
        }
        let access = built.build(&topology.access, key);
        let approaches: Vec<_> = built.routers.clone().iter().map(|router| built.build(&router.path, key)).collect();
        for segment in &topology.segments {
            let own = built.build(&segment.path, key);
            let way = built.way(topology, segment, &access, &approaches, &own);
            built.ways.push(way);
        }
        built
    }

    fn build(&mut self, path: &PathSpec, key: Key) -> Built {
        let mut stages = |elements: &[Element]| {
            let mut build = |element: &Element| {
                self.stages.push(Stage::new(element, key.derive(PURPOSE_STAGE + self.stages.len() as u64)));
                Hurdle { stage: self.stages.len() - 1, delays: delays(element), minds_order: minds_order(element) }
            };
            elements.iter().map(&mut build).collect::<Vec<_>>()
        };
        Built { up: stages(&path.up), down: stages(&path.down) }
    }

    fn way(&self, topology: &Topology, segment: &Segment, access: &Built, routers: &[Built], own: &Built) -> Way {
        let passed: Vec<usize> = segment.via.iter().filter_map(|&address| self.router(address)).collect();
        let mut up = Track::default();
        up.extend(&access.up);
        for &router in &passed {
            up.extend(&routers[router].up);
            up.steps.push(Step::Router(router));
        }
        up.extend(&own.up);

        let mut down = Track::default();
        down.extend(&own.down);
        let mut joins = Vec::new();
        for &router in passed.iter().rev() {
            joins.push((router, down.steps.len()));
            down.extend(&routers[router].down);
        }
        down.extend(&access.down);
        joins.reverse();
        // A pause takes a place in the list, so joins are moved by the pauses put before them.
        let (down, moved) = down.with_pauses();
        let routers = joins.into_iter().map(|(router, at)| (router, moved[at])).collect();
        Way { up: up.with_pauses().0, down, routers, next_hop: first_hop(segment, topology) }
    }

    fn router(&self, address: Ipv4Addr) -> Option<usize> {
        self.routers.iter().position(|router| router.address == address)
    }
}

/// Follows `steps` until something stops the packet; copies that elements make of it are added to `copies`.
fn go(stages: &mut [Stage], steps: &[Step], walk: Walk, traffic: Traffic, ttl: u8, copies: &mut Vec<Walk>) -> End {
    let Walk { mut step, mut hops, mut at } = walk;
    while let Some(&next) = steps.get(step) {
        step += 1;
        match next {
            Step::Pause => break,
            Step::Router(router) => {
                hops = hops.saturating_add(1);
                if ttl <= hops {
                    return End::Expired(Walk { step, hops, at }, router);
                }
            }
            Step::Stage(stage) => match stages[stage].pass(at, traffic) {
                Passage::Through(later) => at = later,
                Passage::Twice(later, copy) => {
                    at = later;
                    if copies.len() < MOST_COPIES {
                        copies.push(Walk { step, hops, at: copy });
                    }
                }
                Passage::Lost(cause) => return End::Lost(cause),
            },
        }
    }
    End::Rest(Walk { step, hops, at })
}

fn first_hop(segment: &Segment, topology: &Topology) -> Option<MacAddr> {
    let router = *segment.via.first()?;
    let host = topology.segments.iter().find_map(|segment| segment.hosts.get(&router));
    Some(host.and_then(|host| host.mac).unwrap_or_else(|| mac_of(router)))
}

struct Built {
    up: Vec<Hurdle>,
    down: Vec<Hurdle>,
}

#[derive(Clone, Copy)]
struct Hurdle {
    stage: usize,
    delays: bool,
    minds_order: bool,
}

#[derive(Default)]
struct Track {
    steps: Vec<Step>,
    delaying: Vec<usize>,
    last_minding: usize,
}

impl Track {
    fn extend(&mut self, hurdles: &[Hurdle]) {
        for hurdle in hurdles {
            if hurdle.delays {
                self.delaying.push(self.steps.len());
            }
            if hurdle.minds_order {
                self.last_minding = self.steps.len();
            }
            self.steps.push(Step::Stage(hurdle.stage));
        }
    }

    /// The steps with a pause after each delay that something minding the order follows, and where each old place is now.
    fn with_pauses(self) -> (Vec<Step>, Vec<usize>) {
        let (mut steps, mut moved) = (Vec::new(), Vec::new());
        for (at, step) in self.steps.iter().enumerate() {
            moved.push(steps.len());
            steps.push(*step);
            if self.delaying.contains(&at) && at < self.last_minding {
                steps.push(Step::Pause);
            }
        }
        moved.push(steps.len());
        (steps, moved)
    }
}

fn delays(element: &Element) -> bool {
    matches!(element, Element::Latency(_) | Element::Queue { .. } | Element::Duplicate { .. })
}

/// Whether the element's state moves with time.
fn minds_order(element: &Element) -> bool {
    matches!(
        element,
        Element::Policer(_)
            | Element::Queue { .. }
            | Element::NewTargets(_)
            | Element::Tripwire(_)
            | Element::Bursts { .. }
            | Element::Failures { .. }
    )
}

/// Copies of one packet waiting at once; more would let a few duplicating elements in a row flood the simulation.
const MOST_COPIES: usize = 8;
const PURPOSE_STAGE: u64 = 1 << 32;
