use std::fmt::Write as _;

use super::*;
use crate::report::{Format, Json, Look, Strictness, Style, Xml, sample};

/// The differences as text, without the lines about the scans.
fn differences(old: &str, new: &str) -> String {
    let about = |line: &&str| ["old: ", "new: ", "     "].iter().any(|start| line.starts_with(start));
    written(Format::Text, old, new).lines().filter(|line| !about(line)).fold(String::new(), |all, line| all + line + "\n")
}

fn written(format: Format, old: &str, new: &str) -> String {
    let [old, new] = [read("old", old), read("new", new)];
    let shared = sample::Shared::default();
    let mut out = report(format, Box::new(shared.clone()), Style::default()).unwrap();
    out.begin(&old, &new).unwrap();
    let totals = compare(&old, &new, &mut |host| out.host(host)).unwrap();
    out.end(&totals).unwrap();
    shared.text().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn read(name: &str, text: &str) -> Scan {
    Scan::read(&mut text.as_bytes(), name, Strictness::Strict).unwrap().scan
}

fn totals(old: &str, new: &str) -> Totals {
    compare(&read("old", old), &read("new", new), &mut |_| Ok(())).unwrap()
}

/// JSON lines of a scan of 10.0.0.0/29 on four ports; `summary` replaces fields of its end.
fn json(hosts: &[&str], summary: &[(&str, &str)]) -> String {
    let begin = r#"{"type":"scan","schema_version":1,"version":"0.1.0","arguments":["synprobe","10.0.0.0/29"],"seed":"7","started":1767268800.5,"mode":"syn","addresses":8,"ports":4,"targets":32,"port_list":"22,80,443,8080","egresses":[]}"#;
    let end = r#"{"type":"summary","elapsed":2.41,"addresses":8,"hosts_up":1,"hosts_down":0,"hosts_filtered":0,"hosts_not_probed":0,"hosts_suspect":0,"hosts_hidden":0,"targets":32,"probes":9,"canaries":0,"arp_requests":0,"answered":2,"open":1,"closed":1,"filtered":0,"unanswered":6,"not_probed":0,"invalid":0,"malformed":0,"duplicates":0,"receiver_drops":0,"send_errors":0,"resets_lost":0,"send_retries":0,"unroutable":0,"unresolved":0,"write_errors":0,"interrupted":false,"out_of_time":false,"path_proven":true,"completeness":null,"complete":true,"incomplete":[]}"#;
    let end = summary.iter().fold(end.to_owned(), |end, (old, new)| {
        assert!(end.contains(old), "{old}");
        end.replace(old, new)
    });
    let hosts: String = hosts.iter().map(|host| lines(host)).collect();
    format!("{begin}\n{hosts}{end}\n")
}

/// `1 up 22o 80c 8080s +1c +2s`: a host, its ports that are told singly, and how many are counted.
fn lines(host: &str) -> String {
    let mut words = host.split(' ');
    let (addr, state) = (format!("10.0.0.{}", words.next().unwrap()), words.next().unwrap());
    let (mut ports, mut counts) = (String::new(), std::collections::HashMap::from([('o', 0), ('c', 0), ('f', 0), ('s', 0), ('n', 0)]));
    for word in words {
        let (number, kind) = word.split_at(word.len() - 1);
        let kind = kind.chars().next().unwrap();
        let (state, reason) = match kind {
            'o' => ("open", "syn-ack"),
            'c' => ("closed", "reset"),
            'f' => ("filtered", "admin-prohibited"),
            _ => ("filtered", "no-response"),
        };
        let count: u32 = number.strip_prefix('+').map_or(1, |count| count.parse().unwrap());
        *counts.get_mut(&kind).unwrap() += count;
        if !number.starts_with('+') {
            _ = writeln!(
                ports,
                r#"{{"type":"port","addr":"{addr}","port":{number},"proto":"tcp","state":"{state}","reason":"{reason}","attempt":1,"time":1767268801.25}}"#
            );
        }
    }
    let reason = if state == "up" { "syn-ack" } else { "no-response" };
    let [open, closed, filtered, silent, not_probed] = ['o', 'c', 'f', 's', 'n'].map(|kind| counts[&kind]);
    format!(
        "{ports}{{\"type\":\"host\",\"addr\":\"{addr}\",\"state\":\"{state}\",\"reason\":\"{reason}\",\"names\":[],\"open\":{open},\"closed\":{closed},\"filtered\":{filtered},\"unanswered\":{silent},\"not_probed\":{not_probed}}}\n"
    )
}

/// A document of nmap's of 10.0.0.0/29 on four ports.
fn nmap(options: &str, hosts: &str, end: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE nmaprun>\n<nmaprun scanner=\"nmap\" args=\"nmap {options} 10.0.0.0/29\" start=\"1767268800\">\n\
         <scaninfo type=\"syn\" protocol=\"tcp\" numservices=\"4\" services=\"22,80,443,8080\"/>\n{hosts}{end}"
    )
}

