// How long to wait before trying again: doubling, with full jitter.

/** A run of tries that keep failing. Times are in milliseconds. */
export class Backoff {
  #ceiling = 1_000;

  private constructor(
    private readonly shortest: number,
    private readonly longest: number,
  ) {}

  /** For calls of the token provider: 0.5 to 60 s. */
  static forProvider(): Backoff {
    return new Backoff(500, 60_000);
  }

  /** For connections: the first try within a second, the later ones within 30 s. */
  static forConnection(): Backoff {
    return new Backoff(0, 30_000);
  }

  /** The wait before the next try; `chance` is from 0 to 1. */
  next(chance: number): number {
    const wait = this.shortest + (this.#ceiling - this.shortest) * chance;
    this.#ceiling = Math.min(this.#ceiling * 2, this.longest);
    return wait;
  }

  /** Starts over after a success. */
  reset(): void {
    this.#ceiling = 1_000;
  }
}
