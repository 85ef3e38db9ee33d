//! Everything that is tested from outside the crate, in one binary: it links once.

mod completeness;
#[cfg(target_os = "linux")]
mod connect;
#[cfg(target_os = "linux")]
mod diff;
mod discovery;
#[cfg(target_os = "linux")]
mod formats;
mod fuzz;
mod journal;
#[cfg(target_os = "linux")]
mod kernel;
mod layers;
mod manifests;
mod measure;
mod oracle;
mod program;
mod readme;
mod resume;
mod schema;
mod shards;
mod simulation;
#[cfg(target_os = "linux")]
mod slurm;
mod spawn;