const DONE: &str = "<runstats><finished exit=\"success\"/><hosts up=\"1\" down=\"7\" total=\"8\"/></runstats></nmaprun>";

#[test]
fn ports_and_hosts_appear_disappear_and_change() {
    let old = json(&["1 up 22o 80c 443o 8080o", "2 up 22o +3c", "3 up 22o 80o +2s", "5 up +4c"], &[]);
    let new = json(&["1 up 22o 80o 443c +1s", "3 up 22o 80o +2s", "4 up 80o +3c", "5 up +4s"], &[]);
    insta::assert_snapshot!(differences(&old, &new), @r#"
    ~ 10.0.0.1  up
      ~ 80/tcp     http          closed (reset) -> open (syn-ack)
      ~ 443/tcp    https         open (syn-ack) -> closed (reset)
      - 8080/tcp   http-alt      open (syn-ack) -> no answer
    - 10.0.0.2  up -> no answer
      - 22/tcp     ssh           open (syn-ack) -> no answer
    + 10.0.0.4  no answer -> up
      + 80/tcp     http          no answer -> open (syn-ack)
    ~ 10.0.0.5  up
      - 4 other ports  closed -> no answer
    1 host appeared, 1 host disappeared, 2 hosts changed, 1 port appeared, 6 ports disappeared, 2 ports changed: 2 ports open now, 3 ports no longer open
    "#);
}

#[test]
fn silence_and_error_messages_are_the_same() {
    let old = json(&["1 up 22o 80f +2s", "2 up +4c"], &[]);
    let new = json(&["1 up 22o 80s +2f", "2 up +4c"], &[]);
    assert_eq!(differences(&old, &new), "no difference\n");
}

#[test]
fn counts_that_differ_say_how_many_ports_changed_at_least() {
    let old = json(&["1 up 22o +2c +1s"], &[]);
    assert_eq!(differences(&old, &json(&["1 up 22o +2c +1f"], &[])), "no difference\n");
    // The one that is no longer open may be the one that is closed more.
    insta::assert_snapshot!(differences(&old, &json(&["1 up +3c +1s"], &[])), @r#"
    ~ 10.0.0.1  up
      ~ 22/tcp     ssh           open (syn-ack) -> not open
    1 host changed, 1 port changed: 1 port no longer open
    "#);
    insta::assert_snapshot!(differences(&old, &json(&["1 up 22o +1c +2s"], &[])), @r#"
    ~ 10.0.0.1  up
      ~ at least 1 other port  2 closed, 1 filtered -> 1 closed, 2 filtered
    1 host changed, 1 port changed
    "#);
}

#[test]
fn a_scan_that_lost_answers_judges_no_silence() {
    let short = [
        (
            r#""completeness":null"#,
            r#""completeness":{"target":0.999,"met":false,"found":9,"estimated_missed":3.2,"upper95":7,"reason":"receiver-drops","assumption":"","open":{"found":1,"estimated_missed":1.1}}"#,
        ),
        (r#""incomplete":[]"#, r#""incomplete":["2 replies were lost"]"#),
    ];
    let old = json(&["1 up 22o 80c +2s", "2 up 22o +3s"], &[]);
    insta::assert_snapshot!(differences(&old, &json(&["1 up 80o +3s"], &short)), @r#"
    ~ 10.0.0.1  up
      ? 22/tcp     ssh           open (syn-ack) -> not heard: the new scan may have missed the answer
      ~ 80/tcp     http          closed (reset) -> open (syn-ack)
    ? 10.0.0.2  up -> not heard: the new scan may have missed the answer
      ? 22/tcp     ssh           open (syn-ack) -> not heard: the new scan may have missed the answer
    could not be judged: 1 host and 2 ports: the new scan may have missed the answer
    1 host changed, 1 port changed: 1 port open now
    "#);
    insta::assert_snapshot!(differences(&json(&["1 up 80o +3s"], &short), &old), @r#"
    ~ 10.0.0.1  up
      ? 22/tcp     ssh           not heard -> open (syn-ack): the old scan may have missed the answer
      ~ 80/tcp     http          open (syn-ack) -> closed (reset)
    ? 10.0.0.2  not heard -> up: the old scan may have missed the answer
      ? 22/tcp     ssh           not heard -> open (syn-ack): the old scan may have missed the answer
    could not be judged: 1 host and 2 ports: the old scan may have missed the answer
    1 host changed, 1 port changed: 1 port no longer open
    "#);
    // The one that was open may be one of the silent, whatever the others are.
    let mixed = differences(&old, &json(&["1 up +1c +3s", "2 up 22o +3s"], &short));
    assert!(mixed.contains("? 22/tcp     ssh           open (syn-ack) -> not heard: "), "{mixed}");
    // Nor does a record of open ports alone say that the others are not.
    let open_only = json(&["1 up 80o"], &short).replace(r#""10.0.0.0/29"]"#, r#""10.0.0.0/29","--open"]"#);
    let unheard = differences(&old, &open_only);
    assert_eq!(unheard.matches("? 22/tcp     ssh           open (syn-ack) -> not heard: ").count(), 2, "{unheard}");
    // Where only resets are limited, what is open is heard.
    let limited = short.map(|(old, new)| (old, &*new.replace("receiver-drops", "resets-limited").leak()));
    insta::assert_snapshot!(differences(&old, &json(&["1 up +4s"], &limited)), @r#"
    ~ 10.0.0.1  up
      ~ 22/tcp     ssh           open (syn-ack) -> not open
    - 10.0.0.2  up -> no answer
      - 22/tcp     ssh           open (syn-ack) -> no answer
    1 host disappeared, 1 host changed, 1 port disappeared, 1 port changed: 2 ports no longer open
    "#);
}

#[test]
fn a_scan_that_ended_early_judges_only_what_it_got_to() {
    let ended = [(r#""interrupted":false"#, r#""interrupted":true"#)];
    let old = json(&["1 up 22o 80o +2c", "2 up 22o +3c"], &[]);
    insta::assert_snapshot!(differences(&old, &json(&["1 up 22o +1c +2n"], &ended)), @r#"
    ? 10.0.0.1  up
      ? 80/tcp     http          open (syn-ack) -> unknown: the new scan ended before
    ? 10.0.0.2  up -> unknown: the new scan ended before
      ? 22/tcp     ssh           open (syn-ack) -> unknown: the new scan ended before
    could not be judged: 1 host and 7 ports: the new scan ended before
    no difference in what both scans tell
    "#);
    let whole = json(&["1 up 22o 80o +2c"], &[]);
    let killed = whole.lines().take(2).collect::<Vec<_>>().join("\n") + "\n";
    insta::assert_snapshot!(differences(&whole, &killed), @r#"
    ? 10.0.0.1  up
      ? 80/tcp     http          open (syn-ack) -> unknown: the new scan ended before
    could not be judged: 3 ports: the new scan ended before
    no difference in what both scans tell
    "#);
}

#[test]
fn what_is_no_target_of_one_scan_is_not_judged() {
    let old = json(&["1 up 22o +3c"], &[]);
    let wider =
        old.replace("10.0.0.0/29", "10.0.0.0/28").replace(r#""addresses":8"#, r#""addresses":16"#).replace("22,80,443,8080", "22,80");
    let more = wider.replace(r#"{"type":"summary""#, &(lines("12 up 80o +1c") + r#"{"type":"summary""#));
    insta::assert_snapshot!(differences(&old, &more), @r#"
    only the old scan asked ports 443,8080
    only the new scan asked 8 addresses
    ? 10.0.0.12  not asked -> up: the old scan did not ask
      ? 80/tcp     http          not asked -> open (syn-ack): the old scan did not ask
    could not be judged: 1 host and 3 ports: the old scan did not ask
    no difference in what both scans tell
    "#);
    // A record that does not tell which hosts it asked.
    let named = more.replace("10.0.0.0/28", "gw.example");
    insta::assert_snapshot!(differences(&named, &old), @r#"
    only the new scan asked ports 443,8080
    ? 10.0.0.12  up -> not asked: the new scan did not ask
      ? 80/tcp     http          open (syn-ack) -> not asked: the new scan did not ask
    could not be judged: 1 host and 3 ports: the new scan did not ask
    no difference in what both scans tell
    "#);
}

#[test]
fn hosts_that_are_down_have_no_ports() {
    let old = json(&["1 up 22o 80o +2c", "2 down +4n"], &[]);
    let new = json(&["1 down +4n"], &[]);
    insta::assert_snapshot!(differences(&old, &new), @r#"
    - 10.0.0.1  up -> no answer
      - 22/tcp     ssh           open (syn-ack) -> host down
      - 80/tcp     http          open (syn-ack) -> host down
    1 host disappeared, 2 ports disappeared: 2 ports no longer open
    "#);
}

#[test]
fn the_same_scan_is_the_same_in_every_format() {
    let end = |out: &dyn Fn(Box<dyn std::io::Write + Send>) -> Box<dyn crate::report::Report>| sample::written(out);
    let (json, xml) = (end(&|out| Box::new(Json::new(out))), end(&|out| Box::new(Xml::new(out))));
    for [old, new] in [[&json, &json], [&json, &xml], [&xml, &json], [&xml, &xml]] {
        assert_eq!(differences(old, new), "no difference\n");
    }
}

#[test]
fn a_database_holds_the_same_scans() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    for hosts in [0..3, 0..2] {
        let mut report = crate::report::Sqlite::open(&path, crate::report::Migration::Refused).unwrap();
        crate::report::Report::begin(&mut report, &sample::scan()).unwrap();
        for host in &sample::hosts()[hosts] {
            host.ports.iter().for_each(|port| crate::report::Report::finding(&mut report, port).unwrap());
            crate::report::Report::host(&mut report, host).unwrap();
        }
        crate::report::Report::end(&mut report, &sample::summary()).unwrap();
    }
    let xml = read("xml", &sample::written(|out| Format::Xml.report(out, &Look::default()).unwrap()));
    let numbers = Scan::numbers(&path, Which::Last(2)).unwrap();
    assert_eq!(numbers, [1, 2]);
    for number in numbers {
        let scan = Scan::of_database(&path, number).unwrap().scan;
        let totals = compare(&xml, &scan, &mut |host| panic!("{host:?}")).unwrap();
        assert!(!totals.differs(), "{totals:?}");
    }
    let refused = |which| Scan::numbers(&path, which).unwrap_err().to_string().replace(&path.display().to_string(), "DB");
    assert_eq!(refused(Which::Last(3)), "read DB: it holds 2 scans, 1 to 2, and two are compared");
    assert_eq!(refused(Which::Numbers(1, 9)), "read DB: scan 9 is not in it: it holds 2 scans, 1 to 2");
}

/// A shard may have nothing to ask: no host of another scan is gone because of it, and that is known, whatever its command line says.
#[test]
fn a_shard_in_a_database_may_have_asked_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    let nobody = crate::scan::ScanRecord { asked: Some(crate::target::AddressSet::new()), ..sample::scan() };
    for (scan, hosts) in [(sample::scan(), sample::hosts()), (nobody, Vec::new())] {
        let mut report = crate::report::Sqlite::open(&path, crate::report::Migration::Refused).unwrap();
        crate::report::Report::begin(&mut report, &scan).unwrap();
        for host in &hosts {
            host.ports.iter().for_each(|port| crate::report::Report::finding(&mut report, port).unwrap());
            crate::report::Report::host(&mut report, host).unwrap();
        }
        crate::report::Report::end(&mut report, &sample::summary()).unwrap();
    }
    let [whole, none] = [1, 2].map(|number| Scan::of_database(&path, number).unwrap().scan);
    let mut states = Vec::new();
    let kept = &mut |host: &HostDiff<'_>| {
        states.push(host.new);
        Ok(())
    };
    compare(&whole, &none, kept).unwrap();
    assert_eq!(states, [known::HostKnown::NotAsked; 2]);
}

#[test]
fn nmaps_counts_tell_what_is_behind_them() {
    let host = |ports: &str| {
        format!(
            "<host><status state=\"up\" reason=\"arp-response\"/><address addr=\"10.0.0.1\" addrtype=\"ipv4\"/><ports>{ports}</ports></host>\n"
        )
    };
    let open = "<port protocol=\"tcp\" portid=\"22\"><state state=\"open\" reason=\"syn-ack\"/></port>";
    let closed = |count: u32, ports: &str| {
        format!(
            "<extraports state=\"closed\" count=\"{count}\"><extrareasons reason=\"reset\" count=\"{count}\" proto=\"tcp\" ports=\"{ports}\"/></extraports>"
        )
    };
    let filtered = "<extraports state=\"filtered\" count=\"1\"><extrareasons reason=\"no-response\" count=\"1\" proto=\"tcp\" ports=\"8080\"/></extraports>";
    let all = nmap("-sS", &host(&(closed(3, "80,443,8080") + open)), DONE);
    assert_eq!(differences(&all, &json(&["1 up 22o +3c"], &[])), "no difference\n");
    insta::assert_snapshot!(differences(&all, &nmap("-sS", &host(&(closed(2, "80,443") + filtered + open)), DONE)), @r#"
    ~ 10.0.0.1  up
      - 8080/tcp   http-alt      closed -> no answer (no-response)
    1 host changed, 1 port disappeared
    "#);
    // Open ports only: the others are not open, and hosts without one are left out.
    insta::assert_snapshot!(differences(&nmap("--open", &host(open), DONE), &json(&["1 up 80o +3c", "2 up 22o +3c", "3 up +4c"], &[])), @r#"
    ~ 10.0.0.1  up
      ~ 22/tcp     ssh           open (syn-ack) -> closed
      ~ 80/tcp     http          not open -> open (syn-ack)
    ~ 10.0.0.2  unknown -> up: the old scan leaves it out of its record
      ~ 22/tcp     ssh           not open -> open (syn-ack)
    ? 10.0.0.3  unknown -> up: the old scan leaves it out of its record
    could not be judged: 2 hosts: the old scan leaves it out of its record
    2 hosts changed, 3 ports changed: 2 ports open now, 1 port no longer open
    "#);
    // A record that does not tell which hosts it asked cannot say that what was open is no longer.
    let [named, lost] = [host(&(closed(3, "80,443,8080") + open)), String::new()].map(|hosts| nmap("-iL hosts", &hosts, DONE));
    assert!(totals(&named, &lost).is_incomplete() && totals(&lost, &named).is_incomplete());
    assert!(!totals(&named, &named).is_incomplete() && !totals(&all, &all).is_incomplete());
    // Its own list tells more than its command line.
    let listed = |list: &str, hosts: &[&str]| {
        let list = format!(r#""-i","hosts"],"address_list":"{list}""#);
        json(hosts, &[]).replace(r#""10.0.0.0/29"]"#, &list)
    };
    assert_eq!(totals(&listed("10.0.0.0/29", &["1 up 80o +3c"]), &listed("10.0.0.0/29", &[])).hosts.disappeared, 1);
    assert!(differences(&listed("10.0.0.1", &["1 up 80o +3c"]), &listed("10.0.0.2", &[])).contains("the new scan did not ask"));
    // To a scan by FIN open ports are silent, as filtered ones are.
    let fin = nmap(
        "-sF",
        &host(r#"<extraports state="open|filtered" count="4"><extrareasons reason="no-response" count="4"/></extraports>"#),
        DONE,
    );
    for fin in [fin.replace("arp-response", "user-set"), fin] {
        let told = differences(&all, &fin);
        assert!(
            told.contains("? 22/tcp     ssh           open (syn-ack) -> unknown: the new scan does not tell whether it is open"),
            "{told}"
        );
    }
    // Other protocols are none of ours; nobody asked whether that host is there.
    let udp = "<port protocol=\"udp\" portid=\"53\"><state state=\"open\" reason=\"udp-response\"/></port>";
    assert_eq!(differences(&all, &nmap("-sSU", &host(&(closed(3, "80,443,8080") + udp + open)), DONE)), "no difference\n");
    let silent = "<extraports state=\"filtered\" count=\"4\"><extrareasons reason=\"no-response\" count=\"4\"/></extraports>";
    let assumed = host(silent).replace("arp-response", "user-set");
    assert_eq!(differences(&nmap("-Pn", &assumed, DONE), &json(&[], &[])), "no difference\n");
}

#[test]
fn an_unfinished_document_is_used_as_far_as_it_goes() {
    let host = "<host><status state=\"up\" reason=\"arp-response\"/><address addr=\"10.0.0.1\" addrtype=\"ipv4\"/><ports><extraports state=\"closed\" count=\"4\"/></ports></host>\n";
    let cut = nmap("-sS", host, "<host><status state=\"up\" reason=\"arp-response\"/>");
    let error = Scan::read(&mut cut.as_bytes(), "cut.xml", Strictness::Strict).unwrap_err().to_string();
    assert!(error.starts_with("read cut.xml byte ") && error.contains("(line 6): it ends within a <host>"), "{error}");
    let reading = Scan::read(&mut cut.as_bytes(), "cut.xml", Strictness::Lenient).unwrap();
    assert!(reading.left_out.is_some());
    let new = read("new", &json(&["1 up 22o +3c", "2 up 22o +3c"], &[]));
    let mut told = Vec::new();
    let totals = compare(&reading.scan, &new, &mut |host| {
        told.push((host.addr.to_string(), host.whole()));
        Ok(())
    });
    assert_eq!(told, [("10.0.0.1".to_owned(), Verdict::Changed), ("10.0.0.2".to_owned(), Verdict::Unjudged)]);
    assert!(totals.unwrap().is_incomplete());
}

#[test]
fn a_record_that_contradicts_itself_is_refused() {
    let record = json(&["1 up 22o +3c"], &[]).replace(r#""open":1,"closed":3"#, r#""open":2,"closed":2"#);
    let error = Scan::read(&mut record.as_bytes(), "x", Strictness::Strict).unwrap_err().to_string();
    assert_eq!(error, "read x: 10.0.0.1 has 2 open ports, but 1 were recorded (--lenient uses what can be read)");
    assert!(Scan::read(&mut record.as_bytes(), "x", Strictness::Lenient).unwrap().left_out.is_some());
}

#[test]
fn json_fulfils_its_schema() {
    let validator = jsonschema::validator_for(&serde_json::from_str(DIFF_SCHEMA).unwrap()).unwrap();
    let old = json(&["1 up 22o 80c 443o 8080o", "2 up 22o +3c", "3 up 22o +2c +1s", "6 up 22o +3c"], &[]);
    let new = json(&["1 up 22o 80o 443c +1s", "3 up 22o +1c +2s", "4 up 80o +3n"], &[(r#""interrupted":false"#, r#""interrupted":true"#)]);
    let text = written(Format::Json, &old, &new);
    let mut kinds = std::collections::BTreeSet::new();
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let errors: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{record}: {errors:?}");
        kinds.insert(record["type"].as_str().unwrap().to_owned());
        for field in ["type", "addr", "change", "old", "new", "hosts"] {
            let mut broken = record.clone();
            if broken.as_object_mut().unwrap().remove(field).is_some() {
                assert!(!validator.is_valid(&broken), "valid without {field}: {broken}");
            }
        }
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["diff", "host", "port", "summary"]);
    insta::assert_snapshot!(text, @r#"
    {"type":"diff","schema_version":1,"version":"VERSION","old":{"name":"old","started":1767268800.5,"addresses":8,"port_list":"22,80,443,8080","incomplete":[]},"new":{"name":"new","started":1767268800.5,"addresses":8,"port_list":"22,80,443,8080","incomplete":["it was interrupted"]}}
    {"type":"host","addr":"10.0.0.1","change":"changed","old":"up","new":"up"}
    {"type":"port","addr":"10.0.0.1","port":80,"proto":"tcp","service":"http","change":"changed","old":{"state":"closed","reason":"reset"},"new":{"state":"open","reason":"syn-ack"}}
    {"type":"port","addr":"10.0.0.1","port":443,"proto":"tcp","service":"https","change":"changed","old":{"state":"open","reason":"syn-ack"},"new":{"state":"closed","reason":"reset"}}
    {"type":"port","addr":"10.0.0.1","port":8080,"proto":"tcp","service":"http-alt","change":"unjudged","old":{"state":"open","reason":"syn-ack"},"new":{"state":"not-heard"},"because":{"scan":"new","cause":"not-heard"}}
    {"type":"host","addr":"10.0.0.2","change":"unjudged","old":"up","new":"unknown","because":{"scan":"new","cause":"ended"}}
    {"type":"port","addr":"10.0.0.2","port":22,"proto":"tcp","service":"ssh","change":"unjudged","old":{"state":"open","reason":"syn-ack"},"new":{"state":"unknown"},"because":{"scan":"new","cause":"ended"}}
    {"type":"host","addr":"10.0.0.4","change":"appeared","old":"no-answer","new":"up"}
    {"type":"port","addr":"10.0.0.4","port":80,"proto":"tcp","service":"http","change":"appeared","old":{"state":"no-answer"},"new":{"state":"open","reason":"syn-ack"}}
    {"type":"host","addr":"10.0.0.6","change":"unjudged","old":"up","new":"unknown","because":{"scan":"new","cause":"ended"}}
    {"type":"port","addr":"10.0.0.6","port":22,"proto":"tcp","service":"ssh","change":"unjudged","old":{"state":"open","reason":"syn-ack"},"new":{"state":"unknown"},"because":{"scan":"new","cause":"ended"}}
    {"type":"summary","equal":false,"complete":false,"hosts":{"appeared":1,"disappeared":0,"changed":1,"unjudged":2},"ports":{"appeared":1,"disappeared":0,"changed":2,"unjudged":12},"opened":2,"no_longer_open":1,"unjudged":[{"scan":"new","cause":"not-heard","hosts":0,"ports":1},{"scan":"new","cause":"ended","hosts":2,"ports":11}]}
    "#);
}

#[test]
fn markdown_reads_as_a_report() {
    let old = json(&["1 up 22o 80c 443o 8080o", "2 up 22o +3c", "6 up 22o +3c"], &[]).replace(r#""names":[]"#, r#""names":["a|`b"]"#);
    let new = json(&["1 up 22o 80o 443c +1s", "4 up 80o +3n"], &[(r#""interrupted":false"#, r#""interrupted":true"#)]);
    let text = written(Format::Markdown, &old, &new);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 5 && rows.iter().all(|row| row.matches('|').count() == 8), "{rows:#?}");
    insta::assert_snapshot!(text, @r#"
    # Two scans compared

    - Old: `old, 2026-01-01T12:00:00.500Z, 8 addresses, 4 ports`
    - New: `new, 2026-01-01T12:00:00.500Z, 8 addresses, 4 ports`
      - incomplete: `it was interrupted`

    ## Differences

    | Change | Host | Name | Port | Service | Old | New |
    |---|---|---|---|---|---|---|
    | **changed** | 10.0.0.1 | `a\u{7c}\u{60}b` | 80/tcp | http | closed (reset) | open (syn-ack) |
    | **changed** | 10.0.0.1 | `a\u{7c}\u{60}b` | 443/tcp | https | open (syn-ack) | closed (reset) |
    | not judged | 10.0.0.1 | `a\u{7c}\u{60}b` | 8080/tcp | http-alt | open (syn-ack) | not heard (the new scan may have missed the answer) |
    | not judged | 10.0.0.2 | `a\u{7c}\u{60}b` | | | up | unknown (the new scan ended before) |
    | not judged | 10.0.0.2 | `a\u{7c}\u{60}b` | 22/tcp | ssh | open (syn-ack) | unknown (the new scan ended before) |
    | **appeared** | 10.0.0.4 |  | | | no answer | up |
    | **appeared** | 10.0.0.4 |  | 80/tcp | http | no answer | open (syn-ack) |
    | not judged | 10.0.0.6 | `a\u{7c}\u{60}b` | | | up | unknown (the new scan ended before) |
    | not judged | 10.0.0.6 | `a\u{7c}\u{60}b` | 22/tcp | ssh | open (syn-ack) | unknown (the new scan ended before) |

    ## Result

    - could not be judged: 1 port: the new scan may have missed the answer
    - could not be judged: 2 hosts and 11 ports: the new scan ended before
    - 1 host appeared, 1 host changed, 1 port appeared, 2 ports changed: 2 ports open now, 1 port no longer open
    "#);
}

#[test]
fn hostile_names_act_nowhere() {
    let hostile = r#""names":["\u001b[2J\u202ex|`"]"#;
    let [old, new] = [["1 up 22o +3c"], ["1 up 80o +3c"]].map(|hosts| json(&hosts, &[]).replace(r#""names":[]"#, hostile));
    for format in FORMATS {
        let text = written(format, &old, &new);
        assert!(!text.chars().any(|c| c != '\n' && crate::report::escape::is_unsafe(c)), "{text:?}");
    }
}
