//! Welch's t of the times that two kinds of guesses took, the slowest measurements left out, as dudect has it.

/// Beyond this, times differ by more than chance makes them.
pub(crate) const MAX_T: f64 = 4.5;
/// The share of measurements that is kept: what is slower was interrupted.
const KEPT: f64 = 0.9;

/// The difference between the times of kind 0 and those of kind 1, in standard errors.
pub(crate) fn t(mut times: Vec<(usize, f64)>) -> f64 {
    times.sort_by(|one, other| one.1.total_cmp(&other.1));
    times.truncate((times.len() as f64 * KEPT) as usize);
    let [one, other] = [0, 1].map(|wanted| {
        let of_class = || times.iter().filter(|(class, _)| *class == wanted).map(|(_, time)| time);
        let count = of_class().count() as f64;
        let mean = of_class().sum::<f64>() / count;
        let variance = of_class().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    (one.0 - other.0) / (one.1 + other.1).sqrt()
}
