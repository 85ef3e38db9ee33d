use super::open::{APPLICATION, STEPS, copy_of};
use super::*;
use crate::report::sample;

fn record(path: &Path) {
    let mut report = Sqlite::open(path, Migration::Refused).unwrap();
    report.begin(&sample::scan()).unwrap();
    for host in sample::hosts() {
        host.ports.iter().filter(|port| is_answer(port)).for_each(|port| report.finding(port).unwrap());
        report.host(&host).unwrap();
    }
    report.end(&sample::summary()).unwrap();
}

fn rows(path: &Path, query: &str) -> Vec<String> {
    let database = Connection::open(path).unwrap();
    let mut statement = database.prepare(query).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let value = |column| match row.get_unwrap::<_, rusqlite::types::Value>(column) {
            rusqlite::types::Value::Null => String::new(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Real(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(_) => "blob".to_owned(),
        };
        Ok((0..columns).map(value).collect::<Vec<_>>().join("|"))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_scan_is_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    record(&path);
    let told = [
        rows(&path, "SELECT id, seed, started, mode, addresses, port_list, note, elapsed, complete, interrupted FROM scans"),
        rows(&path, "SELECT * FROM hosts"),
        rows(&path, "SELECT * FROM ports"),
        rows(&path, "SELECT * FROM open_ports"),
    ]
    .concat()
    .join("\n");
    insta::assert_snapshot!(told, @r#"
    1|18446744073709551615|1767268800|syn|4|1-1004|ticket 7|2.41|0|0
    1|10.0.0.1|up|arp-response|02:fc:00:00:00:01|gw.example|412|1|998|2|4|0|
    1|10.0.0.2|up|reset||a\u{1b}[2J\u{202e}b)\u{9}x|412|0|1004|0|0|0|5 random high ports are open too, every one asked
    1|10.0.0.3|down|no-arp-response||||0|0|0|0|1004|
    1|10.0.0.1|22|open|syn-ack||ssh|64|412|1|1767268801.25
    1|10.0.0.1|80|closed|reset||http|64|412|1|1767268801.25
    1|10.0.0.1|443|filtered|admin-prohibited|10.0.0.254|https|64|412|1|1767268801.25
    1|10.0.0.1|1003|filtered|no-response|||||2|1767268801.25
    10.0.0.1|22|ssh|syn-ack|gw.example||64|412|1767268801.25|1|1767268800
    "#);
    assert_eq!(rows(&path, "SELECT summary ->> 'open' FROM scans"), ["1"]);
}

#[test]
fn the_latest_scan_of_each_host_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    record(&path);
    let mut later = Sqlite::open(&path, Migration::Refused).unwrap();
    later.begin(&sample::scan()).unwrap();
    let mut host = sample::hosts().remove(0);
    host.ports.truncate(1);
    host.ports[0].target.port = 8443;
    later.finding(&host.ports[0]).unwrap();
    later.settle().unwrap();
    assert_eq!(rows(&path, "SELECT scan, addr, port, service FROM open_ports"), ["2|10.0.0.1|8443|https-alt"]);
    assert_eq!(rows(&path, "SELECT scan, addr FROM latest ORDER BY addr"), ["2|10.0.0.1", "1|10.0.0.2", "1|10.0.0.3"]);
    later.discard().unwrap();
    drop(later);
    assert_eq!(rows(&path, "SELECT scan, addr, port FROM open_ports"), ["1|10.0.0.1|22"]);
}

#[test]
fn questions_across_scans_use_indexes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    record(&path);
    for query in [
        "SELECT * FROM open_ports WHERE addr = '10.0.0.1'",
        "SELECT * FROM latest WHERE addr = '10.0.0.1'",
        "SELECT addr FROM ports WHERE port = 22 AND state = 'open' AND scan = 1",
        "SELECT * FROM ports WHERE scan = 1 AND addr = '10.0.0.1'",
    ] {
        let plan = rows(&path, &format!("EXPLAIN QUERY PLAN {query}"));
        let scans = |step: &&String| ["SCAN hosts", "SCAN ports", "SCAN scans"].iter().any(|table| step.contains(table));
        assert!(plan.iter().any(|step| step.contains("SEARCH")) && plan.iter().find(scans).is_none(), "{query}: {plan:#?}");
    }
}

#[test]
fn a_killed_scan_leaves_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    let mut report = Sqlite::open(&path, Migration::Refused).unwrap();
    report.begin(&sample::scan()).unwrap();
    report.finding(&sample::hosts()[0].ports[0]).unwrap();
    report.settle().unwrap();
    // Killed: nothing is closed.
    let copy = dir.path().join("copy.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", copy.display())).unwrap();
    }
    assert_eq!(rows(&copy, "SELECT addr, port FROM open_ports"), ["10.0.0.1|22"]);
    assert_eq!(rows(&copy, "SELECT count(*) FROM scans WHERE complete IS NULL"), ["1"]);
    assert_eq!(rows(&copy, "PRAGMA integrity_check"), ["ok"]);
    std::mem::forget(report);
}

