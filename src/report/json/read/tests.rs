use super::*;
use crate::report::{Json, Report, sample};
use crate::scan::{Identity, Part};
use crate::target::Shard;

fn told(text: &str, strictness: Strictness) -> Result<(Vec<Told>, Reading)> {
    let mut all = Vec::new();
    let reading = read(&mut text.as_bytes(), "scan.json", strictness, &mut |told| all.push(told))?;
    Ok((all, reading))
}

fn strict(text: &str) -> (Vec<Told>, Reading) {
    told(text, Strictness::Strict).unwrap()
}

fn refused(text: &str) -> String {
    told(text, Strictness::Strict).unwrap_err().to_string()
}

/// The sample, of the version it says it is of.
fn record() -> String {
    sample::written(|out| Box::new(Json::new(out)))
}

fn rewritten(told: &[Told]) -> String {
    sample::replayed(
        |out| Box::new(Json::new(out)),
        |report: &mut dyn Report| {
            for told in told {
                match told {
                    Told::Begin(scan) => report.begin(scan),
                    Told::Finding(finding) => report.finding(finding),
                    Told::Host(host) => report.host(host),
                    Told::Rate(change) => report.rate(change),
                    Told::End(summary) => report.end(summary),
                }
                .unwrap();
            }
        },
    )
}

#[test]
fn what_is_read_is_what_was_written() {
    let (told, reading) = strict(&record());
    assert_eq!((reading.ending, reading.skipped), (Ending::Whole, 0));
    assert_eq!(rewritten(&told), record());
    let Told::Begin(scan) = &told[0] else { panic!("{told:?}") };
    assert_eq!(scan.ports, sample::scan().ports);
    let hosts: Vec<&HostRecord> = told.iter().filter_map(|told| if let Told::Host(host) = told { Some(&**host) } else { None }).collect();
    assert_eq!(hosts.len(), 3);
    for (read, written) in hosts.iter().zip(sample::hosts()) {
        // Of windows, only those of zero are recorded.
        let ports = written.ports.iter().map(|port| Finding { window: None, ..*port }).collect();
        assert_eq!(**read, HostRecord { ports, ..written });
    }
    let Some(Told::End(summary)) = told.last() else { panic!("{told:?}") };
    assert_eq!(**summary, sample::summary());
}

#[test]
fn a_part_of_a_scan_says_which_and_of_which() {
    let shard = Shard::new(2, 8).unwrap();
    let whole = Identity { targets: "a".to_owned(), ports: "b".to_owned(), options: "c".to_owned() };
    let part = Part { shard, addresses: 30, ports: 1004, whole };
    let begun = ScanRecord { part: Some(part.clone()), ..sample::scan() };
    let line = sample::replayed(
        |out| Box::new(Json::new(out)),
        |report: &mut dyn Report| {
            report.begin(&begun).unwrap();
            report.flush().unwrap();
        },
    );
    let validator = jsonschema::validator_for(&serde_json::from_str(crate::report::JSON_SCHEMA).unwrap()).unwrap();
    assert!(validator.is_valid(&serde_json::from_str(&line).unwrap()), "{line}");
    let (told, _) = strict(&line);
    let Told::Begin(scan) = &told[0] else { panic!("{told:?}") };
    assert_eq!(scan.part, Some(part));
    let wrong = line.replacen("\"number\":2", "\"number\":9", 1);
    assert!(refused(&wrong).contains("of 8 shards there is none of number 9"), "{}", refused(&wrong));
}

#[test]
fn a_record_that_was_killed_at_any_byte_is_read() {
    let record = record();
    let begun = record.find('\n').unwrap() + 1;
    let whole = strict(&record).0.len();
    for end in begun..record.len() {
        let (told, reading) = strict(&record[..end]);
        // The line feed is all that the last record lacks.
        let ending = if end + 1 == record.len() { Ending::Whole } else { Ending::CutShort };
        assert_eq!((reading.ending, reading.skipped), (ending, 0), "{end}");
        assert!(told.len() <= whole + 1);
        let Some(Told::End(summary)) = told.last() else { panic!("{told:?}") };
        if ending == Ending::CutShort {
            assert!(summary.interrupted && summary.incomplete.len() == 1, "{summary:?}");
        }
    }
}

