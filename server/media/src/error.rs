//! What can go wrong between the gateway and the media plane.

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// A port could not be opened.
    #[error("cannot listen for media on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The node has as many media sessions as it may.
    #[error("this node has no room for another media session")]
    Full,
    /// The session is over.
    #[error("the media session is over")]
    Ended,
    /// An offer that cannot be used: bad SDP, too long, or too many tracks.
    #[error("the offer cannot be used: {0}")]
    Offer(String),
    /// A candidate that cannot be used.
    #[error("the candidate cannot be used")]
    Candidate,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Randomness,
    /// The configuration makes no sense.
    #[error("{0}")]
    Config(&'static str),
}
