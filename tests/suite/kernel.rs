//! Whole scans against real kernels: the scanner in one network namespace, its targets in others, as any user.

mod bed;
mod discovery;
mod faults;
mod firewall;
mod limited;
mod links;
mod onlink;
mod practice;
mod program;
mod routed;
mod slow_reader;
mod tools;
mod xdp;
