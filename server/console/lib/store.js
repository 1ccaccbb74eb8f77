// A value that several parts of the page watch.

import { useEffect, useState } from "./view.js";

/** A value with watchers. */
export function store(initial) {
  let value = initial;
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const watcher of [...watchers]) watcher(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** The present value of `from`, in a component. */
export function useStore(from) {
  const [value, setValue] = useState(from.get());
  useEffect(() => {
    setValue(from.get());
    return from.watch(setValue);
  }, [from]);
  return value;
}
