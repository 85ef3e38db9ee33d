//! masscan's list: one line per port, `open tcp 80 10.0.0.1 1390380064`, between `#masscan` and `# end`.

use std::io::{self, Write};
use std::net::IpAddr;

use super::digits;
use super::gathered::Gathered;
use super::{Epoch, Escaped, Report, hidden, is_answer};
use crate::scan::{Finding, HostRecord, ScanRecord, State, Summary, Suspicion};

/// Writes masscan's list. Times are whole Unix seconds.
pub struct List {
    out: Gathered,
    epoch: Epoch,
    /// What stood before and after the address last, and of what: it is the same for most ports of a scan,
    before: (Option<(State, u16)>, Vec<u8>),
    after: (Option<u64>, Vec<u8>),
    /// and all hosts of a range that answers alike have the same said against them.
    suspicion: (Option<Suspicion>, Vec<u8>),
}

impl List {
    /// A list written to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            out: Gathered::new(out),
            epoch: Epoch::default(),
            before: (None, Vec::new()),
            after: (None, Vec::new()),
            suspicion: (None, Vec::new()),
        }
    }

    fn port(&mut self, finding: &Finding) -> io::Result<()> {
        let Finding { target, outcome, time, .. } = finding;
        let before = said(&mut self.before, (outcome.state, target.port), |text, (state, port)| {
            text.extend(state.as_str().as_bytes());
            text.extend(b" tcp ");
            digits::number(text, port.into());
            text.push(b' ');
        });
        let after = said(&mut self.after, self.epoch.at(*time).as_secs(), |text, seconds| {
            text.push(b' ');
            digits::number(text, seconds);
            text.push(b'\n');
        });
        self.out.record(|line| {
            line.extend_from_slice(before);
            digits::address(line, target.addr);
            line.extend_from_slice(after);
        })
    }

    fn suspect(&mut self, addr: IpAddr, suspicion: Suspicion) -> io::Result<()> {
        // Memory takes every byte.
        let words = said(&mut self.suspicion, suspicion, |text, suspicion| _ = writeln!(text, ": {suspicion}"));
        self.out.record(|line| {
            line.extend(b"# suspect ");
            digits::address(line, addr);
            line.extend_from_slice(words);
        })
    }
}

/// What is said of `what`: what was said last if that was the same.
#[inline]
fn said<T: Copy + PartialEq>((last, text): &mut (Option<T>, Vec<u8>), what: T, say: impl FnOnce(&mut Vec<u8>, T)) -> &[u8] {
    if *last != Some(what) {
        text.clear();
        say(text, what);
        *last = Some(what);
    }
    text
}

impl Report for List {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        self.epoch = Epoch::of(scan);
        let mut head = b"#masscan\n".to_vec();
        if let Some(note) = &scan.note {
            writeln!(head, "# note: {}", Escaped(note))?;
        }
        self.out.write_all(&head)
    }

    fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        if is_answer(finding) { self.port(finding) } else { Ok(()) }
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        host.ports.iter().filter(|finding| !is_answer(finding)).try_for_each(|finding| self.port(finding))?;
        match host.suspect {
            Some(suspicion) => self.suspect(host.addr, suspicion),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let hidden = hidden(summary).unwrap_or_default();
        self.out.write_all(format!("{hidden}# end\n").as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn reads_as_masscans_list() {
        insta::assert_snapshot!(sample::written(|out| Box::new(List::new(out))), @r#"
        #masscan
        # note: ticket 7
        open tcp 22 10.0.0.1 1767268801
        closed tcp 80 10.0.0.1 1767268801
        filtered tcp 443 10.0.0.1 1767268801
        filtered tcp 1003 10.0.0.1 1767268801
        # suspect 10.0.0.2: 5 random high ports are open too, every one asked
        # end
        "#);
    }

    #[test]
    fn what_was_left_out_is_counted() {
        let written =
            |hosts_hidden| sample::ended(|out| Box::new(List::new(out)), &Summary { hosts_suspect: 2, hosts_hidden, ..Summary::default() });
        assert_eq!(written(0), "#masscan\n# note: ticket 7\n# end\n");
        assert_eq!(written(2), "#masscan\n# note: ticket 7\n# 2 suspect hosts hidden\n# end\n");
    }
}
