//! Controllers fed with windows by hand, and by a path of one line.

use proptest::prelude::*;

use super::*;

/// Windows of 20 ms over a path that delivers at most `capacity` probes a second of which `loss` is lost anyway; a tenth of targets
/// answers, a twentieth of probes are canaries. What comes back is the expected number.
fn drive(rate: &mut AdaptiveRate, capacity: impl Fn(f64) -> f64, loss: f64, windows: u32) -> Vec<f64> {
    let mut rates = Vec::new();
    rate.answered(false);
    for number in 0..windows {
        let began = f64::from(number) * 0.02;
        let left = rate.rate() * 0.02;
        let delivered = (capacity(began) / rate.rate()).min(1.0) * (1.0 - loss);
        let (sent, canaries) = (0.95 * left, 0.05 * left);
        let tally = Tally { sent, answers: 0.1 * sent * delivered, canaries, lost: canaries * (1.0 - delivered), ..Tally::default() };
        rate.epochs_mut().open_window();
        let epoch = rate.epochs().current();
        let time = |seconds: f64| Time::from_nanos((seconds * 1e9) as u64);
        rate.on_window(time(began + 0.03), &WindowStats { epoch, began: time(began), seconds: 0.02, left, tally });
        while rate.settle().is_some() {}
        rate.tick(time(began + 0.04));
        rates.push(rate.rate());
    }
    rates
}

#[test]
fn a_clear_path_is_used_up_to_the_limit() {
    let mut rate = AdaptiveRate::new(65_536.0, 500_000.0);
    let rates = drive(&mut rate, |_| f64::MAX, 0.0, 200);
    assert!((rates[199] - 500_000.0).abs() < 1.0, "{}", rates[199]);
    assert_eq!(rate.limit(), Limit::Option);
}

#[test]
fn a_bottleneck_is_found_and_kept_to() {
    let mut rate = AdaptiveRate::new(65_536.0, 1e6);
    let rates = drive(&mut rate, |_| 20_000.0, 0.0, 500);
    let late = &rates[250..];
    let mean = late.iter().sum::<f64>() / late.len() as f64;
    assert!((14_000.0..20_500.0).contains(&mean), "{mean}");
    assert_eq!(rate.limit(), Limit::Path);
}

#[test]
fn a_bottleneck_that_narrows_is_followed_and_one_that_widens_is_used() {
    let mut rate = AdaptiveRate::new(65_536.0, 1e6);
    let rates = drive(&mut rate, |at| if (4.0..8.0).contains(&at) { 10_000.0 } else { 40_000.0 }, 0.0, 1500);
    let mean = |from: usize, to: usize| rates[from..to].iter().sum::<f64>() / (to - from) as f64;
    assert!((6_000.0..11_000.0).contains(&mean(300, 400)), "{}", mean(300, 400));
    assert!(mean(1000, 1500) > 25_000.0, "{}", mean(1000, 1500));
}

#[test]
fn when_nothing_comes_back_sending_rests() {
    let mut rate = AdaptiveRate::new(65_536.0, 1e6);
    drive(&mut rate, |at| if at < 1.0 { f64::MAX } else { 0.0 }, 0.0, 70);
    assert!(rate.is_paused());
}

#[test]
fn one_host_is_asked_slowly_at_first() {
    assert!((AdaptiveRate::new(1.0, 20_000.0).rate() - 100.0).abs() < 1e-9);
    assert!((AdaptiveRate::new(1000.0, 20.0).rate() - 20.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn the_rate_keeps_its_bounds_whatever_is_seen(
        most in 20.0f64..2e6,
        seen in proptest::collection::vec((0.0f64..1.0, 0.0f64..1.0, 0u8..20), 1..400),
    ) {
        let mut rate = AdaptiveRate::new(1000.0, most);
        rate.answered(true);
        let mut now = 0.0;
        for (answers, lost, skip) in seen {
            let left = (rate.rate() * 0.02).floor();
            let canaries = (0.05 * left).floor();
            let tally = Tally { sent: left - canaries, answers: 0.2 * answers * (left - canaries), canaries, lost: lost * canaries, ..Tally::default() };
            rate.epochs_mut().open_window();
            let epoch = rate.epochs().current();
            let time = |seconds: f64| Time::from_nanos((seconds * 1e9) as u64);
            rate.on_window(time(now + 0.03), &WindowStats { epoch, began: time(now), seconds: 0.02, left, tally });
            while rate.settle().is_some() {}
            now += 0.02 + f64::from(skip) * 0.1;
            rate.tick(time(now));
            prop_assert!(rate.rate() <= most && rate.rate() >= LEAST.min(most), "{} of {most}", rate.rate());
        }
    }
}
