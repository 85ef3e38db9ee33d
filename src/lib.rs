//! synprobe tells an auditor which TCP ports are open, closed or filtered on every address of a range, fast, and says how far its
//! own answer can be trusted.

pub mod connect;
pub mod error;
pub mod lab;
pub mod net;
pub mod packet;
pub mod report;
pub mod run;
pub mod scan;
pub mod target;
pub mod time;
