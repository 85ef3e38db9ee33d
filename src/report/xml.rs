//! nmap's XML (version 1.05), one `<host>` per address, for what reads nmap's.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::calendar::Asctime;
use super::gathered::Gathered;
use super::rest::rest_of;
use super::{Epoch, Escaped, Report, hidden};
use crate::counted::counted;
use crate::scan::{Finding, HostRecord, HostState, Mode, ScanRecord, State, Summary};
use crate::target::services;
use crate::time::Time;

/// Writes nmap's XML. Its DTD knows no other scanner than `nmap`; the arguments and a comment name synprobe. What characters XML cannot
/// hold, and those that a terminal would obey, stand escaped as in text.
pub struct Xml {
    out: Gathered,
    epoch: Epoch,
}

impl Xml {
    /// A document written to `out`.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Gathered::new(out), epoch: Epoch::default() }
    }
}

impl Report for Xml {
    fn begin(&mut self, scan: &ScanRecord) -> io::Result<()> {
        self.epoch = Epoch::of(scan);
        let mut piece = Piece::new();
        let start = self.epoch.at(Time::ZERO);
        let (date, arguments) = (Asctime(start).to_string(), scan.arguments.join(" "));
        piece.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        piece.line()?;
        piece.event(Event::DocType(BytesText::new("nmaprun")))?;
        piece.line()?;
        piece.comment(&format!("synprobe {} scan initiated {date} as: {arguments}", scan.version))?;
        if let Some(note) = &scan.note {
            piece.comment(&format!("note: {note}"))?;
        }
        let root = [
            ("scanner", "nmap"),
            ("args", &arguments),
            ("start", &start.as_secs().to_string()),
            ("startstr", &date),
            ("version", &scan.version),
            ("xmloutputversion", "1.05"),
        ];
        piece.open("nmaprun", &root)?;
        piece.line()?;
        if !scan.ports.is_empty() {
            let kind = if scan.mode == Mode::Connect { "connect" } else { "syn" };
            let (count, list) = (scan.ports.len().to_string(), scan.ports.to_string());
            piece.empty("scaninfo", &[("type", kind), ("protocol", "tcp"), ("numservices", &count), ("services", &list)])?;
            piece.line()?;
        }
        piece.empty("verbose", &[("level", "0")])?;
        piece.empty("debugging", &[("level", "0")])?;
        piece.line()?;
        self.out.write_all(&piece.into_bytes())
    }

    fn finding(&mut self, _finding: &Finding) -> io::Result<()> {
        Ok(())
    }

