"""What schemathesis has to be told: the media types of WHIP and WHEP are text."""

import schemathesis

schemathesis.serializer.alias(["application/sdp", "application/trickle-ice-sdpfrag"], "text/plain")
