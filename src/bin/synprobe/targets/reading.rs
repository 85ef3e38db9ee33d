//! Words and files into addresses.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use synprobe::error::{Error, Kind, Result};
use synprobe::net::names::{Resolver, resolve};
use synprobe::target::list::{self, TargetWord};
use synprobe::target::{AddressRange, AddressSet};

use crate::voice::Voice;

/// What becomes of a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Its first address; one that does not resolve is counted, and the others go on.
    FirstAddress,
    /// Every address.
    AllAddresses,
    /// Every address must be left out: one that does not resolve ends it all, since nobody knows what to spare.
    Excluded,
}

/// Collects what words and files name.
pub(super) struct Reading<'a> {
    pub(super) addresses: AddressSet,
    /// Named as single addresses.
    pub(super) named: AddressSet,
    /// Names that did not resolve.
    pub(super) unresolved: u64,
    resolver: &'a dyn Resolver,
    names: Names,
    voice: &'a Voice,
}

impl<'a> Reading<'a> {
    pub(super) fn new(resolver: &'a dyn Resolver, names: Names, voice: &'a Voice) -> Self {
        Self { addresses: AddressSet::new(), named: AddressSet::new(), unresolved: 0, resolver, names, voice }
    }

    /// The targets of an argument.
    pub(super) fn list(&mut self, text: &str) -> Result<()> {
        list::parse_list(text)?.iter().try_for_each(|word| self.word(word))
    }

    /// The targets in a file; `-` is standard input.
    pub(super) fn file(&mut self, name: &str) -> Result<()> {
        let failed = |cause| Error::io("read", name, cause).of_kind(Kind::Asked);
        if name == "-" {
            return self.lines("standard input", io::stdin().lock());
        }
        self.lines(name, BufReader::new(File::open(name).map_err(failed)?))
    }

    fn lines(&mut self, name: &str, file: impl BufRead) -> Result<()> {
        let failed = |cause| Error::io("read", name, cause).of_kind(Kind::Asked);
        let mut lines = Vec::new();
        for (number, line) in (1u64..).zip(file.split(b'\n')) {
            let line = String::from_utf8(line.map_err(failed)?);
            lines.push(line.map_err(|_| Error::asked("read", format!("{name} line {number}"), "not UTF-8 text").hint("save it as UTF-8"))?);
        }
        list::parse_lines(&lines, name)?.iter().try_for_each(|word| self.word(word))
    }

    fn word(&mut self, word: &TargetWord) -> Result<()> {
        if let TargetWord::Name(name) = word {
            return self.name(name);
        }
        if let (true, TargetWord::Block { range, written }) = (word.has_host_bits(), word) {
            self.voice.detail(&format!("{written} lies within {range}, which is taken as a whole"));
        }
        self.addresses.extend(word.ranges());
        self.named.extend(word.single().map(AddressRange::from));
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<()> {
        match resolve(self.resolver, name, self.names != Names::FirstAddress) {
            Ok(found) => {
                let found: AddressSet = found.into_iter().collect();
                self.addresses = self.addresses.union(&found);
                Ok(())
            }
            Err(error) if self.names == Names::Excluded => {
                Err(error.of_kind(Kind::Asked).hint("nothing is sent, since what is to be left out is unknown"))
            }
            Err(error) => {
                self.unresolved += 1;
                self.voice.warn(&error.to_string());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::voice::Verbosity;

    struct Office;

    impl Resolver for Office {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            match name {
                "pool.example" => Ok(vec![[10, 0, 0, 7].into(), [10, 0, 0, 8].into()]),
                "cloud.example" => Ok(vec![[169, 254, 169, 254].into()]),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }

        fn name(&self, _addr: IpAddr) -> Option<String> {
            None
        }
    }

    fn read(names: Names, text: impl AsRef<[u8]>) -> Result<(String, String, u64)> {
        let voice = Voice::new(Verbosity::Quiet);
        let mut reading = Reading::new(&Office, names, &voice);
        reading.lines("hosts", text.as_ref())?;
        Ok((reading.addresses.to_string(), reading.named.to_string(), reading.unresolved))
    }

    #[test]
    fn files_hold_words_and_comments() {
        let (addresses, named, unresolved) = read(Names::FirstAddress, "10.0.0.1 # one\n\n10.1.0.9/30\t10.0.0.1\n").unwrap();
        assert_eq!((addresses.as_str(), named.as_str(), unresolved), ("10.0.0.1 10.1.0.8/30", "10.0.0.1", 0));
        let message = read(Names::FirstAddress, "10.0.0.1\n\n10.0.0.0/40\n").unwrap_err().to_string();
        assert!(message.contains("10.0.0.0/40") && message.contains("hosts line 3"), "{message}");
        let message = read(Names::FirstAddress, b"10.0.0.1\r\n10.0.0.2 # B\xfcro\n").unwrap_err().to_string();
        assert_eq!(message, "read hosts line 2: not UTF-8 text (save it as UTF-8)");
    }

    #[test]
    fn names_are_resolved_and_the_unknown_counted() {
        assert_eq!(read(Names::FirstAddress, "pool.example nobody.example").unwrap(), ("10.0.0.7".to_owned(), String::new(), 1));
        assert_eq!(read(Names::AllAddresses, "pool.example").unwrap().0, "10.0.0.7-10.0.0.8");
    }

    #[test]
    fn a_name_does_not_name_a_special_address() {
        assert_eq!(read(Names::FirstAddress, "cloud.example").unwrap(), ("169.254.169.254".to_owned(), String::new(), 0));
    }

    #[test]
    fn an_unknown_exclusion_ends_it_all() {
        assert_eq!(read(Names::Excluded, "pool.example").unwrap().0, "10.0.0.7-10.0.0.8");
        assert_eq!(read(Names::Excluded, "nobody.example").unwrap_err().kind(), Kind::Asked);
    }
}