    fn host(&mut self, host: &HostRecord) -> io::Result<()> {
        let piece = self.element(host)?;
        self.out.write_all(&piece.into_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let end = self.epoch.at(Time::ZERO) + summary.elapsed;
        let mut piece = Piece::new();
        for reason in &summary.incomplete {
            piece.comment(&format!("incomplete: {reason}"))?;
        }
        if let Some(hidden) = hidden(summary) {
            piece.comment(hidden.trim_start_matches("# ").trim_end())?;
        }
        let (date, seconds) = (Asctime(end), summary.elapsed.as_secs_f64());
        let (addresses, up) = (counted(summary.addresses, "IP address"), counted(summary.hosts_up, "host"));
        let how = if summary.interrupted { "interrupted" } else { "done" };
        let said = format!("synprobe {how} at {date}; {addresses} ({up} up) scanned in {seconds:.2} seconds");
        let (time, date, elapsed) = (end.as_secs().to_string(), date.to_string(), format!("{seconds:.2}"));
        let mut finished = vec![("time", &*time), ("timestr", &*date), ("elapsed", &*elapsed), ("summary", &*said)];
        finished.extend(if summary.interrupted { &INTERRUPTED[..] } else { &SUCCESS[..] });
        piece.open("runstats", &[])?;
        piece.empty("finished", &finished)?;
        let [up, down, total] =
            [summary.hosts_up, summary.addresses.saturating_sub(summary.hosts_up), summary.addresses].map(|count| count.to_string());
        piece.empty("hosts", &[("up", &up), ("down", &down), ("total", &total)])?;
        piece.line()?;
        piece.close("runstats")?;
        piece.close("nmaprun")?;
        self.out.write_all(&piece.into_bytes())?;
        self.out.flush()
    }
}

impl Xml {
    fn element(&self, host: &HostRecord) -> io::Result<Piece> {
        let mut piece = Piece::new();
        let start = self.epoch.at(Time::ZERO).as_secs().to_string();
        let last = host.ports.iter().map(|finding| finding.time).max().map(|time| self.epoch.at(time).as_secs().to_string());
        let times: Vec<(&str, &str)> = last.iter().flat_map(|last| [("starttime", &*start), ("endtime", &**last)]).collect();
        piece.open("host", &times)?;
        let ttl = host.ports.iter().find(|finding| finding.outcome.reason == host.reason).and_then(|finding| finding.ttl);
        let ttl = ttl.unwrap_or_default().to_string();
        piece.empty("status", &[("state", status(host.state)), ("reason", host.reason.as_str()), ("reason_ttl", &ttl)])?;
        piece.line()?;
        let kind = if host.addr.is_ipv4() { "ipv4" } else { "ipv6" };
        piece.empty("address", &[("addr", &host.addr.to_string()), ("addrtype", kind)])?;
        piece.line()?;
        if let Some(mac) = host.mac {
            piece.empty("address", &[("addr", &mac.to_string().to_uppercase()), ("addrtype", "mac")])?;
            piece.line()?;
        }
        piece.open("hostnames", &[])?;
        piece.line()?;
        for name in &host.names {
            piece.empty("hostname", &[("name", name), ("type", "PTR")])?;
            piece.line()?;
        }
        piece.close("hostnames")?;
        ports(&mut piece, host)?;
        if let Some(suspicion) = host.suspect {
            piece.open("hostscript", &[])?;
            piece.empty("script", &[("id", "synprobe-suspect"), ("output", &suspicion.to_string())])?;
            piece.close("hostscript")?;
        }
        if let Some(rtt) = host.rtt {
            // One sample, as RFC 6298 section 2.2 takes the first; a timeout of nmap's is never under 100 ms.
            let micros = rtt.as_micros();
            let [srtt, rttvar, to] = [micros, micros / 2, (3 * micros).max(100_000)].map(|micros| micros.to_string());
            piece.empty("times", &[("srtt", &srtt), ("rttvar", &rttvar), ("to", &to)])?;
            piece.line()?;
        }
        piece.close("host")?;
        Ok(piece)
    }
}

fn ports(piece: &mut Piece, host: &HostRecord) -> io::Result<()> {
    let rest = [State::Closed, State::Filtered].map(|state| (state, rest_of(host, state)));
    if host.ports.is_empty() && rest.iter().all(|(_, reasons)| reasons.is_empty()) {
        return Ok(());
    }
    piece.open("ports", &[])?;
    for (state, reasons) in rest.iter().filter(|(_, reasons)| !reasons.is_empty()) {
        let total: u64 = reasons.iter().map(|(_, count)| count).sum();
        piece.open("extraports", &[("state", state.as_str()), ("count", &total.to_string())])?;
        piece.line()?;
        for (reason, count) in reasons {
            piece.empty("extrareasons", &[("reason", reason.as_str()), ("count", &count.to_string())])?;
            piece.line()?;
        }
        piece.close("extraports")?;
    }
    for finding in &host.ports {
        port(piece, finding)?;
    }
    piece.close("ports")
}

fn port(piece: &mut Piece, finding: &Finding) -> io::Result<()> {
    let (port, outcome) = (finding.target.port, finding.outcome);
    piece.open("port", &[("protocol", "tcp"), ("portid", &port.to_string())])?;
    let ttl = finding.ttl.unwrap_or_default().to_string();
    let sender = outcome.reason_addr.map(|addr| addr.to_string());
    let mut state = vec![("state", outcome.state.as_str()), ("reason", outcome.reason.as_str()), ("reason_ttl", &*ttl)];
    state.extend(sender.iter().map(|addr| ("reason_ip", &**addr)));
    piece.empty("state", &state)?;
    if let Some(service) = services::name(port) {
        piece.empty("service", &[("name", service), ("method", "table"), ("conf", "3")])?;
    }
    piece.close("port")
}

fn status(state: HostState) -> &'static str {
    match state {
        HostState::Up => "up",
        HostState::Down | HostState::Filtered | HostState::NoReply => "down",
        HostState::NotProbed => "unknown",
    }
}

const SUCCESS: [(&str, &str); 1] = [("exit", "success")];
const INTERRUPTED: [(&str, &str); 2] = [("exit", "error"), ("errormsg", "interrupted")];

/// Some of a document, to be written at once.
struct Piece(Writer<Vec<u8>>);

impl Piece {
    fn new() -> Self {
        Self(Writer::new(Vec::with_capacity(1024)))
    }

    fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner()
    }

    fn event(&mut self, event: Event<'_>) -> io::Result<()> {
        self.0.write_event(event)
    }

    fn line(&mut self) -> io::Result<()> {
        self.event(Event::Text(BytesText::new("\n")))
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.event(Event::Start(element(name, attributes)))
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.event(Event::Empty(element(name, attributes)))
    }

    /// Ends an element and its line.
    fn close(&mut self, name: &str) -> io::Result<()> {
        self.event(Event::End(BytesEnd::new(name)))?;
        self.line()
    }

    /// A comment on a line of its own. Two hyphens would end it (XML 1.0 section 2.5).
    fn comment(&mut self, text: &str) -> io::Result<()> {
        let text = format!(" {} ", clean(text).replace("--", "&#45;&#45;"));
        self.event(Event::Comment(BytesText::from_escaped(text)))?;
        self.line()
    }
}

fn element<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    let mut element = BytesStart::new(name);
    for (key, value) in attributes {
        element.push_attribute((*key, &*clean(value)));
    }
    element
}

