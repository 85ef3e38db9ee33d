use proptest::prelude::*;

use super::*;
use crate::error::Kind;

fn parse_ok(word: &str) -> TargetWord {
    word.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn reads_every_form() {
    for (word, display) in [
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.0/255.255.255.0", "10.0.0.0/24"),
        ("10.0.0.5", "10.0.0.5"),
        ("10.0.0.5-10.0.0.90", "10.0.0.5-10.0.0.90"),
        ("10.0.0.5-90", "10.0.0.5-10.0.0.90"),
        ("10.0,1.3-7.-", "10.0.3.0-10.0.7.255 10.1.3.0-10.1.7.255"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("gw.example", "gw.example"),
        ("gw.example.", "gw.example."),
        ("localhost", "localhost"),
        ("3com.example", "3com.example"),
        ("1-2.example", "1-2.example"),
        ("my_printer", "my_printer"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("cafe", "cafe"),
    ] {
        assert_eq!(parse_ok(word).to_string(), display, "{word}");
    }
}

#[test]
fn knows_single_addresses_and_host_bits() {
    for word in ["10.0.0.7", "10.0.0.7/32", "10.0.0.7-7", "10.0.0.7-10.0.0.7", "10.0.0.7/255.255.255.255"] {
        assert_eq!(parse_ok(word).single(), Some("10.0.0.7".parse().unwrap()), "{word}");
        assert!(!parse_ok(word).has_host_bits());
    }
    assert_eq!(parse_ok("[::7]").single(), parse_ok("::7/128").single());
    assert_eq!(parse_ok("10.0.0.0/31").single(), None);
    let block = parse_ok("10.0.0.7/24");
    assert!(block.has_host_bits());
    assert_eq!(block.to_string(), "10.0.0.0/24");
    assert_eq!(block.ranges().collect::<Vec<_>>(), parse_ok("10.0.0.0/24").ranges().collect::<Vec<_>>());
    assert!(!parse_ok("10.0.0.0/24").has_host_bits());
    assert_eq!(parse_ok("gw.example").ranges().count(), 0);
}

#[test]
fn refuses_and_says_why() {
    for (word, cause) in [
        ("", "no host is named"),
        ("10.0.0.300", "300 is above 255"),
        ("10.0.0", "an IPv4 address has four numbers, this has 3"),
        ("10", "an IPv4 address has four numbers, this has 1"),
        ("10.0.0.0/33", "`33` behind the slash is not a prefix length of 0 to 32"),
        ("10.0.0.0/+8", "`+8` behind the slash is not a prefix length of 0 to 32"),
        ("10.0.0.0/", "`` behind the slash is not a prefix length of 0 to 32"),
        ("10.0.0.0/24/8", "`24/8` behind the slash is not a prefix length of 0 to 32"),
        ("::/129", "`129` behind the slash is not a prefix length of 0 to 128"),
        ("::/255.0.0.0", "`255.0.0.0` behind the slash is not a prefix length of 0 to 128"),
        ("gw.example/24", "`gw.example` before the slash is not an address"),
        ("10.0.0.9-10.0.0.1", "the range is reversed: write 10.0.0.1-10.0.0.9"),
        ("::9-::1", "the range is reversed: write ::1-::9"),
        ("10.0.0.1-10.0.0.300", "an IPv4 address has four numbers, this has 7"),
        ("::1-10.0.0.1", "`10.0.0.1` is not an IPv6 address"),
        ("10.0.0.1:80", "`10.0.0.1:80` is not an IPv6 address: ports are not part of a target, give them with -p"),
        ("fe80::1%eth0", "`fe80::1%eth0` is not an IPv6 address: an address with a zone is not supported"),
        ("[::1", "the bracket is not closed behind the address"),
        ("[10.0.0.1]", "`10.0.0.1` is not an IPv6 address"),
        ("http://gw.example/", "a URL, not a host: write only the host"),
        ("1O.0.0.1", "neither an address nor a host name: its last part is a number"),
        ("0x7f000001", "neither an address nor a host name: its last part is a number"),
        ("10.0.0.*", "`*` stands for no number here (write 10.0.0.- or 10.0.0.0/24)"),
        ("10.*.0.5", "`*` stands for no number here (write 10.-.0.5)"),
        ("*.example", "neither an address nor a host name: it has `*`"),
        ("me@gw.example", "neither an address nor a host name: it has `@`"),
        ("gw\u{1b}.example", r"neither an address nor a host name: it has `\u{1b}`"),
        ("b\u{fc}cher.example", "host names are ASCII: write the form that begins with xn--"),
        ("-gw.example", "not a host name: its parts have 1 to 63 characters and no hyphen at either end"),
        ("gw..example", "not a host name: its parts have 1 to 63 characters and no hyphen at either end"),
    ] {
        let error = word.parse::<TargetWord>().expect_err(word);
        assert_eq!(error.to_string(), format!("parse target `{}`: {cause}", word.escape_debug()));
        assert_eq!(error.kind(), Kind::Asked);
    }
    let label = "a".repeat(63);
    assert!([&*label; 3].join(".").parse::<TargetWord>().is_ok());
    assert!(format!("a{label}").parse::<TargetWord>().is_err());
    assert!([&*label; 4].join(".").parse::<TargetWord>().is_err());
}

#[test]
fn splits_lists_where_commas_cannot_be_octets() {
    for (text, words) in [
        ("10.0.0.1,10.0.0.7", "10.0.0.1|10.0.0.7"),
        ("10.0.0.1,7", "10.0.0.1 10.0.0.7"),
        ("10.0,1.0.1,10.0.0.9", "10.0.0.1 10.1.0.1|10.0.0.9"),
        ("10.0.0.0/24,::1,gw.example,printer 10.0.1.1", "10.0.0.0/24|::1|gw.example|printer|10.0.1.1"),
        ("10.0.0.1-10.0.0.3,10.0.0.9,11", "10.0.0.1-10.0.0.3|10.0.0.9 10.0.0.11"),
        ("", ""),
    ] {
        let parsed: Vec<String> = parse_list(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(parsed.join("|"), words, "{text}");
    }
    for text in ["10.0.0.1,", ",", "10.0.0.0/24,5", "gw.example,,printer"] {
        assert!(parse_list(text).is_err(), "{text}");
    }
}

#[test]
fn reads_files_and_names_the_line() {
    let text = "\u{feff}# the office\r\n10.0.0.0/24 gw.example # both\r\n\r\n\t10.0,1.0.5\r\n";
    let words = parse_lines(text.lines(), "hosts.txt").unwrap();
    assert_eq!(words.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/24", "gw.example", "10.0.0.5 10.1.0.5"]);
    let words = parse_lines(["10.0.0.3,10.0.0.4", "10.0.0.1,7,gw.example"], "hosts.txt").unwrap();
    let words: Vec<_> = words.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["10.0.0.3", "10.0.0.4", "10.0.0.1 10.0.0.7", "gw.example"]);
    let error = parse_lines(["10.0.0.1", "", "10.0.0.2,10.0.0.300"], "hosts.txt").unwrap_err();
    assert_eq!(error.to_string(), "parse target `10.0.0.300` in hosts.txt line 3: 300 is above 255");
}

proptest! {
    #[test]
    fn sets_parse_back(
        v4 in prop::collection::vec((any::<u32>(), 0..70_000u32), 0..8),
        v6 in prop::collection::vec((any::<u128>(), any::<u128>()), 0..5),
    ) {
        let v4 = v4.into_iter().map(|(first, more)| (IpAddr::V4(first.into()), IpAddr::V4(first.saturating_add(more).into())));
        let v6 = v6.into_iter().map(|(a, b)| (IpAddr::V6(a.min(b).into()), IpAddr::V6(a.max(b).into())));
        let set: AddressSet = v4.chain(v6).map(|(first, last)| AddressRange::new(first, last).unwrap()).collect();
        prop_assert_eq!(set.to_string().parse::<AddressSet>().unwrap(), set);
    }

    #[test]
    fn survives_any_text(
        text in "\\PC*",
        addresslike in "[0-9a-f.:/,x\\[\\]-]{0,24}",
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for text in [text, addresslike, String::from_utf8_lossy(&bytes).into_owned()] {
            if let Ok(word) = text.parse::<TargetWord>() {
                let again = word.to_string();
                let words = parse_lines([&again], "-").unwrap();
                let ranges: AddressSet = words.iter().flat_map(TargetWord::ranges).collect();
                prop_assert_eq!(ranges, word.ranges().collect::<AddressSet>());
            }
            let _ = (parse_list(&text).is_ok(), parse_lines(text.lines(), "-").is_ok());
        }
    }
}
