//! Numbers, addresses and times as text, appended without a detour: what is written millions of times.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// A number in decimal digits.
pub(super) fn number(text: &mut Vec<u8>, number: u64) {
    text.extend(itoa::Buffer::new().format(number).as_bytes());
}

/// An address as it is usually written.
pub(super) fn address(text: &mut Vec<u8>, addr: IpAddr) {
    let IpAddr::V4(v4) = addr else {
        // Memory takes every byte.
        _ = write!(text, "{addr}");
        return;
    };
    for (place, octet) in v4.octets().into_iter().enumerate() {
        if place > 0 {
            text.push(b'.');
        }
        number(text, octet.into());
    }
}

/// Whole microseconds as seconds with a fraction: the shortest digits that a double of this value is read back from.
pub(super) fn seconds(text: &mut Vec<u8>, span: Duration) {
    if span.as_secs() >= EXACT {
        // What is still shorter there is for serde_json to know.
        _ = serde_json::to_writer(text, &(span.as_micros() as f64 / 1e6));
        return;
    }
    number(text, span.as_secs());
    let micros = span.subsec_micros();
    text.push(b'.');
    let mut digits = [b'0'; 6];
    let mut rest = micros;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let len = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    text.extend(&digits[..len]);
}

/// Below as many seconds doubles are less than a microsecond apart, so that of all numbers with six digits behind the point a double is
/// nearest to one only: until the year 2106.
const EXACT: u64 = 1 << 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        append(&mut text);
        String::from_utf8(text).unwrap()
    }

    proptest! {
        #[test]
        fn addresses_and_numbers_are_as_ever(addr: IpAddr, any: u64) {
            prop_assert_eq!(text(|text| address(text, addr)), addr.to_string());
            prop_assert_eq!(text(|text| number(text, any)), any.to_string());
        }

        #[test]
        fn seconds_are_a_doubles_shortest_digits(whole in prop_oneof![0..4_u64, 1_700_000_000..1_900_000_000_u64, 0..1_u64 << 34], micros in 0..1_000_000_u32, by in prop_oneof![Just(1), Just(1_000), Just(100_000)]) {
            let span = Duration::new(whole, micros / by * by * 1_000);
            prop_assert_eq!(text(|text| seconds(text, span)), serde_json::to_string(&(span.as_micros() as f64 / 1e6)).unwrap());
        }
    }
}
