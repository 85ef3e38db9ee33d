//! The scan's clock: the one place where a running scan learns what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::net::Frame;
use crate::time::Time;

/// Maps the machine's clocks to the scan's.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    started: SystemTime,
    /// `started` in nanoseconds since the Unix epoch, as kernel timestamps count.
    wall: u64,
}

impl Clock {
    /// The scan begins now.
    pub fn start() -> Self {
        let started = SystemTime::now();
        let wall = started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Self { start: Instant::now(), started, wall }
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// The wall-clock time at which the scan began.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The instant at which the scan began.
    pub fn instant(&self) -> Instant {
        self.start
    }

    /// Sleeps until `until`, or for `most` if that is shorter.
    pub fn sleep(&self, until: Time, most: Duration) {
        let left = until.since(self.now()).min(most);
        if !left.is_zero() {
            std::thread::sleep(left);
        }
    }

    /// Nanoseconds of the Unix epoch at [`Time::ZERO`], for [`arrival`].
    pub fn wall(&self) -> u64 {
        self.wall
    }
}

/// When a frame arrived, on the scan's clock that began at `wall` of the Unix epoch: the kernel's timestamp where there is one,
/// never in the future.
pub fn arrival(frame: &Frame<'_>, wall: u64, now: Time) -> Time {
    frame.wall.map_or(now, |seen| Time::from_nanos(seen.saturating_sub(wall)).min(now))
}
