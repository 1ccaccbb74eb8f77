//! Offers and candidates of clients.

use std::{collections::HashMap, sync::Arc, time::Instant};

use rand::{TryRng, rngs::SysRng};
use str0m::{
    Candidate, IceCreds, Rtc, RtcConfig,
    bwe::Bitrate,
    change::SdpOffer,
    media::{MediaKind, Mid},
    net::TcpType,
};

use super::{Sfu, peer::Peer, peer::Transport, played::Played, published::Published};
use crate::{Answer, Idle, IdleTrack, Kind, MediaError, Offer, Reason, Role, Track, net::Route};

/// Candidates of one client that are taken in.
const MOST_CANDIDATES: usize = 64;
/// How often measurements are reported.
const STATS_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

impl Sfu {
    /// Answers an offer, and forwards by it from now on.
    pub(super) fn offer(&mut self, session: u64, offer: Offer, now: Instant) -> Result<Answer, MediaError> {
        let limits = &self.shared.limits;
        let lines = offer.sdp.lines().filter(|line| line.starts_with("m=")).count();
        if offer.sdp.len() > limits.offer_bytes || lines > limits.tracks || offer.tracks.len() > 2 * limits.tracks {
            return Err(MediaError::Offer("it is too long, or has too many media lines".into()));
        }
        let fingerprint = offer.sdp.lines().find_map(|line| line.strip_prefix("a=fingerprint:"));
        let Some(fingerprint) = fingerprint.map(|text| text.trim().to_owned()) else {
            return Err(MediaError::Offer("it has no fingerprint".into()));
        };
        let unfit = |error: &dyn std::fmt::Display| MediaError::Offer(error.to_string());
        let sdp = SdpOffer::from_sdp_string(&offer.sdp).map_err(|error| unfit(&error))?;

        let is_same = |transport: &Transport| transport.fingerprint == fingerprint && transport.rtc.is_alive();
        if !self.peers.get(&session).ok_or(MediaError::Ended)?.transport.as_ref().is_some_and(is_same) {
            self.hang_up(session, now);
            let transport = self.transport(fingerprint, now)?;
            let peer = self.peers.get_mut(&session).ok_or(MediaError::Ended)?;
            peer.transport = Some(transport);
            peer.published.clear();
            peer.played.clear();
            peer.channels.clear();
        }
        let peer = self.peers.get_mut(&session).ok_or(MediaError::Ended)?;
        let transport = peer.transport.as_mut().ok_or(MediaError::Ended)?;
        let answered = transport.rtc.sdp_api().accept_offer(sdp);
        let answered = answered.map(|answer| answer.to_sdp_string()).map_err(|error| unfit(&error));
        let sdp = answered.and_then(|sdp| with_strong_credentials(&mut transport.rtc, &transport.ufrag, sdp));
        let ufrag = transport.rtc.direct_api().local_ice_credentials().ufrag;
        let route = Route { worker: self.worker, session };
        if ufrag != transport.ufrag {
            self.shared.routes.remove_ufrag(&transport.ufrag);
        }
        self.shared.routes.add_ufrag(ufrag.clone(), route);
        transport.ufrag = ufrag;
        transport.ssrcs.clear();
        let sdp = match sdp {
            Ok(sdp) => sdp,
            Err(error) => {
                self.flush(session, now);
                return Err(error);
            }
        };
        let idle = peer.map_tracks(&offer.tracks, now);
        let room = Arc::clone(&peer.room);
        self.flush(session, now);
        self.rewire(&room, Reason::Stopped, now);
        self.refresh(session, now);
        Ok(Answer { sdp, idle })
    }

    /// Takes in one more address of the client.
    pub(super) fn candidate(&mut self, session: u64, candidate: Candidate, now: Instant) {
        self.working_for = Some(session);
        let Some(transport) = self.transport_mut(session) else { return };
        if transport.candidates < MOST_CANDIDATES {
            transport.candidates += 1;
            transport.rtc.add_remote_candidate(candidate);
            self.flush(session, now);
        }
    }

    fn transport(&self, fingerprint: String, now: Instant) -> Result<Transport, MediaError> {
        let limits = &self.shared.limits;
        let credentials = strong_credentials()?;
        let ufrag = credentials.ufrag.clone();
        let mut rtc = RtcConfig::new()
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_local_ice_credentials(credentials)
            .set_dtls_cert(self.shared.certificate.clone())
            .set_stats_interval(Some(STATS_INTERVAL))
            .set_send_buffer_video(limits.resend_packets)
            .enable_h265(false)
            .enable_bwe(Some(Bitrate::bps(limits.initial_bps)))
            .build(now);
        let udp = self.shared.udp.iter().map(|address| Candidate::builder().udp().host(*address).build());
        let tcp = self
            .shared
            .tcp
            .iter()
            .map(|address| Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build());
        for candidate in udp.chain(tcp) {
            let candidate =
                candidate.map_err(|_| MediaError::Config("an address that no client can reach is announced"))?;
            rtc.add_local_candidate(candidate);
        }
        Ok(Transport {
            rtc,
            fingerprint,
            ufrag,
            addresses: vec![],
            is_connected: false,
            candidates: 0,
            scheduled: None,
            deadline: now,
            ssrcs: HashMap::new(),
        })
    }
}

