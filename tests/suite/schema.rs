//! The JSON Schema that is published with the crate.

use serde_json::Value;
use synprobe::report::{JSON_SCHEMA, SCHEMA_VERSION};

#[test]
fn the_schema_is_a_schema_of_its_version() {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["$defs"]["scan"]["properties"]["schema_version"]["const"], SCHEMA_VERSION);
}

#[test]
fn the_schema_knows_every_reason() {
    use synprobe::scan::Reason;
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    let known = schema["$defs"]["reason"]["enum"].as_array().unwrap();
    let icmp = (0..=u8::MAX).flat_map(|kind| (0..=u8::MAX).filter_map(move |code| Reason::from_icmp(kind, code)));
    let others = [
        Reason::SynAck,
        Reason::Reset,
        Reason::ConnRefused,
        Reason::NoResponse,
        Reason::EchoReply,
        Reason::ArpResponse,
        Reason::NoArpResponse,
        Reason::LocalhostResponse,
        Reason::LocalError,
        Reason::ScanEnded,
    ];
    for reason in others.into_iter().chain(icmp) {
        assert!(known.iter().any(|word| word == reason.as_str()), "{reason}");
    }
}
