//! What went wrong: which operation failed, on what, why, and what to do about it.

use std::fmt;
use std::io;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault it is; it decides the program's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something in what was asked: a word, a file, an option (exit status 2).
    Asked,
    /// The machine could not do it: privilege, interface, route (exit status 1).
    Machine,
}

/// A failed operation. It prints as `operation object: cause (hint)`.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    operation: &'static str,
    object: String,
    cause: Cause,
    hint: Option<String>,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Text(String),
}

impl Error {
    /// Something wrong in what was asked: `operation` on `object` is impossible because of `cause`.
    pub fn asked(operation: &'static str, object: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self { kind: Kind::Asked, operation, object: object.to_string(), cause: Cause::Text(cause.to_string()), hint: None }
    }

    /// The machine could not do `operation` on `object`.
    pub fn machine(operation: &'static str, object: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self { kind: Kind::Machine, operation, object: object.to_string(), cause: Cause::Text(cause.to_string()), hint: None }
    }

    /// A system call failed.
    pub fn io(operation: &'static str, object: impl fmt::Display, cause: io::Error) -> Self {
        Self { kind: Kind::Machine, operation, object: object.to_string(), cause: Cause::Io(cause), hint: None }
    }

    /// Says what the user can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same error, with another word on whose fault it is.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Whose fault it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The operating system's error behind it, if there is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match &self.cause {
            Cause::Io(cause) => Some(cause.kind()),
            Cause::Text(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        match &self.cause {
            Cause::Io(cause) => write!(f, ": {cause}")?,
            Cause::Text(cause) => write!(f, ": {cause}")?,
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Io(cause) => Some(cause),
            Cause::Text(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_operation_object_cause_hint() {
        let error = Error::io("attach filter to", "eth0", io::Error::from_raw_os_error(1)).hint("needs CAP_NET_RAW; or use --connect");
        let text = error.to_string();
        assert!(text.starts_with("attach filter to eth0: "), "{text}");
        assert!(text.ends_with(" (needs CAP_NET_RAW; or use --connect)"), "{text}");
    }
}
