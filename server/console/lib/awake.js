// Whether somebody is at the page. Pages that ask the server by themselves ask only then: an open page must not keep a
// session alive for ever.

const IDLE_MS = 15 * 60_000;

let touchedAt = Date.now();
let waiting = [];

for (const name of ["pointerdown", "pointermove", "keydown", "visibilitychange"]) document.addEventListener(name, touched, { passive: true });

function touched() {
  touchedAt = Date.now();
  if (!isAwake()) return;
  const woken = waiting;
  waiting = [];
  for (const wake of woken) wake();
}

/** Whether the page is seen, and was touched in the last quarter of an hour. */
export const isAwake = () => !document.hidden && Date.now() - touchedAt < IDLE_MS;

/** Resolves when it is. */
export const awake = () => (isAwake() ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)));
