use super::*;

fn told(document: &str, strictness: Strictness) -> (Result<Option<Error>>, Vec<Told>) {
    let mut told = Vec::new();
    let read = read(&mut document.as_bytes(), "scan.xml", strictness, &mut |piece| told.push(piece));
    (read, told)
}

fn ours() -> String {
    crate::report::sample::written(|out| Box::new(crate::report::Xml::new(out)))
}

#[test]
fn what_is_written_is_read() {
    let (read, told) = told(&ours(), Strictness::Strict);
    assert!(read.unwrap().is_none());
    let hosts: Vec<&Host> = told.iter().filter_map(|told| if let Told::Host(host) = told { Some(host) } else { None }).collect();
    let [gateway, hostile, down] = hosts[..] else { panic!("{hosts:?}") };
    assert_eq!(gateway.addr, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(gateway.name.as_deref(), Some("gw.example"));
    let ports: Vec<(u16, &str, &str)> = gateway.ports.iter().map(|port| (port.number, &*port.state, &*port.reason)).collect();
    let all = [(22, "open", "syn-ack"), (80, "closed", "reset"), (443, "filtered", "admin-prohibited"), (1003, "filtered", "no-response")];
    assert_eq!(ports, all);
    let others = |host: &Host| -> Vec<(String, String, u32)> {
        host.others.iter().filter(|others| others.count > 0).map(|o| (o.state.clone(), o.reason.clone(), o.count)).collect()
    };
    let word = str::to_owned;
    assert_eq!(
        others(gateway),
        [(word("closed"), word("reset"), 997), (word("filtered"), word("no-response"), 3), (word("filtered"), word("admin-prohibited"), 1)]
    );
    assert_eq!(others(hostile), [(word("closed"), word("reset"), 1004)]);
    assert_eq!((&*down.state, &*down.reason), ("down", "no-arp-response"));
    assert!(matches!(&told[..], [.., Told::Finished { success: true }, Told::Hosts { total: Some(4) }]));
    assert!(told.iter().any(|told| matches!(told, Told::Asked { protocol, services } if protocol == "tcp" && services == "1-1004")));
}

#[test]
fn a_document_cut_anywhere_is_refused_with_the_place_and_read_up_to_there() {
    let document = ours();
    let root = document.find("<scaninfo").unwrap();
    for cut in (root..document.rfind("</nmaprun>").unwrap()).step_by(7) {
        let (read, _) = told(&document[..cut], Strictness::Strict);
        let error = read.unwrap_err().to_string();
        assert!(error.starts_with("read scan.xml byte ") && error.ends_with("(--lenient uses what can be read)"), "{error}");
        let byte: usize = error.split(' ').nth(3).unwrap().parse().unwrap();
        let line: usize = error.split("(line ").nth(1).unwrap().split(')').next().unwrap().parse().unwrap();
        assert!(byte <= cut && line == document[..byte].matches('\n').count() + 1, "{cut}: {error}");
        let (read, told) = told(&document[..cut], Strictness::Lenient);
        assert_eq!(read.unwrap().unwrap().to_string(), error.replace(" (--lenient uses what can be read)", ""));
        let whole = document[..cut].matches("</host>").count();
        assert_eq!(told.iter().filter(|told| matches!(told, Told::Host(_))).count(), whole, "{cut}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let begin = "<nmaprun args='nmap'>\n";
    for (document, message) in [
        (
            "<html></html>",
            "read scan.xml: it is XML, but its root is <html>, not nmap's <nmaprun> (nmap's XML is what -o xml:FILE and nmap -oX FILE write)",
        ),
        ("", "read scan.xml: it is empty, or holds no <nmaprun> (nmap's XML is what -o xml:FILE and nmap -oX FILE write)"),
        (
            &format!("{begin}<host><address addr='10.0.0.300'/></host></nmaprun>"),
            "read scan.xml byte 28 (line 2): '10.0.0.300' is no address (--lenient uses what can be read)",
        ),
        (
            &format!("{begin}<host><ports><port portid='65536'/></ports></host></nmaprun>"),
            "read scan.xml byte 35 (line 2): portid is '65536', which is no number that can stand there (--lenient uses what can be read)",
        ),
        (
            &format!("{begin}<host></nmaprun>"),
            "read scan.xml byte 28 (line 2): ill-formed document: expected `</host>`, but `</nmaprun>` was found (--lenient uses what can be read)",
        ),
        (
            &format!("{begin}</nmaprun>\n<nmaprun/>"),
            "read scan.xml byte 33 (line 3): <nmaprun> begins behind its end (--lenient uses what can be read)",
        ),
    ] {
        assert_eq!(told(document, Strictness::Strict).0.unwrap_err().to_string(), message);
    }
    let deep = format!("{begin}{}", "<x>".repeat(100));
    assert!(told(&deep, Strictness::Strict).0.unwrap_err().to_string().contains("too deep"));
}

#[test]
fn entities_are_not_expanded_and_nothing_else_is_read() {
    let bomb = "<!DOCTYPE nmaprun [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'><!ENTITY f SYSTEM 'file:///etc/passwd'>]>";
    for entity in ["&b;", "&f;"] {
        let document = format!("{bomb}<nmaprun args='nmap'><host><hostnames><hostname name='{entity}'/></hostnames></host></nmaprun>");
        let error = told(&document, Strictness::Strict).0.unwrap_err().to_string();
        assert!(error.contains("attribute name: "), "{error}");
    }
}

#[test]
fn no_element_takes_all_memory() {
    struct Endless(bool);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b'a');
            if std::mem::take(&mut self.0) {
                buffer[..9].copy_from_slice(b"<nmaprun ");
            }
            Ok(buffer.len())
        }
    }
    let mut input = std::io::BufReader::new(Endless(true));
    let error = read(&mut input, "endless", Strictness::Lenient, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(error, "read endless: a piece of it is longer than any of nmap's");
}
