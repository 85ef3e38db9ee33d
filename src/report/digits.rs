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
    // In registers: what is stored by parts and read as a whole has to wait for the memory between.
    let (mut dotted, mut len) = (0_u128, 0);
    for octet in v4.octets() {
        let (digits, more) = OCTETS[usize::from(octet)];
        dotted |= u128::from(u32::from_le_bytes(digits)) << (8 * len);
        len += more;
    }
    // All of them, for a number of bytes that is known beforehand is no call; less what stands after the last digit.
    let whole = text.len() + len - 1;
    text.reserve(16);
    text.extend_from_slice(&(dotted as u64).to_le_bytes());
    text.extend_from_slice(&((dotted >> 64) as u64).to_le_bytes());
    text.truncate(whole);
}

/// Of each octet its digits with a point after them, and how many bytes that is.
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([b'.'; 4], 2); 256];
    let mut octet = 0;
    while octet < octets.len() {
        let [hundreds, tens, ones] = [octet / 100, octet / 10 % 10, octet % 10];
        let [hundreds, tens, ones] = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8];
        octets[octet] = match octet {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        octet += 1;
    }
    octets
};

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