#[test]
fn hosts_without_a_record_of_their_own_are_told_if_the_end_is_missing() {
    let lines: Vec<&str> = record().leak().lines().take(4).collect();
    let (told, _) = strict(&(lines.join("\n") + "\n"));
    let [.., Told::Host(host), Told::End(summary)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((host.addr, host.ports.len(), host.closed[&Reason::Reset]), ([10, 0, 0, 1].into(), 2, 1));
    assert_eq!((summary.hosts_up, summary.open, summary.closed, summary.not_probed), (1, 1, 1, 4014));
    // Where the end is there, it was left out on purpose (--open).
    let summary = record().lines().last().unwrap().to_owned();
    let (told, _) = strict(&(lines.join("\n") + "\n" + &summary + "\n"));
    assert!(!told.iter().any(|told| matches!(told, Told::Host(_))));
}

#[test]
fn a_line_that_is_no_record_is_named_or_left_out() {
    let record = record();
    let lines: Vec<&str> = record.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines.insert(at, line);
        lines.join("\n") + "\n"
    };
    let later = lines[2].replace("1767268801.25", "1.5");
    for (line, cause) in [
        ("{\"type\":\"port\"", "EOF while parsing an object"),
        ("nonsense", "expected "),
        ("", "EOF"),
        ("{\"type\":\"surprise\"}", "there is no record of type 'surprise'"),
        (lines[0], "a second scan begins"),
        ("{\"type\":\"port\",\"addr\":\"10.0.0\"}", "invalid IP address"),
        (&later, "it is from before the scan began"),
        (&lines[2].replace("\"state\":\"open\"", "\"state\":\"ajar\""), "the word 'ajar' means nothing here"),
    ] {
        let text = with(3, line);
        let error = refused(&text);
        assert!(error.starts_with("read scan.json line 4: ") && error.contains(cause), "{line}: {error}");
        assert!(error.ends_with("(--lenient uses what can be read)"), "{error}");
        let (told, reading) = told(&text, Strictness::Lenient).unwrap();
        assert_eq!((rewritten(&told), reading.skipped), (record.clone(), 1), "{line}");
    }
    assert!(refused(&with(lines.len(), lines[2])).contains("a record after the summary"));
    let mut missing = lines.clone();
    missing.remove(2);
    assert!(refused(&(missing.join("\n") + "\n")).contains("10.0.0.1 has 1 open ports, but 0 were recorded before"));
}

#[test]
fn a_journals_own_records_are_passed_over() {
    let record = record();
    let stage = r#"{"type":"stage","stage":0,"discovers":false,"senders":1,"addresses":"10.0.0.0/30","ports":"80"}"#;
    let pass = r#"{"type":"pass","stage":0,"pass":2,"blocks":""}"#;
    let lines: Vec<&str> = record.lines().flat_map(|line| [line, stage, pass]).collect();
    assert_eq!(rewritten(&strict(&format!("{}\n", lines.join("\n"))).0), record);
    assert!(refused(&format!("{record}{{\"type\":\"answered\"}}\n")).contains("no line of a journal"));
}

#[test]
fn other_tools_files_are_refused() {
    for (text, cause) in [
        ("", "it is empty, or holds no beginning of a scan"),
        ("<?xml version=\"1.0\"?>\n", "it is XML"),
        ("#masscan\n", "it is a list"),
        ("# Nmap 7.95 scan\n", "nmap's grepable output"),
        ("{\"ip\":\"10.0.0.1\"}\n", "another tool's"),
        ("10.0.0.1 is up\n", "its first line is no beginning of a scan"),
    ] {
        for strictness in [Strictness::Strict, Strictness::Lenient] {
            let error = told(text, strictness).unwrap_err().to_string();
            assert!(error.starts_with("read scan.json: ") && error.contains(cause), "{text}: {error}");
        }
    }
    let newer = record().replace("\"schema_version\":1", "\"schema_version\":2");
    assert!(refused(&newer).contains("schema version 2"), "{}", refused(&newer));
}

#[test]
fn a_line_without_end_is_not_taken_into_memory() {
    let mut endless = record().lines().next().unwrap().to_owned() + "\n";
    endless.extend(std::iter::repeat_n(' ', super::lines::LONGEST as usize + 10));
    assert!(refused(&endless).starts_with("read scan.json line 2: "));
}
