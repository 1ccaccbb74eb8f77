//! Writing results: lines for people, one JSON line for scripts.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use token_gen::{Finding, UnixSeconds};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();

/// Writes `value` as one line of JSON.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    line(&json_line(value)?)
}

/// `value` as JSON, without a line end.
pub(super) fn json_line(value: &impl Serialize) -> io::Result<String> {
    serde_json::to_string(value).map_err(|error| io::Error::other(error.to_string()))
}

/// One line on standard output.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A note on standard error that does not stop the command.
pub(super) fn warn(text: &str) {
    // A warning that cannot be shown must not fail the command.
    let _ = writeln!(anstream::stderr().lock(), "{WARN}warning:{WARN:#} {text}");
}

/// One `name  value` line.
pub(super) fn row(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {DIM}{name:<12}{DIM:#} {value}")
}

/// The findings, numbered, each with its remedy.
pub(super) fn findings(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    for (number, Finding { code, problem, remedy, .. }) in (1..).zip(findings) {
        writeln!(out, "  {number}. {BOLD}{code}{BOLD:#}: {problem}\n     fix: {remedy}")?;
    }
    Ok(())
}

/// An instant as seconds and, where it has one, as a date.
pub(super) fn instant(at: UnixSeconds) -> String {
    let seconds = at.get();
    let date = u64::try_from(seconds)
        .ok()
        .filter(|&seconds| seconds < 253_402_300_800)
        .map(|seconds| humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
    match date {
        Some(date) => format!("{seconds} ({date})"),
        None => seconds.to_string(),
    }
}

/// Text that came out of a token, safe to show on a terminal.
pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}
