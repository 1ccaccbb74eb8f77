// What is known of the media of a stream, in a line.

/** Bit rate, loss, delay and gaps, as far as the server counts them; nothing where it forwards no media. */
export function mediaOf({ media_stats: media }) {
  if (!media) return undefined;
  const parts = [
    media.bits_per_sec !== undefined && rate(media.bits_per_sec),
    media.loss_percent !== undefined && `${media.loss_percent} % lost`,
    media.rtt_ms !== undefined && `${media.rtt_ms} ms there and back`,
    media.freezes !== undefined && media.freezes > 0 && `${media.freezes} gaps`,
  ];
  return parts.filter(Boolean).join(", ") || undefined;
}

function rate(bits) {
  if (bits >= 1_000_000) return `${(bits / 1_000_000).toFixed(1)} Mbit/s`;
  return `${Math.round(bits / 1000)} kbit/s`;
}
