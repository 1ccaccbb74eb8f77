//! What a server counts, as its operator sees it.

/// What it answered to whoever watches it.
pub(crate) struct Numbers(String);

impl Numbers {
    /// Asks the listener at `url`.
    pub(crate) async fn of(url: &str) -> Self {
        let answer = reqwest::get(url).await.expect("it listens");
        Self(answer.text().await.expect("it is text"))
    }

    /// The sum of the samples whose names and labels `picks` takes.
    pub(crate) fn sum(&self, picks: impl Fn(&str) -> bool) -> u64 {
        let samples = self.0.lines().filter_map(|line| line.rsplit_once(' '));
        samples.filter(|(name, _)| picks(name)).map(|(_, value)| value.parse::<u64>().expect("a count")).sum()
    }

    /// The sum of what is counted as `name`, whatever the labels.
    pub(crate) fn all(&self, name: &str) -> u64 {
        self.sum(|sample| sample.split('{').next() == Some(name))
    }

    /// What is counted as `sample`, a name with its labels.
    pub(crate) fn one(&self, sample: &str) -> u64 {
        self.sum(|other| other == sample)
    }
}
