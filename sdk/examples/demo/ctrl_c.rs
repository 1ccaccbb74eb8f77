//! Ctrl-C, for the examples that run until it comes.

use std::io;

/// Ctrl-C, heard from this call on, however busy the example is when it comes.
pub(crate) fn ctrl_c() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut heard = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    #[cfg(windows)]
    let mut heard = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        heard.recv().await;
    })
}
