// Ways of packets that a test can make worse: for media one over UDP, between a browser and the server, and for
// everything else one over TCP.

import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";

const HERE = "127.0.0.1";
/** How long a packet may wait where there is too little room, before the next one is dropped. */
const QUEUE_MS = 200;

/** A way over UDP, as long as a network: what comes from the server may be lost on it, or have to wait. */
export class Road {
  /** Whether a packet from the server, of so many bytes, is lost. */
  loses = () => false;
  /** What the way takes from the server, in bits a second. */
  bps = Infinity;
  /** Whether nothing goes through, either way. */
  isCut = false;
  #front = dgram.createSocket("udp4");
  #backs = new Map();
  #server = undefined;
  #freeAt = 0;

  static async open() {
    const road = new Road();
    road.#front.on("message", (packet, { port }) => road.#out(packet, port));
    road.#front.bind(0, HERE);
    await once(road.#front, "listening");
    return road;
  }

  /** An answer of the server that leads over this way and no other. */
  into = (sdp) =>
    sdp
      .split("\r\n")
      .filter((line) => !isOver("tcp", line))
      .map((line) => {
        if (!isOver("udp", line)) return line;
        const words = line.split(" ");
        this.#server = Number(words[5]);
        words[5] = this.#front.address().port;
        return words.join(" ");
      })
      .join("\r\n");

  close() {
    for (const socket of [this.#front, ...this.#backs.values()]) socket.close();
  }

  #out(packet, port) {
    if (this.isCut) return;
    let back = this.#backs.get(port);
    if (!back) {
      back = dgram.createSocket("udp4");
      back.on("message", (answer) => this.#in(answer, port));
      this.#backs.set(port, back);
    }
    back.send(packet, this.#server, HERE);
  }

  #in(packet, port) {
    if (this.isCut || this.loses(packet)) return;
    if (this.bps === Infinity) {
      this.#front.send(packet, port, HERE);
      return;
    }
    const now = performance.now();
    const wait = Math.max(0, this.#freeAt - now);
    if (wait > QUEUE_MS) return;
    this.#freeAt = now + wait + (packet.length * 8000) / this.bps;
    setTimeout(() => this.#front.send(packet, port, HERE), wait);
  }
}

/** An answer of the server that says nothing of UDP, as where a network lets none out. */
export function overTcp(sdp) {
  return sdp
    .split("\r\n")
    .filter((line) => !isOver("udp", line))
    .join("\r\n");
}

function isOver(protocol, line) {
  return line.startsWith("a=candidate:") && line.split(" ")[2].toLowerCase() === protocol;
}

/** A way over TCP to the server at `url`, which can break without a word. */
export class Bridge {
  #listener;
  #sockets = new Set();
  #isUp = true;

  static async open(url) {
    const bridge = new Bridge();
    const { port } = new URL(url);
    bridge.#listener = net.createServer((near) => bridge.#carry(near, Number(port)));
    bridge.#listener.listen(0, HERE);
    await once(bridge.#listener, "listening");
    return bridge;
  }

  /** The server's origin, as it is on this side. */
  get url() {
    return `http://${HERE}:${this.#listener.address().port}`;
  }

  /** Breaks what goes over it, and lets nothing over it until it is mended. */
  break() {
    this.#isUp = false;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend() {
    this.#isUp = true;
  }

  close() {
    this.break();
    this.#listener.close();
  }

  #carry(near, port) {
    if (!this.#isUp) {
      near.resetAndDestroy();
      return;
    }
    const far = net.connect(port, HERE);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(socket);
      // How it ends does not matter: the other side ends in the same way.
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.setNoDelay(true);
      socket.pipe(other);
    }
  }
}
