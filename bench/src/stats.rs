//! The middle of some samples, and how far they lie apart.

/// Median and quartiles: half of the samples lie between `low` and `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    /// None of no samples. Quartiles between two samples are interpolated.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        if samples.is_empty() {
            return None;
        }
        let at = |share: f64| {
            let place = share * (samples.len() - 1) as f64;
            let (below, above) = (samples[place.floor() as usize], samples[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Spread { low: at(0.25), median: at(0.5), high: at(0.75) })
    }

    /// Each of the three changed; if that turns them around, the lower one is still `low`.
    pub fn map(self, change: impl Fn(f64) -> f64) -> Spread {
        let (one, other) = (change(self.low), change(self.high));
        Spread { low: one.min(other), median: change(self.median), high: one.max(other) }
    }

    /// The spread of the ratios of samples that were taken in the same round: what slows a whole round cancels out.
    pub fn of_ratios(samples: &[f64], base: &[f64]) -> Option<Spread> {
        Spread::of(samples.iter().zip(base).map(|(sample, base)| sample / base))
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn quartiles_of_nine_are_the_third_and_the_seventh() {
        let spread = Spread::of([9.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 4.0, 5.0]);
        assert_eq!(spread, Some(Spread { low: 3.0, median: 5.0, high: 7.0 }));
    }

    #[test]
    fn a_quartile_between_two_samples_is_interpolated() {
        assert_eq!(Spread::of([1.0, 2.0]), Some(Spread { low: 1.25, median: 1.5, high: 1.75 }));
    }

    #[test]
    fn of_nothing_there_is_no_spread() {
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_slow_round_cancels_out_of_the_ratio() {
        let ratios = Spread::of_ratios(&[10.0, 20.0, 10.0], &[5.0, 10.0, 5.0]);
        assert_eq!(ratios, Some(Spread { low: 2.0, median: 2.0, high: 2.0 }));
    }
}
