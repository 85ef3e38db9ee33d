//! A table with a header: one row per port, for spreadsheets and data tools.

use std::io::{self, Write};

use super::calendar::Rfc3339;
use super::field::{Field, Fields};
use super::gathered::Gathered;
use super::{Epoch, Report};
use crate::scan::{Finding, HostRecord, ScanRecord, Summary};

/// Writes comma-separated values (RFC 4180): a header, then a row for each port when its host is settled. Fields are quoted where they
/// need it; a name from the network holds nothing that a spreadsheet would take for a formula.
pub struct Csv {
    out: Gathered,
    fields: Fields,
    epoch: Epoch,
    note: String,
}

impl Csv {
    /// A table of `fields` written to `out`.
    pub fn new(out: Box<dyn Write + Send>, fields: Fields) -> Self {
        Self { out: Gathered::new(out), fields, epoch: Epoch::default(), note: String::new() }
    }

    /// Whole rows in one write.
    fn rows<R: AsRef<[u8]>>(&mut self, rows: impl Iterator<Item = Vec<R>>) -> io::Result<()> {
        let mut table = ::csv::Writer::from_writer(Vec::new());
        for row in rows {
            table.write_record(row)?;
        }
        let bytes = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        if bytes.is_empty() { Ok(()) } else { self.out.write_all(&bytes) }
    }
}

impl Report for Csv {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        self.epoch = Epoch::of(scan);
        self.note = scan.note.clone().unwrap_or_default();
        let header: Vec<&str> = self.fields.iter().map(Field::as_str).collect();
        self.rows(std::iter::once(header))
    }

    fn finding(&mut self, _finding: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        let (epoch, note, fields) = (self.epoch, self.note.clone(), self.fields.clone());
        let row = |port: &Finding| {
            let time = Rfc3339(epoch.at(port.time)).to_string();
            fields.iter().map(|field| field.of(host, port, &time, &note)).collect()
        };
        self.rows::<String>(host.ports.iter().map(row))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn reads_as_a_table() {
        insta::assert_snapshot!(sample::written(|out| Box::new(Csv::new(out, Fields::default()))), @"
        addr,port,proto,state,reason,service,name,time
        10.0.0.1,22,tcp,open,syn-ack,ssh,gw.example,2026-01-01T12:00:01.250Z
        10.0.0.1,80,tcp,closed,reset,http,gw.example,2026-01-01T12:00:01.250Z
        10.0.0.1,443,tcp,filtered,admin-prohibited,https,gw.example,2026-01-01T12:00:01.250Z
        10.0.0.1,1003,tcp,filtered,no-response,,gw.example,2026-01-01T12:00:01.250Z
        ");
    }

    #[test]
    fn chosen_fields_come_in_the_order_chosen() {
        let fields: Fields = "port,addr,note,mac".parse().unwrap();
        let table = sample::written(|out| Box::new(Csv::new(out, fields)));
        assert!(table.starts_with("port,addr,note,mac\n22,10.0.0.1,ticket 7,02:fc:00:00:00:01\n"), "{table}");
    }

    #[test]
    fn a_hostile_name_is_one_harmless_field() {
        let mut host = sample::hosts().remove(0);
        host.names = vec!["=cmd|'/c calc'!A1,\"\n@x".to_owned()];
        let port = host.ports[0];
        let name = Field::Name.of(&host, &port, "", "");
        assert!(name.starts_with("\\u{3d}cmd") && !name.contains(['=', '|', '\'', ',', '"', '\n', '@']), "{name}");
    }
}