#[test]
fn other_files_are_refused_and_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("text"), "not a database, and longer than the header of one would be: it has a hundred bytes at least, as you see")
        .unwrap();
    Connection::open(at("foreign")).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let newer = Connection::open(at("newer")).unwrap();
    newer.execute_batch(&format!("CREATE TABLE x (y); PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 9")).unwrap();
    drop(newer);
    for (name, cause) in [
        ("text", "it is no database"),
        ("foreign", "it is another program's database"),
        ("newer", "its schema is version 9, and this program knows 3"),
        ("missing/audit.db", "it cannot be opened"),
    ] {
        let before = std::fs::read(at(name)).ok();
        for migration in [Migration::Refused, Migration::Allowed] {
            let error = Sqlite::open(&at(name), migration).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Asked);
            assert!(error.to_string().contains(cause), "{error}");
        }
        assert_eq!(std::fs::read(at(name)).ok(), before, "{name}");
    }
}

#[test]
fn an_older_database_is_migrated_if_asked_and_a_copy_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(STEPS[0]).unwrap();
    old.execute_batch(&format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 1")).unwrap();
    old.execute_batch("INSERT INTO scans VALUES (1, '0', '[]', '7', 0.0, 'syn', 4, 4, '80', NULL, NULL, NULL, NULL, NULL)").unwrap();
    drop(old);
    let refused = Sqlite::open(&path, Migration::Refused).unwrap_err().to_string();
    assert!(
        refused.ends_with("its schema is version 1, and this program writes 3 (--migrate brings it to that, and keeps a copy)"),
        "{refused}"
    );
    drop(Sqlite::open(&path, Migration::Allowed).unwrap());
    assert_eq!(rows(&path, "PRAGMA user_version"), ["3"]);
    assert_eq!(rows(&path, "SELECT count(*) FROM scans"), ["1"]);
    assert_eq!(rows(&path, "SELECT count(*) FROM latest"), ["0"]);
    assert_eq!(rows(&copy_of(&path, 1), "PRAGMA user_version"), ["1"]);
    assert_eq!(rows(&copy_of(&path, 1), "SELECT count(*) FROM scans"), ["1"]);
}

#[test]
fn a_locked_database_is_waited_for_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    record(&path);
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = Sqlite::open(&path, Migration::Refused).unwrap_err().to_string();
    assert!(error.contains("it was locked for 5 seconds (another scan"), "{error}");
    holder.execute_batch("ROLLBACK").unwrap();

    let mut report = Sqlite::open(&path, Migration::Refused).unwrap();
    report.begin(&sample::scan()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    report.finding(&sample::hosts()[0].ports[0]).unwrap();
    report.settle().unwrap();
    assert_eq!(rows(&path, "SELECT count(*) FROM ports WHERE scan = 2"), ["0"], "a reader is not blocked");
    holder.execute_batch("ROLLBACK").unwrap();
    report.settle().unwrap();
    assert_eq!(rows(&path, "SELECT count(*) FROM ports WHERE scan = 2"), ["1"]);
}

/// A hundred scans of a /16, of which a twentieth is up with three open ports each: a million ports.
#[test]
#[ignore = "a measurement of a minute or more"]
fn a_hundred_scans_stay_usable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.db");
    let began = std::time::Instant::now();
    for scan in 0..100_u16 {
        let mut report = Sqlite::open(&path, Migration::Refused).unwrap();
        report.begin(&sample::scan()).unwrap();
        for number in (0..=u16::MAX).step_by(20) {
            let [high, low] = number.to_be_bytes();
            let mut host = sample::hosts().remove(0);
            host.addr = [10, 1, high, low].into();
            host.ports = vec![host.ports[0]; 3];
            for (port, finding) in host.ports.iter_mut().enumerate() {
                finding.target = crate::target::Target { addr: host.addr, port: 1000 * port as u16 + scan };
                report.finding(finding).unwrap();
            }
            report.host(&host).unwrap();
        }
        report.end(&sample::summary()).unwrap();
    }
    println!("written in {:?}", began.elapsed());
    for (query, found, most) in [
        ("SELECT port FROM open_ports WHERE addr = '10.1.0.20'", 3, 50),
        ("SELECT scan, port FROM ports WHERE addr = '10.1.0.20' AND scan IN (SELECT scan FROM hosts WHERE addr = '10.1.0.20')", 300, 50),
        ("SELECT addr, port FROM open_ports", 3 * 3277, 2000),
        ("SELECT addr FROM ports WHERE port = 1099 AND state = 'open' AND scan = 100", 3277, 50),
    ] {
        let began = std::time::Instant::now();
        assert_eq!(rows(&path, query).len(), found, "{query}");
        let took = began.elapsed();
        println!("{took:?}: {query}");
        assert!(took < Duration::from_millis(most), "{query}: {took:?}");
    }
}
