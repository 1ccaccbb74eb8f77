//! Judges what the configuration says of media.

use super::{ConfigError, fields::MediaSection};
use crate::{
    media::{IceServers, MediaSettings, TurnSecret},
    private_file,
};

pub(super) fn judge(media: &MediaSection) -> Result<MediaSettings, ConfigError> {
    let is_every_address = media.listen.is_some_and(|listen| listen.ip().is_unspecified());
    if is_every_address && media.public_addresses.is_empty() {
        let reason = "is needed: media.listen is every address, and clients must be told one";
        return Err(ConfigError::new("media.public_addresses", reason));
    }
    if media.workers > 1024 {
        return Err(ConfigError::new("media.workers", "must be 0 to 1024"));
    }
    if !(60..=86_400).contains(&media.turn_ttl_secs) {
        return Err(ConfigError::new("media.turn_ttl_secs", "must be 60 to 86400"));
    }
    let schemes = [
        ("media.stun_urls", &media.stun_urls, ["stun:", "stuns:"]),
        ("media.turn_urls", &media.turn_urls, ["turn:", "turns:"]),
    ];
    for (field, urls, schemes) in schemes {
        if !urls.iter().all(|url| schemes.iter().any(|scheme| url.starts_with(scheme) && url.len() > scheme.len())) {
            return Err(ConfigError::new(
                field,
                format!("must be URLs that start with {} or {}", schemes[0], schemes[1]),
            ));
        }
    }
    let secrets = match &media.turn_secret_file {
        None if media.turn_urls.is_empty() => vec![],
        None => return Err(ConfigError::new("media.turn_secret_file", "is needed with media.turn_urls")),
        Some(path) => {
            let fault = |reason| ConfigError::new("media.turn_secret_file", reason);
            let text = private_file::read(path).map_err(fault)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let secrets: Vec<_> = lines.map(|line| TurnSecret::new(line.to_owned())).collect();
            if secrets.is_empty() {
                return Err(fault(format!("{} holds no secret", path.display())));
            }
            secrets
        }
    };
    Ok(MediaSettings {
        listen: media.listen,
        public: media.public_addresses.clone(),
        allow_loopback: media.listen.is_some_and(|listen| listen.ip().is_loopback()),
        workers: media.workers,
        max_publish_bps: (media.max_publish_kbps > 0).then(|| media.max_publish_kbps.saturating_mul(1000)),
        ice: IceServers {
            stun: media.stun_urls.clone(),
            turn: media.turn_urls.clone(),
            secrets,
            ttl_secs: media.turn_ttl_secs,
        },
    })
}