/// A text of characters that XML can hold (XML 1.0 section 2.2) and a terminal may show.
fn clean(text: &str) -> String {
    Escaped(text).to_string().replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;

    use super::*;
    use crate::report::sample;

    #[test]
    fn reads_as_nmaps_xml() {
        insta::assert_snapshot!(sample::written(|out| Box::new(Xml::new(out))), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE nmaprun>
        <!-- synprobe VERSION scan initiated Thu Jan  1 12:00:00 2026 as: synprobe 10.0.0.0/30 -p 22-23 -->
        <!-- note: ticket 7 -->
        <nmaprun scanner="nmap" args="synprobe 10.0.0.0/30 -p 22-23" start="1767268800" startstr="Thu Jan  1 12:00:00 2026" version="VERSION" xmloutputversion="1.05">
        <scaninfo type="syn" protocol="tcp" numservices="1004" services="1-1004"/>
        <verbose level="0"/><debugging level="0"/>
        <host starttime="1767268800" endtime="1767268801"><status state="up" reason="arp-response" reason_ttl="0"/>
        <address addr="10.0.0.1" addrtype="ipv4"/>
        <address addr="02:FC:00:00:00:01" addrtype="mac"/>
        <hostnames>
        <hostname name="gw.example" type="PTR"/>
        </hostnames>
        <ports><extraports state="closed" count="997">
        <extrareasons reason="reset" count="997"/>
        </extraports>
        <extraports state="filtered" count="4">
        <extrareasons reason="no-response" count="3"/>
        <extrareasons reason="admin-prohibited" count="1"/>
        </extraports>
        <port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="64"/><service name="ssh" method="table" conf="3"/></port>
        <port protocol="tcp" portid="80"><state state="closed" reason="reset" reason_ttl="64"/><service name="http" method="table" conf="3"/></port>
        <port protocol="tcp" portid="443"><state state="filtered" reason="admin-prohibited" reason_ttl="64" reason_ip="10.0.0.254"/><service name="https" method="table" conf="3"/></port>
        <port protocol="tcp" portid="1003"><state state="filtered" reason="no-response" reason_ttl="0"/></port>
        </ports>
        <times srtt="412" rttvar="206" to="100000"/>
        </host>
        <host><status state="up" reason="reset" reason_ttl="0"/>
        <address addr="10.0.0.2" addrtype="ipv4"/>
        <hostnames>
        <hostname name="a\u{1b}[2J\u{202e}b)\u{9}x" type="PTR"/>
        </hostnames>
        <ports><extraports state="closed" count="1004">
        <extrareasons reason="reset" count="1004"/>
        </extraports>
        </ports>
        <hostscript><script id="synprobe-suspect" output="5 random high ports are open too, every one asked"/></hostscript>
        <times srtt="412" rttvar="206" to="100000"/>
        </host>
        <host><status state="down" reason="no-arp-response" reason_ttl="0"/>
        <address addr="10.0.0.3" addrtype="ipv4"/>
        <hostnames>
        </hostnames>
        </host>
        <!-- incomplete: 2 replies were dropped by the receiver -->
        <runstats><finished time="1767268802" timestr="Thu Jan  1 12:00:02 2026" elapsed="2.41" summary="synprobe done at Thu Jan  1 12:00:02 2026; 4 IP addresses (2 hosts up) scanned in 2.41 seconds" exit="success"/><hosts up="2" down="2" total="4"/>
        </runstats>
        </nmaprun>
        "#);
    }

    #[test]
    fn an_interrupted_scan_says_so() {
        let summary = Summary { interrupted: true, ..Summary::default() };
        let document = sample::ended(|out| Box::new(Xml::new(out)), &summary);
        assert!(document.contains("exit=\"error\" errormsg=\"interrupted\"/>"), "{document}");
    }

    #[test]
    fn no_text_breaks_out() {
        for text in ["-->", "\"/><x", "]]>", "a\u{1b}\u{0}\u{fffe}\u{ffff}\n", "&amp;", "--", "-", "<!--"] {
            let scan = ScanRecord { note: Some(text.to_owned()), arguments: vec![text.to_owned()], ..sample::scan() };
            let host = HostRecord { names: vec![text.to_owned()], ..sample::hosts().remove(0) };
            let document = sample::replayed(
                |out| Box::new(Xml::new(out)),
                |report| {
                    report.begin(&scan).unwrap();
                    report.host(&host).unwrap();
                    report.end(&sample::summary()).unwrap();
                },
            );
            let mut reader = Reader::from_str(&document);
            reader.config_mut().check_comments = true;
            let mut names = Vec::new();
            loop {
                match reader.read_event().unwrap() {
                    Event::Eof => break,
                    Event::Empty(element) if element.name().as_ref() == "hostname" => {
                        let name = element.try_get_attribute("name").unwrap().unwrap();
                        names.push(quick_xml::escape::unescape(&name.value).unwrap().into_owned());
                    }
                    Event::Start(element) | Event::Empty(element) => assert_ne!(element.name().as_ref(), "x", "{document}"),
                    _ => {}
                }
            }
            assert_eq!(names, [clean(text)]);
        }
    }
}
