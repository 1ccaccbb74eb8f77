// Something that a form or a button does: whether it is under way, and why it failed.

import { useState } from "./view.js";

/** `run` does `act`; meanwhile `busy`. If it fails, `error` says why until it is run again. */
export function useAct(act) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState();
  const run = async () => {
    if (busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await act();
    } catch (fault) {
      setError(fault);
    }
    setBusy(false);
  };
  return { run, busy, error };
}