impl Peer {
    /// Takes over what the media lines are for. Tracks that stay keep what they have measured and where they are.
    fn map_tracks(&mut self, tracks: &[Track], now: Instant) -> Vec<IdleTrack> {
        let mut idle = vec![];
        let (mut published, mut played) = (vec![], vec![]);
        for track in tracks {
            let mid = Mid::from(track.mid.as_str());
            let why = match track.role {
                Role::Publish(kind) => self.map_published(track, mid, kind, &mut published, now),
                Role::Play => self.map_played(track, mid, &mut played, now),
            };
            idle.extend(why.map(|why| IdleTrack { mid: track.mid.clone(), why }));
        }
        self.published = published;
        self.played = played;
        idle
    }

    fn map_published(
        &mut self,
        track: &Track,
        mid: Mid,
        kind: Kind,
        mapped: &mut Vec<Published>,
        now: Instant,
    ) -> Option<Idle> {
        let line = self.transport.as_ref()?.rtc.media(mid);
        let carries = if kind == Kind::Audio { MediaKind::Audio } else { MediaKind::Video };
        if kind == Kind::Data || !line.is_some_and(|line| line.kind() == carries && line.direction().is_receiving()) {
            return Some(Idle::Unfit);
        }
        let is_part = |of: &Published| of.stream_id == track.stream_id && of.kind.is_picture() == kind.is_picture();
        if mapped.iter().any(|of| of.mid == mid || is_part(of)) {
            return Some(Idle::Repeated);
        }
        let known =
            self.published.iter().position(|of| of.mid == mid && of.kind == kind && of.stream_id == track.stream_id);
        mapped.push(match known {
            Some(index) => self.published.swap_remove(index),
            None => Published::new(mid, Arc::clone(&track.stream_id), kind, now),
        });
        match (self.publishes(&track.stream_id, kind), self.rights.may_publish(&track.stream_id, kind)) {
            (true, _) => None,
            (false, true) => Some(Idle::NotStarted),
            (false, false) => Some(Idle::NotAllowed),
        }
    }

    fn map_played(&mut self, track: &Track, mid: Mid, mapped: &mut Vec<Played>, now: Instant) -> Option<Idle> {
        let line = self.transport.as_ref()?.rtc.media(mid).filter(|line| line.direction().is_sending());
        let Some(is_audio) = line.map(|line| line.kind() == MediaKind::Audio) else { return Some(Idle::Unfit) };
        if mapped.iter().any(|of| of.mid == mid) {
            return Some(Idle::Repeated);
        }
        let known = self.played.iter().position(|of| of.mid == mid && of.stream_id == track.stream_id);
        let mut mapped_track = match known {
            Some(index) => self.played.swap_remove(index),
            None => Played::new(mid, Arc::clone(&track.stream_id), is_audio, now),
        };
        mapped_track.renegotiated();
        mapped.push(mapped_track);
        match (self.plays(&track.stream_id), self.rights.may_play(&track.stream_id)) {
            (true, _) => None,
            (false, true) => Some(Idle::NotStarted),
            (false, false) => Some(Idle::NotAllowed),
        }
    }
}

/// The answer `sdp`, with other ICE credentials if str0m made new ones: it makes them with a generator that can be guessed.
fn with_strong_credentials(rtc: &mut Rtc, ours: &str, sdp: String) -> Result<String, MediaError> {
    let weak = rtc.direct_api().local_ice_credentials();
    if weak.ufrag == ours {
        return Ok(sdp);
    }
    let strong = strong_credentials()?;
    let sdp = sdp
        .replace(&format!("a=ice-ufrag:{}", weak.ufrag), &format!("a=ice-ufrag:{}", strong.ufrag))
        .replace(&format!("a=ice-pwd:{}", weak.pass), &format!("a=ice-pwd:{}", strong.pass))
        .replace(&format!("ufrag {}", weak.ufrag), &format!("ufrag {}", strong.ufrag));
    rtc.direct_api().set_local_ice_credentials(strong);
    Ok(sdp)
}

fn strong_credentials() -> Result<IceCreds, MediaError> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = |length: usize| {
        let mut bytes = vec![0; length];
        SysRng.try_fill_bytes(&mut bytes).map_err(|_| MediaError::Randomness)?;
        Ok(bytes.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect())
    };
    Ok(IceCreds { ufrag: text(16)?, pass: text(32)? })
}
