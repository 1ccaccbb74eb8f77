//! Minting for many users: lines out, and a progress bar where somebody watches.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, ErrorKind, IsTerminal, Write},
    path::Path,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use token_gen::{Minted, Minter, Payload, SystemRng, TokenRequest, UserId};

use super::{Failure, clock, mint::MintedJson, output};

/// How often the bar moves, in tokens: drawing costs more than minting.
const BAR_STEP: u64 = 512;

/// What is the same for all tokens of one run.
pub(super) struct Job {
    pub(super) minter: Minter,
    pub(super) payload: Payload,
    pub(super) ttl: Duration,
    pub(super) json: bool,
}

impl Job {
    /// Mints for one user, now.
    pub(super) fn mint(&self, user_id: UserId) -> Result<Minted, Failure> {
        let request = TokenRequest { user_id, ttl: self.ttl, payload: self.payload.clone() };
        Ok(self.minter.mint(&request, clock::now(), &mut SystemRng)?)
    }

    /// Mints for the users `prefix` + 1 … `count`.
    pub(super) fn run_prefix(self, prefix: &str, count: u64) -> Result<(), Failure> {
        self.run((1..=count).map(|number| Ok((number, format!("{prefix}{number}")))), Some(count))
    }

    /// Mints for each line of the file at `path`, or of standard input for `-`.
    pub(super) fn run_file(self, path: &Path) -> Result<(), Failure> {
        let reader: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(path).map_err(|error| {
                Failure::usage(
                    format!("the users file {} cannot be opened: {error}", path.display()),
                    "Name a readable file with one user id a line, or - for standard input.",
                )
            })?;
            Box::new(BufReader::new(file))
        };
        let lines = (1..).zip(reader.lines());
        self.run(
            lines.filter_map(|(number, line)| match line {
                Ok(line) if line.is_empty() => None,
                line => Some(line.map(|line| (number, line))),
            }),
            None,
        )
    }

    /// Mints for each numbered user, until they end or whoever reads the tokens has seen enough.
    fn run(self, users: impl Iterator<Item = io::Result<(u64, String)>>, count: Option<u64>) -> Result<(), Failure> {
        match self.write_all(users, count) {
            Err(Failure::Io(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome,
        }
    }

    fn write_all(
        self,
        users: impl Iterator<Item = io::Result<(u64, String)>>,
        count: Option<u64>,
    ) -> Result<(), Failure> {
        let bar = progress_bar(count);
        let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        let mut batch = Vec::with_capacity(Minter::BATCH);
        let mut before = 0;
        for user in users {
            match self.request(user, before) {
                Ok(request) => batch.push(request),
                Err(failure) => {
                    // The tokens before the fault are good; let them reach their reader.
                    self.write_batch(&mut batch, &mut out)?;
                    out.flush()?;
                    return Err(failure);
                }
            }
            before += 1;
            if batch.len() == Minter::BATCH {
                self.write_batch(&mut batch, &mut out)?;
            }
            if before % BAR_STEP == 0 {
                bar.set_position(before);
            }
        }
        self.write_batch(&mut batch, &mut out)?;
        out.flush()?;
        bar.finish_and_clear();
        Ok(())
    }

    /// What to mint for a numbered user, whom `before` others precede.
    fn request(&self, user: io::Result<(u64, String)>, before: u64) -> Result<TokenRequest, Failure> {
        let (number, user) = user?;
        let user_id = UserId::new(user).map_err(|error| {
            Failure::usage(
                format!("user {number}: {error}"),
                format!("Correct it and start again: {before} tokens before it are already written."),
            )
        })?;
        Ok(TokenRequest { user_id, ttl: self.ttl, payload: self.payload.clone() })
    }

    /// Mints `batch`, now, and writes and empties it.
    fn write_batch(&self, batch: &mut Vec<TokenRequest>, out: &mut impl Write) -> Result<(), Failure> {
        let minted = self.minter.mint_all(batch, clock::now(), &mut SystemRng)?;
        for (request, minted) in batch.drain(..).zip(&minted) {
            if self.json {
                let line = output::json_line(&MintedJson::new(minted, Some(request.user_id.as_str())))?;
                out.write_all(line.as_bytes())?;
            } else {
                out.write_all(minted.token.as_bytes())?;
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// A bar on standard error, where that is a terminal and the tokens go somewhere else.
fn progress_bar(count: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match count {
        Some(count) => (ProgressBar::new(count), "minting {wide_bar} {pos}/{len} ({per_sec}, {eta} left)"),
        None => (ProgressBar::new_spinner(), "minting {pos} ({per_sec})"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
